import { availableParallelism } from 'node:os';
import type { SocketAddress } from '../core/address.ts';
import { checkListener } from '../core/check-listener.ts';
import { Component, isSignalAborted } from '../core/component.ts';
import { describe } from '../core/describe.ts';
import { CastMode, ReuseAddressPolicy, ServiceState, SocketErrorCode } from '../core/enums.ts';
import { Errno } from '../core/errno.ts';
import { SocketError } from '../core/errors.ts';
import { $aborted, $failed, $illegalState, $isStopped, $refuse, $transition } from '../core/internals.ts';
import { checkOptions, type ForeignNames, foreignAddresses, type OptionRule } from '../core/option-names.ts';
import { defineProperties, flag, integer, type OptionsOf, oneOf, type TableOf } from '../core/properties.ts';
import { callPrepare, invalidParam, shutDown, startCancelled, stopOnAbort } from '../core/start-stop.ts';
import { checkStopOptions, type StopOptions } from '../core/stop-options.ts';
import { type Sendable, toBytes, toParts } from '../memory/sendable.ts';
import { isPort } from '../stream/stream-properties.ts';
import type { UdpNodeHooks } from '../udp/udp-listener.ts';
import {
  checkCastAddress,
  IPV4_BROADCAST,
  type JoinOptions,
  joinProblem,
  type MulticastProperties,
  multicastProperties,
  prepareCast,
} from '../udp/udp-multicast.ts';
import { type UdpSocketProperties, udpSocketProperties } from '../udp/udp-properties.ts';
import { joinParts } from '../udp/udp-send.ts';
import { ownFamily } from '../udp/udp-start.ts';
import type { UdpStats } from '../udp/udp-stats.ts';
import { checkRemoteAddress, NodeRun } from './udp-node-run.ts';

/** Where a `UdpNode` is, and what it casts to. */
export interface UdpNodeStartOptions extends JoinOptions {
  /** Own IP address; all if left out. In the cast modes it only chooses the interface (CA-011). */
  host?: string | undefined;
  /** Own port, 1 to 65535, which is also the port of casts; 0, the default, lets the system choose. */
  port?: number | undefined;
  /** Default `CastMode.Unicast`. */
  castMode?: CastMode | undefined;
  /** Group, or address for broadcasts (255.255.255.255 if left out). */
  castAddress?: string | undefined;
  /** No IPv4 on `::`. Default false. */
  ipv6Only?: boolean | undefined;
  /** Aborting cancels the start, or stops the node. */
  signal?: AbortSignal | undefined;
}

const startRules = {
  host: true,
  port: true,
  castMode: true,
  castAddress: true,
  joinOn: true,
  sources: true,
  ipv6Only: flag(false),
  signal: true,
} satisfies Record<keyof UdpNodeStartOptions, OptionRule>;

/** What others call the group. */
const foreignNames: ForeignNames = { ...foreignAddresses, group: 'castAddress', multicastAddress: 'castAddress' };

/** Properties of a `UdpNode` beside those of all UDP components. */
export interface UdpNodeProperties extends MulticastProperties {
  /** How the local address may be shared (NODE-024). Default `AddrOnly`, which counts in the cast modes. */
  reuseAddressPolicy: ReuseAddressPolicy;
  /**
   * Stored for compatibility (NODE-026).
   * @deprecated Does nothing on Node.
   */
  workerThreadCount: number;
  /**
   * Stored for compatibility (NODE-028).
   * @deprecated Does nothing on Node.
   */
  postReceiveCount: number;
  /**
   * Stored for compatibility (NODE-030).
   * @deprecated Does nothing on Node.
   */
  freeBufferPoolSize: number;
  /**
   * Stored for compatibility (NODE-032).
   * @deprecated Does nothing on Node.
   */
  freeBufferPoolHold: number;
}

/** Options of a `UdpNode`: any of its properties. */
export type UdpNodeOptions = OptionsOf<UdpSocketProperties & UdpNodeProperties>;

export interface UdpNode<Extra = unknown> extends UdpSocketProperties, UdpNodeProperties {}

/**
 * A UDP socket without connections: sends to anybody, receives from anybody, casts if started so (HP-Socket's `UdpNode`).
 *
 * ```ts
 * const node = new UdpNode({
 *   onReceive(node, address, port, data) { node.send(address, port, data); },
 * });
 * const { port } = await node.start('127.0.0.1', 0);
 * ```
 */
export class UdpNode<Extra = unknown> extends Component {
  /** Data attached to the node, null if none; survives restarts (`SetExtra` / `GetExtra`, NODE-008, NODE-009). */
  extra: Extra | null = null;
  readonly #listener: UdpNodeHooks<UdpNode<Extra>>;
  /** The present run once it is open. */
  #run: NodeRun<UdpNode<Extra>> | null = null;
  /** The present run, or the last one. */
  #lastRun: NodeRun<UdpNode<Extra>> | null = null;
  #castMode: CastMode = CastMode.Unicast;
  #castAddress = '';

  constructor(listener: UdpNodeHooks<UdpNode<Extra>>, options?: UdpNodeOptions) {
    super(options);
    checkListener(listener);
    this.#listener = listener;
  }

