import { type Llhttp, WINDOW_BYTES } from './instance.ts';
import {
  CONTENT_LENGTH,
  ERROR_POSITION,
  METHOD,
  METHOD_AND_VERSION,
  STATUS_CODE,
  UPGRADE_AND_FLAGS,
} from './layout.ts';
import { ENTRY_WORDS, Entry, PAUSE } from './recorder.ts';

/** What `execute` came back with. */
export const ParserEvent = Object.freeze({
  /** Everything was taken. */
  NeedMore: 0,
  /** The head is complete. Go on for a chunked body, else `reset`. */
  HeadComplete: 1,
  /** A piece of a chunk: `bodyFrom` to `bodyTo`. */
  Body: 2,
  /** The header of a chunk: `contentLength` is its size. */
  ChunkHeader: 3,
  /** The end of a chunk, of the last one behind the trailers. */
  ChunkComplete: 4,
  /** A chunked message is complete. */
  MessageComplete: 5,
  /** It is not HTTP: `errorCode` and `errorReason`. */
  Error: 6,
} as const);
export type ParserEvent = (typeof ParserEvent)[keyof typeof ParserEvent];

/** Takes what is found in the input. */
export interface SpanSink {
  /**
   * The entries `[logFrom, logTo)` of the log, in words: pieces of the target or the reason phrase, field names, field values,
   * chunk extensions; what pauses may be behind them.
   * @param shift What makes of their addresses positions of the bytes that were given to `execute`.
   */
  take(log: Int32Array, logFrom: number, logTo: number, shift: number): void;
}

/** What llhttp knows of a message whose head is complete. */
export interface HeadFacts {
  methodNumber: number;
  statusCode: number;
  /** `HttpVersion`: low byte major, high byte minor. */
  version: number;
  /** `Flag`s. */
  flags: number;
  /** Length of the body as the head has it. Exact up to 2^53. */
  contentLength: number;
  /** Whether it asks for another protocol: `Upgrade` and `Connection: upgrade`, or the method CONNECT. */
  isUpgrade: boolean;
}

const { set } = Uint8Array.prototype;

export const REQUEST = 1;
export const RESPONSE = 2;

/**
 * The parser of one connection: a struct in the memory of llhttp, which all connections share.
 *
 * It goes on to the next thing that must be decided about, and comes back: no call of JavaScript from WebAssembly.
 */
export class Parser {
  #llhttp: Llhttp;
  #struct: number;
  #isInChunk = false;
  #mayOweMore = false;
  /** Whether it stands still where it paused. */
  #isPaused = false;
  /** Whether a message begins with what it gets next. */
  isFresh = true;
  /** Position behind what was taken. */
  position = 0;
  bodyFrom = 0;
  bodyTo = 0;
  /** llhttp's number of the error, HP-Socket's as far as it has one (`EnHttpParseErrorCode`). */
  errorCode = 0;
  errorReason = '';

  constructor(llhttp: Llhttp, type: typeof REQUEST | typeof RESPONSE, lenient: number) {
    this.#llhttp = llhttp;
    this.#struct = llhttp.allocate(type, lenient);
    // Its first read may lie in the same memory, and have the same length, as the last one of another connection.
    this.forgetInput();
  }

