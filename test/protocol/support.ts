import fc from 'fast-check';
import { Lifetime, type ReceiveLayer, type ReceiveSink } from '../../src/protocol/protocol.ts';

/** Any lifetime of the bytes of a read. */
export const anyLifetime = fc.constantFrom(...Object.values(Lifetime));

/** A sink that writes down what it gets, and says stop when it is told to. */
export class RecordingSink implements ReceiveSink {
  readonly delivered: Buffer[] = [];
  readonly totals: number[] = [];
  violation: { errno: number; message: string } | null = null;
  /** Says stop after so many deliveries; Infinity for never. */
  stopAfter = Number.POSITIVE_INFINITY;
  /** Whether what it gets is a loan. */
  copies = false;

  deliver(data: Buffer | number): boolean {
    if (this.violation !== null) throw new Error('delivered after a violation');
    if (typeof data === 'number') this.totals.push(data);
    else this.delivered.push(this.copies ? Buffer.from(data) : data);
    return --this.stopAfter > 0;
  }

  violate(errno: number, message: string): void {
    this.violation = { errno, message };
  }

  get hex(): string[] {
    return this.delivered.map((data) => data.toString('hex'));
  }
}

/** Feeds `bytes` in pieces that end at `cuts`, from borrowed memory that is overwritten after each call. */
export function feedBorrowed(layer: ReceiveLayer, bytes: Buffer, cuts: readonly number[]): void {
  let from = 0;
  for (const to of [...cuts, bytes.length]) {
    const piece = Buffer.from(bytes.subarray(from, to));
    if (piece.length > 0) layer.receive(piece, Lifetime.Call);
    piece.fill(0xee);
    from = to;
  }
}

/** Every way to cut `length` bytes into two pieces. */
export function everySplit(length: number): number[][] {
  return Array.from({ length: length - 1 }, (_, i) => [i + 1]);
}

/** A cut behind every byte. */
export function byteByByte(length: number): number[] {
  return Array.from({ length: length - 1 }, (_, i) => i + 1);
}
