import { $inspect, type Inspect, inspected } from '../core/inspect.ts';
import type { ConnId } from '../core/listener.ts';
import { textOf } from './body-text.ts';
import { parseCookieHeader } from './cookie-header.ts';
import { FieldBlock, type MessageHead } from './message-head.ts';
import type { HttpResponseBody } from './response-body.ts';
import { HttpFields } from './server-request.ts';

const noFields = new FieldBlock();

/** The head of a response, and where it came from: what all responses have. */
export abstract class HttpResponseHead {
  /** ID of the connection that it came on. */
  readonly connId: ConnId;
  /** URL that answered, behind redirects; '' for a request that was made by its path. */
  readonly url: string;
  /** How many redirects were followed. */
  readonly redirectCount: number;
  /** @internal */
  readonly head: MessageHead;

  /** @internal */
  constructor(connId: ConnId, head: MessageHead, url: string, redirectCount: number) {
    this.connId = connId;
    this.head = head;
    this.url = url;
    this.redirectCount = redirectCount;
  }

  /** @internal */
  [$inspect](depth: number | null, options: object, inspect: Inspect): string {
    const { connId, url, status, statusText, headers } = this;
    return inspected(this, { connId, url, status, statusText, headers }, depth, options, inspect);
  }

  /** Status code. */
  get status(): number {
    return this.head.statusCode;
  }

  /** Reason phrase, '' without. */
  get statusText(): string {
    return this.head.start;
  }

  /** Whether the status is 200 to 299. */
  get isOk(): boolean {
    return this.status >= 200 && this.status < 300;
  }

  /** Version, `HttpVersion`. */
  get version(): number {
    return this.head.version;
  }

  /** Fields of the head, as they came. */
  get headers(): HttpFields {
    return new HttpFields(this.head);
  }

  /** First value of a field of the head. */
  header(name: string): string | undefined {
    return this.head.get(name);
  }

  /** Names and values of the `Set-Cookie` fields (HP-039). */
  get cookies(): Map<string, string> {
    return receivedCookies(this.head);
  }

  /** Whether the connection may be used for another request. */
  get isKeepAlive(): boolean {
    return this.head.isKeepAlive;
  }

  /** Whether the connection speaks another protocol behind this answer. */
  get isUpgrade(): boolean {
    return this.head.isUpgrade;
  }

  /** @internal */
  protected abstract readonly trailerBlock: FieldBlock | null;

  /** Trailers, without any if there were none, or until a streamed body is complete. */
  get trailers(): HttpFields {
    return new HttpFields(this.trailerBlock ?? noFields);
  }
}

/** A whole response: what `request` and `openUrl` resolve to. */
export class HttpResponse extends HttpResponseHead {
  /** The body, the caller's own. */
  readonly body: Buffer;
  /** @internal */
  protected readonly trailerBlock: FieldBlock | null;

  /** @internal */
  constructor(
    connId: ConnId,
    head: MessageHead,
    body: Buffer,
    trailers: FieldBlock | null,
    url = '',
    redirectCount = 0,
  ) {
    super(connId, head, url, redirectCount);
    this.body = body;
    this.trailerBlock = trailers;
  }

  /** The same response with another body, and where it came from. @internal */
  with(body: Buffer, url: string, redirectCount: number): HttpResponse {
    return new HttpResponse(this.connId, this.head, body, this.trailerBlock, url, redirectCount);
  }

  /** The body as text, in the charset of its `Content-Type` if that names one that is known, else in UTF-8. */
  text(): string {
    return textOf(this.body, this.header('content-type'));
  }

  /** The body as JSON, which is UTF-8. @throws SyntaxError if it is none. */
  json(): unknown {
    return JSON.parse(this.body.toString('utf8'));
  }
}

/** Where the trailers will be. */
interface Trailers {
  block: FieldBlock | null;
}

/** A response whose body is read as it arrives (`responseBody: 'stream'`). */
export class HttpStreamResponse extends HttpResponseHead {
  /** The body: iterate over it, or collect it with `body.bytes()`, `text()`, `json()`. */
  readonly body: HttpResponseBody;
  #trailers: Trailers;

  /** @internal */
  constructor(
    connId: ConnId,
    head: MessageHead,
    body: HttpResponseBody,
    trailers: Trailers = { block: null },
    url = '',
    redirectCount = 0,
  ) {
    super(connId, head, url, redirectCount);
    this.body = body;
    this.#trailers = trailers;
  }

  /** @internal */
  protected get trailerBlock(): FieldBlock | null {
    return this.#trailers.block;
  }

  /** The same response with another body, and where it came from. @internal */
  with(body: HttpResponseBody, url: string, redirectCount: number): HttpStreamResponse {
    return new HttpStreamResponse(this.connId, this.head, body, this.#trailers, url, redirectCount);
  }

  /** The body is complete. @internal */
  ended(trailers: FieldBlock | null): void {
    this.#trailers.block = trailers;
    this.body.end();
  }
}

/** Names and values of the `Set-Cookie` fields of a response, later ones in the place of earlier ones (HP-039). */
export function receivedCookies(head: MessageHead): Map<string, string> {
  return parseCookieHeader(head.getAll('set-cookie').map((value) => value.split(';', 1)[0]!));
}
