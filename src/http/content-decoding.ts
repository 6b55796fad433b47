import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate, inflateRaw } from 'node:zlib';

type Decode = (bytes: Uint8Array, options: { maxOutputLength: number }) => Promise<Buffer>;

const inflateWrapped: Decode = promisify(inflate);
const inflateBare: Decode = promisify(inflateRaw);

/** `deflate` is zlib's format (RFC 9110 8.4.1.2), but some send it without its header: the first nibble of that is 8. */
const deflated: Decode = (bytes, options) =>
  ((bytes[0] ?? 8) & 0x0f) === 8 ? inflateWrapped(bytes, options) : inflateBare(bytes, options);

const unzipped: Decode = promisify(gunzip);

const decoders: ReadonlyMap<string, Decode> = new Map([
  ['gzip', unzipped],
  ['x-gzip', unzipped],
  ['deflate', deflated],
  ['br', promisify(brotliDecompress) as Decode],
]);

/** What `Accept-Encoding` says for it. */
export const ACCEPTED_CODINGS = 'gzip, deflate, br';

/** More codings on top of each other serve nobody but attackers. */
const MAX_CODINGS = 3;

/**
 * A body without its content codings, up to `maxBytes` after each of them.
 * @param codings Values of `Content-Encoding`.
 * @returns The body as it is if one of the codings is not known.
 * @throws RangeError (ERR_BUFFER_TOO_LARGE) if it is longer, Error if it is not what it says.
 */
export async function decodeContent(body: Buffer, codings: readonly string[], maxBytes: number): Promise<Buffer> {
  if (body.length === 0) return body;
  const names = codings
    .join(',')
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== '' && name !== 'identity');
  if (names.length > MAX_CODINGS) throw new Error(`the body has more than ${MAX_CODINGS} content codings`);
  if (names.some((name) => !decoders.has(name))) return body;
  let decoded = body;
  for (const name of names.reverse()) decoded = await decoders.get(name)!(decoded, { maxOutputLength: maxBytes });
  return decoded;
}
