import { Readable, type Transform } from 'node:stream';
import { promisify } from 'node:util';
import {
  brotliDecompress,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createInflateRaw,
  gunzip,
  inflate,
  inflateRaw,
} from 'node:zlib';
import type { HttpStreamResponse } from './client-response.ts';
import { HttpResponseBody } from './response-body.ts';

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

/** The same piece by piece; told the first byte. */
const streamDecoders: ReadonlyMap<string, (first: number) => Transform> = new Map<string, (first: number) => Transform>(
  [
    ['gzip', () => createGunzip()],
    ['x-gzip', () => createGunzip()],
    ['deflate', (first) => ((first & 0x0f) === 8 ? createInflate() : createInflateRaw())],
    ['br', () => createBrotliDecompress()],
  ],
);

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
  const names = namesOf(codings);
  if (names === null) return body;
  let decoded = body;
  for (const name of names.reverse()) decoded = await decoders.get(name)!(decoded, { maxOutputLength: maxBytes });
  return decoded;
}

/**
 * Names of the codings, in the order in which they were applied; null if one of them is not known.
 * @throws Error if there are too many.
 */
function namesOf(codings: readonly string[]): string[] | null {
  const names = codings
    .join(',')
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== '' && name !== 'identity');
  if (names.length > MAX_CODINGS) throw new Error(`the body has more than ${MAX_CODINGS} content codings`);
  return names.some((name) => !decoders.has(name)) ? null : names;
}

/**
 * A streamed response, its body without its content codings.
 * @param undecodable Makes the error of a body that is longer than `maxBytes` when it is decoded, or is not what it says.
 */
export function decodeStream(
  response: HttpStreamResponse,
  codings: readonly string[],
  maxBytes: number,
  url: string,
  redirectCount: number,
  undecodable: (isLong: boolean, cause?: unknown) => Error,
): HttpStreamResponse {
  let names: string[] | null;
  try {
    names = namesOf(codings);
  } catch (cause) {
    response.body.cancel();
    throw undecodable(false, cause);
  }
  const coded = response.body;
  if (names === null || names.length === 0) return response.with(coded, url, redirectCount);
  const order = names.reverse();
  const decoded = new HttpResponseBody({
    maxBodyBytes: maxBytes,
    contentType: response.header('content-type'),
    cancelled: () => coded.cancel(),
    tooLong: () => undecodable(true),
  });
  decodePieces(coded, order, maxBytes, decoded).then(
    () => decoded.end(),
    (thrown: unknown) => {
      const isOurs = thrown instanceof Error && thrown.name === 'SocketError';
      decoded.fail(isOurs ? thrown : undecodable(thrown instanceof RangeError, thrown));
    },
  );
  return response.with(decoded, url, redirectCount);
}

async function decodePieces(
  coded: AsyncIterable<Buffer>,
  order: readonly string[],
  maxBytes: number,
  decoded: HttpResponseBody,
): Promise<void> {
  let pieces = coded;
  for (const name of order) pieces = decodedBy(name, pieces);
  let length = 0;
  for await (const piece of pieces) {
    length += piece.length;
    if (length > maxBytes) throw new RangeError('too long');
    await decoded.push(piece);
  }
}

/** What one decoder makes of the pieces; none if there are none. */
async function* decodedBy(name: string, pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, undefined> {
  const source = pieces[Symbol.asyncIterator]();
  const first = await source.next();
  if (first.done === true) return;
  const decoder = streamDecoders.get(name)!(first.value[0]!);
  async function* all(): AsyncGenerator<Buffer, void, undefined> {
    yield first.value as Buffer;
    yield* { [Symbol.asyncIterator]: () => source };
  }
  yield* compose(all(), decoder);
}

/** Pieces through a transform: its failures and those of the source end the loop, and leaving the loop ends both. */
async function* compose(source: AsyncIterable<Buffer>, transform: Transform): AsyncGenerator<Buffer, void, undefined> {
  const input = Readable.from(source, { objectMode: false });
  input.on('error', (error) => transform.destroy(error));
  input.pipe(transform);
  try {
    for await (const piece of transform) yield piece as Buffer;
  } finally {
    input.destroy();
    transform.destroy();
  }
}
