/** What the table needs of an entry: where its datagrams come from. */
export interface Peer {
  /** Numeric address exactly as the system tells it; behind a proxy, that of the client and the proxy's together. */
  readonly peerKey: string;
  readonly remotePort: number;
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

  find(address: string, port: number): T | undefined {
    const first = this.#firstOfPort.get(port);
    if (first !== undefined && first.peerKey === address) return first;
    return this.#othersOfPort.size === 0 ? undefined : this.#othersOfPort.get(port)?.get(address);
  }

  /** Adds an entry; there must be none with its address. */
  add(peer: T): void {
    const { remotePort: port, peerKey } = peer;
    if (!this.#firstOfPort.has(port)) {
      this.#firstOfPort.set(port, peer);
      return;
    }
    const others = this.#othersOfPort.get(port);
    if (others === undefined) this.#othersOfPort.set(port, new Map([[peerKey, peer]]));
    else others.set(peerKey, peer);
  }

  delete(peer: T): void {
    const { remotePort: port, peerKey } = peer;
    if (this.#firstOfPort.get(port) === peer) {
      this.#firstOfPort.delete(port);
      return;
    }
    const others = this.#othersOfPort.get(port);
    if (others?.get(peerKey) !== peer) return;
    others.delete(peerKey);
    if (others.size === 0) this.#othersOfPort.delete(port);
  }
}
