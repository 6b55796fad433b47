/**
 * The callbacks that llhttp calls, as a WebAssembly module of our own: they write down what was parsed, without a call of
 * JavaScript for each header. A call from WebAssembly costs some 25 ns, and a browser's request has 30 of them.
 *
 * ```
 *            cursor                                          each entry is 3 words:
 *   log  [entry][entry][entry]|.....................|        kind | start | end     (addresses of the input)
 *        ^ base                                     ^ limit
 * ```
 *
 * What has to be decided before more is parsed (the end of a head, a piece of a body, a chunk, the end of a message) answers
 * `PAUSE`: `llhttp_execute` returns then, and goes on from that byte when it is called again.
 */

/** What an entry of the log is about. */
export const Entry = Object.freeze({
  /** A piece of the request target, or of the reason phrase. */
  StartLine: 1,
  /** A piece of a field name. */
  FieldName: 2,
  /** A piece of a field value. */
  FieldValue: 3,
  /** A piece of a chunk extension, its name or its value. */
  ChunkExtension: 4,
  /** A piece of a body. Pauses. */
  Body: 5,
  /** The head is complete. Pauses. */
  HeadComplete: 6,
  /** The message is complete. Pauses. */
  MessageComplete: 7,
  /** The header of a chunk, or its end: they take turns. Pauses. */
  Chunk: 8,
} as const);
export type Entry = (typeof Entry)[keyof typeof Entry];

/** Words of an entry. */
export const ENTRY_WORDS = 3;
/** llhttp's HPE_PAUSED. */
export const PAUSE = 21;

const I32 = 0x7f;
const LOCAL_GET = 0x20;
const LOCAL_TEE = 0x22;
const I32_LOAD = 0x28;
const I32_STORE = 0x36;
const I32_CONST = 0x41;
const I32_GE_U = 0x4f;
const I32_ADD = 0x6a;
const SELECT = 0x1b;
const END = 0x0b;
/** Alignment of a word, as a power of two. */
const WORD = 2;

/** Where the log lies in the memory of llhttp. */
export interface LogPlace {
  /** Address of the word that holds the address of the next entry. */
  readonly cursor: number;
  /** Address at which the log counts as full: the entry that reaches it pauses. */
  readonly limit: number;
}

/** The module: imports `env.memory`, exports one function for each kind of entry, named by its number. */
export function recorderModule(place: LogPlace): Uint8Array {
  const kinds = Object.values(Entry);
  const isSpan = (kind: Entry): boolean => kind <= Entry.Body;
  const pauses = (kind: Entry): boolean => kind >= Entry.Body;
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    // 0: (parser, start, length) -> error, 1: (parser) -> error
    ...section(1, vector([functionType(3), functionType(1)])),
    ...section(2, vector([[...text('env'), ...text('memory'), 0x02, 0x00, 1]])),
    ...section(3, vector(kinds.map((kind) => [isSpan(kind) ? 0 : 1]))),
    ...section(7, vector(kinds.map((kind, i) => [...text(String(kind)), 0x00, i]))),
    ...section(
      10,
      vector(kinds.map((kind) => sized(isSpan(kind) ? spanBody(kind, place, pauses(kind)) : eventBody(kind, place)))),
    ),
  ]);
}

/** Appends (kind, start, start + length), pauses if it has to or the log is full. */
function spanBody(kind: Entry, { cursor, limit }: LogPlace, pauses: boolean): number[] {
  const entry = 3; // behind the parameters
  return [
    ...[1, 1, I32],
    ...[I32_CONST, ...signed(cursor), I32_LOAD, WORD, 0, LOCAL_TEE, entry, I32_CONST, kind, I32_STORE, WORD, 0],
    ...[LOCAL_GET, entry, LOCAL_GET, 1, I32_STORE, WORD, 4],
    ...[LOCAL_GET, entry, LOCAL_GET, 1, LOCAL_GET, 2, I32_ADD, I32_STORE, WORD, 8],
    ...advance(entry, cursor),
    ...[I32_CONST, PAUSE],
    ...(pauses ? [] : [I32_CONST, 0, LOCAL_GET, entry, I32_CONST, ...signed(limit), I32_GE_U, SELECT]),
    END,
  ];
}

/** Appends the kind and pauses. */
function eventBody(kind: Entry, { cursor }: LogPlace): number[] {
  const entry = 1;
  return [
    ...[1, 1, I32],
    ...[I32_CONST, ...signed(cursor), I32_LOAD, WORD, 0, LOCAL_TEE, entry, I32_CONST, kind, I32_STORE, WORD, 0],
    ...advance(entry, cursor),
    ...[I32_CONST, PAUSE, END],
  ];
}

/** Moves the cursor, and the local `entry` with it, behind the entry. */
function advance(entry: number, cursor: number): number[] {
  const next = [LOCAL_GET, entry, I32_CONST, ENTRY_WORDS * 4, I32_ADD, LOCAL_TEE, entry];
  return [I32_CONST, ...signed(cursor), ...next, I32_STORE, WORD, 0];
}

function functionType(parameters: number): number[] {
  return [0x60, ...vector(Array.from({ length: parameters }, () => [I32])), ...vector([[I32]])];
}

function section(id: number, content: number[]): number[] {
  return [id, ...sized(content)];
}

function sized(content: number[]): number[] {
  return [...unsigned(content.length), ...content];
}

function vector(items: number[][]): number[] {
  return [...unsigned(items.length), ...items.flat()];
}

function text(value: string): number[] {
  return sized([...Buffer.from(value)]);
}

/** LEB128. */
function unsigned(value: number): number[] {
  const bytes: number[] = [];
  do {
    const more = value >= 0x80;
    bytes.push((value & 0x7f) | (more ? 0x80 : 0));
    value >>>= 7;
  } while (value > 0);
  return bytes;
}

/** LEB128 of a signed word: one more bit is needed for the sign. */
function signed(value: number): number[] {
  const bytes: number[] = [];
  for (;;) {
    const low = value & 0x7f;
    value >>= 7;
    if (value === 0 && (low & 0x40) === 0) return [...bytes, low];
    bytes.push(low | 0x80);
  }
}
