import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { constants, deflateRawSync } from 'node:zlib';
import { Child } from '../harness/child.ts';
import type { Settings } from '../harness/contract.ts';
import { closeAll, connectPlain, openAll } from './connections.ts';
import type { Session } from './sessions.ts';

export interface WebSocketLoad {
  readonly connections: number;
  readonly payload: Buffer;
  readonly isText?: boolean;
  readonly inFlight: number;
  /** Whether messages are compressed, both ways. */
  readonly isCompressed?: boolean;
  readonly settings?: Settings;
}

/** One masked frame with a key that is not zero: `ws` spares itself the work on a zero key, and that would measure nothing. */
function maskedFrame(payload: Buffer, isText: boolean, isCompressed: boolean): Buffer {
  const key = randomBytes(4).map((byte) => byte | 1);
  const { length } = payload;
  const head = [(isCompressed ? 0xc0 : 0x80) | (isText ? 1 : 2)];
  if (length < 126) head.push(0x80 | length);
  else if (length < 65_536) head.push(0x80 | 126, length >> 8, length & 255);
  else head.push(0x80 | 127, 0, 0, 0, 0, length >>> 24, (length >> 16) & 255, (length >> 8) & 255, length & 255);
  return Buffer.concat([Buffer.from(head), key, payload.map((byte, i) => byte ^ key[i & 3]!)]);
}

/** Starts a server and sends it messages over open WebSockets, which it has to echo. */
export async function openWebSockets(module: string, load: WebSocketLoad): Promise<Session> {
  const child = await Child.start(module, load.settings);
  try {
    const lanes: Lane[] = [];
    const sockets = await openAll(load.connections, async (index) => {
      const lane = new Lane(load);
      lanes[index] = lane;
      const socket = await connectPlain(child.port, (bytes) => lane.take(bytes));
      lane.socket = socket;
      socket.on('error', (error) => {
        lane.failure = error;
      });
      socket.on('close', () => {
        lane.failure ??= new Error('the server closed the connection');
      });
      socket.write(
        `GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n` +
          `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n` +
          `${load.isCompressed ? 'Sec-WebSocket-Extensions: permessage-deflate\r\n' : ''}\r\n`,
      );
      await lane.isOpen;
      return socket;
    });
    return new WebSocketSession(child, lanes, sockets);
  } catch (error) {
    await child.stop();
    throw error;
  }
}

class Lane {
  socket: Socket | null = null;
  failure: Error | null = null;
  received = 0;
  inFlight = 0;
  isPaused = true;
  readonly isOpen: Promise<void>;
  #opened!: () => void;
  #hasOpened = false;
  #load: WebSocketLoad;
  #frame: Buffer;
  #batch: Buffer;
  /** Bytes of the present answer that are still to come, once its header was read. */
  #left = 0;
  #rest: Buffer | null = null;

  constructor(load: WebSocketLoad) {
    this.#load = load;
    this.isOpen = new Promise((resolve) => (this.#opened = resolve));
    const { payload, isText = false, isCompressed = false } = load;
    const out = isCompressed
      ? deflateRawSync(payload, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4)
      : payload;
    this.#frame = maskedFrame(out, isText, isCompressed);
    this.#batch = Buffer.concat(Array.from({ length: load.inFlight }, () => this.#frame));
  }

  resume(): void {
    this.isPaused = false;
    this.inFlight += this.#load.inFlight;
    this.socket!.write(this.#batch);
  }

  take(bytes: Buffer): void {
    let data = this.#rest === null ? bytes : Buffer.concat([this.#rest, bytes]);
    this.#rest = null;
    if (!this.#hasOpened) {
      const end = data.indexOf('\r\n\r\n');
      if (end < 0) {
        this.#rest = Buffer.from(data);
        return;
      }
      const head = data.toString('latin1', 0, end);
      if (!head.startsWith('HTTP/1.1 101')) this.failure = new Error('the server opened no WebSocket');
      if (this.#load.isCompressed && !/permessage-deflate/.test(head)) this.failure = new Error('no compression');
      this.#hasOpened = true;
      this.#opened();
      data = data.subarray(end + 4);
    }
    let done = 0;
    let at = 0;
    while (at < data.length) {
      if (this.#left === 0) {
        const form = data[at + 1];
        const size = form === undefined ? 2 : form < 126 ? 2 : form === 126 ? 4 : 10;
        if (data.length - at < size) {
          this.#rest = Buffer.from(data.subarray(at));
          break;
        }
        this.#left =
          form! < 126 ? form! : form === 126 ? data.readUInt16BE(at + 2) : Number(data.readBigUInt64BE(at + 2));
        if (!this.#load.isCompressed && this.#left !== this.#load.payload.length)
          this.failure = new Error('a wrong echo');
        at += size;
      }
      const taken = Math.min(this.#left, data.length - at);
      this.#left -= taken;
      at += taken;
      if (this.#left === 0) done++;
    }
    this.received += done;
    this.inFlight -= done;
    if (this.isPaused || done === 0) return;
    this.inFlight += done;
    this.socket!.write(done === 1 ? this.#frame : this.#batch.subarray(0, done * this.#frame.length));
  }
}

class WebSocketSession implements Session {
  readonly child: Child;
  readonly #lanes: readonly Lane[];
  readonly #sockets: readonly Socket[];

  constructor(child: Child, lanes: readonly Lane[], sockets: readonly Socket[]) {
    this.child = child;
    this.#lanes = lanes;
    this.#sockets = sockets;
  }

  resume(): void {
    for (const lane of this.#lanes) lane.resume();
  }

  countMessages(): number {
    let received = 0;
    for (const lane of this.#lanes) {
      if (lane.failure) throw lane.failure;
      received += lane.received;
    }
    return received;
  }

  async pause(): Promise<void> {
    for (const lane of this.#lanes) lane.isPaused = true;
    for (const deadline = Date.now() + 5000; Date.now() < deadline; await delay(2)) {
      this.countMessages();
      if (this.#lanes.every((lane) => lane.inFlight === 0)) return;
    }
    throw new Error('not every message came back');
  }

  async close(): Promise<void> {
    await closeAll(this.#sockets);
    await this.child.stop();
  }
}
