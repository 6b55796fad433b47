import { normalizeAddress } from '../core/address.ts';
import type { ProxyHeader } from '../protocol/preambles/proxy-header.ts';

/** Where the datagrams of a peer come from, and where those to it go. */
export class DatagramSource {
  /** Address of the socket that sends them, as the system writes it: the peer's, or its proxy's. Empty on a connected socket. */
  readonly sendAddress: string;
  readonly sendPort: number;
  /** Address of the peer, as users see it; a path for the client of a Unix domain socket behind a proxy. */
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** What tells peers with the same `remotePort` apart. */
  readonly key: string;
  /** What the proxy of the peer says of it; null without a proxy. */
  readonly header: ProxyHeader | null;

  constructor(
    sendAddress: string,
    sendPort: number,
    remoteAddress: string,
    remotePort: number,
    key: string,
    header: ProxyHeader | null,
  ) {
    this.sendAddress = sendAddress;
    this.sendPort = sendPort;
    this.remoteAddress = remoteAddress;
    this.remotePort = remotePort;
    this.key = key;
    this.header = header;
  }

  /** The address that limits and lists of addresses look at: '' for a path, which is nothing that they could know. */
  get limitedAddress(): string {
    return this.header?.family === 'unix' ? '' : this.remoteAddress;
  }
}

/** A peer without a proxy. @param address As the system writes it. */
export function directSource(address: string, port: number): DatagramSource {
  return new DatagramSource(address, port, normalizeAddress(address), port, address, null);
}

/** The peer of a connected socket, which needs no address with each datagram. */
export function connectedSource(address: string, port: number): DatagramSource {
  return new DatagramSource('', port, normalizeAddress(address), port, '', null);
}

/** The client that a proxy names as the source of a datagram. @param address Of the proxy, as the system writes it. */
export function proxiedSource(
  client: { readonly address: string; readonly port: number },
  address: string,
  port: number,
  header: ProxyHeader,
): DatagramSource {
  const key = `${client.address} ${client.port} ${address} ${port}`;
  return new DatagramSource(address, port, client.address, client.port, key, header);
}
