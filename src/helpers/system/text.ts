import { badInput } from '../codec/codec-error.ts';
import { checkBytes } from '../codec/options.ts';

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/** Length of `length` bytes in base64 (`SYS_GuessBase64EncodeBound`, SYS-024). */
export function guessBase64EncodeBound(length: number): number {
  return 4 * Math.ceil(length / 3);
}

/** Most bytes that a base64 text stands for (`SYS_GuessBase64DecodeBound`, SYS-025). */
export function guessBase64DecodeBound(text: string): number {
  if (text.length < 2) return 0;
  const length = text.length - (text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0);
  return 3 * Math.floor(length / 4) + [0, 0, 1, 2][length % 4]!;
}

/** Base64 with padding (`SYS_Base64Encode`, SYS-026). */
export function base64Encode(data: Uint8Array): string {
  checkBytes(data);
  return toBuffer(data).toString('base64');
}

/**
 * Bytes of a base64 text (`SYS_Base64Decode`, SYS-027). Strict, other than Node's own: blanks, line ends and foreign characters
 * are errors; padding may be left out.
 * @throws SocketError EBADMSG (`codecResultOf` gives -3).
 */
export function base64Decode(text: string): Buffer {
  if (typeof text !== 'string') throw new TypeError('text must be a string');
  const hasPadding = text.endsWith('=');
  const isWrong =
    !BASE64.test(text) || text.replace(/=+$/, '').length % 4 === 1 || (hasPadding && text.length % 4 !== 0);
  if (isWrong) throw badInput('base64Decode', 'the text is not base64');
  return Buffer.from(text, 'base64');
}

/** Bytes that `urlEncode` leaves alone: letters, digits and . - _ * */
const isPlain = new Uint8Array(256);
for (const byte of Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_*')) isPlain[byte] = 1;

const BLANK = 0x20;
const PLUS = 0x2b;
const PERCENT = 0x25;

const escapes = Array.from({ length: 256 }, (_, byte) => {
  if (isPlain[byte]) return String.fromCharCode(byte);
  return byte === BLANK ? '+' : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
});

/** Length of what `urlEncode` gives (`SYS_GuessUrlEncodeBound`, SYS-028). */
export function guessUrlEncodeBound(data: string | Uint8Array): number {
  let length = 0;
  for (const byte of bytesOf(data)) length += isPlain[byte] || byte === BLANK ? 1 : 3;
  return length;
}

/** Most bytes that `urlDecode` gives (`SYS_GuessUrlDecodeBound`, SYS-028). @throws TypeError for what is no string. */
export function guessUrlDecodeBound(text: string): number {
  if (typeof text !== 'string') throw new TypeError('text must be a string');
  let length = Buffer.byteLength(text);
  for (const character of text) if (character === '%') length -= 2;
  return Math.max(length, 0);
}

/**
 * Encodes as forms do (`SYS_UrlEncode`, SYS-029): letters, digits and `.-_*` stay, a blank becomes `+`, other bytes `%XX`.
 * @param data Text is taken as UTF-8; for another charset give bytes: `urlEncode(unicodeToGbk(text))`.
 */
export function urlEncode(data: string | Uint8Array): string {
  let text = '';
  for (const byte of bytesOf(data)) text += escapes[byte];
  return text;
}

/**
 * Decodes what `urlEncode` gives (`SYS_UrlDecode`, SYS-030). The bytes may be text of any charset.
 * @throws SocketError EBADMSG (`codecResultOf` gives -3) for an escape that is cut off, or has other than hexadecimal digits.
 */
export function urlDecode(text: string): Buffer {
  if (typeof text !== 'string') throw new TypeError('text must be a string');
  const bytes = Buffer.from(text, 'utf8');
  let length = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if (byte === PERCENT) {
      const high = hexValue(bytes[at + 1]);
      const low = hexValue(bytes[at + 2]);
      if (high < 0 || low < 0) throw badInput('urlDecode', `a % at ${at} without two hexadecimal digits`);
      bytes[length++] = high * 16 + low;
      at += 2;
    } else {
      bytes[length++] = byte === PLUS ? BLANK : byte;
    }
  }
  return bytes.subarray(0, length);
}

function hexValue(byte: number | undefined): number {
  if (byte === undefined) return -1;
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

function bytesOf(data: string | Uint8Array): Uint8Array {
  if (typeof data === 'string') return Buffer.from(data, 'utf8');
  checkBytes(data);
  return data;
}

function toBuffer(data: Uint8Array): Buffer {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}
