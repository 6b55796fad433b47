import { ConnectionHost, type ConnectionOwner } from '../connection/host.ts';
import type { MessagesOptions } from '../connection/message-queue.ts';
import { makeSecurity, type SecurityMaker, type StreamSecurity, securityMaker } from '../connection/security.ts';
import { bytesOf, checkSend, checkSendPackets, checkSmallFile, sendOn, sendPacketsOn } from '../connection/send.ts';
import { ConnectionState } from '../connection/state.ts';
import { type ConnectionStream, type ConnectionStreamOptions, noSuchConnection } from '../connection/stream.ts';
import { StreamConnection } from '../connection/stream-connection.ts';
import { TcpConnection } from '../connection/tcp-connection.ts';
import { watchAbort } from '../core/abort-watch.ts';
import { localAddressOfSocket, type SocketAddress } from '../core/address.ts';
import { checkListener } from '../core/check-listener.ts';
import { isSignalAborted } from '../core/component.ts';
import { deadlineAfter } from '../core/delay.ts';
import { ServiceState, SocketErrorCode, SocketOperation } from '../core/enums.ts';
import { Errno } from '../core/errno.ts';
import {
  $aborted,
  $closing,
  $connectionOf,
  $createProtocol,
  $failed,
  $host,
  $illegalState,
  $isStopped,
  $link,
  $listener,
  $makeFace,
  $nextConnectionId,
  $refuse,
  $released,
  $security,
  $settings,
  $transition,
} from '../core/internals.ts';
import type { AnyHooks, ConnId } from '../core/listener.ts';
import { checkOptions, foreignAddresses, type OptionRule } from '../core/option-names.ts';
import { defineProperties, flag, integer, type TableOf } from '../core/properties.ts';
import { SingleSocket } from '../core/single-socket.ts';
import { HOOK_GRACE_MS } from '../core/start-stop.ts';
import type { ComponentStats, ConnectionStats } from '../core/stats.ts';
import { checkStopOptions, type StopOptions } from '../core/stop-options.ts';
import type { Sendable } from '../memory/sendable.ts';
import type { Port, Protocol } from '../protocol/protocol.ts';
import { type ConnectOptions, checkTarget, connect, connectRules, socketFor } from '../stream/connecting.ts';
import type { ProtocolFactory, ProtocolModel } from '../stream/protocol-models.ts';
import { type ProxyProperties, proxyProperties } from '../stream/proxying.ts';
import { type StreamProperties, streamProperties } from '../stream/stream-properties.ts';

/** Where and how a stream client connects. */
export interface ClientStartOptions extends ConnectOptions {
  /**
   * HP-Socket's asynchronous mode: `start` resolves as soon as connecting is under way, and `onClose` gets a failure.
   * Default false: `start` resolves when the connection is open and rejects when it fails.
   */
  asyncConnect?: boolean | undefined;
}

const startRules = {
  ...connectRules,
  asyncConnect: flag(false),
} satisfies Record<keyof ClientStartOptions, OptionRule>;

/** Properties of every stream client beside those of all stream components. */
export interface StreamClientProperties extends ProxyProperties {
  /** Milliseconds to connect, 1 or more, proxies and `preamble` included (TCP-C-010); a time-out is ETIMEDOUT. Default 10,000. */
  syncConnectTimeout: number;
}

export interface StreamClient<Extra = unknown, Message = Sendable> extends StreamProperties, StreamClientProperties {}

