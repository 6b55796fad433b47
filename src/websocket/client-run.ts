import { SocketErrorCode } from '../core/enums.ts';
import { Errno } from '../core/errno.ts';
import { SocketError } from '../core/errors.ts';
import { $connectionOf, $reportHookError, $settings, $wheel } from '../core/internals.ts';
import { HttpContext } from '../http/context.ts';
import { HttpVersion } from '../http/enums.ts';
import { llhttp } from '../http/llhttp/llhttp.ts';
import { httpRules } from '../http/policy.ts';
import { sendBounds } from '../http/send-room.ts';
import { defaultLimits, httpCounters } from '../http/settings.ts';
import { sharedMemory } from '../memory/read-memory.ts';
import type { Port, Protocol } from '../protocol/protocol.ts';
import { ClientHandshake, type ClientTarget } from './client-handshake.ts';
import type { WebSocketContext } from './websocket-context.ts';
import type { AnyWebSocketHooks } from './websocket-listener.ts';
import type { TopicProperties, WebSocketProperties } from './websocket-properties.ts';
import { WebSocketProtocol } from './websocket-protocol.ts';
import { beginRun, type WebSocketComponent, WebSocketRun } from './websocket-run.ts';

/** A WebSocket that is being opened: where, and what waits for it. */
export class PendingOpen {
  readonly target: ClientTarget;
  /** Settled when the WebSocket is open, or will not be. */
  readonly done: Promise<void>;
  resolve!: () => void;
  reject!: (error: SocketError) => void;

  constructor(target: ClientTarget) {
    this.target = target;
    this.done = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    // The caller may have gone already, with the error of the connection.
    this.done.catch(() => {});
  }
}

/** A handshake that settles a promise of its caller. */
class PendingHandshake extends ClientHandshake {
  readonly pending: PendingOpen;
  #failure: () => SocketError;
  hasUpgraded = false;

  constructor(
    context: HttpContext,
    port: Port,
    pending: PendingOpen,
    wish: ConstructorParameters<typeof ClientHandshake>[3],
    failure: () => SocketError,
  ) {
    super(context, port, pending.target, wish);
    this.pending = pending;
    this.#failure = failure;
  }

  override closed(): void {
    super.closed();
    if (!this.hasUpgraded) this.pending.reject(this.#failure());
  }
}

/** What agents and clients share: connections that ask for a WebSocket as soon as they are there. */
export class ClientRun {
  readonly #run: WebSocketRun;
  readonly #shared: WebSocketContext;
  readonly #component: WebSocketComponent;
  readonly #context: HttpContext;

  constructor(component: WebSocketComponent, listener: AnyWebSocketHooks, hasTopics: boolean) {
    llhttp(); // is compiled here, and not when the first answer comes
    this.#component = component;
    const settings = component[$settings] as unknown as WebSocketProperties & Partial<TopicProperties>;
    this.#run = new WebSocketRun(component, listener, settings, false, hasTopics);
    this.#shared = this.#run.contextFor(listener);
    beginRun(component, this.#run);
    const { handshakeTimeoutMs: ms } = settings;
    this.#context = new HttpContext({
      owner: component,
      listener: {
        onHeadersComplete: (_sender, connId) => {
          const protocol = component[$connectionOf](connId)?.protocol;
          if (protocol instanceof ClientHandshake) protocol.headComplete();
        },
      },
      clock: component[$wheel].clock,
      pool: sharedMemory().slabs,
      limits: { ...defaultLimits, headTimeoutMs: ms, responseTimeoutMs: ms },
      rules: httpRules('strict'),
      counters: httpCounters(),
      autoStart: true,
      localVersion: HttpVersion.V1_1,
      bounds: sendBounds((settings as unknown as { maxPendingBytes: number }).maxPendingBytes),
      consume: null,
      upgradeTo: (http) => this.#upgradeTo(http as PendingHandshake),
      reportHookError: (hook, error, connId) => component[$reportHookError](listener, hook, error, connId, false),
    });
  }

  #upgradeTo(http: PendingHandshake): Protocol | null {
    const agreement = http.agree();
    if (agreement === null) return null;
    http.hasUpgraded = true;
    const deflate = agreement.deflate === null ? null : this.#run.compression!.open(agreement.deflate, false);
    // The caller goes on in a microtask, when the hook onOpen was called.
    http.pending.resolve();
    return new WebSocketProtocol(this.#shared, http.port, agreement.protocol, deflate);
  }

  /** The protocol of a new connection. */
  open(port: Port, pending: PendingOpen): Protocol {
    const wish = this.#run.compression?.options ?? null;
    return new PendingHandshake(this.#context, port, pending, wish, () => {
      return (
        this.#component[$connectionOf](port.id)?.closeReason.error ??
        new SocketError({
          socketError: SocketErrorCode.ConnectServer,
          errno: Errno.ECONNABORTED,
          operation: 'open',
          connId: port.id,
          message: 'the connection was closed before the WebSocket was open',
        })
      );
    });
  }
}
