import net from 'node:net';
import { normalizeAddress } from '../core/address.ts';
import type { StreamHandle } from './fast-io.ts';
import { readThroughData, type SocketOwner, sharedOnread } from './socket-owner.ts';

/** A connection that the system accepted and nobody has taken or turned away yet. */
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
  host?: string;
  port?: number;
  path?: string;
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

interface ListenHandle {
  onconnection?: (status: number, handle: StreamHandle | undefined) => void;
}

/** A listening TCP or Unix domain socket. */
export class TcpListener {
  /** Given to `onPrepareListen`. */
  readonly server: net.Server;
  #events: ListenerEvents;
  #isFast: boolean;

  constructor(events: ListenerEvents, isFast: boolean) {
    this.#events = events;
    this.#isFast = isFast && isAcceptedReadSupported();
    this.server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true });
    this.server.on('connection', (socket) => this.#events.accepted(new DocumentedSocket(socket)));
  }

  /** Whether accepted sockets read through `onread`. */
  get isFast(): boolean {
    return this.#isFast;
  }

  /** Resolves when it listens; rejects with the system's error. */
  listen(target: ListenTarget): Promise<void> {
    const { server } = this;
    return new Promise((resolve, reject) => {
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

  /**
   * Gets accepted handles before Node makes sockets of them, so that a connection that a limit refuses costs no socket,
   * and one that is let in costs one, not two.
   */
  #takeOver(): void {
    const handle = (this.server as unknown as { _handle?: ListenHandle | null })._handle;
    if (handle === null || handle === undefined || typeof handle.onconnection !== 'function') {
      this.#isFast = false;
      return;
    }
    handle.onconnection = (status, accepted) => {
      if (status !== 0 || accepted === undefined) {
        this.#events.acceptFailed(Object.assign(new Error(`accept failed: ${status}`), { errno: status }));
      } else {
        this.#events.accepted(new HandleSocket(accepted));
      }
    };
  }

  address(): net.AddressInfo | string | null {
    return this.server.address();
  }

  /** Stops listening; resolves when the address is free, in a cluster worker when the primary has been told. */
  close(): Promise<void> {
    if (!this.server.listening) return Promise.resolve();
    // The system lets go of the address within this call. The server's 'close' would wait for connections too, which are
    // not its own to wait for; the callback of its handle never comes in cluster workers.
    this.server.close();
    return new Promise((resolve) => setImmediate(resolve));
  }
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
    this.address = normalizeAddress(peer.address ?? '');
    this.port = peer.port ?? 0;
  }

  makeSocket(): net.Socket {
    return new net.Socket({
      handle: this.#handle,
      allowHalfOpen: true,
      manualStart: true,
      onread: sharedOnread,
    } as net.SocketConstructorOpts);
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
    this.address = normalizeAddress(socket.remoteAddress ?? '');
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

let isSupported: boolean | undefined;

/** Probes whether a socket made of a handle takes `onread`, by making one of a handle that is not real. */
function isAcceptedReadSupported(): boolean {
  if (isSupported !== undefined) return isSupported;
  const buffer = Buffer.alloc(1);
  let used: unknown;
  const fake = {
    reading: false,
    getAsyncId: () => 1,
    readStart: () => 0,
    readStop: () => 0,
    ref: () => {},
    unref: () => {},
    close: (callback?: () => void) => void (callback === undefined || setImmediate(callback)),
    useUserBuffer: (bytes: unknown) => {
      used = bytes;
    },
  };
  try {
    const socket = new net.Socket({
      handle: fake,
      manualStart: true,
      onread: { buffer: () => buffer, callback: () => true },
    } as unknown as net.SocketConstructorOpts);
    socket.on('error', () => {});
    socket.destroy();
    isSupported = used === buffer;
  } catch {
    isSupported = false;
  }
  return isSupported;
}
