import { checkProxyProtocol, type ProxyProtocolOptions, TrustedProxies } from '../connection/trusted-proxies.ts';
import { custom, type TableOf } from '../core/properties.ts';
import { ProxyReader, ProxyStart } from '../protocol/preambles/proxy-reader.ts';
import { type DatagramSource, proxiedSource } from './datagram-source.ts';
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

/**
 * Takes PROXY headers of version 2 off datagrams: each has one in front, as dnsdist, BIND and others send it. A later datagram could
 * not be told from one of another client of the same proxy otherwise. Made by each start.
 */
export class ProxiedDatagrams {
  /** The client that the last datagram is from; null if its own address says that. */
  source: DatagramSource | null = null;
  #proxies: TrustedProxies;
  #reader: ProxyReader;
  #limits: UdpLimitCounters;

  constructor(options: ProxyProtocolOptions, limits: UdpLimitCounters) {
    this.#proxies = new TrustedProxies(options);
    this.#reader = new ProxyReader(this.#proxies.maxHeaderBytes);
    this.#limits = limits;
  }

  /**
   * The payload of a datagram, whose client is `source`; null if it is not taken, which is counted.
   * @param shown Address of the sender in its usual form.
   */
  take(bytes: Buffer, address: string, port: number, shown: string): Buffer | null {
    this.source = null;
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
    if (header.source !== null) this.source = proxiedSource(header.source, address, port, header);
    return bytes.subarray(reader.length);
  }
}
