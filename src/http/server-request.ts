import { $inspect, type Inspect, inspected } from '../core/inspect.ts';
import type { ConnId } from '../core/listener.ts';
import type { Answer } from './answer-queue.ts';
import type { HttpHeaders } from './header-list.ts';
import { FieldBlock, type MessageHead } from './message-head.ts';
import type { BodyBytes } from './message-writer.ts';
import { bodyTooLarge, type Refusal, tooMuchCollected } from './policy.ts';
import { type AnswerBody, type AnswerInit, sendAnswer } from './server-answer.ts';
import type { HttpServerProtocol } from './server-protocol.ts';

/** Fields of a message: names in any case, values as they came, duplicates kept in order. */
export class HttpFields implements Iterable<[string, string]> {
  #block: FieldBlock;

  /** @internal */
  constructor(block: FieldBlock) {
    this.#block = block;
  }

  /** First value of a name; undefined if there is none. */
  get(name: string): string | undefined {
    return this.#block.get(name);
  }

  /** All values of a name, in order of arrival. They are never split at commas. */
  getAll(name: string): string[] {
    return this.#block.getAll(name);
  }

  /** Whether there is a field of that name. */
  has(name: string): boolean {
    return this.#block.get(name) !== undefined;
  }

  /** How many fields there are, duplicates included. */
  get size(): number {
    return this.#block.completeCount;
  }

  [Symbol.iterator](): Iterator<[string, string]> {
    return this.#block.entries()[Symbol.iterator]();
  }

  /** Names in lower case with their values, for `JSON.stringify`: several of one name as an array. */
  toJSON(): Record<string, string | string[]> {
    const fields = new Map<string, string | string[]>();
    for (const [name, value] of this) {
      const key = name.toLowerCase();
      const before = fields.get(key);
      fields.set(key, before === undefined ? value : [...[before].flat(), value]);
    }
    return Object.fromEntries(fields);
  }

  /** @internal */
  [$inspect](depth: number | null, options: object, inspect: Inspect): string {
    return inspected(this, this.toJSON(), depth, options, inspect);
  }
}

const noFields = new FieldBlock();

/** Told of a request when it is to be answered. */
export type RequestHandler = (request: HttpRequest) => unknown;

/** How a server takes requests as a whole. */
export interface RequestSettings {
  readonly handle: RequestHandler;
  /** Whether the handler is called when the head is there, and reads the body as it arrives. */
  readonly streamsBody: boolean;
  /** Hook that the handler is, for reports of what it threw. */
  readonly hook: string;
}

/** A request with its body, and how to answer it (`onRequest`). */
export class HttpRequest implements AsyncIterable<Buffer> {
  /** ID of its connection. */
  readonly connId: ConnId;
  /** @internal */
  readonly head: MessageHead;
  /** @internal */
  readonly protocol: HttpServerProtocol;
  /** @internal */
  readonly answer: Answer;
  #settings: RequestSettings;
  #pieces: Buffer[] | null = null;
  #bytes = 0;
  #isComplete = false;
  #failure: Error | null = null;
  #trailers: FieldBlock | null = null;
  #abort: AbortController | null = null;
  #hasBody: boolean;
  #owesContinue: boolean;
  /** Wakes the reader of a streamed body; tells the connection that there is room. */
  #wake: (() => void) | null = null;
  #room: (() => void) | null = null;

  /** @internal */
  constructor(protocol: HttpServerProtocol, head: MessageHead, settings: RequestSettings) {
    this.connId = protocol.port.id;
    this.head = head;
    this.protocol = protocol;
    this.#settings = settings;
    this.answer = protocol.takeRequest();
    this.#hasBody = head.framing !== 0;
    this.#owesContinue = head.expectsContinue && this.#hasBody;
    if (!settings.streamsBody) this.#wantBody();
  }

  /** @internal */
  [$inspect](depth: number | null, options: object, inspect: Inspect): string {
    const { connId, method, url, headers, hasBody } = this;
    return inspected(this, { connId, method, url, headers, hasBody }, depth, options, inspect);
  }

