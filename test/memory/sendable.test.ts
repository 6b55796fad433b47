import { describe, expect, test } from 'vitest';
import { toBytes } from '../../src/memory/sendable.ts';

describe('what can be sent', () => {
  test('bytes are taken as they are, not copied', () => {
    const bytes = Buffer.from('0123456789');
    expect(toBytes(bytes, 0, undefined)).toBe(bytes);
    const plain = new Uint8Array([1, 2, 3]);
    expect(toBytes(plain, 0, undefined)).toBe(plain);
    const part = toBytes(bytes, 2, 5);
    expect(part.buffer).toBe(bytes.buffer);
    expect(Buffer.from(part).toString()).toBe('23456');
  });

  test('text is UTF-8, and is cut in bytes', () => {
    expect(Buffer.from(toBytes('aé€', 0, undefined)).toString('hex')).toBe('61c3a9e282ac');
    expect(Buffer.from(toBytes('aé€', 1, 2)).toString()).toBe('é');
    expect(toBytes('', 0, undefined)).toHaveLength(0);
  });

  test.each([
    ['all from an offset on', 4, undefined, '456789'],
    ['nothing at the very end', 10, undefined, ''],
    ['nothing at all', 0, 0, ''],
    ['nothing in the middle', 5, 0, ''],
    ['the last byte', 9, 1, '9'],
    ['everything, said so', 0, 10, '0123456789'],
  ])('%s', (_what, offset, length, expected) => {
    expect(Buffer.from(toBytes('0123456789', offset, length)).toString()).toBe(expected);
  });

  test.each([
    ['a byte too long', 0, 11],
    ['a byte too far', 1, 10],
    ['behind the end', 11, undefined],
    ['behind the end by nothing', 11, 0],
    ['a negative offset', -1, undefined],
    ['a negative offset with a length', -1, 2],
    ['a negative length', 5, -1],
    ['a fraction as offset', 0.5, undefined],
    ['fractions that sum up to a whole', 0.5, 1.5],
    ['a fraction as length', 0, 1.5],
    ['no number as length', 0, Number.NaN],
    ['no number as offset', Number.NaN, undefined],
    ['an endless length', 0, Number.POSITIVE_INFINITY],
  ])('refuses %s', (_what, offset, length) => {
    expect(() => toBytes('0123456789', offset, length)).toThrow(RangeError);
    expect(() => toBytes('0123456789', offset, length)).toThrow(/10 bytes of data/);
  });

  test.each([[5], [null], [undefined], [{}], [[1, 2]], [new ArrayBuffer(4)], [new Uint16Array(2)], [true]])(
    'refuses %s, which is neither bytes nor text',
    (wrong) => {
      expect(() => toBytes(wrong as never, 0, undefined)).toThrow(TypeError);
      expect(() => toBytes(wrong as never, 0, undefined)).toThrow(/must be a Buffer, a Uint8Array or a string/);
    },
  );
});