/** What TCP and TLS clients of all receive models share: one connection in one object (`IClient`, `ITcpClient`). */
export abstract class StreamClient<Extra = unknown, Message = Sendable>
  extends SingleSocket<Extra>
  implements ConnectionOwner
{
  /** @internal */
  static readonly [securityMaker]: SecurityMaker | null = null;
  /** TLS, or null for plain components. @internal */
  readonly [$security]: StreamSecurity | null;
  /** @internal */
  protected override [$link]: StreamConnection | null = null;
  #face: TcpConnection<Extra, Message> | null = null;
  /** @internal */
  protected readonly [$listener]: AnyHooks;
  #protocolModel: ProtocolModel;
  /** Null before the first start. */
  #protocols: ProtocolFactory | null = null;
  /** @internal */
  protected [$host]: ConnectionHost | null = null;
  #isStoppedByUser = false;

  constructor(listener: object, options: object | undefined, protocolModel: ProtocolModel) {
    super(options);
    this[$security] = makeSecurity(new.target, this, options);
    this.#protocolModel = protocolModel;
    checkListener(listener, protocolModel.hooks);
    this[$listener] = listener as AnyHooks;
  }

  override get isSecure(): boolean {
    return this[$security] !== null;
  }

  /**
   * Connects (`Start`, CLI-001). Fires `onPrepareConnect`, then, when connected, `onConnect` and `onHandShake`. The client
   * goes back to Stopped by itself when the connection closes, and can be started again then.
   * @returns when the connection is open; in asynchronous mode as soon as connecting is under way.
   * @throws SocketError: IllegalState, InvalidParam, SocketCreate (address families, unknown host), SocketBind (own address
   *   or port), SocketPrepare, ConnectServer with the system's errno (ECONNREFUSED, ETIMEDOUT, ...). `onClose` is called only
   *   if `onConnect` had let the connection in before it failed: a TLS handshake that fails (EBADMSG), a `stop` in a hook.
   */
  start(host: string, port: number, options?: Omit<ClientStartOptions, 'host' | 'port' | 'path'>): Promise<void>;
  start(options: ClientStartOptions): Promise<void>;
  async start(
    host: string | ClientStartOptions,
    port?: number,
    options: Omit<ClientStartOptions, 'host' | 'port' | 'path'> = {},
  ): Promise<void> {
    const target: ClientStartOptions =
      typeof host === 'object' && host !== null ? host : { ...options, host, port: port as number };
    checkOptions('start', typeof host === 'object' && host !== null ? host : options, startRules, foreignAddresses);
    if (!this[$isStopped]) throw this[$illegalState]('start');
    const problem = checkTarget(target, 'start', this[$settings], this[$security] !== null);
    if (problem !== null) throw this[$failed](problem);
    const unready = this[$security]?.checkReady() ?? null;
    if (unready !== null) throw this[$failed](unready);
    if (isSignalAborted(target.signal)) throw this[$aborted]('start', target.signal);
    this[$transition](ServiceState.Starting);
    this.#isStoppedByUser = false;
    this.#protocols = this.#protocolModel({
      settings: this[$settings],
      limits: () => this[$host]?.limits,
      listener: this[$listener],
      component: this,
    });
    this[$security]?.begin(() => this[$host]!);
    const run = new ConnectionHost(this, this[$listener]);
    this[$host] = run;
    const connection = new StreamConnection(run, ConnectionState.Connecting, (self) =>
      socketFor(target, self, run.isFast),
    );
    connection.id = this[$nextConnectionId]();
    this[$link] = connection;
    await connect(this, run, connection, target, target.asyncConnect ?? false, this.syncConnectTimeout, () =>
      this[$transition](ServiceState.Started),
    );
  }

  /** @internal */
  [$createProtocol](port: Port): Protocol {
    return this.#protocols!(port);
  }

  /**
   * Closes the connection, with its `onClose` (`Stop`, CLI-002); unsent data is dropped unless `drainTimeoutMs` is given.
   * @throws SocketError (IllegalState) if it is not started, also after the peer closed.
   */
  async stop(options: StopOptions = {}): Promise<void> {
    checkStopOptions(options);
    const { [$link]: connection } = this;
    if (!this.hasStarted || connection === null) throw this[$illegalState]('stop');
    const { drainTimeoutMs = 0, signal } = options;
    const isAborted = isSignalAborted(signal);
    this[$transition](ServiceState.Stopping);
    this.#isStoppedByUser = true;
    const stopped = this.wait();
    const cut = (): void => connection.close(SocketOperation.Close, 0);
    const watch = watchAbort(signal, cut);
    if (drainTimeoutMs > 0 && !isAborted && connection.isConnected)
      connection.drain(drainTimeoutMs, this[$host]!.active === connection);
    else cut();
    const cancel = deadlineAfter(drainTimeoutMs + HOOK_GRACE_MS, () => connection.abandonHooks());
    await stopped;
    cancel();
    watch.end();
  }

  /** @internal */
  [$closing](_connection: StreamConnection): void {
    if (this.hasStarted) this[$transition](ServiceState.Stopping);
  }

  /** @internal */
  [$released](connection: StreamConnection): void {
    if (this[$link] !== connection) return;
    // The last error of a run that the user stopped is not an error.
    if (!this.#isStoppedByUser && connection.closeReason.error !== undefined)
      this[$failed](connection.closeReason.error);
    this[$link] = null;
    this[$transition](ServiceState.Stopped);
  }

  /** Queues bytes (`Send`, CLI-003). As `TcpServer.send`; EPERM when not connected. */
  send(data: Message, offset = 0, length?: number): boolean {
    const { [$link]: connection } = this;
    if (connection?.isConnected === true) return sendOn(this, connection, bytesOf(connection, data, offset, length));
    checkSend(this, data, offset, length);
    return this.#notConnected('send');
  }

  /** Queues several pieces in a row, as one package for pack clients (`SendPackets`, CLI-004). */
  sendPackets(packets: readonly Message[]): boolean {
    const { [$link]: connection } = this;
    if (connection?.isConnected === true) return sendPacketsOn(this, connection, packets, 'sendPackets');
    checkSendPackets(this, packets);
    return this.#notConnected('sendPackets');
  }

  /** Sends a file with optional bytes before and behind it (`SendSmallFile`, TCP-C-001). As `TcpServer.sendSmallFile`. */
  async sendSmallFile(fileName: string | URL, head?: Sendable, tail?: Sendable): Promise<boolean> {
    const { [$link]: link } = this;
    if (link?.isConnected !== true) {
      checkSmallFile(fileName, head, tail);
      return this.#notConnected('sendSmallFile');
    }
    const isSent = await this.connection!.sendSmallFile(fileName, head, tail);
    // The file is for the connection of the call, not for a later one.
    if (isSent || this[$link] === link) return isSent;
    const message = 'the connection is closed';
    return this[$refuse]('sendSmallFile', SocketErrorCode.IllegalState, Errno.EPERM, message, link.id);
  }

  #notConnected(operation: string): false {
    const message = 'the client is not connected';
    return this[$refuse](operation, SocketErrorCode.IllegalState, Errno.EPERM, message, this.connectionId);
  }

  /** The connection, with all that can be done with it; null while there is none. Inside `onClose` it is still there. */
  get connection(): TcpConnection<Extra, Message> | null {
    const { [$link]: link } = this;
    if (link === null) return null;
    if (this.#face?.id !== link.id) this.#face = this[$makeFace](link);
    return this.#face!;
  }

  /** @internal */
  protected [$makeFace](connection: StreamConnection): TcpConnection<Extra, Message> {
    return new TcpConnection(this, connection);
  }

  /** Stops or goes on receiving (`PauseReceive`, CLI-005); false (EPERM) when not connected. */
  pauseReceive(isPaused = true): boolean {
    if (this[$link]?.isConnected !== true) return this.#notConnected('pauseReceive');
    return isPaused ? this.connection!.pause() : this.connection!.resume();
  }

  /** Local address, null while there is no socket (`GetLocalAddress`, CLI-015). */
  getLocalAddress(): SocketAddress | null {
    return this[$link] === null ? null : localAddressOfSocket(this[$link].socket);
  }

  /** Host and port given to `start`, null when stopped (`GetRemoteHost`, CLI-016). */
  getRemoteHost(): { host: string; port: number } | null {
    const { [$link]: connection } = this;
    return connection === null ? null : { host: connection.remoteHost, port: connection.remotePort };
  }

  /**
   * The connection as a `stream.Duplex`: what arrives is read from the stream instead of going to `onReceive`. Call it in
   * `onConnect` or `onHandShake`, or right after `await start(...)`.
   * @throws SocketError (IllegalState): not connected, or the connection has a stream or iterator already.
   */
  createStream(options?: ConnectionStreamOptions): ConnectionStream {
    if (this.connection === null) throw noSuchConnection(this);
    return this.connection.createStream(options);
  }

  /**
   * Messages of this connection for `for await`, instead of `onReceive`: packages for pack clients, chunks otherwise. Call
   * it right after `await start(...)`. The loop ends when the connection does, and throws when that ended with an error.
   * @throws SocketError (IllegalState): not connected, or the connection has a stream.
   */
  messages(options: MessagesOptions = {}): AsyncIterableIterator<Buffer> {
    if (this.connection === null) throw noSuchConnection(this);
    return this.connection.messages(options);
  }

  /** Snapshot of this run, or of the last one. */
  stats(): ComponentStats {
    const host = this[$host] ?? new ConnectionHost(this, this[$listener]);
    return host.stats(this[$link] === null ? 0 : 1, this.pendingDataLength);
  }

  /** Snapshot of the connection, null while there is none. */
  getConnectionStats(): ConnectionStats | null {
    return this[$link]?.stats() ?? null;
  }

  /** The connection, for adapters. @internal */
  [$connectionOf](_connId?: ConnId): StreamConnection | undefined {
    return this[$link] ?? undefined;
  }
}

defineProperties(StreamClient.prototype, {
  ...streamProperties,
  socketBufferSize: integer(4096, 1),
  syncConnectTimeout: integer(10_000, 1, 0x7fffffff),
  ...proxyProperties,
} satisfies TableOf<StreamProperties & StreamClientProperties & { socketBufferSize: number }>);
