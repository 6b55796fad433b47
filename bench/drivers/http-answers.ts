import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { Child } from '../harness/child.ts';
import type { Session } from './sessions.ts';

const endOfHead = Buffer.from('\r\n\r\n');

/** Starts a client in a process of its own, and answers its requests here. */
export async function openHttpAnswers(module: string, connections: number, bodyBytes: number): Promise<Session> {
  const answers = new HttpAnswers(connections, bodyBytes);
  const port = await answers.listen();
  try {
    answers.child = await Child.start(module, { port, connectionCount: connections, messageSize: bodyBytes });
    await answers.child.kickOff();
    return answers;
  } catch (error) {
    await answers.close();
    throw error;
  }
}

/** A server for clients that ask without bodies, one request at a time on each connection. While it is halted, it answers nobody. */
class HttpAnswers implements Session {
  child!: Child;
  #connections: number;
  #answer: Buffer;
  #server: Server;
  #sockets = new Set<Socket>();
  #waiting: Socket[] = [];
  #isHalted = true;
  #count = 0;
  #failure: Error | null = null;

  constructor(connections: number, bodyBytes: number) {
    this.#connections = connections;
    const head = `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Length: ${bodyBytes}\r\n\r\n`;
    this.#answer = Buffer.concat([Buffer.from(head), Buffer.alloc(bodyBytes, 'x')]);
    this.#server = createServer({ noDelay: true }, (socket) => this.#accept(socket));
  }

  async listen(): Promise<number> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return (this.#server.address() as AddressInfo).port;
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', (error) => {
      this.#failure ??= error;
    });
    socket.on('close', () => {
      this.#failure ??= new Error('the client closed a connection');
    });
    socket.on('data', (bytes) => {
      if (!bytes.subarray(-4).equals(endOfHead))
        this.#failure ??= new Error('a request came in pieces, or with a body');
      if (this.#isHalted) this.#waiting.push(socket);
      else this.#give(socket);
    });
  }

  #give(socket: Socket): void {
    this.#count++;
    socket.write(this.#answer);
  }

  resume(): void {
    this.#isHalted = false;
    for (const socket of this.#waiting.splice(0)) this.#give(socket);
  }

  countMessages(): number {
    if (this.#failure !== null) throw this.#failure;
    return this.#count;
  }

  async pause(): Promise<void> {
    this.#isHalted = true;
    for (const deadline = Date.now() + 5_000; Date.now() < deadline; await delay(2)) {
      this.countMessages();
      if (this.#waiting.length === this.#connections) return;
    }
    throw new Error('the client does not ask on all of its connections');
  }

  async close(): Promise<void> {
    this.#failure ??= new Error('it is over');
    await this.child?.stop();
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}
