import { checkProxyProtocol, type ProxyProtocolOptions, TrustedProxies } from '../connection/trusted-proxies.ts';
import { custom, type TableOf } from '../core/properties.ts';
import type { ProxyHeader } from '../protocol/preambles/proxy-header.ts';
import { ProxyReader, ProxyStart } from '../protocol/preambles/proxy-reader.ts';
import type { UdpLimitCounters } from './udp-stats.ts';

/** Property of UDP and ARQ servers about proxies in front of them. */
export interface UdpProxyProperties {
  /**
   * Whose PROXY headers (version 2) are believed; null, the default, if datagrams have none. With it, every datagram of a trusted
   * proxy begins with a header, as dnsdist and BIND send it; answers go to the proxy, without one.
   */
  proxyProtocol: ProxyProtocolOptions | null;
}

export const udpProxyProperties = {
  proxyProtocol: custom(null, checkProxyProtocol),
} satisfies TableOf<UdpProxyProperties>;

/** The client of a datagram that came through a proxy, and where answers to it go: to the proxy, without a header. */
export interface ProxiedPeer {
  /** As the header says; a path for the client of a Unix domain socket. */
  readonly address: string;
  readonly port: number;
  readonly sendPort: number;
  /** Client and proxy together: what its connection is found by. */
  readonly key: string;
  readonly header: ProxyHeader;
}

/** What the client of a datagram is found by, among those with its port. @param address Of the sender, as the system writes it. */
export function clientKey(address: string, proxied: ProxiedPeer | null): string {
  return proxied === null ? address : proxied.key;
}

/** Port of the client of a datagram. @param port Of the sender. */
export function clientPort(port: number, proxied: ProxiedPeer | null): number {
  return proxied === null ? port : proxied.port;
}

/**
 * Takes PROXY headers of version 2 off datagrams: each has one in front, as dnsdist, BIND and others send it. A later datagram could
 * not be told from one of another client of the same proxy otherwise. Made by each start.
 */
export class ProxiedDatagrams {
  /** The client that the last datagram is from; null if its address says that. */
  peer: ProxiedPeer | null = null;
  #proxies: TrustedProxies;
  #reader: ProxyReader;
  #limits: UdpLimitCounters;

  constructor(options: ProxyProtocolOptions, limits: UdpLimitCounters) {
    this.#proxies = new TrustedProxies(options);
    this.#reader = new ProxyReader(this.#proxies.maxHeaderBytes);
    this.#limits = limits;
  }

  /**
   * The payload of a datagram, whose client is `peer`; null if it is not taken, which is counted.
   * @param shown Address of the sender in its usual form.
   */
  take(bytes: Buffer, address: string, port: number, shown: string): Buffer | null {
    this.peer = null;
    if (!this.#proxies.includes(shown)) {
      if (this.#proxies.letsOthersIn) return bytes;
      this.#limits.untrustedProxies++;
      return null;
    }
    const reader = this.#reader;
    const start = bytes.length === 0 ? ProxyStart.None : reader.read(bytes);
    if (start === ProxyStart.None && this.#proxies.isOptional) return bytes;
    if (start !== ProxyStart.Whole || reader.header!.version !== 2) {
      this.#limits.preambles++;
      return null;
    }
    const header = reader.header!;
    const { source } = header;
    if (source !== null) {
      const key = `${source.address} ${source.port} ${address} ${port}`;
      this.peer = { address: source.address, port: source.port, sendPort: port, key, header };
    }
    return bytes.subarray(reader.length);
  }
}
