import { isUtf8 } from 'node:buffer';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { applyMask, copyMasked, Masker, randomKey, rotateKey } from '../../src/websocket/mask.ts';
import { isWholeUtf8, Utf8Validator } from '../../src/websocket/utf8.ts';

const decoder = new TextDecoder('utf-8', { fatal: true });

function isValid(bytes: Uint8Array): boolean {
  try {
    decoder.decode(bytes);
    return true;
  } catch {
    return false;
  }
}

/** Whether some continuation makes `bytes` valid: tried with all that can complete one character. */
function isPrefix(bytes: Uint8Array): boolean {
  const tails = ['', '80', 'a0', 'bf', '90', '8f'].flatMap((a) =>
    (a === '' ? [''] : ['', '80', '8080']).map((b) => Buffer.from(a + b, 'hex')),
  );
  return tails.some((tail) => isValid(Buffer.concat([bytes, tail])));
}

describe('the UTF-8 validator', () => {
  const any = fc.oneof(
    fc.uint8Array({ maxLength: 8 }),
    fc.string({ unit: 'binary', maxLength: 120 }).map((text) => new Uint8Array(Buffer.from(text))),
    fc
      .tuple(fc.string({ unit: 'grapheme', maxLength: 80 }), fc.uint8Array({ maxLength: 4 }), fc.nat(200))
      .map(([text, garbage, at]) => {
        const bytes = Buffer.from(text);
        const cut = Math.min(at, bytes.length);
        return new Uint8Array(Buffer.concat([bytes.subarray(0, cut), garbage, bytes.subarray(cut)]));
      }),
  );

  it('agrees with the platform on whole texts', () => {
    fc.assert(
      fc.property(any, (bytes) => {
        expect(isWholeUtf8(bytes, 0, bytes.length)).toBe(isValid(bytes));
        const shifted = Buffer.concat([Buffer.from([0xff]), bytes, Buffer.from([0x80])]);
        expect(isWholeUtf8(shifted, 1, shifted.length - 1)).toBe(isValid(bytes));
      }),
      { numRuns: 600 },
    );
  });

  it('agrees however a text is cut', () => {
    fc.assert(
      fc.property(any, fc.array(fc.nat(200), { maxLength: 6 }), (bytes, cuts) => {
        const validator = new Utf8Validator();
        let from = 0;
        let isGood = true;
        for (const to of [...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b), bytes.length]) {
          isGood &&= validator.push(bytes, from, to);
          from = to;
        }
        expect(isGood && validator.isComplete).toBe(isValid(bytes));
      }),
      { numRuns: 600 },
    );
  });

  it('fails at the first byte that no valid text can have there, and not before', () => {
    fc.assert(
      fc.property(any, (bytes) => {
        const validator = new Utf8Validator();
        for (let i = 0; i < bytes.length; i++) {
          const isGood = validator.push(bytes, i, i + 1);
          expect(isGood).toBe(isPrefix(bytes.subarray(0, i + 1)));
          if (!isGood) return;
        }
      }),
      { numRuns: 500 },
    );
  });

  it('knows every sequence of up to two bytes, and every lead with every second and bounds of the rest', () => {
    const wrong: string[] = [];
    const check = (bytes: Buffer): void => {
      if (isWholeUtf8(bytes, 0, bytes.length) !== isUtf8(bytes)) wrong.push(bytes.toString('hex'));
    };
    for (let a = 0; a < 256; a++) {
      check(Buffer.from([a]));
      for (let b = 0; b < 256; b++) {
        for (const rest of ['', '80', 'bf', '7f', 'c0', '8080', 'bfbf', '807f', '80c0']) {
          check(Buffer.from([a, b, ...Buffer.from(rest, 'hex')]));
        }
      }
    }
    expect(wrong).toEqual([]);
  });
});

