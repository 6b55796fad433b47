import dgram from 'node:dgram';
import type { AddressInfo } from 'node:net';
import { getSystemErrorName } from 'node:util';
import {
  directDatagrams,
  newSendRequest,
  provesDirectDatagrams,
  type RequestOwner,
  type SendRequest,
  type UdpHandle,
} from './udp-direct.ts';

/*
 * The fast path. What `dgram.Socket.send` does for each datagram (argument checks, a look-up of the address, a list, a
 * request object, a tick for the callback) costs as much as our own work, so where Node allows it the socket's handle is
 * called directly, with one request object that serves again as long as the system takes datagrams at once; and datagrams
 * arrive at the handle's `onmessage` instead of through an event. Both are undocumented, so they are believed only after
 * they have carried real bytes in this process (udp-direct.ts), can be switched off (property `fastPath`, environment
 * HP_SOCKET_FAST_PATH=off), and have the documented path behind them.
 */

/** Told what happens on a socket. */
export interface UdpSocketEvents<Token> {
  /** A datagram arrived; its bytes are the receiver's for good. */
  received(bytes: Buffer, address: string, port: number): void;
  /** The system reported an error while receiving, on a connected socket also an ICMP error. */
  receiveFailed(error: Error): void;
  /** A datagram that `send` had queued left (no error), or did not. */
  completed(token: Token, length: number, error: Error | null): void;
}

/** How a socket is made. */
export interface UdpSocketOptions {
  readonly type: 'udp4' | 'udp6';
  readonly ipv6Only: boolean;
  readonly reuseAddr: boolean;
  readonly reusePort: boolean;
  /** Bytes of SO_RCVBUF and SO_SNDBUF; 0 leaves the system's default. */
  readonly recvBufferBytes: number;
  readonly sendBufferBytes: number;
  readonly isFast: boolean;
}

/** `send` took the datagram at once. */
export const SENT = 0;
/** `send` queued it: its bytes must stay as they are until `completed`. */
export const QUEUED = 1;

/** A bound UDP socket. The only user of `node:dgram`. */
export class UdpSocket<Token> implements RequestOwner {
  /** Given to hooks. */
  readonly socket: dgram.Socket;
  #events: UdpSocketEvents<Token>;
  #options: UdpSocketOptions;
  #handle: UdpHandle | null = null;
  #spare: SendRequest | null = null;
  #list: Uint8Array[] = [new Uint8Array(0)];
  #isConnected = false;
  #peer = '';
  #peerPort = 0;
  #isOpen = false;
  #queuedBytes = 0;
  /** Datagrams that the system did not take at once and has not taken yet. */
  queuedCount = 0;

  constructor(options: UdpSocketOptions, events: UdpSocketEvents<Token>) {
    this.#options = options;
    this.#events = events;
    const { type, ipv6Only, reuseAddr, reusePort } = options;
    // Addresses are numeric here; so the look-up that dgram insists on is answered at once.
    const family = type === 'udp6' ? 6 : 4;
    const init: dgram.SocketOptions & { reusePort?: boolean } = {
      type,
      ipv6Only,
      reuseAddr,
      lookup: ((host: string, _options: unknown, callback: (error: null, address: string, family: number) => void) =>
        callback(null, host, family)) as unknown as NonNullable<dgram.SocketOptions['lookup']>,
    };
    if (reusePort) init.reusePort = true;
    this.socket = dgram.createSocket(init);
  }

  /** Binds to a numeric address. Rejects with the system's error. */
  async bind(address: string, port: number, isExclusive: boolean): Promise<void> {
    const { socket } = this;
    const isFast = this.#options.isFast && (await provesDirectDatagrams());
    await settled(socket, (done) => socket.bind({ address, port, exclusive: isExclusive }, done));
    this.#isOpen = true;
    socket.on('error', (error) => this.#events.receiveFailed(error));
    this.#growBuffers();
    this.#takeOver(isFast);
  }

  /** From here on, only datagrams of this peer are received, and `send` goes there. */
  async connect(port: number, address: string): Promise<void> {
    const { socket } = this;
    await settled(socket, (done) => socket.connect(port, address, done));
    this.#isConnected = true;
    this.#peer = withoutScope(socket.remoteAddress().address);
    this.#peerPort = port;
  }

  /** Whether a datagram is of the peer: one of a stranger may have come in before the socket was connected. */
  isOfPeer(address: string, port: number): boolean {
    return port === this.#peerPort && (address === this.#peer || withoutScope(address) === this.#peer);
  }

  #growBuffers(): void {
    const { recvBufferBytes, sendBufferBytes } = this.#options;
    // Linux gives what it has; other systems refuse what they do not have, so ask for less then.
    // Deno 2.9 stops to receive, some 200 KiB after that size was set.
    const mayGrow = process.versions.deno === undefined;
    for (let bytes = mayGrow ? recvBufferBytes : 0; bytes >= 65_536; bytes >>= 1) {
      if (attempt(() => this.socket.setRecvBufferSize(bytes))) break;
    }
    for (let bytes = sendBufferBytes; bytes >= 65_536; bytes >>= 1) {
      if (attempt(() => this.socket.setSendBufferSize(bytes))) break;
    }
  }