  /** Parses `bytes[from, to)` until something must be decided. Positions are passed to `sink`. */
  execute(bytes: Buffer, from: number, to: number, sink: SpanSink): ParserEvent {
    const { calls, words, cursorWord, log, window } = this.#llhttp;
    const struct = this.#struct;
    for (;;) {
      if (from === to && !this.#mayOweMore) {
        this.position = to;
        return ParserEvent.NeedMore;
      }
      this.#mayOweMore = false;
      this.isFresh = false;
      if (this.#isPaused) {
        this.#isPaused = false;
        calls.llhttp_resume(struct);
      }
      // What a message still has to say when its bytes are used up comes with an empty input.
      const loadedTo = from === to ? to : this.#load(bytes, from, to);
      const loadedFrom = from === to ? from : this.#llhttp.loadedFrom;
      words[cursorWord] = log;
      const error = calls.llhttp_execute(struct, window + from - loadedFrom, loadedTo - from);
      const end = words[cursorWord]! >> 2;
      const shift = loadedFrom - window;
      const start = log >> 2;
      if (end > start) sink.take(words, start, end, shift);
      if (error === 0) {
        from = loadedTo;
        continue;
      }
      this.position = words[(struct + ERROR_POSITION) >> 2]! + shift;
      if (error !== PAUSE) {
        this.errorCode = error;
        this.errorReason = this.#llhttp.text(calls.llhttp_get_error_reason(struct));
        return ParserEvent.Error;
      }
      this.#isPaused = true;
      switch (words[end - ENTRY_WORDS]) {
        case Entry.Body:
          this.bodyFrom = words[end - 2]! + shift;
          this.bodyTo = words[end - 1]! + shift;
          return ParserEvent.Body;
        case Entry.HeadComplete:
          this.#isInChunk = false;
          return ParserEvent.HeadComplete;
        case Entry.Chunk:
          this.#isInChunk = !this.#isInChunk;
          this.#mayOweMore = true;
          return this.#isInChunk ? ParserEvent.ChunkHeader : ParserEvent.ChunkComplete;
        case Entry.MessageComplete:
          return ParserEvent.MessageComplete;
      }
      from = this.position; // the log is full
    }
  }

  /** Copies the next piece of the read into the memory of llhttp, unless it is there. @returns Where it ends. */
  #load(bytes: Buffer, from: number, to: number): number {
    const llhttp = this.#llhttp;
    if (llhttp.loaded !== bytes || from < llhttp.loadedFrom || from >= llhttp.loadedTo) {
      const end = to - from > WINDOW_BYTES ? from + WINDOW_BYTES : to;
      set.call(llhttp.bytes, from === 0 && end === bytes.length ? bytes : bytes.subarray(from, end), llhttp.window);
      llhttp.loaded = bytes;
      llhttp.loadedFrom = from;
      llhttp.loadedTo = end;
    }
    return llhttp.loadedTo;
  }

  /** The memory of the read is about to be used for another one. */
  forgetInput(): void {
    this.#llhttp.loaded = null;
  }

  /** Begins with a new message. */
  reset(): void {
    if (this.isFresh) return;
    this.isFresh = true;
    this.#isPaused = false;
    this.#isInChunk = false;
    this.#mayOweMore = false;
    this.#llhttp.calls.llhttp_reset(this.#struct);
  }

  /** Gives the struct back. Nothing else may be called then. */
  free(): void {
    if (this.#struct === 0) return;
    this.#llhttp.free(this.#struct);
    this.#struct = 0;
  }

  /** Length of the body as its head has it, or what is left of a chunk. Exact up to 2^53. */
  get contentLength(): number {
    const word = (this.#struct + CONTENT_LENGTH) >> 2;
    const { words } = this.#llhttp;
    const low = words[word]! >>> 0;
    const high = words[word + 1]! >>> 0;
    return high === 0 ? low : high * 0x1_0000_0000 + low;
  }

  /** llhttp's number of the method. */
  get method(): number {
    return this.#llhttp.bytes[this.#struct + METHOD]!;
  }

  /** Status of a response. */
  get statusCode(): number {
    return this.#llhttp.words[(this.#struct + STATUS_CODE) >> 2]! & 0xffff;
  }

  /** What the head says. */
  describe(head: HeadFacts): void {
    const { words } = this.#llhttp;
    const struct = this.#struct;
    const method = words[(struct + METHOD_AND_VERSION) >> 2]!;
    const flags = words[(struct + UPGRADE_AND_FLAGS) >> 2]!;
    head.methodNumber = (method >> 8) & 0xff;
    head.version = ((method >> 16) & 0xff) | ((method >>> 24) << 8);
    head.isUpgrade = (flags & 0xff) !== 0;
    head.flags = flags >>> 16;
    head.statusCode = this.statusCode;
    head.contentLength = this.contentLength;
  }
}
