import { expect, test, vi } from 'vitest';
import { charsetConvert, gbkToUtf8, utf8ToGbk } from '../../../src/helpers.ts';

vi.mock('node:module', () => ({
  createRequire: () => () => {
    throw new Error('not installed');
  },
}));

test('without iconv-lite, GBK and what Node decodes work, and the rest says what to install: SYS-043, SYS-046, NHP-002', () => {
  expect(gbkToUtf8(utf8ToGbk(Buffer.from('汉字'))).toString()).toBe('汉字');
  expect(charsetConvert('big5', 'utf-8', Buffer.from('ba7ea672', 'hex')).toString()).toBe('漢字');
  expect(() => charsetConvert('utf-8', 'big5', Buffer.from('漢'))).toThrow(/npm install iconv-lite/);
  expect(() => charsetConvert('cp437', 'utf-8', Buffer.of(0x80))).toThrow(
    expect.objectContaining({ errno: 22, code: 'HP_INVALID_PARAM' }),
  );
});
