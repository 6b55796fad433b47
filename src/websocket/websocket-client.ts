import { StreamClient, type StreamClientProperties } from '../client/stream-client.ts';
import { securityMaker } from '../connection/security.ts';
import type { StreamConnection } from '../connection/stream-connection.ts';
import { watchAbort } from '../core/abort-watch.ts';
import { isSignalAborted } from '../core/component.ts';
import { timeoutAfter } from '../core/delay.ts';
import { SocketError } from '../core/errors.ts';
import { callHook } from '../core/hooks.ts';
import { $connectionOf, $listener, $makeFace, $reportHookError, $takePending } from '../core/internals.ts';
import { checkOptions, type OptionRule } from '../core/option-names.ts';
import { defineProperties, integer } from '../core/properties.ts';
import type { SingleSocketProperties } from '../core/single-socket.ts';
import { checkStopOptions, type StopOptions } from '../core/stop-options.ts';
import { pairsOf } from '../http/header-list.ts';
import { withHooks } from '../http/http-model.ts';
import { type Sendable, toBytes } from '../memory/sendable.ts';
import type { SslClientContext } from '../ssl/options.ts';
import { type SslProperties, sslProperties } from '../ssl/properties.ts';
import { addMembers, SecureSingleMethods } from '../ssl/secure-methods.ts';
import { clientTls } from '../ssl/security.ts';
import type { StreamProperties } from '../stream/stream-properties.ts';
import { targetOf } from './client-handshake.ts';
import { ClientRun, PendingOpen } from './client-run.ts';
import type { HeaderList } from './handshake.ts';
import { CloseCode, Opcode } from './opcode.ts';
import { SecureWebSocketConnection } from './secure-websocket-connection.ts';
import { type SendStreamOptions, sendStreamOn } from './send-stream.ts';
import { openedOn, openRules, pendingOpen, type WebSocketOpenOptions } from './websocket-agent.ts';
import { closeOn, sendControlOn, sendMessageOn, sendMessagePartsOn } from './websocket-calls.ts';
import { WebSocketConnection } from './websocket-connection.ts';
import type { WebSocketEnd } from './websocket-context.ts';
import type { AnyWebSocketHooks, WebSocketClientHooks } from './websocket-listener.ts';
import { type WebSocketProperties, webSocketProperties } from './websocket-properties.ts';
import { runOf, type WebSocketComponent, type WebSocketStats, webSocketOf } from './websocket-run.ts';

/** How a client connects again when its WebSocket is lost: after 2^n times the first delay, a part of which is left to chance. */
export interface ReconnectOptions {
  /** Milliseconds before the first attempt. Default 500. */
  minDelayMs?: number | undefined;
  /** Longest delay in milliseconds. Default 30,000. */
  maxDelayMs?: number | undefined;
  /** Attempts in a row until the client gives up, 1 or more. Default Infinity. */
  maxAttempts?: number | undefined;
}

/** When to try again. */
interface ReconnectPlan {
  readonly minDelayMs: number;
  readonly maxDelayMs: number;
  readonly maxAttempts: number;
}

const delayRule = integer(0, 0, 0x7fffffff);
const attemptsRule = integer(1, 1);

const reconnectRules = {
  minDelayMs: delayRule,
  maxDelayMs: delayRule,
  maxAttempts: {
    check(name, value) {
      if (value !== Number.POSITIVE_INFINITY) attemptsRule.check(name, value);
    },
  },
} satisfies Record<keyof ReconnectOptions, OptionRule>;

/** How a client opens its WebSocket. */
export interface ClientOpenOptions extends WebSocketOpenOptions {
  /** Connect again when the WebSocket is lost, or the server closes it; not after `close` or `stop`. Default false. */
  reconnect?: boolean | ReconnectOptions | undefined;
}

const clientOpenRules = { ...openRules, reconnect: true } satisfies Record<keyof ClientOpenOptions, OptionRule>;

