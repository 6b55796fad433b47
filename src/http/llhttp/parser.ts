import { type Llhttp, WINDOW_BYTES } from './instance.ts';
import { CONTENT_LENGTH, FLAGS, METHOD, STATUS_CODE, UPGRADE, VERSION_MAJOR, VERSION_MINOR } from './layout.ts';
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

/** Takes what is found in the input: positions are those of the bytes given to `execute`. */
export interface SpanSink {
  /** A piece of the target or the reason phrase, a field name, a field value, or a chunk extension. */
  span(kind: Entry, from: number, to: number): void;
}

const { set } = Uint8Array.prototype;

export const REQUEST = 1;
export const RESPONSE = 2;

/**
 * The parser of one connection: a struct in the memory of llhttp, which all connections share.
 *
 * It goes on to the next thing that somebody must decide about, and comes back: no call of JavaScript from WebAssembly.
 */
export class Parser {
  #llhttp: Llhttp;
  #struct: number;
  #isInChunk = false;
  #mayOweMore = false;
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
      // What a message still has to say when its bytes are used up comes with an empty input.
      const loadedTo = from === to ? to : this.#load(bytes, from, to);
      const loadedFrom = from === to ? from : this.#llhttp.loadedFrom;
      words[cursorWord] = log;
      const error = calls.llhttp_execute(struct, window + from - loadedFrom, loadedTo - from);
      const end = words[cursorWord]! >> 2;
      const shift = loadedFrom - window;
      let kind: number = 0;
      for (let word = log >> 2; word < end; word += ENTRY_WORDS) {
        kind = words[word]!;
        if (kind < Entry.Body) sink.span(kind as Entry, words[word + 1]! + shift, words[word + 2]! + shift);
      }
      if (error === 0) {
        from = loadedTo;
        continue;
      }
      this.position = calls.llhttp_get_error_pos(struct) + shift;
      if (error !== PAUSE) {
        this.errorCode = error;
        this.errorReason = this.#llhttp.text(calls.llhttp_get_error_reason(struct));
        return ParserEvent.Error;
      }
      calls.llhttp_resume(struct);
      switch (kind) {
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
    return (words[word + 1]! >>> 0) * 0x1_0000_0000 + (words[word]! >>> 0);
  }

  get method(): number {
    return this.#llhttp.bytes[this.#struct + METHOD]!;
  }

  /** `HttpVersion`: low byte major, high byte minor. */
  get version(): number {
    const { bytes } = this.#llhttp;
    return bytes[this.#struct + VERSION_MAJOR]! | (bytes[this.#struct + VERSION_MINOR]! << 8);
  }

  /** `Flag`s. */
  get flags(): number {
    const { bytes } = this.#llhttp;
    return bytes[this.#struct + FLAGS]! | (bytes[this.#struct + FLAGS + 1]! << 8);
  }

  get statusCode(): number {
    const { bytes } = this.#llhttp;
    return bytes[this.#struct + STATUS_CODE]! | (bytes[this.#struct + STATUS_CODE + 1]! << 8);
  }

  /** Whether the message asks for another protocol: `Upgrade` and `Connection: upgrade`, or the method CONNECT. */
  get isUpgrade(): boolean {
    return this.#llhttp.bytes[this.#struct + UPGRADE] !== 0;
  }
}
