import fc from 'fast-check';
import iconv from 'iconv-lite';
import { describe, expect, test } from 'vitest';
import {
  base64Decode,
  base64Encode,
  brotliCompress,
  brotliGuessCompressBound,
  charsetConvert,
  compress,
  gbkToUnicode,
  gbkToUtf8,
  guessBase64DecodeBound,
  guessBase64EncodeBound,
  guessCompressBound,
  guessUrlDecodeBound,
  guessUrlEncodeBound,
  gzipCompress,
  gzipGuessUncompressBound,
  unicodeToGbk,
  unicodeToUtf8,
  urlDecode,
  urlEncode,
  utf8ToGbk,
  utf8ToUnicode,
} from '../../../src/helpers.ts';
import { Random } from '../../tools/random.ts';

describe('base64', () => {
  test('there and back, with lengths that are right: SYS-024, SYS-025, SYS-026, SYS-027', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (data) => {
        const text = base64Encode(data);
        expect(text).toBe(Buffer.from(data).toString('base64'));
        expect(guessBase64EncodeBound(data.length)).toBe(text.length);
        expect(guessBase64DecodeBound(text)).toBe(data.length);
        expect(base64Decode(text)).toEqual(Buffer.from(data));
        expect(base64Decode(text.replace(/=+$/, ''))).toEqual(Buffer.from(data));
        expect(guessBase64DecodeBound(text.replace(/=+$/, ''))).toBe(data.length);
      }),
    );
    expect([guessBase64EncodeBound(0), guessBase64DecodeBound('A')]).toEqual([0, 0]);
  });

  test.each(['A', 'AAAAA', 'AA A', 'AAAA\n', 'AA\r\nAA', 'AA=A', '=', 'AAA==', 'AA=', 'A===', 'AA-_', 'ä'])(
    'SYS-027: %j is an error',
    (text) => {
      expect(() => base64Decode(text)).toThrow(expect.objectContaining({ code: 'HP_BAD_MESSAGE', errno: 74 }));
    },
  );
});

describe('URL coding', () => {
  test('SYS-029: letters, digits and .-_* stay, a blank is +, the rest %XX in upper case', () => {
    expect(urlEncode('aZ09.-_* /~ä')).toBe('aZ09.-_*+%2F%7E%C3%A4');
    expect(urlEncode(Uint8Array.of(0, 255))).toBe('%00%FF');
  });

  test('there and back, with lengths that are right: SYS-028, SYS-029, SYS-030', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (data) => {
        const text = urlEncode(data);
        expect(guessUrlEncodeBound(data)).toBe(text.length);
        expect(guessUrlDecodeBound(text)).toBe(data.length);
        expect(urlDecode(text)).toEqual(Buffer.from(data));
      }),
    );
    expect(urlDecode('a+b%2b%2B').toString()).toBe('a b++');
  });

  test.each(['%', '%4', 'a%', '%4g', '%zz', '%%41'])('SYS-030: %j is an error', (text) => {
    expect(() => urlDecode(text)).toThrow(expect.objectContaining({ errno: 74 }));
  });
});

describe('bounds of compressing', () => {
  test('are HP-Socket’s: SYS-035, SYS-042', () => {
    expect([0, 100, 10_000].map((length) => guessCompressBound(length))).toEqual([13, 113, 10_015]);
    expect(guessCompressBound(100, true)).toBe(124);
    expect([0, 100, 10_000].map(brotliGuessCompressBound)).toEqual([2, 106, 10_006]);
  });

  test('hold for bytes that cannot be compressed', async () => {
    for (const length of [0, 1, 1000, 50_000]) {
      const data = new Random(length + 1).bytes(length);
      expect((await compress(data)).length).toBeLessThanOrEqual(guessCompressBound(length));
      expect((await gzipCompress(data)).length).toBeLessThanOrEqual(guessCompressBound(length, true));
      expect((await brotliCompress(data, { quality: 1 })).length).toBeLessThanOrEqual(brotliGuessCompressBound(length));
    }
  });

  test('SYS-038: the length that gzip data says it has', async () => {
    expect(gzipGuessUncompressBound(await gzipCompress(Buffer.alloc(12_345)))).toBe(12_345);
    expect(gzipGuessUncompressBound(await compress(Buffer.alloc(12_345)))).toBe(0);
    expect(gzipGuessUncompressBound(Buffer.from([0x1f, 0x8b]))).toBe(0);
  });
});