  /**
   * Binds the socket, fires `onPrepareListen`, and joins the group, if any (`Start`, NODE-001).
   * @returns The own address with the real port.
   * @throws SocketError: IllegalState, InvalidParam, SocketCreate (addresses), SocketBind, SocketPrepare, ConnectServer
   *   (the group cannot be joined). From SocketCreate on, `onShutdown` fires too.
   */
  async start(
    host?: string | null | UdpNodeStartOptions,
    port?: number,
    castMode?: CastMode,
    castAddress?: string,
  ): Promise<SocketAddress> {
    const target: UdpNodeStartOptions =
      typeof host === 'object' && host !== null
        ? host
        : { host: host ?? '', port: port ?? 0, castMode: castMode ?? CastMode.Unicast, castAddress: castAddress ?? '' };
    checkOptions('start', target, startRules, foreignNames);
    if (!this[$isStopped]) throw this[$illegalState]('start');
    this.#check(target);
    const { signal } = target;
    if (isSignalAborted(signal)) throw this[$aborted]('start', signal);
    this[$transition](ServiceState.Starting);
    this.#castMode = target.castMode ?? CastMode.Unicast;
    let run: NodeRun<UdpNode<Extra>> | null = null;
    try {
      const { address, isIPv6 } = this.#addresses(target);
      run = new NodeRun<UdpNode<Extra>>(this, this.#listener, isIPv6);
      const socket = await run.bind({
        address,
        port: target.port ?? 0,
        ipv6Only: target.ipv6Only ?? false,
        isShared: this.#castMode !== CastMode.Unicast,
      });
      this.#checkStarting(target);
      const problem = await callPrepare(this, this.#listener, 'onPrepareListen', signal, () =>
        this.#listener.onPrepareListen?.(this, socket.socket),
      );
      if (problem !== null) throw problem;
      this.#checkStarting(target);
      const { multiCastTtl, multiCastLoop } = this;
      prepareCast(socket, {
        ...target,
        castMode: this.#castMode,
        castAddress: this.#castAddress,
        ownAddress: target.host ?? '',
        multiCastTtl,
        multiCastLoop,
      });
    } catch (error) {
      await run?.close();
      this[$failed](error as SocketError);
      if (this.hasStarted) this[$transition](ServiceState.Stopping);
      await shutDown(this, this.#listener);
      throw error;
    }
    run.open();
    this.#run = run;
    this.#lastRun = run;
    this[$transition](ServiceState.Started);
    stopOnAbort(this, signal);
    return this.getLocalAddress() as SocketAddress;
  }

  /** Throws if `stop` or the signal overtook the start. */
  #checkStarting({ signal }: UdpNodeStartOptions): void {
    if (this.state !== ServiceState.Starting) throw startCancelled(this);
    if (isSignalAborted(signal)) throw this[$aborted]('start', signal);
  }

  #check(target: UdpNodeStartOptions): void {
    const { host = '', port, castMode = CastMode.Unicast, castAddress = '' } = target;
    const joining = joinProblem(target);
    const problem =
      port !== undefined && !isPort(port)
        ? invalidParam(`port must be a whole number, 0 to 65535, not ${describe(port)}`)
        : typeof host !== 'string' || typeof castAddress !== 'string'
          ? invalidParam('host and castAddress must be strings')
          : !Object.values(CastMode).includes(castMode)
            ? invalidParam(`castMode must be one of CastMode, not ${describe(castMode)}`)
            : joining === null
              ? null
              : invalidParam(joining);
    if (problem !== null) throw this[$failed](problem);
  }

