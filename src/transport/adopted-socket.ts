import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { normalizeAddress } from '../core/address.ts';
import { describe } from '../core/describe.ts';
import { writeAsDocumented } from './fast-io.ts';
import { isOwned, readThroughData, type SocketOwner } from './socket-owner.ts';
import type { AcceptedSocket } from './tcp-listener.ts';

/** Methods of streams that are used of an adopted one. */
const methods = ['on', 'off', 'pause', 'resume', 'write', 'end', 'cork', 'uncork', 'destroy', 'unshift'] as const;

/**
 * Why a socket that was made elsewhere cannot be adopted: a sentence, or null.
 * @throws TypeError if it is no duplex stream of bytes at all.
 */
export function adoptionProblem(value: unknown, isSecure: boolean): string | null {
  const stream = value as Partial<Record<(typeof methods)[number], unknown>> | null | undefined;
  if (typeof stream !== 'object' || stream === null || methods.some((name) => typeof stream[name] !== 'function'))
    throw new TypeError(`socket must be a net.Socket or another stream.Duplex, not ${describe(value)}`);
  const socket = stream as Socket;
  if (socket.readableObjectMode || socket.writableObjectMode)
    throw new TypeError('socket must be a stream of bytes; this one is in object mode');
  if (socket.readableEncoding !== null && socket.readableEncoding !== undefined)
    throw new TypeError('socket must be a stream of bytes; this one decodes them to text (setEncoding)');
  if (isOwned(socket)) return 'it belongs to a connection of this library already';
  if (socket.destroyed) return 'it is destroyed already';
  if (socket.connecting) return "it still connects; wait for its event 'connect'";
  if (socket.pending === true) return 'it was never connected';
  if (socket.readableEnded || !socket.readable) return 'its peer has ended it, and that has been read already';
  if (socket.writableEnded || !socket.writable) return 'it was ended from this side already';
  if (socket.listenerCount('data') > 0 || socket.listenerCount('readable') > 0)
    return "somebody else reads from it: it has listeners of 'data' or 'readable', is piped, or iterated over; remove them first";
  if (isSecure && socket.writableLength > 0)
    return `${socket.writableLength} bytes of clear text wait to be written to it; adopt it when they have been`;
  return null;
}

/**
 * Takes over a socket that was made elsewhere: half-open, paused, its reads going to `owner`. It is read and written as documented,
 * since it may hold bytes both ways that the fast path would overtake.
 */
export function adoptSocket(socket: Duplex, owner: SocketOwner): Socket {
  const adopted = socket as Socket;
  adopted.allowHalfOpen = true;
  writeAsDocumented(adopted);
  return readThroughData(adopted, owner);
}

/** A socket that a server adopts, as if the system had accepted it. */
export class AdoptedSocket implements AcceptedSocket {
  readonly address: string;
  readonly port: number;
  readonly #socket: Socket;

  constructor(socket: Duplex) {
    this.#socket = socket as Socket;
    this.address = normalizeAddress(this.#socket.remoteAddress ?? '');
    this.port = this.#socket.remotePort ?? 0;
  }

  makeSocket(owner: SocketOwner): Socket {
    return adoptSocket(this.#socket, owner);
  }

  makeRawSocket(): Socket {
    const socket = this.#socket;
    socket.pause();
    socket.allowHalfOpen = true;
    writeAsDocumented(socket);
    return socket;
  }

  takeHandle(): null {
    return null;
  }

  reject(): void {
    this.#socket.on('error', () => {});
    this.#socket.destroy();
  }
}
