import type { DatagramSource } from './datagram-source.ts';

/** What the table needs of an entry: where its datagrams come from. It must not change while the entry is in the table. */
export interface Peer {
  readonly source: Pick<DatagramSource, 'key' | 'remotePort'>;
}

/**
 * Connections of a UDP server by the address of their peer (UD-001).
 *
 * Peers seldom share a port, so the port alone finds most of them, which spares the hot path a key made of address and
 * port. Those that share one are found by address in a map of that port; a flood of addresses with one port is no slower.
 */
export class UdpPeers<T extends Peer> {
  #firstOfPort = new Map<number, T>();
  #othersOfPort = new Map<number, Map<string, T>>();

  /** @param key Of its source: without a proxy, the address as the system writes it. */
  find(key: string, port: number): T | undefined {
    const first = this.#firstOfPort.get(port);
    if (first !== undefined && first.source.key === key) return first;
    return this.#othersOfPort.size === 0 ? undefined : this.#othersOfPort.get(port)?.get(key);
  }

  /** Adds an entry; there must be none with its address. */
  add(peer: T): void {
    const { remotePort: port, key } = peer.source;
    if (!this.#firstOfPort.has(port)) {
      this.#firstOfPort.set(port, peer);
      return;
    }
    const others = this.#othersOfPort.get(port);
    if (others === undefined) this.#othersOfPort.set(port, new Map([[key, peer]]));
    else others.set(key, peer);
  }

  delete(peer: T): void {
    const { remotePort: port, key } = peer.source;
    if (this.#firstOfPort.get(port) === peer) {
      this.#firstOfPort.delete(port);
      return;
    }
    const others = this.#othersOfPort.get(port);
    if (others?.get(key) !== peer) return;
    others.delete(key);
    if (others.size === 0) this.#othersOfPort.delete(port);
  }
}
