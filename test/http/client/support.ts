import { once } from 'node:events';
import net from 'node:net';
import { afterEach } from 'vitest';
import {
  HttpAgent,
  type HttpAgentHooks,
  type HttpAgentOptions,
  HttpServer,
  type HttpServerHooks,
} from '../../../src/http.ts';

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Calls `cleanup` when the test is over. */
export function afterTest(cleanup: () => unknown): void {
  cleanups.push(cleanup);
}

/** A server of ours, as the beginning of its URLs. */
export async function serve(
  listener: HttpServerHooks<HttpServer>,
  options: ConstructorParameters<typeof HttpServer>[1] = {},
): Promise<string> {
  const server = new HttpServer(listener, options);
  const { port } = await server.start('127.0.0.1', 0);
  afterTest(() => server.stop());
  return `http://127.0.0.1:${port}`;
}

/** A server that gets each connection as a socket. */
export async function serveRaw(accept: (socket: net.Socket, index: number) => void): Promise<string> {
  const sockets = new Set<net.Socket>();
  let count = 0;
  const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    accept(socket, count++);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  afterTest(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as net.AddressInfo).port}`;
}

/** Calls `answer` with each request of a connection, as text; requests must come one at a time or pipelined, without bodies. */
export function eachRequest(socket: net.Socket, answer: (request: string, index: number) => void): void {
  let text = '';
  let index = 0;
  socket.setEncoding('latin1');
  socket.on('data', (piece: string) => {
    text += piece;
    for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
      const request = text.slice(0, end);
      text = text.slice(end + 4);
      answer(request, index++);
    }
  });
}

/** An answer with a body. */
export function answerOf(body: string, head = ''): string {
  return `HTTP/1.1 200 OK\r\n${head}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}

export async function makeAgent(
  options: HttpAgentOptions = {},
  listener: HttpAgentHooks<HttpAgent> = {},
): Promise<HttpAgent> {
  const agent = new HttpAgent(listener, options);
  await agent.start();
  afterTest(() => (agent.hasStarted ? agent.stop() : undefined));
  return agent;
}

/** Waits until `isSo`, turn by turn. */
export async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setImmediate(resolve));
}

/** A promise and what fulfils it. */
export function deferred<T = void>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
