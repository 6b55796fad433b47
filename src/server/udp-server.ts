import { CLOSE_NOTIFY, isCloseNotify } from '../arq/index.ts';
import type { ComplexSocketProperties } from '../core/complex-socket.ts';
import { $admit, $refusePeer, $unknownPeer } from '../core/internals.ts';
import type { OptionsOf } from '../core/properties.ts';
import type { DatagramSource } from '../udp/datagram-source.ts';
import type { UdpProxyProperties } from '../udp/proxied-datagrams.ts';
import { UdpConnection } from '../udp/udp-connection.ts';
import type { UdpHost } from '../udp/udp-host.ts';
import type { UdpServerHooks } from '../udp/udp-listener.ts';
import { type PlainProtocol, plainProtocol } from '../udp/udp-plain-protocol.ts';
import type { UdpServerProperties } from '../udp/udp-properties.ts';
import { DatagramServer } from './udp-datagram-server.ts';

/** Options of a UDP server: any of its properties. */
export type UdpServerOptions = OptionsOf<ComplexSocketProperties & UdpServerProperties & UdpProxyProperties>;

/**
 * A UDP server with pseudo-connections (HP-Socket's `UdpServer`, byte for byte): each address that sends something is a
 * connection, until it says goodbye, falls silent, or is disconnected. Datagrams may be lost, repeated and reordered on
 * the way, as always with UDP.
 *
 * ```ts
 * const echo = new UdpServer({
 *   onReceive(server, connId, data) { server.send(connId, data); },
 * });
 * const { port } = await echo.start('127.0.0.1', 0);
 * ```
 */
export class UdpServer<Extra = unknown> extends DatagramServer<UdpConnection<PlainProtocol>, Extra> {
  constructor(listener: UdpServerHooks<UdpServer<Extra>>, options?: UdpServerOptions) {
    super(listener, options);
  }

  /** Any first datagram makes a connection (UD-002), but for oversize ones (ORD-029) and stray close notifies (ACC-015). @internal */
  protected override [$unknownPeer](run: UdpHost, source: DatagramSource, bytes: Buffer, now: number): void {
    if (bytes.length > run.settings.maxDatagramSize) {
      run.drops.oversize++;
      return;
    }
    if (isCloseNotify(bytes)) {
      run.drops.unknownPeer++;
      return;
    }
    const connection = this[$admit](run, source, () => new UdpConnection(run, source, false, now, plainProtocol));
    if (connection === null) return;
    connection.open('onAccept', { address: connection.remoteAddress, port: connection.remotePort }, () => {});
    connection.received(bytes, now);
  }

  /** @internal */
  protected override [$refusePeer](run: UdpHost, source: DatagramSource): void {
    run.closeNotifiesOut++;
    run.control(CLOSE_NOTIFY, source);
  }
}