describe('masking', () => {
  const naive = (bytes: Uint8Array, key: number): Buffer =>
    Buffer.from(bytes.map((byte, i) => byte ^ ((key >>> (8 * (i & 3))) & 255)));

  it('is the XOR with the key for every length and place in memory, and reports whether the result is ASCII', () => {
    const wrong: string[] = [];
    for (let offset = 0; offset < 5; offset++) {
      for (let length = 0; length < 90; length++) {
        const memory = new ArrayBuffer(offset + length + 3);
        const bytes = Buffer.from(memory, offset, length);
        const before = Buffer.alloc(length);
        for (let i = 0; i < length; i++) before[i] = (i * 37 + 11) & 255;
        const key = (0x8f01c37a + length * 0x01010101) | 0;
        for (const start of [0, 1, 3].filter((at) => at <= length)) {
          bytes.set(before);
          const wanted = naive(before.subarray(start), key);
          const isAscii = applyMask(bytes, start, length, key);
          const isRight =
            wanted.equals(bytes.subarray(start)) && before.subarray(0, start).equals(bytes.subarray(0, start));
          bytes.set(before);
          const masker = new Masker();
          masker.on(bytes, memory, offset);
          const isSame = masker.apply(start, length, key) === isAscii && wanted.equals(bytes.subarray(start));
          if (!isRight || !isSame || isAscii !== wanted.every((byte) => byte < 128)) {
            wrong.push(`offset ${offset}, ${start} to ${length}`);
          }
        }
      }
    }
    expect(wrong).toEqual([]);
  });

  it('is the same for long payloads, in place and copied, at every place in memory', () => {
    const wrong: string[] = [];
    const key = 0x8f01c37a | 0;
    for (const length of [4095, 4096, 4097, 4111, 16_384, 16_385, 16_400, 40_001]) {
      for (let offset = 0; offset < 5; offset++) {
        for (const beyond of [-1, 0, length >> 1, length - 1]) {
          const source = Buffer.alloc(offset + length + 3, 0x41);
          for (let i = 0; i < length; i++) source[offset + i]! ^= (i * 37) & 31;
          if (beyond >= 0) source[offset + beyond]! |= 128;
          const wanted = source.subarray(offset, offset + length);
          const bytes = Buffer.from(source);
          const coded = naive(wanted, key);
          bytes.set(coded, offset);
          const target = Buffer.alloc(length + 7, 0x55);
          const isAsciiCopied = copyMasked(bytes, offset, offset + length, target, 3, key);
          const isCopied =
            wanted.equals(target.subarray(3, length + 3)) && bytes.subarray(offset, offset + length).equals(coded);
          const isLeft = target.readUIntBE(0, 3) === 0x555555 && target.readUInt32BE(length + 3) === 0x55555555;
          const isAscii = applyMask(bytes, offset, offset + length, key);
          const areRight = isAscii === beyond < 0 && isAsciiCopied === isAscii;
          if (!(isCopied && isLeft && areRight && bytes.equals(source)))
            wrong.push(`${length} at ${offset}, ${beyond}`);
        }
      }
    }
    expect(wrong).toEqual([]);
  });

  it('sees a byte beyond ASCII wherever it is', () => {
    const bytes = Buffer.alloc(80, 0x41);
    const key = 0x01020304;
    for (let i = 0; i < bytes.length; i++) {
      bytes.fill(0x41);
      bytes[i] = 0xc1;
      expect(applyMask(bytes, 0, bytes.length, key)).toBe(false);
    }
    bytes.fill(0x41);
    expect(applyMask(bytes, 0, bytes.length, key)).toBe(true);
  });

  it('goes on in the middle with the rotated key', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.integer(), fc.nat(100), (bytes, key, at) => {
        const cut = Math.min(at, bytes.length);
        const pieces = Buffer.from(bytes);
        applyMask(pieces, 0, cut, key);
        applyMask(pieces, cut, pieces.length, rotateKey(key, cut));
        expect(pieces).toEqual(naive(bytes, key));
      }),
    );
  });

  it('takes a new random key each time', () => {
    const keys = new Set(Array.from({ length: 5000 }, () => randomKey()));
    expect(keys.size).toBeGreaterThan(4990);
    // Every bit is set in about half of them.
    for (let bit = 0; bit < 32; bit++) {
      const set = [...keys].filter((key) => (key >>> bit) & 1).length;
      expect(Math.abs(set - 2500)).toBeLessThan(300);
    }
  });
});