  /** Takes a request whose head is there; null if its body is longer than `maxBodyBytes`. @internal */
  static take(protocol: HttpServerProtocol, head: MessageHead, settings: RequestSettings): HttpRequest | null {
    const { maxBodyBytes } = protocol.context.limits;
    if (!settings.streamsBody && maxBodyBytes > 0 && head.contentLength > maxBodyBytes) {
      protocol.context.counters.bodyTooLarge++;
      protocol.refuse(bodyTooLarge);
      return null;
    }
    const request = new HttpRequest(protocol, head, settings);
    request.begin();
    return request;
  }

  /** Method, in upper case. */
  get method(): string {
    return this.head.method;
  }

  /** Request target as it came: path and query, or whatever form the client chose. */
  get url(): string {
    return this.head.start;
  }

  /** Path of the target, without query. */
  get path(): string {
    const { start } = this.head;
    const query = start.indexOf('?');
    if (start.startsWith('/')) return query < 0 ? start : start.slice(0, query);
    return this.head.url?.fields[3] ?? start;
  }

  /** Query of the target. */
  get query(): URLSearchParams {
    return new URLSearchParams(this.head.url?.fields[4] ?? '');
  }

  /** Version, `HttpVersion`. */
  get version(): number {
    return this.head.version;
  }

  /** Fields of the head. */
  get headers(): HttpFields {
    return new HttpFields(this.head);
  }

  /** First value of a field of the head. */
  header(name: string): string | undefined {
    return this.head.get(name);
  }

