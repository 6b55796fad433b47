import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import type { PortForwarderHooks } from '../../src/forward/forwarder-hooks.ts';
import { type ForwardTarget, PortForwarder, type PortForwarderOptions, ServiceState } from '../../src/index.ts';
import { Authority, type Identity } from '../tools/certificates.ts';

export const host = '127.0.0.1';

/** What a forwarder's connections can be. */
export const transports = ['tcp', 'tls', 'unix'] as const;
export type Transport = (typeof transports)[number];

let identity: Promise<Identity> | null = null;

/** A certificate for loopback, made once. */
export function certificate(): Promise<Identity> {
  identity ??= Authority.make('forwarding').then((authority) => authority.sign());
  return identity;
}

let folder: Promise<string> | null = null;
let paths = 0;

async function socketPath(): Promise<string> {
  folder ??= mkdtemp(join(tmpdir(), 'forward-'));
  return join(await folder, `${++paths}.sock`);
}

/** Removes the folder of socket files. */
export async function removeSockets(): Promise<void> {
  if (folder !== null) await rm(await folder, { recursive: true, force: true });
  folder = null;
}

/** A bare server that connections are forwarded to. */
export interface FarServer extends AsyncDisposable {
  readonly target: ForwardTarget;
  readonly sockets: net.Socket[];
  accepted(index?: number): Promise<net.Socket>;
}

export async function listenFar(transport: Transport = 'tcp'): Promise<FarServer> {
  const sockets: net.Socket[] = [];
  const waiting = new Map<number, (socket: net.Socket) => void>();
  const onSocket = (socket: net.Socket): void => {
    socket.on('error', () => {});
    waiting.get(sockets.length)?.(socket);
    sockets.push(socket);
  };
  const server =
    transport === 'tls'
      ? tls.createServer({ ...(await certificate()), allowHalfOpen: true } as tls.TlsOptions, onSocket)
      : net.createServer({ allowHalfOpen: true }, onSocket);
  const raw: net.Socket[] = [];
  server.on('connection', (socket: net.Socket) => {
    socket.on('error', () => {});
    raw.push(socket);
  });
  server.on('tlsClientError', () => {});
  const path = transport === 'unix' ? await socketPath() : '';
  if (path === '') server.listen(0, host);
  else server.listen(path);
  await once(server, 'listening');
  const target = path === '' ? { host, port: (server.address() as net.AddressInfo).port } : { path };
  return {
    target,
    sockets,
    accepted: async (index = 0) =>
      sockets[index] ?? (await new Promise<net.Socket>((resolve) => waiting.set(index, resolve))),
    async [Symbol.asyncDispose]() {
      for (const socket of [...sockets, ...raw]) socket.destroy();
      const closed = once(server, 'close');
      server.close();
      await closed;
    },
  };
}

/** A forwarder, and how to reach it. */
export interface Running<Extra> extends AsyncDisposable {
  readonly forwarder: PortForwarder<Extra>;
  /** A new bare client, connected and over TLS secure. */
  connect(): Promise<net.Socket>;
  /** How the connection of a new client ends that is not let in, as `endOf`. */
  turnedAway(): Promise<string>;
}

export async function startForwarder<Extra = unknown>(
  inbound: Transport,
  outbound: Transport,
  options: PortForwarderOptions,
  hooks: PortForwarderHooks<PortForwarder<Extra>, Extra> = {},
): Promise<Running<Extra>> {
  const { cert, key } = await certificate();
  const forwarder = new PortForwarder<Extra>(hooks, {
    ...options,
    server: { ...options.server, ...(inbound === 'tls' ? { ssl: { cert, key } } : {}) },
    agent: { ...options.agent, ...(outbound === 'tls' ? { ssl: { verifyMode: 0 } } : {}) },
  });
  const path = inbound === 'unix' ? await socketPath() : '';
  const { port } = await forwarder.start(path === '' ? { host, port: 0 } : { path });
  const clients: net.Socket[] = [];
  return {
    forwarder,
    turnedAway: () => endOf(net.connect({ host, port })),
    async connect() {
      const where = path === '' ? { host, port, allowHalfOpen: true } : { path, allowHalfOpen: true };
      const socket = inbound === 'tls' ? tls.connect({ ...where, rejectUnauthorized: false }) : net.connect(where);
      clients.push(socket);
      await once(socket, inbound === 'tls' ? 'secureConnect' : 'connect');
      socket.on('error', () => {});
      return socket;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of clients) socket.destroy();
      if (forwarder.state !== ServiceState.Stopped && forwarder.hasStarted) await forwarder.stop();
      await forwarder[Symbol.asyncDispose]();
    },
  };
}

/** One forwarded connection, with a bare socket at either end. */
export interface Line extends AsyncDisposable {
  readonly forwarder: PortForwarder;
  readonly client: net.Socket;
  readonly far: net.Socket;
}

export async function openLine(
  inbound: Transport,
  outbound: Transport,
  options: Omit<PortForwarderOptions, 'target'> = {},
  hooks: PortForwarderHooks<PortForwarder> = {},
): Promise<Line> {
  const server = await listenFar(outbound);
  const running = await startForwarder(inbound, outbound, { ...options, target: server.target }, hooks);
  const client = await running.connect();
  const far = await server.accepted();
  return {
    forwarder: running.forwarder,
    client,
    far,
    async [Symbol.asyncDispose]() {
      await running[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

/** How a bare socket's connection ended: 'end' for a FIN that came, or the code of its error. */
export function endOf(socket: net.Socket): Promise<string> {
  return new Promise((resolve) => {
    socket.resume();
    socket.once('end', () => resolve('end'));
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.once('close', () => resolve('close'));
  });
}
