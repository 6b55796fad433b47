import { describe } from '../core/describe.ts';

type Piece = string | Uint8Array;

/** What may be found on a source of pieces, beside its iterator. */
interface Droppable {
  destroy?: () => unknown;
  cancel?: () => unknown;
  getReader?: () => ReadableStreamDefaultReader<Piece>;
  httpVersion?: unknown;
  statusCode?: unknown;
}

/** A body that is made piece by piece. */
export interface BodyPieces {
  readonly source: AsyncIterable<Piece> | Iterable<Piece>;
  /** The rest is not wanted: gives up what the source holds, such as an open file. */
  drop(): void;
}

/** @throws TypeError for what is no body, and for a web stream that is being read elsewhere. */
export function bodyPieces(body: AsyncIterable<Piece> | Iterable<Piece>): BodyPieces {
  const isIterable =
    typeof body === 'object' &&
    body !== null &&
    (typeof (body as Iterable<unknown>)[Symbol.iterator] === 'function' ||
      typeof (body as AsyncIterable<unknown>)[Symbol.asyncIterator] === 'function');
  if (!isIterable) {
    throw new TypeError(`body must be a text, bytes, or something to iterate over, not ${describe(body)}`);
  }
  const { destroy, cancel, getReader, httpVersion, statusCode } = body as Droppable;
  if (typeof getReader === 'function') return readerPieces(getReader.call(body));
  const source = body as AsyncIterable<Piece> | Iterable<Piece>;
  // To destroy a request that node:http received would end its connection, on which an answer may be due.
  if (typeof destroy === 'function') {
    const isRequest = httpVersion !== undefined && typeof statusCode !== 'number';
    return { source, drop: () => void (isRequest || destroy.call(body)) };
  }
  return { source, drop: () => void (typeof cancel === 'function' && cancel.call(body)) };
}

/** A web stream: its iterator could not be left while it waits for a piece. */
function readerPieces(reader: ReadableStreamDefaultReader<Piece>): BodyPieces {
  const drop = (): void => void reader.cancel().catch(() => {}); // it may have failed already
  async function* read(): AsyncGenerator<Piece, void, undefined> {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  }
  return { source: { [Symbol.asyncIterator]: read }, drop };
}