  #takeOver(isFast: boolean): void {
    const events = this.#events;
    const handle = isFast ? directDatagrams(this.socket) : null;
    if (handle === null) {
      this.socket.on('message', (bytes, { address, port }) => events.received(bytes, address, port));
      return;
    }
    this.#handle = handle;
    handle.onmessage = (status, _handle, bytes, peer) => {
      if (status < 0) events.receiveFailed(systemError(status, 'recvmsg'));
      else events.received(bytes, peer.address, peer.port);
    };
  }

  /** Whether datagrams go past `dgram.Socket`. */
  get isFast(): boolean {
    return this.#handle !== null;
  }

  /** Bytes that wait for the system to take them. */
  get queuedBytes(): number {
    return this.#handle !== null ? this.#queuedBytes : sendQueueSize(this.socket);
  }

  /**
   * Sends `bytes[0, length)` as one datagram; to the peer of a connected socket if `address` is empty.
   * @returns `SENT`, `QUEUED`, or libuv's negative number of the error.
   */
  send(bytes: Uint8Array, length: number, port: number, address: string, token: Token): number {
    const handle = this.#handle;
    if (handle === null) return this.#sendDocumented(bytes, length, port, address, token);
    const request = this.#spare ?? newSendRequest();
    const list = this.#list;
    list[0] = length === bytes.length ? bytes : bytes.subarray(0, length);
    let status: number;
    try {
      status =
        address === '' ? handle.send(request, list, 1, true) : handle.send(request, list, 1, port, address, true);
    } catch {
      // It did work when it was tried. Datagrams of this socket go the documented way from here on.
      this.#handle = null;
      return this.#sendDocumented(bytes, length, port, address, token);
    }
    // Above 0: all is sent, and the request was not touched. 0: it is under way.
    if (status !== 0) {
      this.#spare = request;
      return status < 0 ? status : SENT;
    }
    this.#spare = null;
    this.#list = [list[0]];
    request.list = list;
    request.length = length;
    request.token = token;
    request.socket = this;
    this.#queuedBytes += length;
    this.queuedCount++;
    return QUEUED;
  }

  #sendDocumented(bytes: Uint8Array, length: number, port: number, address: string, token: Token): number {
    if (!this.#isOpen) return NOT_OPEN;
    const completed = (error: Error | null): void => {
      this.queuedCount--;
      this.#events.completed(token, length, error);
    };
    try {
      if (address === '' && this.#isConnected) this.socket.send(bytes, 0, length, completed);
      else this.socket.send(bytes, 0, length, port, address, completed);
    } catch {
      return NOT_OPEN;
    }
    this.queuedCount++;
    return QUEUED;
  }

  /** A send request is done: it goes to the socket that made it. */
  requestCompleted(request: SendRequest, status: number): void {
    this.#queuedBytes -= request.length;
    this.queuedCount--;
    this.#events.completed(request.token as Token, request.length, status < 0 ? systemError(status, 'send') : null);
  }

  /** Own address, null when not bound. */
  address(): AddressInfo | null {
    return this.#isOpen ? this.socket.address() : null;
  }

  /** Bytes that the system gave to the buffers. */
  bufferSizes(): { receive: number; send: number } {
    if (!this.#isOpen) return { receive: 0, send: 0 };
    return { receive: this.socket.getRecvBufferSize(), send: this.socket.getSendBufferSize() };
  }

  /** Closes the socket; resolves when that is done. Datagrams that wait are given up. */
  close(): Promise<void> {
    if (!this.#isOpen) {
      attempt(() => this.socket.close());
      return Promise.resolve();
    }
    this.#isOpen = false;
    this.#handle = null;
    return new Promise((resolve) => {
      const isClosing = attempt(() => this.socket.close(resolve));
      if (!isClosing) resolve(); // a hook that was given the socket closed it
    });
  }
}

function withoutScope(address: string): string {
  return address.split('%', 1)[0]!;
}

/** UV_EBADF: what a send on a closed socket gets. */
const NOT_OPEN = -9;

function systemError(status: number, syscall: string): Error {
  const code = nameOf(status);
  return Object.assign(new Error(`${syscall} ${code}`), { code, syscall });
}

/** Name of libuv's error number: `nameOf(-111) === 'ECONNREFUSED'` on Linux. */
export function nameOf(status: number): string {
  try {
    return getSystemErrorName(status);
  } catch {
    return 'EIO';
  }
}

function attempt(act: () => unknown): boolean {
  try {
    act();
    return true;
  } catch {
    return false;
  }
}

/** Resolves when `begin`'s callback comes, rejects with the socket's error if that comes first, or with what it throws. */
function settled(socket: dgram.Socket, begin: (done: () => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    const done = (error?: Error | null): void => {
      socket.off('error', reject);
      if (error === undefined || error === null) resolve();
      else reject(error);
    };
    try {
      begin(done);
    } catch (thrown) {
      socket.off('error', reject);
      reject(thrown);
    }
  });
}

function sendQueueSize(socket: dgram.Socket): number {
  const { getSendQueueSize } = socket as { getSendQueueSize?: () => number };
  return getSendQueueSize === undefined ? 0 : getSendQueueSize.call(socket);
}
