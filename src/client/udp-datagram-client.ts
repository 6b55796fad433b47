import { watchAbort } from '../core/abort-watch.ts';
import type { SocketAddress } from '../core/address.ts';
import { checkListener } from '../core/check-listener.ts';
import { isSignalAborted } from '../core/component.ts';
import { deadlineAfter } from '../core/delay.ts';
import { shown } from '../core/describe.ts';
import { ServiceState, SocketErrorCode, SocketOperation } from '../core/enums.ts';
import { Errno, errnoOf } from '../core/errno.ts';
import { describeSystemError, SocketError } from '../core/errors.ts';
import {
  $aborted,
  $arrived,
  $bindSocket,
  $bindTo,
  $checkTarget,
  $closing,
  $connected,
  $connectSocket,
  $failed,
  $host,
  $illegalState,
  $isStopped,
  $link,
  $listener,
  $makeConnection,
  $makeFace,
  $nextConnectionId,
  $prepareRun,
  $rebindSocket,
  $refuse,
  $released,
  $resolveTarget,
  $sendLimit,
  $sourceOf,
  $startRules,
  $transition,
  $wheel,
} from '../core/internals.ts';
import { checkOptions, foreignAddresses, type OptionRules } from '../core/option-names.ts';
import { defineProperties } from '../core/properties.ts';
import { SingleSocket } from '../core/single-socket.ts';
import { callPrepare, HOOK_GRACE_MS, startCancelled, whileStarting } from '../core/start-stop.ts';
import { checkStopOptions, type StopOptions } from '../core/stop-options.ts';
import { type Sendable, toBytes, toParts } from '../memory/sendable.ts';
import { UdpSocket } from '../transport/udp-socket.ts';
import { DatagramConnection } from '../udp/datagram-connection.ts';
import { connectedSource, type DatagramSource } from '../udp/datagram-source.ts';
import type { UdpConnection } from '../udp/udp-connection.ts';
import { UdpHost, type UdpOwner } from '../udp/udp-host.ts';
import type { UdpLifecycle } from '../udp/udp-lifecycle.ts';
import { type UdpSocketProperties, udpSocketProperties } from '../udp/udp-properties.ts';
import { sendPacketsOn } from '../udp/udp-send.ts';
import { bindError, socketOptions } from '../udp/udp-start.ts';
import type { UdpConnectionStats, UdpStats } from '../udp/udp-stats.ts';
import { checkTarget, resolveTarget, type UdpClientStartOptions, udpClientStartRules } from './udp-target.ts';

/** Longest wait for the close notify to leave, milliseconds. */
const NOTIFY_WAIT_MS = 30;

/** @internal */
export type ClientSocket = UdpSocket<UdpConnection | null>;

export interface DatagramClient<C extends UdpConnection, Extra = unknown> extends UdpSocketProperties {}