  #addresses({ host = '', castAddress = '' }: UdpNodeStartOptions): { address: string; isIPv6: boolean } {
    const castMode = this.#castMode;
    const isIPv6 = (ownFamily(host) || (castAddress.includes(':') ? 'udp6' : 'udp4')) === 'udp6';
    const wildcard = isIPv6 ? '::' : '0.0.0.0';
    this.#castAddress = '';
    if (castMode === CastMode.Unicast) return { address: host || wildcard, isIPv6 };
    const problem =
      castMode === CastMode.Multicast && castAddress === ''
        ? new SocketError({
            socketError: SocketErrorCode.SocketCreate,
            errno: Errno.EADDRNOTAVAIL,
            operation: 'start',
            message: 'there is no group address; give one of 224.0.0.0 to 239.255.255.255 or ff00::/8 as castAddress',
          })
        : checkCastAddress(castMode, castAddress, isIPv6);
    if (problem !== null) throw problem;
    this.#castAddress = castAddress || IPV4_BROADCAST;
    return { address: wildcard, isIPv6 };
  }

  // ---- sending ---------------------------------------------------------------------------------------------------

  /**
   * Sends one datagram, 0 to `maxDatagramSize` bytes, which are copied (`Send`, NODE-003). A host name is resolved at each
   * call; prefer addresses.
   * @returns true when it is on its way: `onSend` is called when the system took it, `onError` when it did not. False with
   *   `lastError`: EPERM (not started), EINVAL (size, port), EAFNOSUPPORT (IPv6 from an IPv4 node or the like), ENOBUFS.
   */
  send(remoteAddress: string, port: number, data: Sendable, offset = 0, length?: number): boolean {
    return this.#send('send', remoteAddress, port, toBytes(data, offset, length));
  }

  /** Sends several pieces as one datagram, which must not be empty (`SendPackets`, NODE-004). */
  sendPackets(remoteAddress: string, port: number, packets: readonly Sendable[]): boolean {
    const bytes = this.#join('sendPackets', packets);
    return bytes !== null && this.#send('sendPackets', remoteAddress, port, bytes);
  }

  /** Sends to the group or by broadcast (`SendCast`, NODE-005); EPERM in unicast mode. */
  sendCast(data: Sendable, offset = 0, length?: number): boolean {
    const bytes = toBytes(data, offset, length);
    return this.#isCasting('sendCast') && this.#send('sendCast', this.#castAddress, this.#ownPort(), bytes);
  }

  /** As `sendCast` for several pieces (`SendCastPackets`, NODE-006). */
  sendCastPackets(packets: readonly Sendable[]): boolean {
    if (this.#castMode === CastMode.Unicast) toParts(packets); // a mistake throws though nothing can be sent
    if (!this.#isCasting('sendCastPackets')) return false;
    const bytes = this.#join('sendCastPackets', packets);
    return bytes !== null && this.#send('sendCastPackets', this.#castAddress, this.#ownPort(), bytes);
  }

  #ownPort(): number {
    return this.#run?.address?.port ?? 0;
  }

  #join(operation: string, packets: readonly Sendable[]): Uint8Array | null {
    const bytes = joinParts(this, packets, this.maxDatagramSize, 0, operation);
    if (bytes === null || bytes.length > 0) return bytes;
    this[$refuse](operation, SocketErrorCode.InvalidParam, Errno.EMSGSIZE, 'the packets are empty together');
    return null;
  }

  #isCasting(operation: string): boolean {
    if (this.#castMode !== CastMode.Unicast) return true;
    const message = 'the node was started in unicast mode; start it with CastMode.Multicast or Broadcast';
    return this[$refuse](operation, SocketErrorCode.IllegalState, Errno.EPERM, message);
  }

  #send(operation: string, remoteAddress: string, port: number, bytes: Uint8Array): boolean {
    const run = this.#run;
    if (run === null || this.state !== ServiceState.Started) {
      // The address of casts is not the caller's, and is none after a start that failed.
      if (remoteAddress !== this.#castAddress) checkRemoteAddress(remoteAddress);
      return this[$refuse](operation, SocketErrorCode.IllegalState, Errno.EPERM, 'the node is not started');
    }
    return run.send(operation, remoteAddress, port, bytes);
  }

  // ---- the rest --------------------------------------------------------------------------------------------------

  /**
   * Closes the socket and fires `onShutdown` (`Stop`, NODE-002). There is nothing to drain: what was sent is with the system.
   * @throws SocketError (IllegalState) if it is not started.
   */
  async stop(options: StopOptions = {}): Promise<void> {
    checkStopOptions(options);
    if (!this.hasStarted) throw this[$illegalState]('stop');
    const isStarting = this.state === ServiceState.Starting;
    this[$transition](ServiceState.Stopping);
    if (isStarting) {
      // The start gives up, closes its socket and fires onShutdown.
      await this.wait();
      return;
    }
    const run = this.#run;
    this.#run = null;
    await run?.close();
    await shutDown(this, this.#listener);
  }

  /** Own address, null when not started (`GetLocalAddress`, NODE-014). */
  getLocalAddress(): SocketAddress | null {
    return this.#run?.address ?? null;
  }

  /** Where casts go, null in unicast mode and when not started (`GetCastAddress`, NODE-015). */
  getCastAddress(): SocketAddress | null {
    if (this.#run === null || this.#castMode === CastMode.Unicast) return null;
    return { address: this.#castAddress, port: this.#ownPort() };
  }

  /** Mode of the last start; `CastMode.Unicast` before the first (`GetCastMode`, NODE-016). */
  get castMode(): CastMode {
    return this.#castMode;
  }

  /** Bytes that were sent and not yet taken by the system (`GetPendingDataLength`, NODE-017). */
  get pendingDataLength(): number {
    return this.#run?.pendingBytes ?? 0;
  }

  /** Snapshot of this run, or of the last one. */
  stats(): UdpStats {
    return (this.#lastRun ?? new NodeRun<UdpNode<Extra>>(this, this.#listener, false)).stats();
  }
}

defineProperties(UdpNode.prototype, {
  ...udpSocketProperties,
  ...multicastProperties,
  reuseAddressPolicy: oneOf(ReuseAddressPolicy.AddrOnly, Object.values(ReuseAddressPolicy)),
  workerThreadCount: integer(Math.min(2 * availableParallelism() + 2, 512), 1, 512),
  postReceiveCount: integer(64, 1),
  freeBufferPoolSize: integer(1024, 0),
  freeBufferPoolHold: integer(1024, 0),
} satisfies TableOf<UdpSocketProperties & UdpNodeProperties>);
