import * as zlib from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { ZstdFrames } from '../../../src/helpers/codec/zstd-frames.ts';

/** A frame by hand: its descriptor, what follows it, and blocks. */
function frame(descriptor: number, header: number, blocks: [last: number, type: number, size: number][]): Buffer {
  const parts = [Buffer.from([0x28, 0xb5, 0x2f, 0xfd, descriptor]), Buffer.alloc(header, 0xff)];
  for (const [last, type, size] of blocks) {
    const head = Buffer.alloc(3);
    head.writeUIntLE(last | (type << 1) | (size << 3), 0, 3);
    parts.push(head, Buffer.alloc(type === 1 ? 1 : size, 0xff));
  }
  if ((descriptor & 4) !== 0) parts.push(Buffer.alloc(4, 0xff));
  return Buffer.concat(parts);
}

const skipped = Buffer.concat([Buffer.from([0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0]), Buffer.from('abc')]);

const cases: [string, Buffer][] = [
  ['one raw block, a window', frame(0, 1, [[1, 0, 5]])],
  ['a single segment with its size in one byte', frame(32, 1, [[1, 0, 5]])],
  ['a dictionary of 4 bytes, a size of 8, a checksum', frame(0xc7, 1 + 4 + 8, [[1, 2, 70_000]])],
  ['a size of 2 and a dictionary of 2', frame(0x42, 1 + 2 + 2, [[1, 0, 0]])],
  [
    'a run of 100,000 that takes one byte, between others',
    frame(4, 1, [
      [0, 0, 3],
      [0, 1, 100_000],
      [1, 2, 9],
    ]),
  ],
  ['what is skipped', skipped],
];

describe('frames of zstd', () => {
  test.each(cases)('%s: complete at the end, and nowhere before', (_, bytes) => {
    const frames = new ZstdFrames();
    expect(frames.isComplete).toBe(true);
    for (let at = 0; at < bytes.length; at++) {
      frames.push(bytes.subarray(at, at + 1));
      if (frames.isComplete !== (at === bytes.length - 1)) expect.fail(`at byte ${at}`);
    }
    const whole = new ZstdFrames();
    whole.push(Buffer.concat([bytes, skipped, bytes]));
    expect(whole.isComplete).toBe(true);
    whole.push(bytes.subarray(0, -1));
    expect(whole.isComplete).toBe(false);
  });

  const { zstdCompressSync } = zlib as { zstdCompressSync?: (data: Uint8Array) => Buffer };

  test.skipIf(zstdCompressSync === undefined)('those that zlib makes', () => {
    for (const length of [0, 1, 255, 256, 300_000]) {
      const bytes = zstdCompressSync!(Buffer.alloc(length, 'abc'));
      const frames = new ZstdFrames();
      frames.push(bytes.subarray(0, -1));
      expect(frames.isComplete).toBe(false);
      frames.push(bytes.subarray(-1));
      expect(frames.isComplete).toBe(true);
    }
  });
});
