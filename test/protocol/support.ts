import fc from 'fast-check';
import { Lifetime, type Port, type Protocol } from '../../src/protocol/protocol.ts';

/** Any lifetime of the bytes of a read. */
export const anyLifetime = fc.constantFrom(...Object.values(Lifetime));

/** A sink that writes down what it gets, and says stop when it is told to. */
export class RecordingSink implements Pick<Port, 'deliver' | 'violate'> {
  readonly delivered: Buffer[] = [];
  readonly totals: number[] = [];
  violation: { errno: number; message: string } | null = null;
  /** Says stop after so many deliveries; Infinity for never. */
  stopAfter = Number.POSITIVE_INFINITY;
  /** Whether what it gets is a loan. */
  copies = false;

  deliver(data: unknown): boolean {
    if (this.violation !== null) throw new Error('delivered after a violation');
    if (typeof data === 'number') this.totals.push(data);
    else this.delivered.push(this.copies ? Buffer.from(data as Buffer) : (data as Buffer));
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
export function feedBorrowed(layer: Protocol, bytes: Buffer, cuts: readonly number[]): void {
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

/** `protocol` as a connection treats it: bytes that come while it keeps a backlog wait until that is delivered. */
export function behindConnection<P extends Protocol>(protocol: P): P {
  const held: Buffer[] = [];
  const receive = protocol.receive.bind(protocol);
  const resume = protocol.resume.bind(protocol);
  const takeRest = protocol.takeRest.bind(protocol);
  const prototype = Object.getPrototypeOf(protocol) as P;
  const own = (name: 'bufferedBytes' | 'hasBacklog'): unknown =>
    Object.getOwnPropertyDescriptor(prototype, name)!.get!.call(protocol);
  protocol.receive = (bytes, lifetime) => {
    if (held.length > 0 || protocol.hasBacklog) held.push(Buffer.from(bytes));
    else receive(bytes, lifetime);
  };
  protocol.resume = () => {
    resume();
    while (held.length > 0 && own('hasBacklog') === false) receive(held.shift()!, Lifetime.Forever);
  };
  protocol.takeRest = () => {
    const rest = Buffer.concat([takeRest() ?? Buffer.alloc(0), ...held.splice(0)]);
    return rest.length > 0 ? rest : null;
  };
  Object.defineProperty(protocol, 'bufferedBytes', {
    get: () => (own('bufferedBytes') as number) + held.reduce((sum, { length }) => sum + length, 0),
  });
  Object.defineProperty(protocol, 'hasBacklog', { get: () => held.length > 0 || own('hasBacklog') === true });
  return protocol;
}
