import type { OnReadOpts, Socket } from 'node:net';
import { sharedMemory } from '../memory/read-memory.ts';

/** Where the reads of a socket go. */
export interface SocketReader {
  /** `onread`: `length` bytes landed in `buffer`. Returns false to stop reading. */
  readInto(length: number, buffer: Buffer): boolean;
  /** `onread`: where the next read is to land; undefined to stay. Called after each read. */
  nextReadBuffer(): Buffer | undefined;
  /** The documented way: bytes that are the reader's own. */
  readOwn(bytes: Buffer): void;
}

/** What a socket of ours belongs to: a connection. */
export interface SocketOwner {
  readonly receiver: SocketReader;
  /** 'error'. */
  socketFailed(error: Error): void;
  /** 'end'. */
  socketEnded(): void;
  /** 'close'. */
  socketClosed(): void;
}

/** The owner of a socket, under a symbol, so that all sockets can share their handlers. */
const ownerTag = Symbol('hp-socket.owner');

interface Tagged {
  [ownerTag]?: SocketOwner;
}

/** Sets the owner of `socket`. */
export function setSocketOwner(socket: Socket, owner: SocketOwner): void {
  (socket as Tagged)[ownerTag] = owner;
}

/** Whether it belongs to anybody. */
export function isOwned(socket: Socket): boolean {
  return (socket as Tagged)[ownerTag] !== undefined;
}

/** Told of a read that says of no socket of ours whose it is. */
let onStrayRead: () => void = () => {};

/** Calls `listener` for a read that belongs to no known socket. */
export function listenToStrayReads(listener: () => void): void {
  onStrayRead = listener;
}

/** The owner that `setSocketOwner` gave to a socket; undefined if none. */
export function socketOwner<T extends SocketOwner | undefined>(socket: Socket): T {
  return (socket as Tagged)[ownerTag] as T;
}

/** The reader whose read was just delivered: Node asks for its next buffer right after, and does not say whose. */
let lastReader: SocketReader | null = null;

/**
 * The `onread` option that sends the reads of any socket to its owner. One object for all sockets, since two closures for
 * each would be a tenth of what an idle connection costs.
 */
export const sharedOnread: OnReadOpts = {
  buffer: () => {
    const reader = lastReader;
    lastReader = null;
    // A new socket begins with the shared buffer. Later, undefined means: stay with the buffer at hand.
    return reader === null ? sharedMemory().read.shared : (reader.nextReadBuffer() as Buffer);
  },
  callback(this: unknown, length, buffer) {
    const owner = (this as Tagged | null | undefined)?.[ownerTag];
    if (owner === undefined) {
      onStrayRead();
      return false;
    }
    const { receiver } = owner;
    const goesOn = receiver.readInto(length, buffer as Buffer);
    lastReader = receiver;
    return goesOn;
  },
};

/** Sends the reads of a paused socket to `owner` the documented way. */
export function readThroughData(socket: Socket, owner: SocketOwner): Socket {
  socket.pause();
  socket.on('data', (chunk: Buffer) => owner.receiver.readOwn(chunk));
  return socket;
}
