import type { SocketAddress } from '../core/address.ts';
import { describe } from '../core/describe.ts';
import { CastMode, SocketErrorCode } from '../core/enums.ts';
import { Errno } from '../core/errno.ts';
import { SocketError } from '../core/errors.ts';
import {
  $arrived,
  $bindSocket,
  $bindTo,
  $checkTarget,
  $connectSocket,
  $link,
  $makeConnection,
  $released,
  $resolveTarget,
  $sourceOf,
  $startRules,
  $wheel,
} from '../core/internals.ts';
import type { OptionRule, OptionRules } from '../core/option-names.ts';
import { defineProperties, type OptionsOf, oneOf, type TableOf } from '../core/properties.ts';
import type { SingleSocketProperties } from '../core/single-socket.ts';
import { invalidParam } from '../core/start-stop.ts';
import { isPort } from '../stream/stream-properties.ts';
import { type DatagramSource, directSource } from '../udp/datagram-source.ts';
import { CastSenders } from '../udp/udp-cast-senders.ts';
import { UdpConnection } from '../udp/udp-connection.ts';
import type { UdpHost } from '../udp/udp-host.ts';
import type { UdpCastHooks } from '../udp/udp-listener.ts';
import {
  checkCastAddress,
  IPV4_BROADCAST,
  type JoinOptions,
  joinProblem,
  type MulticastProperties,
  multicastProperties,
  prepareCast,
} from '../udp/udp-multicast.ts';
import { PlainProtocol } from '../udp/udp-plain-protocol.ts';
import type { UdpSocketProperties } from '../udp/udp-properties.ts';
import { ownFamily } from '../udp/udp-start.ts';
import { type ClientSocket, DatagramClient } from './udp-datagram-client.ts';
import type { UdpClientStartOptions } from './udp-target.ts';

/** Where a `UdpCast` casts: `host` is the group, or the address for broadcasts (255.255.255.255 if left out). */
export interface UdpCastStartOptions extends Omit<UdpClientStartOptions, 'asyncConnect' | 'localPort'>, JoinOptions {}

/** The connection of a `UdpCast`. */
type CastConnection = UdpConnection<PlainProtocol>;

const startRules = {
  host: true,
  port: true,
  localAddress: true,
  joinOn: true,
  sources: true,
  signal: true,
} satisfies Record<keyof UdpCastStartOptions, OptionRule>;

/** Properties of a `UdpCast` beside those of all UDP components. */
export interface UdpCastProperties extends MulticastProperties {
  /** Multicast, the default, or broadcast (CAST-003). */
  castMode: typeof CastMode.Multicast | typeof CastMode.Broadcast;
}

/** Options of a `UdpCast`: any of its properties. */
export type UdpCastOptions = OptionsOf<SingleSocketProperties & UdpSocketProperties & UdpCastProperties>;

export interface UdpCast<Extra = unknown> extends UdpCastProperties {}

/**
 * Sends to a multicast group or by broadcast, and receives from anybody on that port (HP-Socket's `UdpCast`).
 *
 * ```ts
 * const cast = new UdpCast({
 *   onReceive(cast, connId, data) { console.log(cast.getRemoteAddress(), data.toString()); },
 * }, { multiCastLoop: true });
 * await cast.start('239.1.2.3', 5555);
 * cast.send('hello');
 * ```
 */
export class UdpCast<Extra = unknown> extends DatagramClient<CastConnection, Extra> {
  constructor(listener: UdpCastHooks<UdpCast<Extra>>, options?: UdpCastOptions) {
    super(listener, options);
  }

  /**
   * Binds to the port on all own addresses, fires `onPrepareConnect`, joins the group, fires `onConnect` and `onHandShake`
   * (`Start`, CA-001). `localAddress` chooses the interface.
   * @throws SocketError: IllegalState, InvalidParam, SocketCreate (addresses), SocketBind, SocketPrepare, ConnectServer
   *   (the group cannot be joined).
   */
  override start(
    host: string | null | UdpCastStartOptions,
    port?: number,
    options?: Omit<UdpCastStartOptions, 'host' | 'port'>,
  ): Promise<void> {
    if (typeof host === 'object' && host !== null) return super.start(host);
    return super.start(host ?? '', port as number, options);
  }

