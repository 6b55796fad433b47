import dgram from 'node:dgram';

/*
 * What is undocumented of `dgram.Socket`: its handle. A runtime may have it and mean something else by it, so nothing of it is
 * believed before it has carried real bytes: once a process, when the first UDP socket is opened, a socket sends itself datagrams
 * in each of the ways that `UdpSocket` will use, and they must arrive as `UdpSocket` will read them.
 */

/** A request of the handle to send. */
export interface SendRequest {
  oncomplete: (this: SendRequest, status: number, sent: number) => void;
  token: unknown;
  /** Keeps the bytes alive. */
  list: Uint8Array[];
  length: number;
  socket: RequestOwner | null;
}

/** What is called when a request is done. */
export interface RequestOwner {
  requestCompleted(request: SendRequest, status: number): void;
}

/** Node's UDPWrap. */
export interface UdpHandle {
  onmessage: (status: number, handle: unknown, bytes: Buffer, peer: { address: string; port: number }) => void;
  send(request: SendRequest, list: Uint8Array[], count: number, port: number, address: string, cb: boolean): number;
  send(request: SendRequest, list: Uint8Array[], count: number, cb: boolean): number;
}

/** Longest wait for a datagram over loopback, milliseconds. */
const PROOF_TIMEOUT_MS = 300;

let proof: Promise<boolean> | undefined;
let requestConstructor: (new () => SendRequest) | null = null;

/** Whether handles of UDP sockets carry datagrams past `dgram.Socket` in this process. Tried at the first call. */
export function provesDirectDatagrams(): Promise<boolean> {
  proof ??= prove();
  return proof;
}

/** Handle of a bound socket if it can be used directly, else null. Only after {@link provesDirectDatagrams}. */
export function directDatagrams(socket: dgram.Socket): UdpHandle | null {
  return requestConstructor === null ? null : handleOf(socket);
}

/** A request to send with. Only after {@link provesDirectDatagrams}. */
export function newSendRequest(): SendRequest {
  const request = new requestConstructor!();
  request.oncomplete = onRequestComplete;
  request.token = null;
  request.list = [];
  request.length = 0;
  request.socket = null;
  return request;
}

function onRequestComplete(this: SendRequest, status: number): void {
  const { socket } = this;
  this.socket = null;
  this.list = [];
  socket?.requestCompleted(this, status);
}

function handleOf(socket: dgram.Socket): UdpHandle | null {
  const symbol = Object.getOwnPropertySymbols(socket).find(({ description }) => description === 'state symbol');
  if (symbol === undefined) return null;
  const state = (socket as unknown as Record<symbol, { handle?: UdpHandle | null } | undefined>)[symbol];
  const handle = state?.handle;
  if (handle === null || handle === undefined) return null;
  return typeof handle.send === 'function' && typeof handle.onmessage === 'function' ? handle : null;
}

async function prove(): Promise<boolean> {
  // Addresses are numeric; so the look-up that dgram insists on is answered at once.
  const lookup = (host: string, _options: unknown, callback: (error: null, address: string, family: number) => void) =>
    callback(null, host, 4);
  let socket: dgram.Socket;
  try {
    socket = dgram.createSocket({
      type: 'udp4',
      lookup: lookup as unknown as NonNullable<dgram.SocketOptions['lookup']>,
    });
  } catch {
    return false;
  }
  socket.on('error', () => {});
  try {
    const own = await event(socket, 'listening', () =>
      socket.bind({ port: 0, address: '127.0.0.1', exclusive: true }),
    ).then(() => socket.address());
    const handle = handleOf(socket);
    if (handle === null) return false;
    requestConstructor = findRequest(socket, handle, own.port);
    if (requestConstructor === null) return false;
    const request = newSendRequest();
    const isCarried =
      // Twice with one request, as it serves again; from the middle of a slab; then as on a connected socket.
      (await carries(handle, own.port, (list) => handle.send(request, list, 1, own.port, '127.0.0.1', true))) &&
      (await carries(handle, own.port, (list) => handle.send(request, list, 1, own.port, '127.0.0.1', true))) &&
      (await event(socket, 'connect', () => socket.connect(own.port, '127.0.0.1')).then(() => true)) &&
      (await carries(handle, own.port, (list) => handle.send(request, list, 1, true)));
    if (!isCarried) requestConstructor = null;
    return isCarried;
  } catch {
    requestConstructor = null;
    return false;
  } finally {
    try {
      socket.close();
    } catch {
      // It is closed.
    }
  }
}

let probes = 0;

/** Whether `send` hands over at once, and the bytes arrive at the handle with the address that they came from. */
function carries(handle: UdpHandle, port: number, send: (list: Uint8Array[]) => number): Promise<boolean> {
  const slab = Buffer.alloc(64, ++probes);
  const bytes = slab.subarray(20, 41);
  bytes.write('hp-socket');
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), PROOF_TIMEOUT_MS);
    const done = (isCarried: boolean): void => {
      clearTimeout(timer);
      resolve(isCarried);
    };
    handle.onmessage = (status, _handle, received, peer) => {
      const isEqual = Buffer.isBuffer(received) && bytes.equals(received) && received.length === status;
      done(isEqual && peer.address === '127.0.0.1' && peer.port === port);
    };
    // Above 0 is "all of it is sent, and the request was not touched".
    if (send([bytes]) !== bytes.length + 1) done(false);
  });
}

/** Resolves with the event that `begin` brings about, rejects with an error that comes first, or when it does not come. */
function event(socket: dgram.Socket, name: 'listening' | 'connect', begin: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no ${name}`)), PROOF_TIMEOUT_MS);
    const done = (error?: Error): void => {
      clearTimeout(timer);
      if (error === undefined) resolve();
      else reject(error);
    };
    socket.once(name, () => done());
    socket.once('error', done);
    begin();
  });
}

/** Constructor of send requests, taken from a send that does not happen; null where this runtime does not show it. */
function findRequest(socket: dgram.Socket, handle: UdpHandle, port: number): (new () => SendRequest) | null {
  const isOwn = Object.hasOwn(handle, 'send');
  const { send } = handle;
  let found: (new () => SendRequest) | null = null;
  handle.send = ((request: { constructor?: unknown } | null) => {
    if (typeof request?.constructor === 'function' && request.constructor !== Object) {
      found = request.constructor as new () => SendRequest;
    }
    return 1;
  }) as UdpHandle['send'];
  try {
    // The callback of the look-up comes at once, so this calls the handle before it returns.
    socket.send(Buffer.alloc(0), 0, 0, port, '127.0.0.1');
  } finally {
    if (isOwn) handle.send = send;
    else delete (handle as Partial<UdpHandle>).send;
  }
  return found;
}