/** A WebSocket that is opened again until this is over. */
class KeptOpen {
  isOver = false;
  #wake: (() => void) | null = null;

  /** It is not opened again. */
  end(): void {
    this.isOver = true;
    this.#wake?.();
  }

  /** Resolves after so many milliseconds, or when it is over. */
  async sleep(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = timeoutAfter(ms, resolve);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = null;
  }
}

/** Options of a WebSocket client: any of its properties. */
export type WebSocketClientOptions = Partial<
  SingleSocketProperties & StreamProperties & StreamClientProperties & WebSocketProperties
>;

const clientModel = withHooks(
  ({ component, listener }) => {
    const client = component as WebSocketClient;
    const run = new ClientRun(component as unknown as WebSocketComponent, listener as AnyWebSocketHooks, false);
    return (port) => run.open(port, client[$takePending]());
  },
  ['onOpen', 'onMessage', 'onMessageStream', 'onPing', 'onPong', 'onWSClose', 'onReconnect'],
);

/**
 * One WebSocket to a server.
 *
 * ```ts
 * const client = new WebSocketClient({ onMessage(client, connId, data) { console.log(data.toString()); } });
 * await client.open('ws://127.0.0.1:8080/chat', { reconnect: true });
 * client.send('hello');
 * ```
 */
export class WebSocketClient<Extra = unknown> extends StreamClient<Extra> {
  #pending: PendingOpen | null = null;
  /** The WebSocket that is to be kept open; null if there is none. */
  #kept: KeptOpen | null = null;

  constructor(listener: WebSocketClientHooks<WebSocketClient<Extra>>, options?: WebSocketClientOptions) {
    super(listener, options, clientModel);
  }

  /**
   * Opens the WebSocket: connects, and asks for it. With `reconnect`, a first attempt that fails rejects all the same. While an earlier
   * call with `reconnect` waits to connect again, a new one takes its place.
   * @returns when the WebSocket is open and `onOpen` was called.
   * @throws TypeError for URLs and options that make no sense; SocketError as `start`, or EPROTO if the server refuses or answers
   *   wrongly, ETIMEDOUT after `handshakeTimeoutMs`.
   */
  async open(url: string | URL, options: ClientOpenOptions = {}): Promise<void> {
    checkOptions('open', options, clientOpenRules);
    const { reconnect = false, ...rest } = options;
    const plan = reconnectPlan(reconnect);
    if (plan !== null && rest.socket !== undefined)
      throw new TypeError('reconnect makes no sense with socket: there is no other one to connect again with');
    isSignalAborted(rest.signal); // throws if it is none
    const pending = pendingOpen(url, rest, this.isSecure);
    if (this.hasStarted) return this.#openOnce(pending, rest); // which says that it is started already
    this.#letGo();
    if (plan === null) return this.#openOnce(pending, rest);
    // `close` and `stop` count from now on: hooks may call them before this one is done.
    const kept = new KeptOpen();
    this.#kept = kept;
    try {
      await this.#openOnce(pending, rest);
    } catch (error) {
      kept.end();
      throw error;
    }
    void this.#keepOpen(kept, String(url), rest, plan);
  }