describe('charsets', () => {
  const text = '汉字 and ASCII, 中文。';

  test('GBK both ways: SYS-044, NHP-002', () => {
    expect(unicodeToGbk('汉字').toString('hex')).toBe('babad7d6');
    expect(gbkToUnicode(Buffer.from('babad7d6', 'hex'))).toBe('汉字');
    expect(gbkToUnicode(unicodeToGbk(text))).toBe(text);
    expect(unicodeToGbk('€')).toEqual(Buffer.of(0x80));
  });

  test('SYS-044: GBK is what iconv-lite makes of it, wherever both know the character', () => {
    let same = 0;
    for (let unit = 0x80; unit < 0x10000; unit++) {
      // For private use: everyone has other ones.
      if (unit >= 0xd800 && unit < 0xf900) continue;
      const character = String.fromCharCode(unit);
      let bytes: Buffer;
      try {
        bytes = unicodeToGbk(character);
      } catch {
        continue;
      }
      expect(gbkToUnicode(bytes)).toBe(character);
      const theirs = iconv.encode(character, 'gbk');
      if (theirs.toString() === '?') continue;
      expect(bytes.toString('hex'), `U+${unit.toString(16)}`).toBe(theirs.toString('hex'));
      same++;
    }
    expect(same).toBeGreaterThan(21_000);
  });

  test('UTF-8: SYS-045, SYS-046, SYS-047', () => {
    expect(utf8ToUnicode(unicodeToUtf8(text))).toBe(text);
    expect(utf8ToGbk(Buffer.from(text))).toEqual(unicodeToGbk(text));
    expect(gbkToUtf8(unicodeToGbk(text))).toEqual(Buffer.from(text));
    // The source's length is that of the bytes: a zero is a character like any other.
    expect(utf8ToUnicode(Buffer.from('a\0b'))).toBe('a\0b');
  });

  test('what is not of the charset is EILSEQ: SYS-043, SYS-044, SYS-045, SYS-046', () => {
    for (const fails of [
      () => utf8ToUnicode(Buffer.of(0xff)),
      () => gbkToUnicode(Buffer.of(0x81)),
      () => gbkToUtf8(Buffer.of(0x81, 0x20)),
      () => unicodeToGbk('😀'),
      () => unicodeToGbk('\ud800'),
      () => unicodeToUtf8('\udc00'),
      () => charsetConvert('utf-8', 'latin1', Buffer.from('汉')),
      () => charsetConvert('utf-8', 'ascii', Buffer.of(0xff)),
    ]) {
      expect(fails).toThrow(expect.objectContaining({ errno: 84 }));
    }
  });

  test('charsetConvert knows Node’s charsets and those of iconv-lite: SYS-043', () => {
    const big5 = charsetConvert('utf-8', 'big5', Buffer.from('漢字'));
    expect(big5.toString('hex')).toBe('ba7ea672');
    expect(charsetConvert('big5', 'utf-8', big5).toString()).toBe('漢字');
    expect(charsetConvert('gbk', 'utf-16le', unicodeToGbk('汉')).toString('utf16le')).toBe('汉');
    expect(charsetConvert('cp437', 'utf-8', Buffer.of(0x80)).toString()).toBe('Ç');
    expect(() => charsetConvert('klingon', 'utf-8', Buffer.of(1))).toThrow(expect.objectContaining({ errno: 22 }));
    expect(() => charsetConvert('utf-8', 'klingon', Buffer.of(1))).toThrow(/the charset "klingon" is not known/);
  });

  test('a byte order mark is kept', () => {
    expect(utf8ToUnicode(Buffer.of(0xef, 0xbb, 0xbf, 0x61))).toBe('\ufeffa');
  });
});
