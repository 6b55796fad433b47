import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { Child } from '../harness/child.ts';
import type { Settings } from '../harness/contract.ts';
import { type Connector, closeAll, openAll } from './connections.ts';
import type { Session } from './sessions.ts';

export interface HttpLoad {
  readonly connections: number;
  /** The request that each connection repeats. */
  readonly request: Buffer;
  /** Requests that are on their way at once. */
  readonly inFlight: number;
  readonly connect: Connector;
  /** What every answer must end with. */
  readonly ending: string;
  settings?(): Promise<Settings>;
}

/** A request like a browser's. */
export function browserRequest(path: string): Buffer {
  return Buffer.from(
    `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: keep-alive\r\nCache-Control: max-age=0\r\n` +
      'sec-ch-ua: "Chromium";v="130", "Google Chrome";v="130", "Not?A_Brand";v="99"\r\nsec-ch-ua-mobile: ?0\r\n' +
      'sec-ch-ua-platform: "Linux"\r\nUpgrade-Insecure-Requests: 1\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) ' +
      'AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36\r\nAccept: text/html,application/xhtml+xml,' +
      'application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\nSec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate\r\n' +
      'Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.9\r\n\r\n',
  );
}

/** A request with a body of `length` bytes. */
export function postRequest(path: string, length: number): Buffer {
  const head = `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain\r\nContent-Length: ${length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), Buffer.alloc(length, 'x')]);
}

/** Starts a server and asks it over keep-alive connections. */
export async function openHttp(module: string, load: HttpLoad): Promise<Session> {
  const child = await Child.start(module, await load.settings?.());
  try {
    const askers: Asker[] = [];
    const sockets = await openAll(load.connections, async (index) => {
      const asker = new Asker(load);
      askers[index] = asker;
      const socket = await load.connect(child.port, (bytes) => asker.take(bytes));
      asker.socket = socket;
      socket.on('error', (error) => {
        asker.failure = error;
      });
      socket.on('close', () => {
        asker.failure ??= new Error('the server closed the connection');
      });
      return socket;
    });
    return new HttpSession(child, askers, sockets);
  } catch (error) {
    await child.stop();
    throw error;
  }
}

/**
 * One connection. The first answer is looked at: its length, by its head or its last chunk. The others must be as long, and
 * begin and end as it does.
 */
class Asker {
  socket: Socket | null = null;
  failure: Error | null = null;
  answers = 0;
  isPaused = true;
  #load: HttpLoad;
  #first: Buffer = Buffer.alloc(0);
  #answerBytes = 0;
  /** Bytes of the answer that is arriving. */
  #taken = 0;
  #inFlight = 0;

  constructor(load: HttpLoad) {
    this.#load = load;
  }

  get isSettled(): boolean {
    return this.#inFlight === 0;
  }

  resume(): void {
    this.isPaused = false;
    this.#ask(this.#load.inFlight);
  }

  take(bytes: Buffer): void {
    if (this.#answerBytes === 0) {
      this.#first = Buffer.concat([this.#first, bytes]);
      this.#answerBytes = lengthOf(this.#first);
      if (this.#answerBytes === 0) return;
      bytes = this.#first;
    }
    let done = 0;
    let at = 0;
    while (at < bytes.length) {
      const rest = this.#answerBytes - this.#taken;
      if (this.#taken === 0 && bytes[at] !== 0x48) this.failure ??= new Error('an answer does not begin with HTTP');
      if (bytes.length - at < rest) {
        this.#taken += bytes.length - at;
        break;
      }
      at += rest;
      this.#taken = 0;
      done++;
    }
    if (at === bytes.length && bytes.length > 64 && !bytes.subarray(-64).includes(this.#load.ending)) {
      this.failure ??= new Error('an answer does not end as it should');
    }
    this.answers += done;
    this.#inFlight -= done;
    if (!this.isPaused && done > 0) this.#ask(done);
  }

  #ask(count: number): void {
    this.#inFlight += count;
    const { request } = this.#load;
    this.socket!.write(count === 1 ? request : Buffer.concat(Array.from({ length: count }, () => request)));
  }
}

/** Length of the first answer in `bytes`, 0 if it is not all there. */
function lengthOf(bytes: Buffer): number {
  const head = bytes.indexOf('\r\n\r\n');
  if (head < 0) return 0;
  const text = bytes.toString('latin1', 0, head + 2);
  if (!text.startsWith('HTTP/1.1 200')) throw new Error(`an answer begins with ${text.slice(0, 20)}`);
  const given = /\r\ncontent-length: (\d+)\r/i.exec(text)?.[1];
  const chunked = bytes.indexOf('\r\n0\r\n\r\n', head);
  const length = given === undefined ? (chunked < 0 ? 0 : chunked + 7) : head + 4 + Number(given);
  return bytes.length >= length ? length : 0;
}

class HttpSession implements Session {
  readonly child: Child;
  readonly #askers: readonly Asker[];
  readonly #sockets: readonly Socket[];

  constructor(child: Child, askers: readonly Asker[], sockets: readonly Socket[]) {
    this.child = child;
    this.#askers = askers;
    this.#sockets = sockets;
  }

  resume(): void {
    for (const asker of this.#askers) asker.resume();
  }

  countMessages(): number {
    let answers = 0;
    for (const asker of this.#askers) {
      if (asker.failure) throw asker.failure;
      answers += asker.answers;
    }
    return answers;
  }

  async pause(): Promise<void> {
    for (const asker of this.#askers) asker.isPaused = true;
    for (const deadline = Date.now() + 5_000; Date.now() < deadline; await delay(2)) {
      this.countMessages();
      if (this.#askers.every((asker) => asker.isSettled)) return;
    }
    throw new Error('not every request was answered');
  }

  async close(): Promise<void> {
    await closeAll(this.#sockets);
    await this.child.stop();
  }
}
