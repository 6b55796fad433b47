import { createHash } from 'node:crypto';

/**
 * A small binary protocol, as devices speak it: one byte kind, two bytes length (big-endian), then the payload.
 */
export function encodeRecord(kind: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(3);
  head.writeUInt8(kind, 0);
  head.writeUInt16BE(payload.length, 1);
  return Buffer.concat([head, payload]);
}

/** What a pull component offers to read from. */
export interface PullSource {
  peek(length: number): Buffer | null;
  fetch(length: number): Buffer | null;
}

/** Pulls records out of a stream and sums them up. */
export class RecordCounter {
  records = 0;
  lastPayload: Buffer = Buffer.alloc(0);
  readonly #hash = createHash('sha256');

  /** Takes every whole record that is there. */
  pull(source: PullSource): void {
    for (;;) {
      const head = source.peek(3);
      if (head === null) return;
      const record = source.fetch(3 + head.readUInt16BE(1));
      if (record === null) return;
      this.add(record.readUInt8(0), record.subarray(3));
    }
  }

  add(kind: number, payload: Buffer): void {
    this.records++;
    this.lastPayload = payload;
    this.#hash.update(Buffer.of(kind)).update(payload);
  }

  checksum(): string {
    return this.#hash.copy().digest('hex');
  }
}