/** What UDP and ARQ clients share: a connected socket, and one connection in one object (`IClient`, `IUdpClient`). */
export abstract class DatagramClient<C extends UdpConnection, Extra = unknown>
  extends SingleSocket<Extra>
  implements UdpOwner
{
  /** @internal */
  protected readonly [$listener]: object;
  /** The present run, or the last one. @internal */
  protected [$host]: UdpHost | null = null;
  /** @internal */
  protected override [$link]: C | null = null;
  #face: DatagramConnection<Extra> | null = null;
  #remoteHost: { host: string; port: number } | null = null;
  /** The peer that the socket is connected with, for another socket. */
  #place: { address: string; family: number; target: UdpClientStartOptions } | null = null;
  #isStoppedByUser = false;

  constructor(listener: object, options: object | undefined) {
    super(options);
    checkListener(listener);
    this[$listener] = listener;
  }

  /**
   * Binds a socket, gives it its peer, and fires `onPrepareConnect`, `onConnect` and `onHandShake` (`Start`, CLI-001). No
   * packet of the server is needed for that on plain UDP. The client goes back to Stopped by itself when the connection
   * ends, and can be started again then.
   * @throws SocketError: IllegalState, InvalidParam, SocketCreate (host name, address families), SocketBind,
   *   SocketPrepare, ConnectServer. No `onClose` follows a rejection, unless `onConnect` had let the connection in: both
   *   get the error of an ARQ handshake that fails.
   */
  start(host: string, port: number, options?: Omit<UdpClientStartOptions, 'host' | 'port'>): Promise<void>;
  start(options: UdpClientStartOptions): Promise<void>;
  async start(
    host: string | UdpClientStartOptions,
    port?: number,
    options: Omit<UdpClientStartOptions, 'host' | 'port'> = {},
  ): Promise<void> {
    const target: UdpClientStartOptions =
      typeof host === 'object' && host !== null ? host : { ...options, host, port: port as number };
    const given = typeof host === 'object' && host !== null ? host : options;
    checkOptions('start', given, this[$startRules](), foreignAddresses);
    if (!this[$isStopped]) throw this[$illegalState]('start');
    const problem = this[$checkTarget](target);
    if (problem !== null) throw this[$failed](problem);
    this[$prepareRun]();
    if (isSignalAborted(target.signal)) throw this[$aborted]('start', target.signal);
    this[$transition](ServiceState.Starting);
    this.#isStoppedByUser = false;
    const run = new UdpHost(this, this[$listener]);
    this[$host] = run;
    let socket: ClientSocket | null = null;
    let connection: C;
    try {
      // A resolver may take minutes.
      const resolved = await whileStarting(this, target.signal, this[$resolveTarget](target));
      this.#checkStarting(run, target);
      const { address, family } = resolved!;
      socket = await this[$bindSocket](run, target, family);
      this.#checkStarting(run, target);
      run.attach(socket);
      connection = this[$makeConnection](run, this[$sourceOf](address, target.port!), this[$wheel].now());
      connection.id = this[$nextConnectionId]();
      connection.remoteHost = target.host || address;
      this.#remoteHost = { host: target.host || address, port: target.port! };
      const { listener } = run;
      const bound = socket;
      const refusal = await callPrepare(this, listener, 'onPrepareConnect', target.signal, () =>
        listener.onPrepareConnect?.(this, connection.id, bound.socket),
      );
      if (refusal !== null) throw refusal;
      this.#checkStarting(run, target);
      await this[$connectSocket](socket, address, target);
      this.#checkStarting(run, target);
      this.#place = { address, family, target };
    } catch (error) {
      await socket?.close();
      throw this.#startFailed(run, error as SocketError);
    }
    this[$link] = connection;
    this[$transition](ServiceState.Started);
    const opened = this.#open(connection, target);
    if (target.asyncConnect !== true) return opened;
    opened.catch(() => {}); // told by onClose
  }

  /** The options of `start`. @internal */
  protected [$startRules](): OptionRules {
    return udpClientStartRules;
  }

  /** The error of a target that makes no sense, or null. @internal */
  protected [$checkTarget](target: UdpClientStartOptions): SocketError | null {
    return checkTarget(target);
  }

  /** @internal */
  protected [$resolveTarget](target: UdpClientStartOptions): Promise<{ address: string; family: number }> {
    return resolveTarget(target);
  }

  /** @internal */
  protected [$bindSocket](run: UdpHost, target: UdpClientStartOptions, family: number): Promise<ClientSocket> {
    const address = target.localAddress || (family === 6 ? '::' : '0.0.0.0');
    return this[$bindTo](run, address, target.localPort ?? 0, false);
  }

  /** @internal */
  protected async [$bindTo](run: UdpHost, address: string, port: number, isShared: boolean): Promise<ClientSocket> {
    const type = address.includes(':') ? 'udp6' : 'udp4';
    const socket: ClientSocket = new UdpSocket(socketOptions(this, type, run.isFast, false, isShared), {
      received: (bytes, from, fromPort) => this.#received(run, bytes, from, fromPort),
      receiveFailed: (error) => this.#receiveFailed(run, error),
      completed: (connection, length, error) => run.completed(connection, length, error),
    });
    try {
      await socket.bind(address, port, true);
    } catch (cause) {
      await socket.close();
      throw bindError(cause, address, port);
    }
    return socket;
  }

  /** Gives the socket its peer. @internal */
  protected async [$connectSocket](
    socket: ClientSocket,
    address: string,
    target: UdpClientStartOptions,
  ): Promise<void> {
    try {
      await socket.connect(target.port!, address);
    } catch (cause) {
      const errno = errnoOf(cause);
      throw new SocketError({
        socketError: SocketErrorCode.ConnectServer,
        errno,
        operation: 'start',
        message: describeSystemError(`cannot reach ${shown(target.host)}:${target.port}`, errno, cause),
        cause,
      });
    }
  }

  /**
   * Goes on with another socket, from another own address; the one before is closed. False if the connection is gone meanwhile.
   * Rejects with the error of the system if there can be none, and stays with the one before. @internal
   */
  protected async [$rebindSocket](own: { localAddress?: string; localPort?: number }): Promise<boolean> {
    const { [$link]: connection } = this;
    const place = this.#place;
    if (connection === null || place === null) return false;
    const { host: run } = connection;
    const target = { ...place.target, ...own };
    const socket = await this[$bindSocket](run, target, place.family);
    try {
      await this[$connectSocket](socket, place.address, target);
    } catch (error) {
      await socket.close();
      throw error;
    }
    if (this[$link] !== connection || !connection.isValid || run.socket === null) {
      await socket.close();
      return false;
    }
    const before = run.socket;
    run.attach(socket);
    await before.close();
    return true;
  }

  /** Throws if `stop` or the signal overtook the start. */
  #checkStarting(run: UdpHost, { signal }: UdpClientStartOptions): void {
    if (this[$host] !== run || this.state !== ServiceState.Starting) throw startCancelled(this);
    if (isSignalAborted(signal)) throw this[$aborted]('start', signal);
  }

  #startFailed(run: UdpHost, error: SocketError): SocketError {
    this[$failed](error);
    run.socket = null;
    this.#remoteHost = null;
    if (this.state === ServiceState.Starting) this[$transition](ServiceState.Stopping);
    if (this.state === ServiceState.Stopping) this[$transition](ServiceState.Stopped);
    return error;
  }

  #open(connection: C, { signal }: UdpClientStartOptions): Promise<void> {
    let problem: SocketError | undefined;
    let isOpen = false;
    const abort = (): void => {
      if (!isOpen) problem ??= this[$aborted]('start', signal);
      connection.close(SocketOperation.Close, isOpen ? 0 : Errno.ECANCELED, problem, true);
      // An async onConnect that never answers is not waited for, no more than by a stop.
      if (!isOpen) setTimeout(() => connection.abandonHooks(), HOOK_GRACE_MS);
    };
    const watch = watchAbort(signal, abort);
    return new Promise((resolve, reject) => {
      connection.onReleased = () => {
        watch.end();
        // A rejected start leaves the component stopped, so that it can be started again at once.
        if (!isOpen) this.wait().then(() => reject(this[$failed](problem ?? startCancelled(this))));
      };
      connection.open('onConnect', undefined, (error) => {
        problem ??= error;
        if (error !== undefined) return;
        isOpen = true;
        resolve();
      });
    });
  }

  /** Checks and fixes what a run needs from the properties. Throws if they do not go together. @internal */
  protected [$prepareRun](): void {}

  /** @internal */
  protected abstract [$makeConnection](run: UdpHost, source: DatagramSource, now: number): C;

  /** Where datagrams go. On a connected socket, that is nothing to be told with each. @internal */
  protected [$sourceOf](address: string, port: number): DatagramSource {
    return connectedSource(address, port);
  }

  #received(run: UdpHost, bytes: Buffer, address: string, port: number): void {
    run.datagramsIn++;
    run.bytesIn += bytes.length;
    if (this[$host] === run && this[$link] !== null) this[$arrived](this[$link], bytes, address, port);
  }

  /** @internal */
  protected [$arrived](connection: C, bytes: Buffer, address: string, port: number): void {
    const { host } = connection;
    if (host.socket?.isOfPeer(address, port) === true) connection.received(bytes, this[$wheel].now());
    else host.drops.unknownPeer++;
  }

  #receiveFailed(run: UdpHost, error: Error): void {
    run.receiveErrors++;
    if (this[$host] === run) this[$link]?.systemFailed(errnoOf(error), SocketOperation.Receive, error);
  }

  /**
   * Ends the connection with a close notify and `onClose` (`Stop`, CLI-002).
   * @throws SocketError (IllegalState) if it is not started, also after the connection ended by itself.
   */
  async stop(options: StopOptions = {}): Promise<void> {
    checkStopOptions(options);
    if (!this.hasStarted) throw this[$illegalState]('stop');
    const { drainTimeoutMs = 0, signal } = options;
    const isAborted = isSignalAborted(signal);
    this.#isStoppedByUser = true;
    const { [$link]: connection } = this;
    this[$transition](ServiceState.Stopping);
    const stopped = this.wait();
    if (connection !== null) {
      const cut = (): void => connection.close(SocketOperation.Close, 0, undefined, true);
      const watch = watchAbort(signal, cut);
      if (drainTimeoutMs > 0 && !isAborted) connection.drain(drainTimeoutMs);
      else cut();
      // An async onConnect that never answers.
      const cancel = deadlineAfter(drainTimeoutMs + HOOK_GRACE_MS, () => {
        cut();
        connection.abandonHooks();
      });
      await stopped;
      cancel();
      watch.end();
    }
    await stopped;
  }

  /** The connection, with all that can be done with it; null while there is none. Inside `onClose` it is still there. */
  get connection(): DatagramConnection<Extra> | null {
    const { [$link]: link } = this;
    if (link === null) return null;
    if (this.#face?.id !== link.id) this.#face = this[$makeFace](link);
    return this.#face!;
  }

  /** @internal */
  protected [$makeFace](connection: C): DatagramConnection<Extra> {
    return new DatagramConnection(this, connection, true);
  }

  /** @internal */
  [$closing](_connection: UdpLifecycle): void {
    if (this.hasStarted) this[$transition](ServiceState.Stopping);
  }

  /** @internal */
  [$released](connection: UdpLifecycle): void {
    if (this[$link] !== connection) return;
    // The last error of a run that the user stopped is not an error.
    if (!this.#isStoppedByUser && connection.closeReason.error !== undefined)
      this[$failed](connection.closeReason.error);
    this[$link] = null;
    this.#remoteHost = null;
    this.#closeSocket(connection.host);
  }

  async #closeSocket(run: UdpHost): Promise<void> {
    const { socket } = run;
    if (socket !== null) {
      const deadline = this[$wheel].clock.now() + NOTIFY_WAIT_MS;
      while (socket.queuedCount > 0 && this[$wheel].clock.now() < deadline) await new Promise(setImmediate);
      run.socket = null;
      await socket.close();
    }
    this[$transition](ServiceState.Stopped);
  }

  /**
   * Sends one datagram, or one ARQ message (`Send`, CLI-003). Up to 4 KiB are copied at once; more belong to the library
   * until they have left.
   * @returns as the server's `send`; EPERM when not connected.
   */
  send(data: Sendable, offset = 0, length?: number): boolean {
    const bytes = toBytes(data, offset, length);
    return this[$connected]('send')?.send('send', bytes) ?? false;
  }

  /** Sends several pieces as one datagram or message (`SendPackets`, CLI-004). */
  sendPackets(packets: readonly Sendable[]): boolean {
    const { [$link]: link } = this;
    if (link?.isConnected !== true) toParts(packets);
    const connection = this[$connected]('sendPackets');
    return connection !== null && sendPacketsOn(this, connection, packets);
  }

  /** Largest datagram or message. @internal */
  [$sendLimit](): number {
    return this.maxDatagramSize;
  }

  /** @internal */
  protected [$connected](operation: string): C | null {
    const { [$link]: connection } = this;
    if (connection?.isConnected === true) return connection;
    this[$refuse](
      operation,
      SocketErrorCode.IllegalState,
      Errno.EPERM,
      'the client is not connected',
      this.connectionId,
    );
    return null;
  }

  /**
   * Stops or goes on delivering (`PauseReceive`, CLI-005); false (EPERM) when not connected. Datagrams that come meanwhile
   * wait, at most `maxQueuedDatagrams`; more are dropped and counted. ARQ messages wait in the receive window.
   */
  pauseReceive(isPaused = true): boolean {
    const connection = this[$connected]('pauseReceive');
    connection?.pauseReceive(isPaused);
    return connection !== null;
  }

  /** Own address, null while there is no socket (`GetLocalAddress`, CLI-015). */
  getLocalAddress(): SocketAddress | null {
    const address = this[$host]?.socket?.address() ?? null;
    return address === null ? null : { address: address.address, port: address.port };
  }

  /** Host and port given to `start`, null when stopped (`GetRemoteHost`, CLI-016). */
  getRemoteHost(): { host: string; port: number } | null {
    return this.#remoteHost === null ? null : { ...this.#remoteHost };
  }

  /** Snapshot of this run, or of the last one. */
  stats(): UdpStats {
    return (this[$host] ?? new UdpHost(this, this[$listener])).stats(this[$link] === null ? 0 : 1);
  }

  /** Snapshot of the connection, null while there is none. */
  getConnectionStats(): UdpConnectionStats | null {
    return this[$link]?.stats() ?? null;
  }
}

defineProperties(DatagramClient.prototype, udpSocketProperties);
