import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { Child } from '../harness/child.ts';
import { type Connector, closeAll, connectPlain, openAll } from './connections.ts';
import { LaneSession } from './lanes.ts';
import type { Session } from './sessions.ts';

// Connections that are being opened at any time.
const upgradesAtOnce = 16;
// Messages that were published and have not come to all subscribers yet.
const messagesAtOnce = 4;

const END = Buffer.from('\r\n\r\n');
/** A masked close frame with code 1000. */
const CLOSE = Buffer.from([0x88, 0x82, 1, 2, 3, 4, 3 ^ 1, 0xe8 ^ 2]);

/** Opens a WebSocket; what comes behind the answer 101 goes to `onBytes`. */
export const connectWebSocket: Connector = async (port, onBytes) => {
  let opened: () => void = () => {};
  let failed: (error: Error) => void = () => {};
  const open = new Promise<void>((resolve, reject) => {
    opened = resolve;
    failed = reject;
  });
  let head: Buffer | null = Buffer.alloc(0);
  const socket = await connectPlain(port, (bytes) => {
    if (head === null) return onBytes(bytes);
    head = Buffer.concat([head, bytes]);
    const end = head.indexOf(END);
    if (end < 0) return;
    if (!head.subarray(0, 12).equals(Buffer.from('HTTP/1.1 101')))
      return failed(new Error('the server opened no WebSocket'));
    const rest = head.subarray(end + 4);
    head = null;
    opened();
    if (rest.length > 0) onBytes(rest);
  });
  socket.on('error', failed);
  socket.write(
    `GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n` +
      `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\nOrigin: http://127.0.0.1\r\nUser-Agent: bench\r\n\r\n`,
  );
  await open;
  socket.off('error', failed);
  return socket;
};

/** WebSockets that are opened and closed; a "message" is one of them. */
export async function openUpgrades(module: string): Promise<Session> {
  return new LaneSession(await Child.start(module), upgradesAtOnce, openAndClose);
}

async function openAndClose(port: number): Promise<void> {
  const socket = await connectWebSocket(port, () => {});
  socket.on('error', () => {});
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.end(CLOSE);
  await closed;
}

/** A message of 64 bytes is published to all connections whenever the one before has come to all of them; a "message" is one delivery. */
export async function openPublishing(module: string, connections: number, payload: Buffer): Promise<Session> {
  const child = await Child.start(module);
  try {
    const counts = { bytes: 0 };
    const sockets = await openAll(connections, () =>
      connectWebSocket(child.port, (bytes) => {
        counts.bytes += bytes.length;
        session?.took();
      }),
    );
    const session: PublishSession = new PublishSession(child, sockets, payload, counts);
    return session;
  } catch (error) {
    await child.stop();
    throw error;
  }
}

class PublishSession implements Session {
  readonly child: Child;
  #sockets: readonly Socket[];
  #frame: Buffer;
  #frameBytes: number;
  #counts: { bytes: number };
  #asked = 0;
  #isPaused = true;

  constructor(child: Child, sockets: readonly Socket[], payload: Buffer, counts: { bytes: number }) {
    this.child = child;
    this.#sockets = sockets;
    this.#counts = counts;
    const key = [1, 2, 3, 4] as const;
    this.#frame = Buffer.concat([
      Buffer.from([0x82, 0x80 | payload.length, ...key]),
      payload.map((byte, i) => byte ^ key[i & 3]!),
    ]);
    this.#frameBytes = payload.length + 2;
  }

  resume(): void {
    this.#isPaused = false;
    this.took();
  }

  /** Something came: asks for more messages if those before are there. */
  took(): void {
    if (this.#isPaused) return;
    while (this.#asked - this.countMessages() / this.#sockets.length < messagesAtOnce) {
      this.#sockets[this.#asked++ % this.#sockets.length]!.write(this.#frame);
    }
  }

  countMessages(): number {
    return Math.floor(this.#counts.bytes / this.#frameBytes);
  }

  async pause(): Promise<void> {
    this.#isPaused = true;
    const all = this.#asked * this.#sockets.length;
    for (const deadline = Date.now() + 5000; Date.now() < deadline; await delay(2)) {
      if (this.countMessages() === all) return;
    }
    throw new Error(`${this.countMessages()} of ${all} deliveries came`);
  }

  async close(): Promise<void> {
    await closeAll(this.#sockets);
    await this.child.stop();
  }
}
