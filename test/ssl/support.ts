import { once } from 'node:events';
import net from 'node:net';
import tls from 'node:tls';
import type { CloseInfo, SocketError, SocketOperation } from '../../src/index.ts';

export const host = '127.0.0.1';

/** What an `onClose` told. */
export interface Closed {
  operation: SocketOperation;
  errorCode: number;
  error: SocketError | undefined;
}

/** Hooks that note their names in order, and the end of each connection. */
export class Log {
  readonly events: string[] = [];
  readonly closes: Closed[] = [];
  received = '';

  /** Hooks of any component; `more` run behind the noting. */
  hooks(more: Record<string, unknown> = {}): never {
    const call = (name: string, ...args: unknown[]): unknown =>
      (more[name] as ((...all: unknown[]) => unknown) | undefined)?.(...args);
    const note =
      (name: string) =>
      (...args: unknown[]): unknown => {
        this.events.push(name);
        return call(name, ...args);
      };
    const hooks: Record<string, unknown> = {
      onClose: (sender: unknown, id: number, operation: SocketOperation, errorCode: number, info: CloseInfo) => {
        this.events.push('onClose');
        this.closes.push({ operation, errorCode, error: info.error ?? undefined });
        return call('onClose', sender, id, operation, errorCode, info);
      },
      onReceive: (sender: unknown, id: number, data: Buffer | number) => {
        this.events.push('onReceive');
        if (typeof data !== 'number') this.received += data.toString('latin1');
        return call('onReceive', sender, id, data);
      },
    };
    for (const name of ['onAccept', 'onPrepareConnect', 'onConnect', 'onHandShake', 'onShutdown']) {
      hooks[name] = note(name);
    }
    if (more.onSend !== undefined) hooks.onSend = note('onSend');
    return hooks as never;
  }

  count(name: string): number {
    return this.events.filter((event) => event === name).length;
  }
}

/** Resolves when `isDone` answers true; asks once a turn of the event loop. */
export async function until(isDone: () => boolean): Promise<void> {
  while (!isDone()) await new Promise((resolve) => setTimeout(resolve, 1));
}

/** What a promise rejected with, or a call threw. */
export async function failure(act: () => unknown): Promise<SocketError> {
  try {
    await act();
  } catch (error) {
    return error as SocketError;
  }
  throw new Error('it should have failed');
}

/** A bare TCP connection; what goes wrong with it is its own business. */
export async function connectBare(port: number): Promise<net.Socket> {
  const socket = net.connect(port, host);
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

/** A bare TLS connection that checks nothing. */
export async function connectTls(port: number, options: tls.ConnectionOptions = {}): Promise<tls.TLSSocket> {
  const socket = tls.connect({ port, host, rejectUnauthorized: false, ...options });
  await once(socket, 'secureConnect');
  socket.on('error', () => {});
  return socket;
}

/** What a bare socket reads until the end. */
export async function readToEnd(socket: net.Socket): Promise<string> {
  let text = '';
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
  });
  await once(socket, 'close');
  return text;
}

/** The first flight of a client: a real ClientHello. */
export async function clientHello(serverName = 'localhost'): Promise<Buffer> {
  const server = net.createServer();
  server.listen(0, host);
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  const client = tls.connect({ port, host, servername: serverName, rejectUnauthorized: false });
  client.on('error', () => {});
  const [socket] = (await once(server, 'connection')) as [net.Socket];
  const [bytes] = (await once(socket, 'data')) as [Buffer];
  client.destroy();
  socket.destroy();
  server.close();
  return bytes;
}

/** A relay between a client and `target` whose user may cut or change what passes. */
export async function relay(
  target: number,
  onBytes: (from: 'client' | 'server', bytes: Buffer, cut: (isReset: boolean) => void) => boolean,
): Promise<{ port: number; close(): void }> {
  const server = net.createServer((client) => {
    const upstream = net.connect(target, host);
    const cut = (isReset: boolean): void => {
      for (const socket of [client, upstream]) {
        if (isReset) socket.resetAndDestroy();
        else socket.end();
      }
    };
    for (const [from, to, name] of [
      [client, upstream, 'client'],
      [upstream, client, 'server'],
    ] as const) {
      from.on('error', () => to.destroy());
      from.on('data', (bytes: Buffer) => {
        if (onBytes(name, bytes, cut)) to.write(bytes);
      });
      from.on('end', () => to.end());
    }
  });
  server.listen(0, host);
  await once(server, 'listening');
  return { port: (server.address() as net.AddressInfo).port, close: () => void server.close() };
}
