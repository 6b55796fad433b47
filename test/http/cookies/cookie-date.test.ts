import { describe, expect, it } from 'vitest';
import {
  currentUtcTime,
  expiresToMaxAge,
  makeExpiresStr,
  maxAgeToExpires,
  parseExpires,
} from '../../../src/http/cookies/cookie-date.ts';

const at = (text: string): number => Date.parse(text) / 1000;

describe('dates of cookies', () => {
  it('are read in every form that HP-Socket reads (CK-008, CK-025)', () => {
    const time = at('2026-11-25T12:34:56Z');
    for (const text of [
      'Wed, 25 Nov 2026 12:34:56 GMT', // RFC 1123
      'Wednesday, 25-Nov-26 12:34:56 GMT', // RFC 850
      'Wed, 25-Nov-2026 12:34:56 GMT',
      'Wed, 25/nov/2026 12:34:56 UTC',
      'Wed, 25 Nov 2026 13:34:56 +0100',
      'Wed, 25 Nov 2026 11:34:56 -01:00',
      'Wed, 25 Nov 2026 12:34:56 nonsense',
      'Wed Nov 25 12:34:56 2026', // asctime, which HP-Socket refuses
      '25 Nov 2026 12:34:56', // as it does this
    ]) {
      expect([text, parseExpires(text)]).toEqual([text, time]);
    }
    expect(parseExpires('Thu, 01-Jan-70 00:00:01 GMT')).toBe(1);
    expect(parseExpires('Sun, 06 Nov 94 08:49:37 GMT')).toBe(at('1994-11-06T08:49:37Z'));
    expect(parseExpires('Mon, 06 Nov 69 08:49:37 GMT')).toBe(at('2069-11-06T08:49:37Z'));
  });

  it('are refused if they are none (CK-025)', () => {
    for (const text of [
      '',
      'x'.repeat(65),
      'tomorrow',
      'Wed, 25 Nov 2026',
      'Wed, 25 Nov 2026 24:00:00 GMT',
      'Wed, 25 Nov 2026 12:60:00 GMT',
      'Wed, 31 Feb 2026 12:00:00 GMT',
      'Wed, 00 Nov 2026 12:00:00 GMT',
      'Wed, 25 Foo 2026 12:00:00 GMT',
      'Wed, 25 Nov 1600 12:00:00 GMT',
    ]) {
      expect([text, parseExpires(text)]).toEqual([text, null]);
    }
  });

  it('are written as HP-Socket writes them, and read again (CK-009)', () => {
    const time = at('2026-11-05T01:02:03Z');
    expect(makeExpiresStr(time)).toBe('Thu, 05-Nov-2026 01:02:03 GMT');
    expect(makeExpiresStr(time)).toHaveLength(29);
    expect(parseExpires(makeExpiresStr(time))).toBe(time);
    expect(() => makeExpiresStr(Number.NaN)).toThrow(RangeError);
  });

  it('follow from Max-Age, and the other way (CK-011, CK-012, CK-013)', () => {
    const before = Math.floor(Date.now() / 1000);
    const now = currentUtcTime();
    expect(now).toBeGreaterThanOrEqual(before);
    expect([maxAgeToExpires(0), maxAgeToExpires(-5)]).toEqual([0, -1]);
    expect(maxAgeToExpires(100)).toBeGreaterThanOrEqual(now + 100);
    expect([expiresToMaxAge(-1), expiresToMaxAge(0), expiresToMaxAge(now - 10)]).toEqual([-1, 0, 0]);
    expect(expiresToMaxAge(now + 1000)).toBeGreaterThan(900);
  });
});