  /** Sender of the datagram that `onReceive` is about; outside of it of the last one (`GetRemoteAddress`, CAST-009). */
  getRemoteAddress(): SocketAddress | null {
    return this.#lastSender();
  }

  #sender: SocketAddress | null = null;

  #lastSender(): SocketAddress | null {
    this.#sender = this[$link]?.protocol.senders?.latest ?? this.#sender;
    return this.#sender;
  }

  /** @internal */
  protected override [$startRules](): OptionRules {
    return startRules;
  }

  /** @internal */
  protected override [$checkTarget](target: UdpCastStartOptions): SocketError | null {
    const { host = '', port, localAddress } = target;
    const problem = joinProblem(target);
    if (problem !== null) return invalidParam(problem);
    return typeof host !== 'string'
      ? invalidParam(`host must be a group address or a host name, not ${describe(host)}`)
      : !isPort(port) || port === 0
        ? invalidParam(`port must be a whole number, 1 to 65535, not ${describe(port)}: casts go to it as well`)
        : localAddress !== undefined && typeof localAddress !== 'string'
          ? invalidParam(`localAddress must be a string, not ${describe(localAddress)}`)
          : null;
  }

  /** @internal */
  protected override async [$resolveTarget](target: UdpCastStartOptions): Promise<{ address: string; family: number }> {
    const { host = '', localAddress = '' } = target;
    const own = ownFamily(localAddress);
    const isBroadcast = this.castMode === CastMode.Broadcast;
    if (host === '' && !isBroadcast) {
      throw new SocketError({
        socketError: SocketErrorCode.SocketCreate,
        errno: Errno.EHOSTUNREACH,
        operation: 'start',
        message: 'there is no group address; give one of 224.0.0.0 to 239.255.255.255 or ff00::/8 as host',
      });
    }
    if (isBroadcast && (own === 'udp6' || host.includes(':'))) throw checkCastAddress(CastMode.Broadcast, host, true);
    if (host === '') return { address: IPV4_BROADCAST, family: 4 };
    return super[$resolveTarget](target);
  }

  /** On all own addresses, as a socket that is bound to one receives no casts on most systems (CA-001). @internal */
  protected override [$bindSocket](run: UdpHost, { port }: UdpCastStartOptions, family: number): Promise<ClientSocket> {
    return this[$bindTo](run, family === 6 ? '::' : '0.0.0.0', port!, true);
  }

  /** @internal */
  protected override async [$connectSocket](
    socket: ClientSocket,
    address: string,
    { localAddress = '', joinOn, sources }: UdpCastStartOptions,
  ): Promise<void> {
    const { castMode, multiCastTtl, multiCastLoop } = this;
    prepareCast(socket, {
      castMode,
      castAddress: address,
      ownAddress: localAddress,
      multiCastTtl,
      multiCastLoop,
      ...(joinOn === undefined ? {} : { joinOn }),
      ...(sources === undefined ? {} : { sources }),
    });
  }

  /** @internal */
  protected override [$sourceOf](address: string, port: number): DatagramSource {
    return directSource(address, port);
  }

  /** @internal */
  protected override [$makeConnection](run: UdpHost, source: DatagramSource, now: number): CastConnection {
    return new UdpConnection(run, source, true, now, (port) => new PlainProtocol(port, new CastSenders()));
  }

  /** @internal */
  protected override [$arrived](connection: CastConnection, bytes: Buffer, address: string, port: number): void {
    connection.protocol.senders?.came(bytes, address, port);
    connection.received(bytes, this[$wheel].now());
  }

  /** @internal */
  override [$released](connection: CastConnection): void {
    this.#lastSender();
    super[$released](connection);
  }
}

defineProperties(UdpCast.prototype, {
  ...multicastProperties,
  castMode: oneOf(CastMode.Multicast, [CastMode.Multicast, CastMode.Broadcast]),
} satisfies TableOf<UdpCastProperties>);