  /** Trailers; without any until the body is complete. */
  get trailers(): HttpFields {
    return new HttpFields(this.#trailers ?? noFields);
  }

  /** Whether the connection may be used for another request behind this one. */
  get isKeepAlive(): boolean {
    return this.head.isKeepAlive;
  }

  /** Whether its connection became a WebSocket. @internal */
  get isUpgraded(): boolean {
    return this.protocol.isSwitchedBy(this.answer);
  }

  /** Whether an answer can still be given. */
  get isAnswerable(): boolean {
    return !this.answer.hasBegun && !this.answer.isDropped && this.protocol.port.isOpen;
  }

  /** Aborted when the connection goes before the answer is complete. */
  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.answer.isDropped || !this.protocol.port.isOpen) this.#abort.abort();
    this.protocol.watchGone(this);
    return this.#abort.signal;
  }

  /** The connection is gone before the answer was complete. @internal */
  gone(): void {
    if (!this.answer.isComplete) this.#abort?.abort(new Error('the connection was closed'));
  }

  /** The whole body, the caller's own. Empty until it is complete, if it is streamed. */
  get body(): Buffer {
    const pieces = this.#pieces;
    if (pieces === null || pieces.length === 0) return Buffer.alloc(0);
    if (pieces.length > 1) pieces.splice(0, pieces.length, Buffer.concat(pieces));
    return pieces[0]!;
  }

  /** Whether the message has a body. */
  get hasBody(): boolean {
    return this.#hasBody;
  }

  /** The rest of the body, up to `maxBodyBytes`. @throws Error if the connection goes before its end, or it is longer. */
  async bytes(): Promise<Buffer> {
    if (!this.#settings.streamsBody || this.#isComplete) return this.body;
    const pieces: Buffer[] = [];
    let length = 0;
    const { maxBodyBytes } = this.protocol.context.limits;
    for await (const piece of this) {
      length += piece.length;
      if (maxBodyBytes > 0 && length > maxBodyBytes) {
        this.protocol.context.counters.bodyTooLarge++;
        this.#refuse(bodyTooLarge);
        throw new Error(`the body is longer than maxBodyBytes (${maxBodyBytes})`);
      }
      if (!this.protocol.collects(this.answer, piece.length)) {
        this.#refuse(tooMuchCollected);
        throw new Error(tooMuchCollected.message);
      }
      pieces.push(piece);
    }
    return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
  }

  /** Refuses it because of its body. What has arrived as a whole is just answered: there is nothing left to refuse. */
  #refuse(refusal: Refusal): void {
    if (!this.#isComplete) this.protocol.refuse(refusal);
    else if (this.isAnswerable) this.respond({ status: refusal.status });
  }

  /** The body as text in UTF-8. */
  async text(): Promise<string> {
    return (await this.bytes()).toString('utf8');
  }

  /** The body as JSON. @throws SyntaxError if it is none. */
  async json(): Promise<unknown> {
    return JSON.parse(await this.text());
  }

  /**
   * The pieces of the body as they arrive; while one is being worked on, little more is read from the connection.
   * @throws Error if the connection goes before the end.
   */
  async *[Symbol.asyncIterator](): AsyncIterator<Buffer> {
    this.#wantBody();
    for (;;) {
      const piece = this.#pieces?.shift();
      if (piece !== undefined) {
        yield piece;
        continue;
      }
      if (this.#failure !== null) throw this.#failure;
      if (this.#isComplete) return;
      this.#room?.();
      this.#room = null;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** The body is wanted: a client that waits for that gets 100 Continue (RFC 9110 10.1.1). */
  #wantBody(): void {
    if (!this.#owesContinue) return;
    this.#owesContinue = false;
    if (!this.answer.hasBegun) this.answer.interim('HTTP/1.1 100 Continue\r\n\r\n');
  }

  /**
   * Answers. Answers leave in the order of the requests, whatever order they are made in. `Content-Length` or chunks, `Date` and
   * `Connection` are added; HEAD, 204 and 304 get no body.
   * @returns false if there is an answer already, or the connection is gone; for a body that is streamed, a promise that is
   *   fulfilled when it is sent, and false if it could not be.
   * @throws TypeError, RangeError for what cannot be sent; nothing is sent then.
   */
  respond(init: AnswerInit | BodyBytes = {}): boolean | Promise<boolean> {
    const answer = typeof init === 'object' && init !== null && !ArrayBuffer.isView(init) ? init : { body: init };
    return sendAnswer(this, answer as AnswerInit);
  }

  // ---- MessageConsumer -------------------------------------------------------------------------------------------

  /** @internal */
  data(data: Buffer): Promise<void> | undefined {
    const { limits, counters } = this.protocol.context;
    this.#bytes += data.length;
    if (!this.#settings.streamsBody && limits.maxBodyBytes > 0 && this.#bytes > limits.maxBodyBytes) {
      counters.bodyTooLarge++;
      this.protocol.refuse(bodyTooLarge);
      return undefined;
    }
    if (!this.#settings.streamsBody && !this.protocol.collects(this.answer, data.length)) {
      this.protocol.refuse(tooMuchCollected);
      return undefined;
    }
    this.#pieces ??= [];
    this.#pieces.push(data);
    if (!this.#settings.streamsBody) return undefined;
    if (this.#wake !== null) {
      const wake = this.#wake;
      this.#wake = null;
      wake();
      return undefined;
    }
    if (this.answer.isComplete) {
      this.#pieces.length = 0; // it will not be read
      return undefined;
    }
    return new Promise((resolve) => {
      this.#room = resolve;
    });
  }

  /** @internal */
  begin(): void {
    if (this.#settings.streamsBody && this.#hasBody) this.#handle();
  }

  /** @internal */
  complete(trailers: FieldBlock | null): void {
    this.#trailers = trailers;
    this.#isComplete = true;
    if (this.#settings.streamsBody && this.#hasBody) this.#wake?.();
    else this.#handle();
  }

  /** @internal */
  failed(reason: string): void {
    this.#failure = new Error(`the request was not completed: ${reason}`);
    this.#wake?.();
    this.#room?.();
    this.#abort?.abort(this.#failure);
  }

  /** The answer is complete: what is left of the body is of no interest. @internal */
  dropBody(): void {
    this.#room?.();
    this.#room = null;
    this.#owesContinue = false;
  }

  #handle(): void {
    try {
      const result = this.#settings.handle(this);
      if (typeof result === 'object' && result !== null) {
        Promise.resolve(result).then(undefined, (thrown: unknown) => this.handlerFailed(thrown));
      }
    } catch (thrown) {
      this.handlerFailed(thrown);
    }
  }

  /** The handler threw or rejected: 500, or, if the answer has begun, a connection that is cut, so that it does not look whole. @internal */
  handlerFailed(thrown: unknown): void {
    this.protocol.context.reportHookError(this.#settings.hook, thrown, this.connId);
    if (this.isAnswerable)
      this.respond({ status: 500, headers: [['Content-Type', 'text/plain']], body: 'Internal Server Error' });
    else if (!this.answer.isComplete) {
      this.protocol.abort('the handler failed in the middle of its answer', 'HP_HOOK_FAILED', thrown);
    }
  }
}

/** Body of an answer: at hand, or made piece by piece. */
export type { AnswerBody, AnswerInit, HttpHeaders };
