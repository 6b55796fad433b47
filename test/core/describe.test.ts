import { expect, describe as group, test } from 'vitest';
import { clip, describe, quote, shown } from '../../src/core/describe.ts';

group('a value in a sentence', () => {
  test.each<[unknown, string]>([
    ['text', '"text"'],
    ['a "b"\n', '"a \\"b\\"\\n"'],
    [-0.5, '-0.5'],
    [Number.NaN, 'NaN'],
    [true, 'true'],
    [undefined, 'undefined'],
    [null, 'null'],
    [10n, '10n'],
    [() => 'secret', 'a function'],
    [class Secret {}, 'a function'],
    [Symbol('mine'), 'Symbol(mine)'],
    [['secret'], 'an array'],
    [Buffer.from('secret'), 'bytes (6)'],
    [new Float64Array(2), 'bytes (16)'],
    [new DataView(new ArrayBuffer(3)), 'bytes (3)'],
    [new TypeError('secret'), 'an error'],
    [Promise.resolve('secret'), 'a promise'],
    [{ secret: 1 }, 'an object'],
    [Object.create(null), 'an object'],
  ])('%# is told, and of an object not what is in it', (value, text) => {
    expect(describe(value)).toBe(text);
  });

  test('has no more than 80 characters', () => {
    expect(describe(10n ** 78n)).toBe(`1${'0'.repeat(78)}n`);
    expect(describe(10n ** 79n)).toBe(`1${'0'.repeat(76)}...`);
    expect(describe(Symbol('x'.repeat(72)))).toBe(`Symbol(${'x'.repeat(72)})`);
    expect(describe(Symbol('x'.repeat(73)))).toBe(`Symbol(${'x'.repeat(70)}...`);
  });
});

test('a text in quotes is whole up to 80 characters, quotes included, and else cut', () => {
  expect(quote('x'.repeat(78))).toBe(`"${'x'.repeat(78)}"`);
  for (const length of [79, 80, 81, 1_000_000]) expect(quote('x'.repeat(length))).toBe(`"${'x'.repeat(75)}..."`);
  expect(quote('"'.repeat(39))).toBe(`"${'\\"'.repeat(39)}"`);
  expect(quote('"'.repeat(40))).toHaveLength(80);
});

test('a text in a line is one line, whole up to 80 characters or so many as are asked for, and else cut', () => {
  expect(clip('a\r\n\t b  c')).toBe('a b c');
  expect(clip('x'.repeat(80))).toBe('x'.repeat(80));
  expect(clip('x'.repeat(81))).toBe(`${'x'.repeat(77)}...`);
  expect([clip('12345', 5), clip('123456', 5)]).toEqual(['12345', '12...']);
});

test('what ought to be a text is shown as one without quotes, and else described', () => {
  expect([shown('a\nb'), shown(5), shown(undefined), shown(['a'])]).toEqual(['a b', '5', 'undefined', 'an array']);
});
