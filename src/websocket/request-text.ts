import { latin1, writeLatin1 } from '../http/latin1.ts';

/** Heads of other lengths, and longer ones, are not shared. */
const MAX_LENGTHS = 64;
const MAX_SHARED_CHARACTERS = 4096;
/** Characters of a `Sec-WebSocket-Key`: 16 bytes in base64. */
const KEY_CHARACTERS = 24;

/** The head that came last, by length. */
const latest = new Map<number, string>();
const scratch = Buffer.alloc(KEY_CHARACTERS);

/**
 * Head of the request that opened a WebSocket, of which the text is kept. Clients of one make send the same head
 * again and again but for the key in it, so they share one text, and each keeps its key: 24 bytes and not some 200. A WebSocket keeps the
 * two, and not this object.
 */
export class RequestText {
  readonly shared: string;
  /** '' if it is the one in `shared`. */
  readonly key: string;

  /**
   * @param text The head as it came, with its request line.
   * @param keyAt Where the value of `Sec-WebSocket-Key` begins in it.
   */
  constructor(text: string, keyAt: number) {
    const other = text.length <= MAX_SHARED_CHARACTERS ? latest.get(text.length) : undefined;
    if (other !== undefined && isSame(text, other, keyAt)) {
      this.shared = other;
      // A slice of the text would keep all of it.
      writeLatin1(scratch, text.slice(keyAt, keyAt + KEY_CHARACTERS), 0);
      this.key = latin1(scratch, 0, KEY_CHARACTERS);
      return;
    }
    this.shared = text;
    this.key = '';
    if (text.length > MAX_SHARED_CHARACTERS) return;
    if (other !== undefined || latest.size < MAX_LENGTHS) latest.set(text.length, text);
  }
}

/** The head as it came, of what a `RequestText` kept of it. */
export function wholeHead(shared: string, key: string): string {
  if (key === '') return shared;
  const at = keyAt(shared);
  return shared.slice(0, at) + key + shared.slice(at + KEY_CHARACTERS);
}

/** Whether two heads of the same length differ in their keys at most. */
function isSame(one: string, other: string, keyAt: number): boolean {
  const rest = keyAt + KEY_CHARACTERS;
  return one.slice(0, keyAt) === other.slice(0, keyAt) && one.slice(rest) === other.slice(rest);
}

/** Where the value of `Sec-WebSocket-Key` begins, in a head that has one. */
function keyAt(text: string): number {
  const { index, 0: name } = /^sec-websocket-key:[ \t]*/im.exec(text)!;
  return index + name.length;
}