  /** The WebSocket is not opened again. */
  #letGo(): void {
    this.#kept?.end();
    this.#kept = null;
  }

  async #openOnce(pending: PendingOpen, options: WebSocketOpenOptions): Promise<void> {
    const { subProtocols: _s, headers: _h, ...rest } = options;
    this.#pending = pending;
    // The connection is made, and its protocol with it, before this call returns its promise.
    const connected = this.start({ ...rest, host: pending.target.host, port: pending.target.port });
    this.#pending = null;
    await connected;
    await openedOn(this, pending, options.signal);
  }

  /** Waits for the end of the WebSocket, and opens it again, until it is to stay closed. */
  async #keepOpen(kept: KeptOpen, url: string, options: WebSocketOpenOptions, plan: ReconnectPlan): Promise<void> {
    const { signal } = options;
    const end = (): void => kept.end();
    const watch = watchAbort(signal, end);
    if (signal?.aborted === true) end();
    const target = { url, headers: pairsOf(options.headers ?? null) as HeaderList };
    for (let attempt = 0; ; ) {
      await this.wait();
      if (kept.isOver || attempt >= plan.maxAttempts) break;
      await kept.sleep(delayOf(attempt, plan));
      if (kept.isOver) break;
      attempt++;
      const answer = await this.#askReconnect(attempt, target);
      if (answer === 'give up' || kept.isOver) break;
      if (answer === 'failed') continue;
      try {
        const { url, headers } = target;
        const again = { ...options, headers };
        await this.#openOnce(pendingOpen(url, again, this.isSecure), again);
        attempt = 0;
      } catch (thrown) {
        // `lastFailure` tells of all but what the hook made of the target; the next attempt follows.
        if (!(thrown instanceof SocketError)) this.#reportReconnect(thrown);
      }
    }
    watch.end();
    if (this.#kept === kept) this.#kept = null;
  }

  /** Asks the hook `onReconnect`. */
  #askReconnect(
    attempt: number,
    target: { url: string; headers: HeaderList },
  ): Promise<'connect' | 'give up' | 'failed'> {
    const hooks = this[$listener] as WebSocketClientHooks<this>;
    if (hooks.onReconnect === undefined) return Promise.resolve('connect');
    return new Promise((resolve) => {
      callHook(() => hooks.onReconnect!(this, attempt, target), {
        answered: () => resolve('connect'),
        refused: () => resolve('give up'),
        failed: (thrown) => {
          this.#reportReconnect(thrown);
          resolve('failed');
        },
      });
    });
  }

  #reportReconnect(thrown: unknown): void {
    this[$reportHookError](this[$listener], 'onReconnect', thrown, 0, false);
  }

  /** The handshake of the connection that is being made; `start` without `open` asks for `/`. @internal */
  [$takePending](): PendingOpen {
    const pending = this.#pending ?? new PendingOpen(targetOf('ws://localhost/', [], []));
    this.#pending = null;
    return pending;
  }

  /** Closes the connection (`Stop`, CLI-002), and ends connecting again. With `drainTimeoutMs` by a close frame with 1001. */
  override async stop(options: StopOptions = {}): Promise<void> {
    const isWaiting = this.#kept !== null && !this.hasStarted;
    this.#letGo();
    if (isWaiting) return checkStopOptions(options);
    return super.stop(options);
  }

  /** Queues a message: text if it is a string, binary if it is bytes. As `WebSocketServer.send`. */
  override send(data: Sendable, offset = 0, length?: number): boolean {
    const opcode = typeof data === 'string' ? Opcode.Text : Opcode.Binary;
    const part = offset === 0 && length === undefined ? data : toBytes(data, offset, length);
    return sendMessageOn(this, this[$connectionOf](), this.connectionId, part, opcode);
  }

  /** Queues several pieces as one message: text if all of them are strings. */
  override sendPackets(packets: readonly Sendable[]): boolean {
    return sendMessagePartsOn(this, this[$connectionOf](), this.connectionId, packets, 'sendPackets');
  }

  /** The WebSocket, with all that can be done with it; null while there is none. */
  override get connection(): WebSocketConnection<Extra> | null {
    return super.connection as WebSocketConnection<Extra> | null;
  }

  /** @internal */
  override [$makeFace](connection: StreamConnection): WebSocketConnection<Extra> {
    return new WebSocketConnection<Extra>(this, connection);
  }

  /** Queues a text message; bytes have to be UTF-8. */
  sendText(text: Sendable): boolean {
    return sendMessageOn(this, this[$connectionOf](), this.connectionId, text, Opcode.Text);
  }

  /** Sends what a source brings as one message in fragments, at the speed of the peer. As `WebSocketServer.sendStream`. */
  sendStream(source: AsyncIterable<Sendable> | Iterable<Sendable>, options: SendStreamOptions = {}): Promise<boolean> {
    return sendStreamOn(this, this[$connectionOf](), this.connectionId, source, options);
  }

  /** Sends a ping. @throws RangeError for more than 125 bytes. */
  ping(data: Sendable = ''): boolean {
    return sendControlOn(this, 'ping', this[$connectionOf](), this.connectionId, data);
  }

  /** Sends a pong that was not asked for. @throws RangeError for more than 125 bytes. */
  pong(data: Sendable = ''): boolean {
    return sendControlOn(this, 'pong', this[$connectionOf](), this.connectionId, data);
  }

  /** Begins the closing handshake, and ends connecting again. As `WebSocketServer.close`. */
  close(code: number = CloseCode.Normal, reason = ''): boolean {
    this.#letGo();
    return closeOn(this, this[$connectionOf](), this.connectionId, code, reason);
  }

  /** Whether the handshake is done and no close frame was sent or came. */
  get isOpen(): boolean {
    return webSocketOf(this[$connectionOf]())?.isOpen ?? false;
  }

  /** The sub-protocol that was agreed on, '' for none; null if there is no WebSocket. */
  get subProtocol(): string | null {
    return webSocketOf(this[$connectionOf]())?.subProtocol ?? null;
  }

  /** Whether permessage-deflate was agreed on. */
  get isCompressing(): boolean {
    return webSocketOf(this[$connectionOf]())?.isCompressing ?? false;
  }

  /** How the WebSocket would end if its connection broke now; null if there is none. */
  getEnd(): WebSocketEnd | null {
    return webSocketOf(this[$connectionOf]())?.end ?? null;
  }

  /** What its WebSockets did in this run, or the last one. */
  webSocketStats(): WebSocketStats | null {
    return runOf(this)?.stats() ?? null;
  }
}

