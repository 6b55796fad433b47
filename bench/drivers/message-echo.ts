import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { Child } from '../harness/child.ts';
import type { Settings } from '../harness/contract.ts';
import { ArqPeer } from './arq-peers.ts';
import type { Session } from './sessions.ts';

/** One end of a transport that keeps messages whole. */
export interface Peer {
  send(message: Buffer): void;
  close(): Promise<void>;
}

/** Opens a peer of the server on `port`. */
export type OpenPeer = (port: number, onMessage: (message: Buffer) => void) => Promise<Peer>;

export interface MessageLoad {
  readonly peers: number;
  readonly messageSize: number;
  readonly open: OpenPeer;
  readonly settings?: Settings;
}

/** Ping-pong with an echo server that keeps messages whole: one message per peer on its way at any time. */
export async function openMessageEcho(module: string, load: MessageLoad): Promise<Session> {
  const child = await Child.start(module, load.settings);
  const session = new MessageEchoSession(child);
  try {
    for (let index = 0; index < load.peers; index++) await session.addPeer(load, index);
    return session;
  } catch (error) {
    await session.close();
    throw error;
  }
}

class MessageEchoSession implements Session {
  readonly child: Child;
  readonly #lanes: { readonly peer: Peer; readonly message: Buffer }[] = [];
  #received = 0;
  #sent = 0;
  #isPaused = true;
  #failure: Error | undefined;

  constructor(child: Child) {
    this.child = child;
  }

  async addPeer({ open, messageSize }: MessageLoad, index: number): Promise<void> {
    const message = Buffer.alloc(messageSize, index + 1);
    message.writeUInt32LE(index, 0);
    const peer: Peer = await open(this.child.port, (received) => {
      if (received.compare(message) !== 0)
        this.#failure ??= new Error(`peer ${index} got a message that it did not send`);
      this.#received++;
      if (this.#isPaused) return;
      this.#sent++;
      peer.send(message);
    });
    this.#lanes.push({ peer, message });
  }

  resume(): void {
    this.#isPaused = false;
    this.#sent += this.#lanes.length;
    for (const { peer, message } of this.#lanes) peer.send(message);
  }

  countMessages(): number {
    if (this.#failure) throw this.#failure;
    return this.#received;
  }

  /** So few datagrams fit into any socket buffer, so that even plain UDP must not lose one over loopback. */
  async pause(): Promise<void> {
    this.#isPaused = true;
    for (const deadline = Date.now() + 5_000; Date.now() < deadline; await delay(2)) {
      if (this.countMessages() === this.#sent) return;
    }
    throw new Error(`${this.#sent} messages were sent, ${this.#received} came back`);
  }

  async close(): Promise<void> {
    await Promise.all(this.#lanes.map(({ peer }) => peer.close()));
    await this.child.stop();
  }
}

/** A plain datagram socket; empty datagrams are heartbeats of the server's, not messages. */
export const openDatagramPeer: OpenPeer = async (port, onMessage) => {
  const socket: DatagramSocket = createSocket('udp4');
  socket.on('message', (message) => {
    if (message.length > 0) onMessage(message);
  });
  socket.connect(port, '127.0.0.1');
  await once(socket, 'connect');
  return {
    send: (message) => socket.send(message),
    close: () => new Promise((resolve) => socket.close(() => resolve())),
  };
};

export const openArqPeer =
  (options: Readonly<Record<string, unknown>> = {}): OpenPeer =>
  (port, onMessage) =>
    ArqPeer.open(port, options, onMessage);
