import { closeAll } from '../connection/closing.ts';
import { ConnectionHost, type ConnectionOwner } from '../connection/host.ts';
import { makeSecurity, type SecurityMaker, type StreamSecurity, securityMaker } from '../connection/security.ts';
import { bytesOf, checkSend, checkSendPackets, checkSmallFile, sendOn, sendPacketsOn } from '../connection/send.ts';
import { type ConnectionStream, type ConnectionStreamOptions, noSuchConnection } from '../connection/stream.ts';
import type { StreamConnection } from '../connection/stream-connection.ts';
import { TcpConnection } from '../connection/tcp-connection.ts';
import { checkListener } from '../core/check-listener.ts';
import { ComplexSocket } from '../core/complex-socket.ts';
import { ServiceState } from '../core/enums.ts';
import type { SocketError } from '../core/errors.ts';
import {
  $begin,
  $checkStop,
  $closeAll,
  $closing,
  $connectionOf,
  $createProtocol,
  $failed,
  $host,
  $illegalState,
  $isStarting,
  $listener,
  $makeFace,
  $pendingBytesOfAll,
  $released,
  $resetTable,
  $security,
  $settings,
  $startFailed,
  $table,
  $transition,
  $unknownId,
  $wheel,
} from '../core/internals.ts';
import type { AnyHooks, ConnId } from '../core/listener.ts';
import { defineProperties } from '../core/properties.ts';
import { EmptyWait, shutDown } from '../core/start-stop.ts';
import type { ComponentStats, StopReport } from '../core/stats.ts';
import type { StopOptions } from '../core/stop-options.ts';
import type { Sendable } from '../memory/sendable.ts';
import type { Port, Protocol } from '../protocol/protocol.ts';
import type { ProtocolFactory, ProtocolModel } from './protocol-models.ts';
import { type StreamProperties, streamProperties } from './stream-properties.ts';

export interface ComplexStream<Extra = unknown, Message = Sendable> extends StreamProperties {}

