import type { DatagramPort } from './datagram-protocol.ts';

/** Datagrams that wait, at most `maxQueuedDatagrams`: what comes then is dropped and counted. */
export class DatagramQueue {
  #datagrams: Buffer[] = [];

  /** Adds one, or drops it. */
  push(port: DatagramPort, bytes: Buffer): void {
    if (this.#datagrams.length < port.host.settings.maxQueuedDatagrams) this.#datagrams.push(bytes);
    else port.droppedOne();
  }

  /** Takes all of them, in order. */
  takeAll(): Buffer[] {
    const all = this.#datagrams;
    this.#datagrams = [];
    return all;
  }

  /** Hands them on while `port` lets data flow. True if none is left. */
  drainInto(port: DatagramPort, deliver: (bytes: Buffer) => void): boolean {
    let at = 0;
    while (at < this.#datagrams.length && port.mayDeliver) deliver(this.#datagrams[at++]!);
    if (at > 0) this.#datagrams = this.#datagrams.slice(at);
    return this.#datagrams.length === 0;
  }

  get bytes(): number {
    return this.#datagrams.reduce((sum, { length }) => sum + length, 0);
  }
}
