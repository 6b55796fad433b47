import { describe } from '../core/describe.ts';
import { Errno } from '../core/errno.ts';
import type { SocketError } from '../core/errors.ts';
import { $illegalState } from '../core/internals.ts';
import { checkOptions, type OptionRule } from '../core/option-names.ts';
import type { HttpHeaders } from '../http/header-list.ts';
import { targetOf } from './client-handshake.ts';
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
  headers?: HttpHeaders | undefined;
  /** Properties of the client behind it; over TLS also its `ssl`. */
  client?: SslWebSocketClientOptions | undefined;
}

const initRules = {
  protocols: true,
  headers: true,
  client: true,
} satisfies Record<keyof WebSocketInit, OptionRule>;

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
    checkOptions('WebSocket', init, initRules);
    const { protocols: offered = [], headers = [], client } = init;
    const subProtocols = typeof offered === 'string' ? [offered] : offered;
    targetOf(url, subProtocols, headers); // throws
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

  /**
   * Sends a message; what is sent after the end is dropped. If more waits to be sent than the client's `maxPendingBytes`, the WebSocket
   * fails, as in browsers.
   * @throws SocketError while it is connecting; TypeError for what is neither text nor bytes, a `Blob` among them.
   */
  send(data: string | ArrayBufferLike | ArrayBufferView): void {
    if (this.#state === 0) throw this.#client[$illegalState]('send');
    const message = typeof data === 'string' ? data : bytesOf(data);
    if (this.#state !== 1 || this.#client.send(message)) return;
    const error = this.#client.lastFailure;
    if (error?.errno !== Errno.ENOBUFS) return; // it has just ended
    // A message is missing, so that nothing that follows it may be sent.
    this.#state = 2;
    this.#emit(new WebSocketErrorEvent(error), this.onerror);
    this.#client.stop().catch(() => {}); // it may end by itself at the same time
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
    // As in browsers, a handler that throws is the program's trouble, not the connection's. It may be a listener as well.
    if (typeof handler === 'function') {
      this.addEventListener(event.type, (told) => handler.call(this, told as E), { once: true });
    }
    this.dispatchEvent(event);
  }
}

/** A copy, because the caller may change his bytes as soon as `send` returns. @throws TypeError for what is none. */
function bytesOf(data: unknown): Buffer {
  if (ArrayBuffer.isView(data)) return Buffer.from(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  if (data instanceof ArrayBuffer || data instanceof SharedArrayBuffer) return Buffer.from(new Uint8Array(data));
  const help = data instanceof Blob ? ': send its arrayBuffer()' : '';
  throw new TypeError(`a message must be a text or bytes, not ${describe(data)}${help}`);
}

function arrayBufferOf(data: Buffer): ArrayBuffer {
  return new Uint8Array(data).buffer as ArrayBuffer;
}