/** TCP and TLS servers and agents: many stream connections, sends by ID, and how they stop. */
export abstract class ComplexStream<Extra = unknown, Message = Sendable>
  extends ComplexSocket<StreamConnection, Extra>
  implements ConnectionOwner
{
  /** @internal */
  static readonly [securityMaker]: SecurityMaker | null = null;
  /** TLS, or null for plain components. @internal */
  readonly [$security]: StreamSecurity | null;
  /** @internal */
  protected readonly [$listener]: AnyHooks;
  /** What the connections of this run share; null before the first start. @internal */
  protected [$host]: ConnectionHost | null = null;
  #protocolModel: ProtocolModel;
  /** Null before the first start. */
  #protocols: ProtocolFactory | null = null;
  #emptyWait = new EmptyWait();

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
   * Queues bytes for a connection (`Send`, CS-002). Up to 4 KiB are copied at once; more belong to the library until they
   * are written, so do not change them before.
   * @param data Bytes, or text to be sent as UTF-8.
   * @returns true when queued, which does not mean delivered. False, with `lastError` and `lastFailure` saying why:
   *   EBADSLT (unknown or closed ID), EPERM (still connecting), EMSGSIZE (pack size), ENOBUFS (`maxPendingBytes`).
   * @throws TypeError, RangeError for arguments that make no sense.
   */
  send(connId: ConnId, data: Message, offset = 0, length?: number): boolean {
    const connection = this[$table].get(connId);
    if (connection !== undefined) return sendOn(this, connection, bytesOf(connection, data, offset, length));
    checkSend(this, data, offset, length);
    return this[$unknownId]('send', connId);
  }

  /**
   * Queues several pieces in a row, with nothing between them (`SendPackets`, CS-003). Pack components make one package of
   * them. Results as `send`; false (EINVAL) for an empty list.
   */
  sendPackets(connId: ConnId, packets: readonly Message[]): boolean {
    const connection = this[$table].get(connId);
    if (connection !== undefined) return sendPacketsOn(this, connection, packets, 'sendPackets');
    checkSendPackets(this, packets);
    return this[$unknownId]('sendPackets', connId);
  }

  /**
   * Sends a file with optional bytes before and behind it, 4,194,303 bytes in all at most (`SendSmallFile`, TCP-S-001).
   * @returns false with `lastError`: ENOENT and the like, ENODATA for an empty file, EFBIG, or as `send`.
   * @throws TypeError for arguments that make no sense.
   */
  async sendSmallFile(connId: ConnId, fileName: string | URL, head?: Sendable, tail?: Sendable): Promise<boolean> {
    const connection = this.connection(connId);
    if (connection !== null) return connection.sendSmallFile(fileName, head, tail);
    checkSmallFile(fileName, head, tail);
    return this[$unknownId]('sendSmallFile', connId);
  }

  override connection(connId: ConnId): TcpConnection<Extra, Message> | null {
    return super.connection(connId) as TcpConnection<Extra, Message> | null;
  }

  /** @internal */
  protected override [$makeFace](connection: StreamConnection): TcpConnection<Extra, Message> {
    return new TcpConnection(this, connection);
  }

  /**
   * One connection as a `stream.Duplex`: what arrives is read from the stream instead of going to `onReceive`. Call it in
   * `onAccept`, `onConnect` or `onHandShake`, so that no byte comes before.
   * @throws SocketError (IllegalState): unknown ID, or the connection has a stream already.
   */
  createStream(connId: ConnId, options?: ConnectionStreamOptions): ConnectionStream {
    const connection = this.connection(connId);
    if (connection === null) throw noSuchConnection(this);
    return connection.createStream(options);
  }

  /** Snapshot of this run, or of the last one. */
  stats(): ComponentStats {
    const host = this[$host] ?? new ConnectionHost(this, this[$listener]);
    return host.stats(this.connectionCount, this[$pendingBytesOfAll]());
  }

  /** @internal */
  [$createProtocol](port: Port): Protocol {
    return this.#protocols!(port);
  }

  /** The connection behind an ID, for adapters. @internal */
  [$connectionOf](connId: ConnId): StreamConnection | undefined {
    return this[$table].get(connId);
  }

  /** @internal */
  [$closing](_connection: StreamConnection): void {}

  /** @internal */
  [$released](connection: StreamConnection): void {
    this[$table].delete(connection.id);
    if (this[$table].size === 0) this.#emptyWait.emptied();
  }

  /** What every start begins with. @internal */
  protected [$begin](): ConnectionHost {
    this[$transition](ServiceState.Starting);
    this[$resetTable]();
    this.#protocols = this.#protocolModel({
      settings: this[$settings],
      limits: () => this[$host]?.limits,
      listener: this[$listener],
      component: this,
    });
    this[$security]?.begin(() => this[$host]!);
    this[$host] = new ConnectionHost(this, this[$listener]);
    return this[$host];
  }

  /** Whether `run` is the present one and still starting. @internal */
  protected [$isStarting](run: ConnectionHost): boolean {
    return this[$host] === run && this.state === ServiceState.Starting;
  }

  /** Throws if `stop` is not possible. @internal */
  protected [$checkStop](): void {
    if (!this.hasStarted) throw this[$illegalState]('stop');
  }

  /** Closes all connections, gracefully if there is time for it, and waits until they are closed. @internal */
  protected [$closeAll](options: StopOptions): Promise<StopReport> {
    return closeAll(this[$table], this.#emptyWait, this[$wheel].clock, options, this[$host]?.active);
  }

  /** A start that failed after it had begun: `onShutdown` fires, then the error is the caller's (ACC-002). @internal */
  protected async [$startFailed](error: SocketError): Promise<never> {
    this[$failed](error);
    if (this.hasStarted) {
      this[$transition](ServiceState.Stopping);
      await shutDown(this, this[$listener]);
    }
    throw error;
  }
}

defineProperties(ComplexStream.prototype, streamProperties);
