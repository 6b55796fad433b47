import { createRequire } from 'node:module';
import { describe } from '../../core/describe.ts';
import { SocketErrorCode } from '../../core/enums.ts';
import { Errno } from '../../core/errno.ts';
import { SocketError } from '../../core/errors.ts';
import { checkBytes } from '../codec/options.ts';
import { encodeGbk } from './gbk.ts';

/** What is used of `iconv-lite`, which is loaded only for charsets that Node cannot do. */
interface IconvLite {
  encodingExists(charset: string): boolean;
  decode(data: Uint8Array, charset: string): string;
  encode(text: string, charset: string): Buffer;
}

type Encoder = (text: string) => Buffer;

const encoders: Readonly<Record<string, Encoder>> = {
  utf8: (text) => Buffer.from(text, 'utf8'),
  utf16le: (text) => Buffer.from(text, 'utf16le'),
  gbk: (text) => encodeGbk(text, 'gbk'),
  gb2312: (text) => encodeGbk(text, 'gb2312'),
  cp936: (text) => encodeGbk(text, 'cp936'),
};

/**
 * Converts text between charsets (`SYS_CharsetConvert`, SYS-043). Node decodes all charsets of the WHATWG Encoding Standard, and
 * this library encodes UTF-8, UTF-16LE and GBK; for others `npm install iconv-lite`.
 * @returns The text in the charset `to`.
 * @throws SocketError EILSEQ, as errno 84, if `data` is not in the charset `from` or has characters that `to` lacks; EINVAL for an
 *   unknown charset.
 * @example charsetConvert('big5', 'utf-8', data)
 */
export function charsetConvert(from: string, to: string, data: Uint8Array): Buffer {
  checkBytes(data);
  return encode('charsetConvert', decode('charsetConvert', data, from), to);
}

/** Text of GBK bytes (`SYS_GbkToUnicode`, SYS-044). @throws SocketError EILSEQ if they are none. */
export function gbkToUnicode(data: Uint8Array): string {
  checkBytes(data);
  return decode('gbkToUnicode', data, 'gbk');
}

/** GBK bytes of a text (`SYS_UnicodeToGbk`, SYS-044). @throws SocketError EILSEQ for a character that GBK lacks. */
export function unicodeToGbk(text: string): Buffer {
  return encode('unicodeToGbk', text, 'gbk');
}

/** Text of UTF-8 bytes (`SYS_Utf8ToUnicode`, SYS-045). @throws SocketError EILSEQ if they are none. */
export function utf8ToUnicode(data: Uint8Array): string {
  checkBytes(data);
  return decode('utf8ToUnicode', data, 'utf-8');
}

/** UTF-8 bytes of a text (`SYS_UnicodeToUtf8`, SYS-045). @throws SocketError EILSEQ for half a surrogate pair. */
export function unicodeToUtf8(text: string): Buffer {
  return encode('unicodeToUtf8', text, 'utf-8');
}

/** GBK to UTF-8 (`SYS_GbkToUtf8`, SYS-046). @throws SocketError EILSEQ */
export function gbkToUtf8(data: Uint8Array): Buffer {
  return Buffer.from(gbkToUnicode(data), 'utf8');
}

/** UTF-8 to GBK (`SYS_Utf8ToGbk`, SYS-046). @throws SocketError EILSEQ */
export function utf8ToGbk(data: Uint8Array): Buffer {
  return encode('utf8ToGbk', utf8ToUnicode(data), 'gbk');
}

function decode(operation: string, data: Uint8Array, charset: string): string {
  let decoder: InstanceType<typeof TextDecoder>;
  try {
    // A byte order mark is data like any other, as it is for iconv.
    decoder = new TextDecoder(charset, { fatal: true, ignoreBOM: true });
  } catch {
    return iconvFor(operation, charset).decode(data, charset);
  }
  try {
    return decoder.decode(data);
  } catch (cause) {
    throw charsetError(operation, EILSEQ, `the bytes are not ${describe(charset)}`, cause);
  }
}

function encode(operation: string, text: string, charset: string): Buffer {
  if (typeof text !== 'string') throw new TypeError(`text must be a string, not ${describe(text)}`);
  const encoder = encoders[charset.toLowerCase().replace(/[-_]/g, '')];
  const isWellFormed = !/\p{Surrogate}/u.test(text);
  if (!isWellFormed) throw charsetError(operation, EILSEQ, 'the text has half a surrogate pair');
  if (encoder === undefined) {
    const iconv = iconvFor(operation, charset);
    const bytes = iconv.encode(text, charset);
    // It writes a question mark for what a charset lacks; iconv calls that an error.
    if (iconv.decode(bytes, charset) === text) return bytes;
    throw charsetError(operation, EILSEQ, `the text has a character that ${describe(charset)} lacks`);
  }
  try {
    return encoder(text);
  } catch (cause) {
    throw charsetError(operation, EILSEQ, `the text has a character that ${describe(charset)} lacks`, cause);
  }
}

/** Linux's number for an illegal sequence of bytes. */
const EILSEQ = 84;

let iconv: IconvLite | null | undefined;

function iconvFor(operation: string, charset: string): IconvLite {
  if (iconv === undefined) {
    try {
      iconv = createRequire(import.meta.url)('iconv-lite') as IconvLite;
    } catch {
      iconv = null;
    }
  }
  if (iconv?.encodingExists(charset)) return iconv;
  const help = iconv === null ? '; npm install iconv-lite for more charsets' : '';
  throw charsetError(operation, Errno.EINVAL, `the charset ${describe(charset)} is not known${help}`);
}

function charsetError(operation: string, errno: number, what: string, cause?: unknown): SocketError {
  return new SocketError({
    socketError: errno === EILSEQ ? SocketErrorCode.DataProc : SocketErrorCode.InvalidParam,
    code: errno === EILSEQ ? 'HP_BAD_MESSAGE' : 'HP_INVALID_PARAM',
    errno,
    operation,
    message: `${operation} failed: ${what}`,
    ...(cause !== undefined && { cause }),
  });
}
