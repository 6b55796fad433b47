import { $makeConnection } from '../core/internals.ts';
import { defineProperties, type OptionsOf } from '../core/properties.ts';
import type { SingleSocketProperties } from '../core/single-socket.ts';
import type { DatagramSource } from '../udp/datagram-source.ts';
import { UdpConnection } from '../udp/udp-connection.ts';
import type { UdpHost } from '../udp/udp-host.ts';
import type { UdpClientHooks } from '../udp/udp-listener.ts';
import { type PlainProtocol, plainProtocol } from '../udp/udp-plain-protocol.ts';
import { type DetectProperties, detectProperties, type UdpClientProperties } from '../udp/udp-properties.ts';
import { DatagramClient } from './udp-datagram-client.ts';

/** Options of a UDP client: any of its properties. */
export type UdpClientOptions = OptionsOf<SingleSocketProperties & UdpClientProperties>;

export interface UdpClient<Extra = unknown> extends DetectProperties {}

/**
 * A UDP client with heartbeats (HP-Socket's `UdpClient`, byte for byte). It receives only what its server sends.
 *
 * ```ts
 * const client = new UdpClient({
 *   onReceive(client, connId, data) { console.log(data.toString()); },
 * });
 * await client.start('127.0.0.1', 5555);
 * client.send('hello');
 * ```
 */
export class UdpClient<Extra = unknown> extends DatagramClient<UdpConnection<PlainProtocol>, Extra> {
  constructor(listener: UdpClientHooks<UdpClient<Extra>>, options?: UdpClientOptions) {
    super(listener, options);
  }

  /** @internal */
  protected override [$makeConnection](
    run: UdpHost,
    source: DatagramSource,
    now: number,
  ): UdpConnection<PlainProtocol> {
    return new UdpConnection(run, source, true, now, plainProtocol);
  }
}

defineProperties(UdpClient.prototype, detectProperties);
