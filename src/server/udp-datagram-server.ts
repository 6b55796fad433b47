import { Admission } from '../connection/admission.ts';
import { closeAll, emptyReport } from '../connection/closing.ts';
import { normalizeAddress, type SocketAddress } from '../core/address.ts';
import { checkListener } from '../core/check-listener.ts';
import { ComplexSocket } from '../core/complex-socket.ts';
import { isSignalAborted } from '../core/component.ts';
import { describe } from '../core/describe.ts';
import { ServiceState } from '../core/enums.ts';
import type { SocketError } from '../core/errors.ts';
import {
  $aborted,
  $admission,
  $admit,
  $closing,
  $facts,
  $failed,
  $host,
  $illegalState,
  $isStopped,
  $listener,
  $makeFace,
  $move,
  $peers,
  $prepareRun,
  $proxies,
  $receivedFrom,
  $refusePeer,
  $released,
  $resetTable,
  $sendLimit,
  $table,
  $transition,
  $unknownId,
  $unknownPeer,
  $wheel,
} from '../core/internals.ts';
import type { ConnId } from '../core/listener.ts';
import { checkOptions, foreignAddresses, type OptionRule } from '../core/option-names.ts';
import { defineProperties, flag } from '../core/properties.ts';
import { callPrepare, EmptyWait, invalidParam, shutDown, startCancelled, stopOnAbort } from '../core/start-stop.ts';
import type { StopReport } from '../core/stats.ts';
import { checkStopOptions, type StopOptions } from '../core/stop-options.ts';
import { type Sendable, toBytes, toParts } from '../memory/sendable.ts';
import { isPort } from '../stream/stream-properties.ts';
import { UdpSocket } from '../transport/udp-socket.ts';
import { cannotPause, DatagramConnection } from '../udp/datagram-connection.ts';
import { type DatagramSource, directSource } from '../udp/datagram-source.ts';
import { ProxiedDatagrams, type UdpProxyProperties, udpProxyProperties } from '../udp/proxied-datagrams.ts';
import type { UdpConnection } from '../udp/udp-connection.ts';
import { UdpHost, type UdpOwner } from '../udp/udp-host.ts';
import type { UdpLifecycle } from '../udp/udp-lifecycle.ts';
import { UdpPeers } from '../udp/udp-peers.ts';
import { type UdpServerProperties, udpServerProperties } from '../udp/udp-properties.ts';
import { sendPacketsOn } from '../udp/udp-send.ts';
import { bindError, ownFamily, socketOptions } from '../udp/udp-start.ts';
import type { UdpConnectionStats, UdpStats } from '../udp/udp-stats.ts';

/** Where a UDP server listens. */
export interface UdpServerStartOptions {
  /** Own IP address; `0.0.0.0` if left out. `::` serves IPv4 as well unless `ipv6Only`. */
  host?: string | undefined;
  /** 0 to 65535; 0, the default, lets the system choose: the result tells. */
  port?: number | undefined;
  /** No IPv4 on `::`. Default false. */
  ipv6Only?: boolean | undefined;
  /** In cluster workers: do not share the socket. Default true: workers that share one take each other's datagrams. */
  exclusive?: boolean | undefined;
  /** Aborting cancels the start, or stops the started server. */
  signal?: AbortSignal | undefined;
}

const startRules = {
  host: true,
  port: true,
  ipv6Only: flag(false),
  exclusive: flag(true),
  signal: true,
} satisfies Record<keyof UdpServerStartOptions, OptionRule>;

/** Longest wait for the last close notifies to leave, milliseconds; HP-Socket always waits so long. */
const NOTIFY_WAIT_MS = 30;

export interface DatagramServer<C extends UdpConnection, Extra = unknown>
  extends UdpServerProperties,
    UdpProxyProperties {}

