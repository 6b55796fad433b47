import net from 'node:net';
import { normalizeAddress } from '../core/address.ts';
import type { StreamHandle } from './fast-io.ts';
import { proveFastPath } from './fast-path.ts';
import { socketOfHandle, takeAccepted } from './handle-socket.ts';
import { readThroughData, type SocketOwner } from './socket-owner.ts';

/** A connection that the system accepted and the server has neither taken nor turned away yet. */
export interface AcceptedSocket {
  /** Numeric address of the peer, IPv4-mapped ones as IPv4; empty for Unix domain sockets. */
  readonly address: string;
  readonly port: number;
  /** Makes the socket, paused, with its reads going to `owner`. */
  makeSocket(owner: SocketOwner): net.Socket;
  /** The socket without any reads set up, paused: for transports that wrap it. */
  makeRawSocket(): net.Socket;
  /** The handle, for transports that make a socket of their own of it; null on the documented path. */
  takeHandle(): StreamHandle | null;
  /** Closes it. */
  reject(): void;
}

/** What `TcpListener.listen` takes, as `net.Server.listen`. */
export interface ListenTarget {
  host?: string | undefined;
  port?: number | undefined;
  path?: string | undefined;
  fd?: number | undefined;
  backlog: number;
  ipv6Only: boolean;
  exclusive: boolean;
  reusePort: boolean;
}

/** Called for what arrives. */
export interface ListenerEvents {
  accepted(socket: AcceptedSocket): void;
  acceptFailed(error: Error): void;
}

/** A listening TCP or Unix domain socket. */
export class TcpListener {
  /** Given to `onPrepareListen`. */
  readonly server: net.Server;
  #events: ListenerEvents;
  #isFast: boolean;
  #isSecure: boolean;
  #isClosed = false;

  /** @param isSecure Whether TLS is to be spoken on what is accepted. */
  constructor(events: ListenerEvents, isFast: boolean, isSecure: boolean) {
    this.#events = events;
    this.#isFast = isFast;
    this.#isSecure = isSecure;
    this.server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true });
    this.server.on('connection', (socket) => this.#events.accepted(new DocumentedSocket(socket)));
  }

  /** Whether accepted sockets read through `onread`. */
  get isFast(): boolean {
    return this.#isFast;
  }

  /** Resolves when it listens; rejects with the system's error. */
  async listen(target: ListenTarget): Promise<void> {
    const { server } = this;
    if (this.#isFast) this.#isFast = await proveFastPath(this.#isSecure);
    if (this.#isClosed) throw new Error('closed before it listened');
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      const options: Record<string, unknown> = { ...target };
      for (const name of Object.keys(options)) if (options[name] === undefined) delete options[name];
      server.listen(options as net.ListenOptions, () => {
        server.off('error', reject);
        server.on('error', (error) => this.#events.acceptFailed(error));
        if (this.#isFast) this.#takeOver();
        resolve();
      });
    });
  }

  #takeOver(): void {
    this.#isFast = takeAccepted(this.server, (status, accepted) => {
      if (status !== 0 || accepted === undefined) {
        this.#events.acceptFailed(Object.assign(new Error(`accept failed: ${status}`), { errno: status }));
      } else {
        this.#events.accepted(new HandleSocket(accepted));
      }
    });
  }

  address(): net.AddressInfo | string | null {
    return this.server.address();
  }

  /** Stops listening; resolves when the address is free, in a cluster worker when the primary has been told. */
  close(): Promise<void> {
    this.#isClosed = true;
    if (!this.server.listening) return Promise.resolve();
    // The system lets go of the address within this call. The server's 'close' would wait for connections too, which are
    // not its own to wait for; the callback of its handle never comes in cluster workers.
    this.server.close();
    return new Promise((resolve) => setImmediate(resolve));
  }
}

/** The address that came last: behind a load balancer, connections share a few, and the system gives each a string of its own. */
let lastAddress = '';

function sharedAddress(address: string): string {
  if (address !== lastAddress) lastAddress = address;
  return lastAddress;
}

/** Fast path: a handle, made into a socket that reads through `onread`. */
class HandleSocket implements AcceptedSocket {
  readonly address: string;
  readonly port: number;
  #handle: StreamHandle;

  constructor(handle: StreamHandle) {
    this.#handle = handle;
    const peer: { address?: string; port?: number } = {};
    handle.getpeername?.(peer);
    this.address = sharedAddress(normalizeAddress(peer.address ?? ''));
    this.port = peer.port ?? 0;
  }

  makeSocket(): net.Socket {
    return socketOfHandle(this.#handle);
  }

  makeRawSocket(): net.Socket {
    return new net.Socket({
      handle: this.#handle,
      allowHalfOpen: true,
      manualStart: true,
    } as net.SocketConstructorOpts);
  }

  takeHandle(): StreamHandle {
    return this.#handle;
  }

  reject(): void {
    this.#handle.close();
  }
}

/** Documented path: the socket that Node made. */
class DocumentedSocket implements AcceptedSocket {
  readonly address: string;
  readonly port: number;
  #socket: net.Socket;

  constructor(socket: net.Socket) {
    this.#socket = socket;
    this.address = sharedAddress(normalizeAddress(socket.remoteAddress ?? ''));
    this.port = socket.remotePort ?? 0;
  }

  makeSocket(owner: SocketOwner): net.Socket {
    return readThroughData(this.#socket, owner);
  }

  makeRawSocket(): net.Socket {
    return this.#socket;
  }

  takeHandle(): null {
    return null;
  }

  reject(): void {
    this.#socket.on('error', () => {});
    this.#socket.destroy();
  }
}
