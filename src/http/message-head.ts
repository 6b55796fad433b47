import { LOG_ENTRIES } from './llhttp/instance.ts';
import { Flag } from './llhttp/layout.ts';
import type { HeadFacts, SpanSink } from './llhttp/parser.ts';
import { ENTRY_WORDS, Entry } from './llhttp/recorder.ts';
import { METHODS } from './methods.ts';
import { splitTarget, type UrlFields } from './url.ts';

/** Spans of a block that has none. Never changed. */
const NO_SPANS: number[] = [];

/** Spans are gathered here, so that each block gets an array of just the right length. */
const newSpans: number[] = Array.from({ length: 2 * (LOG_ENTRIES + 1) }, () => 0);

/**
 * Fields of a message as the parser found them: one text, and the places of names and values in it. Strings of names and
 * values are made when they are asked for.
 *
 * ```
 *   text    GET /a HTTP/1.1 CRLF Host: example.org CRLF ...
 *   spans                        |  |  |         |          4 numbers for each field: name from, to, value from, to
 * ```
 */
export class FieldBlock implements SpanSink {
  text = '';
  /** Replaced, not changed, while it is the empty one that all share. */
  spans: number[] = NO_SPANS;
  /** What is to be added to a position of the read to get one of the text. */
  shift = 0;
  /** Place of the target or the reason phrase, in heads. */
  startFrom = -1;
  startTo = -1;
  /** Bytes of chunk extensions. */
  extensionBytes = 0;
  #lastKind = 0;

  /** Pieces that the parser found. Pieces of one kind in a row are one. */
  take(log: Int32Array, logFrom: number, logTo: number, shift: number): void {
    const { spans } = this;
    const toText = shift + this.shift;
    let lastKind = this.#lastKind;
    let found = 0;
    for (let at = logFrom; at < logTo; at += ENTRY_WORDS) {
      const kind = log[at]!;
      if (kind >= Entry.Body) break;
      const from = log[at + 1]! + toText;
      const to = log[at + 2]! + toText;
      if (kind === Entry.StartLine) {
        if (this.startFrom < 0) this.startFrom = from;
        this.startTo = to;
      } else if (kind === Entry.ChunkExtension) {
        this.extensionBytes += to - from;
      } else if (kind !== lastKind) {
        newSpans[found++] = from;
        newSpans[found++] = to;
      } else if (to > from) {
        if (found > 0) newSpans[found - 1] = to;
        else spans[spans.length - 1] = to;
      }
      lastKind = kind;
    }
    this.#lastKind = lastKind;
    if (found === 0) return;
    if (spans.length === 0) this.spans = newSpans.slice(0, found);
    else for (let i = 0; i < found; i++) spans.push(newSpans[i]!);
  }

  /** Fields, those without a value yet as well. */
  get count(): number {
    return (this.spans.length + 2) >> 2;
  }

  /** Fields with name and value. */
  get completeCount(): number {
    return this.spans.length >> 2;
  }

  /** Name of field `i`, spelled as it came. */
  name(i: number): string {
    return this.text.slice(this.spans[4 * i]!, this.spans[4 * i + 1]!);
  }

  /** Value of field `i`, without blanks around it; folded lines are joined with one blank (HP-020). */
  value(i: number): string {
    const { text, spans } = this;
    const from = spans[4 * i + 2]!;
    let to = spans[4 * i + 3]!;
    while (to > from && isBlank(text.charCodeAt(to - 1))) to--;
    const value = text.slice(from, to);
    return value.includes('\n') ? value.replace(/[ \t]*\r?\n[ \t]+/g, ' ').trim() : value;
  }

  /** Whether the name of field `i` is `name`, which is in lower case. */
  isNamed(i: number, name: string): boolean {
    const { text, spans } = this;
    const from = spans[4 * i]!;
    if (spans[4 * i + 1]! - from !== name.length) return false;
    for (let k = 0; k < name.length; k++) {
      const code = text.charCodeAt(from + k);
      if ((code >= 65 && code <= 90 ? code | 32 : code) !== name.charCodeAt(k)) return false;
    }
    return true;
  }

  /** First value of a name, whatever the case. */
  get(name: string): string | undefined {
    const lower = name.toLowerCase();
    for (let i = 0; i < this.completeCount; i++) if (this.isNamed(i, lower)) return this.value(i);
    return undefined;
  }

  /** Where the first value of a name, which is in lower case, begins in the text; -1 if there is none. */
  valueAt(name: string): number {
    for (let i = 0; i < this.completeCount; i++) if (this.isNamed(i, name)) return this.spans[4 * i + 2]!;
    return -1;
  }

  /** All values of a name, in order of arrival. */
  getAll(name: string): string[] {
    const lower = name.toLowerCase();
    const values: string[] = [];
    for (let i = 0; i < this.completeCount; i++) if (this.isNamed(i, lower)) values.push(this.value(i));
    return values;
  }

  /** All values of a name, which is in lower case, joined with `, `; undefined if there is none. */
  getJoined(name: string): string | undefined {
    let all: string | undefined;
    for (let i = 0; i < this.completeCount; i++) {
      if (this.isNamed(i, name)) all = all === undefined ? this.value(i) : `${all}, ${this.value(i)}`;
    }
    return all;
  }

  /** All fields in order of arrival. */
  entries(): [string, string][] {
    return Array.from({ length: this.completeCount }, (_, i) => [this.name(i), this.value(i)]);
  }
}

function isBlank(code: number): boolean {
  return code === 32 || code === 9;
}

/** How long a body is. */
export const Framing = Object.freeze({ None: 0, Length: 1, Chunked: 2, UntilClose: 3 } as const);
export type Framing = (typeof Framing)[keyof typeof Framing];

/** The head of a request or a response. */
export class MessageHead extends FieldBlock implements HeadFacts {
  /** llhttp's number of the method; of requests only. */
  methodNumber = 0;
  /** Status code; of responses only. */
  statusCode = 0;
  /** `HttpVersion`: low byte major, high byte minor. */
  version = 0;
  /** llhttp's flags. */
  flags = 0;
  /** Value of `Content-Length`, 0 without. */
  contentLength = 0;
  /** Whether it asks for another protocol. */
  isUpgrade = false;
  /** Whether what it asks for, or grants, is the tunnel of CONNECT. */
  isTunnel = false;
  /** Whether the connection may be used for another message behind this one (HP-034). */
  isKeepAlive = false;
  framing: Framing = Framing.None;
  /** Whether the sender waits for `100 Continue` before it sends the body. */
  expectsContinue = false;
  #url: UrlFields | null | undefined = undefined;

  /** Target of a request, or reason phrase of a response, as it came. */
  get start(): string {
    return this.startFrom < 0 ? '' : this.text.slice(this.startFrom, this.startTo);
  }

  get method(): string {
    return METHODS[this.methodNumber] ?? '';
  }

  /** Parts of the target; null if it cannot be split. */
  get url(): UrlFields | null {
    if (this.#url === undefined) this.#url = splitTarget(this.start, this.method === 'CONNECT');
    return this.#url;
  }

  get hasContentLength(): boolean {
    return (this.flags & Flag.ContentLength) !== 0;
  }

  get isChunked(): boolean {
    return (this.flags & Flag.Chunked) !== 0;
  }
}
