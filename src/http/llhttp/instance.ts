import { Wasm, type WasmMemory, type WasmTable } from '../../core/wasm.ts';
import { latin1 } from '../latin1.ts';
import { LENIENT_FLAGS, PARSER_BYTES, SETTINGS_WORDS, Setting } from './layout.ts';
import { ENTRY_WORDS, Entry, recorderModule } from './recorder.ts';

/** Most bytes that lie in the memory of llhttp at once. */
export const WINDOW_BYTES = 16 * 1024;
/** Entries of the log: a head with more fields is parsed in several calls. */
export const LOG_ENTRIES = 1024;
/** Places of the table that the build's own callbacks occupy; it cannot grow. */
const FIRST_TABLE_PLACE = 1;

/** What the build exports, as far as it is used. */
interface LlhttpExports {
  readonly memory: WasmMemory;
  readonly __indirect_function_table: WasmTable;
  _initialize(): void;
  malloc(bytes: number): number;
  free(address: number): void;
  llhttp_init(parser: number, type: number, settings: number): void;
  llhttp_reset(parser: number): void;
  llhttp_resume(parser: number): void;
  llhttp_execute(parser: number, bytes: number, length: number): number;
  llhttp_get_error_reason(parser: number): number;
}

/** llhttp, once for the process: its memory, and where the things in it are. */
export class Llhttp {
  readonly calls: LlhttpExports;
  /** The memory in words and in bytes; replaced when it grows. */
  words: Int32Array;
  bytes: Buffer;
  /** Address of the window that input is copied into. */
  readonly window: number;
  /** Word index of the cursor of the log, and address of its first entry. */
  readonly cursorWord: number;
  readonly log: number;
  readonly #settings: number;
  /** What the window holds, so that it is not copied again: the read, and from where. */
  loaded: Uint8Array | null = null;
  loadedFrom = 0;
  loadedTo = 0;
  /** Parsers that are in use; those that wait to be lent do not count. */
  parserCount = 0;

  constructor(binary: Uint8Array) {
    const module = new Wasm.Module(binary);
    const none = (): number => 0;
    const env = Object.fromEntries(Wasm.Module.imports(module).map(({ name }) => [name, none]));
    const calls = new Wasm.Instance(module, { env }).exports as unknown as LlhttpExports;
    calls._initialize();
    this.calls = calls;
    this.window = calls.malloc(WINDOW_BYTES);
    this.log = calls.malloc((LOG_ENTRIES + 1) * ENTRY_WORDS * 4);
    const cursor = calls.malloc(4);
    this.cursorWord = cursor >> 2;
    this.#settings = calls.malloc(SETTINGS_WORDS * 4);
    this.words = new Int32Array(calls.memory.buffer);
    this.bytes = Buffer.from(calls.memory.buffer);

    const recorder = new Wasm.Instance(
      new Wasm.Module(recorderModule({ cursor, limit: this.log + LOG_ENTRIES * ENTRY_WORDS * 4 })),
      { env: { memory: calls.memory } },
    ).exports;
    const place = (kind: Entry): number => FIRST_TABLE_PLACE + kind - 1;
    for (const kind of Object.values(Entry)) calls.__indirect_function_table.set(place(kind), recorder[String(kind)]);
    const at = this.#settings >> 2;
    this.words.fill(0, at, at + SETTINGS_WORDS);
    this.words[at + Setting.Url] = place(Entry.StartLine);
    this.words[at + Setting.Status] = place(Entry.StartLine);
    this.words[at + Setting.HeaderField] = place(Entry.FieldName);
    this.words[at + Setting.HeaderValue] = place(Entry.FieldValue);
    this.words[at + Setting.ChunkExtensionName] = place(Entry.ChunkExtension);
    this.words[at + Setting.ChunkExtensionValue] = place(Entry.ChunkExtension);
    this.words[at + Setting.HeadersComplete] = place(Entry.HeadComplete);
    this.words[at + Setting.Body] = place(Entry.Body);
    this.words[at + Setting.MessageComplete] = place(Entry.MessageComplete);
    this.words[at + Setting.ChunkHeader] = place(Entry.Chunk);
    this.words[at + Setting.ChunkComplete] = place(Entry.Chunk);
  }

  /** A new parser: 1 for requests, 2 for responses. @returns Its address. */
  allocate(type: number, lenient: number): number {
    const parser = this.calls.malloc(PARSER_BYTES);
    if (parser === 0) throw new Error('hp-socket: no memory is left for another HTTP parser (4 GiB of WebAssembly)');
    if (this.words.buffer !== this.calls.memory.buffer) {
      this.words = new Int32Array(this.calls.memory.buffer);
      this.bytes = Buffer.from(this.calls.memory.buffer);
    }
    this.calls.llhttp_init(parser, type, this.#settings);
    this.bytes.writeUInt16LE(lenient, parser + LENIENT_FLAGS);
    this.parserCount++;
    return parser;
  }

  free(parser: number): void {
    this.calls.free(parser);
    this.parserCount--;
  }

  /** The text with a NUL behind it at `address`. */
  text(address: number): string {
    if (address === 0) return '';
    return latin1(this.bytes, address, this.bytes.indexOf(0, address));
  }
}