export interface WebSocketClient<Extra = unknown> extends WebSocketProperties {}
defineProperties(WebSocketClient.prototype, webSocketProperties);

function reconnectPlan(reconnect: boolean | ReconnectOptions): ReconnectPlan | null {
  if (reconnect === false) return null;
  const options = reconnect === true ? {} : reconnect;
  checkOptions('reconnect', options, reconnectRules);
  const { minDelayMs = 500, maxDelayMs = 30_000, maxAttempts = Number.POSITIVE_INFINITY } = options;
  if (minDelayMs > maxDelayMs) throw new RangeError('reconnect needs minDelayMs <= maxDelayMs');
  return { minDelayMs, maxDelayMs, maxAttempts };
}

/** Half of it is fixed, half left to chance, so that a thousand clients do not come back at once. */
function delayOf(attempt: number, { minDelayMs, maxDelayMs }: ReconnectPlan): number {
  const whole = Math.min(maxDelayMs, minDelayMs * 2 ** attempt);
  return whole / 2 + (whole / 2) * Math.random();
}

/** Options of a WebSocket client over TLS: any of its properties, and its TLS. */
export type SslWebSocketClientOptions = WebSocketClientOptions & Partial<SslProperties> & SslClientContext;

/** `WebSocketClient` over TLS: opens a `wss:` URL. */
export class SslWebSocketClient<Extra = unknown> extends WebSocketClient<Extra> {
  /** @internal */
  static override readonly [securityMaker] = clientTls;

  constructor(listener: WebSocketClientHooks<SslWebSocketClient<Extra>>, options?: SslWebSocketClientOptions) {
    super(listener as WebSocketClientHooks<WebSocketClient<Extra>>, options);
  }

  /** @internal */
  override [$makeFace](connection: StreamConnection): SecureWebSocketConnection<Extra> {
    return new SecureWebSocketConnection(this, connection);
  }
}

export interface SslWebSocketClient<Extra = unknown> extends SecureSingleMethods, SslProperties {
  /** The connection, with its TLS; null while there is none. Inside `onClose` it is still there. */
  get connection(): SecureWebSocketConnection<Extra> | null;
}
addMembers([SslWebSocketClient], SecureSingleMethods, sslProperties);