/** What UDP and ARQ servers share: one socket, pseudo-connections by the address of the peer (`IUdpServer`). */
export abstract class DatagramServer<C extends UdpConnection, Extra = unknown>
  extends ComplexSocket<C, Extra>
  implements UdpOwner
{
  /** @internal */
  protected readonly [$listener]: object;
  /** The present run, or the last one. @internal */
  protected [$host]: UdpHost | null = null;
  /** @internal */
  protected [$peers] = new UdpPeers<C>();
  /** @internal */
  protected [$admission]: Admission | null = null;
  /** Takes PROXY headers off datagrams; null without `proxyProtocol`. @internal */
  protected [$proxies]: ProxiedDatagrams | null = null;
  #emptyWait = new EmptyWait();

  constructor(listener: object, options: object | undefined) {
    super(options);
    checkListener(listener);
    this[$listener] = listener;
  }

  /**
   * Binds the socket and begins to receive (`Start`, SRV-001). Fires `onPrepareListen`; a start that fails later than
   * that also fires `onShutdown`, as in HP-Socket.
   * @returns The address that it is bound to, with the real port.
   * @throws SocketError: IllegalState, InvalidParam, SocketCreate, SocketBind, SocketPrepare.
   */
  async start(host?: string | null | UdpServerStartOptions, port?: number): Promise<SocketAddress> {
    const target: UdpServerStartOptions =
      typeof host === 'object' && host !== null ? host : { host: host ?? '', port: port ?? 0 };
    checkOptions('start', target, startRules, foreignAddresses);
    if (!this[$isStopped]) throw this[$illegalState]('start');
    const { signal } = target;
    if (target.port !== undefined && !isPort(target.port)) {
      throw this[$failed](invalidParam(`port must be a whole number, 0 to 65535, not ${describe(target.port)}`));
    }
    if (target.host !== undefined && typeof target.host !== 'string') {
      throw this[$failed](invalidParam(`host must be a string, not ${describe(target.host)}`));
    }
    this[$prepareRun]();
    if (isSignalAborted(signal)) throw this[$aborted]('start', signal);
    this[$transition](ServiceState.Starting);
    this[$resetTable]();
    this[$peers] = new UdpPeers<C>();
    const run = new UdpHost(this, this[$listener]);
    this[$host] = run;
    this[$admission] = new Admission(this, run.limits, this[$wheel].clock);
    const { proxyProtocol } = this;
    this[$proxies] = proxyProtocol === null ? null : new ProxiedDatagrams(proxyProtocol, run.limits);
    let socket: UdpSocket<UdpConnection | null> | null = null;
    try {
      socket = await this.#bind(run, target);
      this.#checkStarting(target);
      run.attach(socket);
      const { listener } = run;
      const bound = socket;
      const problem = await callPrepare(this, listener, 'onPrepareListen', signal, () =>
        listener.onPrepareListen?.(this, bound.socket),
      );
      if (problem !== null) throw problem;
      this.#checkStarting(target);
    } catch (error) {
      if (socket !== null) await socket.close();
      run.socket = null;
      this[$failed](error as SocketError);
      if (this.hasStarted) this[$transition](ServiceState.Stopping);
      await shutDown(this, this[$listener]);
      throw error;
    }
    this[$transition](ServiceState.Started);
    stopOnAbort(this, signal);
    return this.getListenAddress() as SocketAddress;
  }

  async #bind(run: UdpHost, target: UdpServerStartOptions): Promise<UdpSocket<UdpConnection | null>> {
    const address = target.host || '0.0.0.0';
    const port = target.port ?? 0;
    const type = ownFamily(address) || 'udp4';
    const socket = new UdpSocket<UdpConnection | null>(
      socketOptions(this, type, run.isFast, target.ipv6Only ?? false, false),
      {
        received: (bytes, from, fromPort) => this.#received(run, bytes, from, fromPort),
        receiveFailed: () => void run.receiveErrors++,
        completed: (connection, length, error) => run.completed(connection, length, error),
      },
    );
    try {
      await socket.bind(address, port, target.exclusive ?? true);
    } catch (cause) {
      await socket.close();
      throw bindError(cause, address, port);
    }
    return socket;
  }

  /** Throws if `stop` or the signal overtook the start. */
  #checkStarting({ signal }: UdpServerStartOptions): void {
    if (this.state !== ServiceState.Starting) throw startCancelled(this);
    if (isSignalAborted(signal)) throw this[$aborted]('start', signal);
  }

  /** Checks and fixes what a run needs from the properties. Throws if they do not go together. @internal */
  protected [$prepareRun](): void {}

  /** Address that the server is bound to, null while it is not (`GetListenAddress`, SRV-002). */
  getListenAddress(): SocketAddress | null {
    const address = this.hasStarted ? (this[$host]?.socket?.address() ?? null) : null;
    return address === null ? null : { address: address.address, port: address.port };
  }

  /** @internal */
  protected override [$facts](): object {
    return { ...super[$facts](), listenAddress: this.getListenAddress() };
  }

  // ---- receiving -------------------------------------------------------------------------------------------------

  #received(run: UdpHost, bytes: Buffer, address: string, port: number): void {
    run.datagramsIn++;
    run.bytesIn += bytes.length;
    let payload = bytes;
    let source: DatagramSource | null = null;
    const proxies = this[$proxies];
    if (proxies !== null) {
      const taken = proxies.take(bytes, address, port, normalizeAddress(address));
      if (taken === null) return;
      payload = taken;
      source = proxies.source;
    }
    const connection = this.#find(source, address, port);
    const now = run.wheel.now();
    if (connection !== undefined) {
      if (connection.isLeaving) {
        this[$peers].delete(connection);
      } else if (connection.isValid) {
        this[$receivedFrom](connection, source ?? connection.source, payload, now);
        return;
      }
      // It is closing, and this datagram begins a new connection: the old one ends first (EXO-005).
      connection.endNow();
      if (this.#find(source, address, port) !== undefined) return;
    }
    if (this.state !== ServiceState.Started || this[$host] !== run) return;
    this[$unknownPeer](run, source ?? directSource(address, port), payload, now);
  }

  /** @param source Of a client behind a proxy. Most datagrams have none and a connection: no object is made for them. */
  #find(source: DatagramSource | null, address: string, port: number): C | undefined {
    return source === null ? this[$peers].find(address, port) : this[$peers].find(source.key, source.remotePort);
  }

  /** A datagram of a peer with a connection. @internal */
  protected [$receivedFrom](connection: C, _source: DatagramSource, bytes: Buffer, now: number): void {
    connection.received(bytes, now);
  }

  /** A datagram of a peer without a connection. @internal */
  protected abstract [$unknownPeer](run: UdpHost, source: DatagramSource, bytes: Buffer, now: number): void;

  /**
   * Lets a new peer in if the limits allow it, else tells it with a close notify (ORD-030) unless it is on no list or came
   * too fast: those get silence.
   * @internal
   */
  protected [$admit](run: UdpHost, source: DatagramSource, make: () => C): C | null {
    const before = run.limits.blockedAddresses + run.limits.acceptRate;
    const limited = source.limitedAddress;
    const key = this[$admission]!.admit(limited, this[$table].size);
    if (key === null) {
      run.refused++;
      if (run.limits.blockedAddresses + run.limits.acceptRate === before) this[$refusePeer](run, source);
      return null;
    }
    const connection = make();
    this[$table].insert(connection);
    this[$peers].add(connection);
    const { [$admission]: admission } = this;
    connection.limitKey = key;
    // Its address may change from a path, which is not counted.
    if (key !== '' || limited === '') connection.onReleased = () => admission?.leave(connection.limitKey);
    return connection;
  }

  /** The peer of a connection has proved that it is at another address now. False if the limits do not let it be there. @internal */
  protected [$move](connection: C, source: DatagramSource): boolean {
    const key = this[$admission]!.move(connection.limitKey, source.limitedAddress);
    if (key === null) return false;
    connection.limitKey = key;
    this[$peers].delete(connection);
    connection.source = source;
    this[$peers].add(connection);
    return true;
  }

  /** @internal */
  protected abstract [$refusePeer](run: UdpHost, source: DatagramSource): void;

  // ---- sending ---------------------------------------------------------------------------------------------------

  override connection(connId: ConnId): DatagramConnection<Extra> | null {
    return super.connection(connId) as DatagramConnection<Extra> | null;
  }

  /** @internal */
  protected override [$makeFace](connection: C): DatagramConnection<Extra> {
    return new DatagramConnection(this, connection, false);
  }

  /**
   * Sends one datagram, or one ARQ message (`Send`, CS-002). Up to 4 KiB are copied at once; more belong to the library
   * until they have left, so do not change them before.
   * @param data Bytes, or text to be sent as UTF-8: 1 to `maxDatagramSize` bytes, over ARQ `maxMessageSize`.
   * @returns true when it was handed over, which does not mean delivered. False, with `lastError` and `lastFailure` saying
   *   why: EBADSLT (unknown or closed ID), EINVAL (size), ENOBUFS (queue), EMSGSIZE (the system), EPERM (ARQ not ready).
   * @throws TypeError, RangeError for arguments that make no sense.
   */
  send(connId: ConnId, data: Sendable, offset = 0, length?: number): boolean {
    const connection = this[$table].get(connId);
    const bytes = toBytes(data, offset, length);
    return connection === undefined ? this[$unknownId]('send', connId) : connection.send('send', bytes);
  }

  /** Sends several pieces as one datagram or message (`SendPackets`, CS-003). EMSGSIZE if they are too large together. */
  sendPackets(connId: ConnId, packets: readonly Sendable[]): boolean {
    const connection = this[$table].get(connId);
    if (connection === undefined) {
      toParts(packets);
      return this[$unknownId]('sendPackets', connId);
    }
    return sendPacketsOn(this, connection, packets);
  }

  /** Largest datagram or message. @internal */
  [$sendLimit](): number {
    return this.maxDatagramSize;
  }

  /** Never possible with UDP: false, EPERM (CS-004). An async `onReceive` holds its peer's datagrams back. */
  override pauseReceive(connId: ConnId, isPaused = true): boolean {
    return super.pauseReceive(connId, isPaused);
  }

  /** Null (EPERM), as `pauseReceive` is not possible (CS-023). */
  override isPauseReceive(connId: ConnId): boolean | null {
    if (super.isPauseReceive(connId) !== null) cannotPause(this, 'isPauseReceive', connId);
    return null;
  }

  // ---- stopping --------------------------------------------------------------------------------------------------

  /**
   * Closes all connections, each with a close notify and its `onClose`, then the socket, then fires `onShutdown` (`Stop`,
   * CS-001). With `drainTimeoutMs`, ARQ connections first wait until their peers have acknowledged everything.
   * @returns How the connections ended.
   * @throws SocketError (IllegalState) if it is not started. An aborted `signal` ends the draining, not the stopping.
   */
  async stop(options: StopOptions = {}): Promise<StopReport> {
    checkStopOptions(options);
    if (!this.hasStarted) throw this[$illegalState]('stop');
    const startedAt = this[$wheel].clock.now();
    const isStarting = this.state === ServiceState.Starting;
    this[$transition](ServiceState.Stopping);
    if (isStarting) {
      // The start gives up, closes its socket and fires onShutdown.
      await this.wait();
      return emptyReport();
    }
    const report = await closeAll(this[$table], this.#emptyWait, this[$wheel].clock, options, null);
    const socket = this[$host]?.socket ?? null;
    if (socket !== null) {
      const deadline = this[$wheel].clock.now() + NOTIFY_WAIT_MS;
      while (socket.queuedCount > 0 && this[$wheel].clock.now() < deadline) await new Promise(setImmediate);
      await socket.close();
    }
    if (this[$host] !== null) this[$host].socket = null;
    await shutDown(this, this[$listener]);
    report.durationMs = this[$wheel].clock.now() - startedAt;
    return report;
  }

  /** @internal */
  [$closing](_connection: UdpLifecycle): void {}

  /** @internal */
  [$released](connection: UdpLifecycle): void {
    this[$peers].delete(connection as C);
    this[$table].delete(connection.id);
    if (this[$table].size === 0) this.#emptyWait.emptied();
  }

  /** Snapshot of this run, or of the last one. */
  stats(): UdpStats {
    return (this[$host] ?? new UdpHost(this, this[$listener])).stats(this.connectionCount);
  }

  /** Snapshot of one connection, null for an unknown ID. */
  override getConnectionStats(connId: ConnId): UdpConnectionStats | null {
    return super.getConnectionStats(connId) as UdpConnectionStats | null;
  }
}

defineProperties(DatagramServer.prototype, { ...udpServerProperties, ...udpProxyProperties });
