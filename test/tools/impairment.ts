import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { Random } from './random.ts';
import { type LinkClock, RealClock } from './virtual-clock.ts';

/** What one direction of a line does to datagrams. Rates are 0..1, times milliseconds. */
export interface Impairment {
  lossRate?: number;
  /** Every datagram takes at least so long, ... */
  delayMs?: number;
  /** ... and up to so much more. */
  jitterMs?: number;
  /** Keep the order in spite of jitter: a datagram waits for the one before it. */
  keepsOrder?: boolean;
  duplicateRate?: number;
  /** Share of datagrams that take `reorderMs` longer than the others. */
  reorderRate?: number;
  reorderMs?: number;
  /** Share of datagrams that lose their tail, at a random place. */
  truncateRate?: number;
  bytesPerSecond?: number;
  /** Datagrams are dropped when more than so many bytes wait for the bandwidth. */
  queueBytes?: number;
}

/** One direction of a bad line: what is sent comes out of `deliver` later, twice, cut, in another order, or not at all. */
export class ImpairedLink {
  sent = 0;
  delivered = 0;
  lost = 0;
  overflowed = 0;
  duplicated = 0;
  truncated = 0;

  private readonly clock: LinkClock;
  private readonly random: Random;
  private readonly deliver: (datagram: Buffer) => void;
  private impairment: Impairment;
  private lastArrival = 0;
  private freeAt = 0;

  constructor(clock: LinkClock, random: Random, impairment: Impairment, deliver: (datagram: Buffer) => void) {
    this.clock = clock;
    this.random = random;
    this.impairment = impairment;
    this.deliver = deliver;
  }

  /** Changes the line; what is under way arrives as it would have. */
  set(impairment: Impairment): void {
    this.impairment = impairment;
  }

  /** Copies the bytes. */
  send(bytes: Uint8Array, length = bytes.length): void {
    const { random, impairment } = this;
    this.sent++;
    if (random.chance(impairment.lossRate ?? 0)) {
      this.lost++;
      return;
    }
    // Not from Node's buffer pool: 10^6 small copies must not pin pages of it.
    let datagram = Buffer.from(new Uint8Array(length).buffer);
    datagram.set(length === bytes.length ? bytes : bytes.subarray(0, length));
    if (random.chance(impairment.truncateRate ?? 0)) {
      datagram = datagram.subarray(0, random.int(0, length - 1));
      this.truncated++;
    }
    this.forward(datagram);
    if (random.chance(impairment.duplicateRate ?? 0)) {
      this.duplicated++;
      this.forward(Buffer.from(datagram));
    }
  }

  private forward(datagram: Buffer): void {
    const { clock, random, impairment } = this;
    const now = clock.now();
    let at = now;
    if (impairment.bytesPerSecond !== undefined) {
      const start = Math.max(now, this.freeAt);
      const waiting = ((start - now) / 1000) * impairment.bytesPerSecond;
      if (waiting + datagram.length > (impairment.queueBytes ?? Infinity)) {
        this.overflowed++;
        return;
      }
      this.freeAt = start + (datagram.length * 1000) / impairment.bytesPerSecond;
      at = this.freeAt;
    }
    at += (impairment.delayMs ?? 0) + (impairment.jitterMs ?? 0) * random.next();
    if (random.chance(impairment.reorderRate ?? 0)) at += impairment.reorderMs ?? 0;
    if (impairment.keepsOrder === true) this.lastArrival = at = Math.max(at, this.lastArrival);
    clock.schedule(at, () => {
      this.delivered++;
      this.deliver(datagram);
    });
  }
}

/**
 * A bad line between real sockets: clients talk to `port`, the relay talks to the target, from one socket per client so that
 * the target tells them apart.
 */
export class UdpRelay {
  port = 0;
  private readonly clock = new RealClock();
  private readonly random: Random;
  private readonly peers = new Map<string, { socket: Socket; up: ImpairedLink; down: ImpairedLink }>();
  private readonly front = createSocket('udp4');
  private readonly target: { host: string; port: number };
  private toTarget: Impairment;
  private toClient: Impairment;

  constructor(target: { host: string; port: number }, seed: number, toTarget: Impairment, toClient = toTarget) {
    this.target = target;
    this.random = new Random(seed);
    this.toTarget = toTarget;
    this.toClient = toClient;
    this.front.on('message', (datagram, from) => this.peer(from).up.send(datagram));
  }

  /** Binds a loopback port, which it returns. */
  async start(): Promise<number> {
    this.front.bind(0, '127.0.0.1');
    await once(this.front, 'listening');
    this.port = (this.front.address() as AddressInfo).port;
    return this.port;
  }

  /** Changes the line for all clients, present and future. */
  set(toTarget: Impairment, toClient = toTarget): void {
    this.toTarget = toTarget;
    this.toClient = toClient;
    for (const peer of this.peers.values()) {
      peer.up.set(toTarget);
      peer.down.set(toClient);
    }
  }

  /** Datagrams of all clients, both directions. */
  counters(): { sent: number; delivered: number; lost: number } {
    const sum = { sent: 0, delivered: 0, lost: 0 };
    for (const { up, down } of this.peers.values()) {
      for (const link of [up, down]) {
        sum.sent += link.sent;
        sum.delivered += link.delivered;
        sum.lost += link.lost + link.overflowed;
      }
    }
    return sum;
  }

  stop(): void {
    this.clock.close();
    this.front.close();
    for (const { socket } of this.peers.values()) socket.close();
    this.peers.clear();
  }

  private peer(from: RemoteInfo): { up: ImpairedLink } {
    const key = `${from.address}:${from.port}`;
    const known = this.peers.get(key);
    if (known !== undefined) return known;
    const socket = createSocket('udp4');
    // An ICMP error on a loopback port that is not open (any more) is one more way for a datagram to be lost.
    socket.on('error', () => {});
    const { host, port } = this.target;
    const up = new ImpairedLink(this.clock, this.random, this.toTarget, (bytes) => socket.send(bytes, port, host));
    const down = new ImpairedLink(this.clock, this.random, this.toClient, (bytes) =>
      this.front.send(bytes, from.port, from.address),
    );
    socket.on('message', (datagram) => down.send(datagram));
    const peer = { socket, up, down };
    this.peers.set(key, peer);
    return peer;
  }
}
