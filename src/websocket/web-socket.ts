import { describe } from '../core/describe.ts';
import type { SocketError } from '../core/errors.ts';
import { $illegalState } from '../core/internals.ts';
import type { HeaderList } from './handshake.ts';
import { CloseCode } from './opcode.ts';
import { SslWebSocketClient, type SslWebSocketClientOptions, WebSocketClient } from './websocket-client.ts';
import type { WebSocketClientHooks } from './websocket-listener.ts';

/** The end of a `WebSocket`, as browsers tell it. */
export class WebSocketCloseEvent extends Event {
  /** Close code; 1006 if the connection ended without one. */
  readonly code: number;
  /** The peer's reason, '' for none. */
  readonly reason: string;
  /** Whether both ends sent a close frame. */
  readonly wasClean: boolean;

  constructor(code: number, reason: string, wasClean: boolean) {
    super('close');
    this.code = code;
    this.reason = reason;
    this.wasClean = wasClean;
  }
}

/** A `WebSocket` that failed; browsers do not tell why. */
export class WebSocketErrorEvent extends Event {
  /** Why it failed. */
  readonly error: SocketError;

  constructor(error: SocketError) {
    super('error');
    this.error = error;
  }
}

/** What a `WebSocket` may be told beyond browsers. */
export interface WebSocketInit {
  /** Sub-protocols to offer. */
  protocols?: string | readonly string[] | undefined;
  /** Headers for the request. */
  headers?: HeaderList | undefined;
  /** Properties of the client behind it; over TLS also its `ssl`. */
  client?: SslWebSocketClientOptions | undefined;
}

type Handler<E extends Event> = ((event: E) => unknown) | null;

/**
 * A WebSocket as browsers have it, so that code that was written for them runs: `onopen`, `onmessage`, `onclose`, `send`,
 * `bufferedAmount`. `data` of a message is a string or an `ArrayBuffer` (`binaryType` is `'arraybuffer'`).
 *
 * ```ts
 * const socket = new WebSocket('ws://127.0.0.1:8080/chat');
 * socket.onopen = () => socket.send('hello');
 * socket.onmessage = (event) => console.log(event.data);
 * ```
 */
export class WebSocket extends EventTarget {
  /** 0: it is not open yet. */
  static readonly CONNECTING = 0;
  /** 1: messages flow. */
  static readonly OPEN = 1;
  /** 2: `close` was called, or the peer closes. */
  static readonly CLOSING = 2;
  /** 3: it is over. */
  static readonly CLOSED = 3;
  /** 0: it is not open yet. */
  readonly CONNECTING = 0;
  /** 1: messages flow. */
  readonly OPEN = 1;
  /** 2: `close` was called, or the peer closes. */
  readonly CLOSING = 2;
  /** 3: it is over. */
  readonly CLOSED = 3;
  /** Where it is, or was to be, opened. */
  readonly url: string;
  /** As in browsers. */
  onopen: Handler<Event> = null;
  /** As in browsers. */
  onmessage: Handler<MessageEvent> = null;
  /** As in browsers; its event has the error. */
  onerror: Handler<WebSocketErrorEvent> = null;
  /** As in browsers. */
  onclose: Handler<WebSocketCloseEvent> = null;
  #client: WebSocketClient;
  #abort = new AbortController();
  #state: 0 | 1 | 2 | 3 = 0;
  #protocol = '';
  #extensions = '';

  /** @throws TypeError for URLs, sub-protocols and headers that make no sense. */
  constructor(url: string | URL, protocols: string | readonly string[] | WebSocketInit = []) {
    super();
    const isInit = typeof protocols === 'object' && !Array.isArray(protocols);
    const init = (isInit ? protocols : { protocols }) as WebSocketInit;
    const { protocols: offered = [], headers = [], client } = init;
    const parsed = new URL(url);
    if (parsed.protocol === 'http:') parsed.protocol = 'ws:';
    else if (parsed.protocol === 'https:') parsed.protocol = 'wss:';
    this.url = parsed.href;
    const hooks: WebSocketClientHooks<WebSocketClient> = {
      onOpen: () => this.#opened(),
      onMessage: (_client, _connId, data, isBinary) => {
        const message = isBinary ? arrayBufferOf(data as Buffer) : String(data);
        this.#emit(new MessageEvent('message', { data: message, origin: parsed.origin }), this.onmessage);
      },
      onWSClose: (_client, _connId, code, reason, wasClean) => this.#closed(code, reason, wasClean),
    };
    const isSecure = parsed.protocol === 'wss:';
    this.#client = isSecure
      ? new SslWebSocketClient(hooks as WebSocketClientHooks<SslWebSocketClient>, {
          ssl: {},
          ...client,
          textAsString: true,
        })
      : new WebSocketClient(hooks, { ...client, textAsString: true });
    const subProtocols = typeof offered === 'string' ? [offered] : [...offered];
    this.#client.open(parsed, { subProtocols, headers, signal: this.#abort.signal }).catch((error: SocketError) => {
      if (this.#state === 3) return;
      this.#state = 2;
      this.#emit(new WebSocketErrorEvent(error), this.onerror);
      this.#closed(CloseCode.Abnormal, '', false);
    });
  }

  /** `CONNECTING`, `OPEN`, `CLOSING` or `CLOSED`. */
  get readyState(): 0 | 1 | 2 | 3 {
    return this.#state;
  }

  /** The sub-protocol that the server chose, '' for none. */
  get protocol(): string {
    return this.#protocol;
  }

  /** `permessage-deflate` if messages are compressed, else ''. */
  get extensions(): string {
    return this.#extensions;
  }

  /** Bytes that were sent and that the system has not taken yet. */
  get bufferedAmount(): number {
    return this.#client.pendingDataLength;
  }

  /** `'arraybuffer'`, which is how binary messages come. @throws TypeError for any other. */
  get binaryType(): 'arraybuffer' {
    return 'arraybuffer';
  }

  set binaryType(type: string) {
    if (type !== 'arraybuffer') throw new TypeError(`binaryType can only be 'arraybuffer', not ${describe(type)}`);
  }

  /** Sends a message; what is sent after the end is dropped, as in browsers. @throws SocketError while it is connecting. */
  send(data: string | ArrayBuffer | ArrayBufferView): void {
    if (this.#state === 0) throw this.#client[$illegalState]('send');
    if (this.#state !== 1) return;
    if (typeof data === 'string') this.#client.send(data);
    else if (ArrayBuffer.isView(data))
      this.#client.send(Buffer.from(copyOf(data.buffer, data.byteOffset, data.byteLength)));
    else this.#client.send(Buffer.from(copyOf(data, 0, data.byteLength)));
  }

  /**
   * Closes it.
   * @param code 1000 or 3000 to 4999. @throws RangeError for other codes, and for reasons of more than 123 bytes.
   */
  close(code: number = CloseCode.Normal, reason = ''): void {
    if (code !== CloseCode.Normal && !(code >= 3000 && code <= 4999)) {
      throw new RangeError(`the close code has to be 1000, or 3000 to 4999, not ${describe(code)}`);
    }
    if (this.#state >= 2) return;
    if (this.#state === 0) {
      this.#state = 2;
      this.#abort.abort();
      return;
    }
    this.#client.close(code, reason);
    this.#state = 2;
  }

  #opened(): void {
    this.#state = 1;
    this.#protocol = this.#client.subProtocol ?? '';
    this.#extensions = this.#client.isCompressing ? 'permessage-deflate' : '';
    this.#emit(new Event('open'), this.onopen);
  }

  #closed(code: number, reason: string, wasClean: boolean): void {
    if (this.#state === 3) return;
    this.#state = 3;
    this.#emit(new WebSocketCloseEvent(code, reason, wasClean), this.onclose);
  }

  #emit<E extends Event>(event: E, handler: Handler<E>): void {
    // As in browsers, a handler that throws is the program's trouble, not the connection's.
    if (handler !== null) this.addEventListener(event.type, handler as (event: Event) => void, { once: true });
    this.dispatchEvent(event);
    if (handler !== null) this.removeEventListener(event.type, handler as (event: Event) => void);
  }
}

/** The caller may change his bytes as soon as `send` returns. */
function copyOf(memory: ArrayBufferLike, from: number, length: number): Uint8Array {
  return new Uint8Array(memory, from, length).slice();
}

function arrayBufferOf(data: Buffer): ArrayBuffer {
  return new Uint8Array(data).buffer as ArrayBuffer;
}
