import type { Socket } from 'node:net';
import type { SocketAddress } from '../core/address.ts';
import type { SocketOperation } from '../core/enums.ts';
import type { SocketError } from '../core/errors.ts';
import type { TurnTask } from '../core/turn-end.ts';
import type { SendQueue } from '../memory/send-queue.ts';
import type { Lifetime, Protocol } from '../protocol/protocol.ts';
import type { SocketReader } from '../transport/socket-owner.ts';
import type { Consumer } from './consumer.ts';
import type { ConnectionHost } from './host.ts';
import type { SecureSession } from './security.ts';
import type { ConnectionState } from './state.ts';

/*
 * What the parts of a stream connection know of each other. The connection is made of them, so they must not name it: each
 * gets it as a `Link`, and the other parts through that.
 */

/** The preambles, while they are spoken. */
export interface PreambleSide {
  /** Whether the socket is connected. */
  readonly hasStarted: boolean;
  received(bytes: Buffer, lifetime: Lifetime): void;
  /** The peer sent its FIN. */
  ended(): void;
  /** The socket failed. */
  socketFailed(cause: Error): void;
  /** Everything that was queued is written. */
  allSent(): void;
  /** The connection is closed. */
  closed(): void;
}

/** The receiving side. */
export interface ReceivingSide extends SocketReader {
  readonly protocol: Protocol;
  readonly bytesIn: number;
  lastReceiveAt: number;
  /** Why receiving stands still; 0 if it does not. */
  readonly pauses: number;
  /** Whether the peer sent its FIN. */
  readonly hasEnded: boolean;
  /** Whether the connection knows of it: everything before it has been delivered. */
  readonly hasToldEnd: boolean;
  /** Marks that the promise of a hook is pending, or no longer. */
  markHook(isPending: boolean): void;
  /** The protocol's deadline; 0 for none. */
  deadline(ms: number): void;
  /** A hook answered Error. */
  refusedBy(hook: string): void;
  received(bytes: Buffer, lifetime: Lifetime): void;
  /** The peer sent a FIN. */
  peerFinished(): void;
}

/** The sending side. */
export interface SendingSide {
  readonly queue: SendQueue;
  /** Bytes that the protocol holds back. */
  heldBytes: number;
  /** A read has been delivered: the answers to it leave. */
  readDelivered(): void;
  /** Writes what is queued, then calls the hooks about it. */
  flushAndSettle(): void;
}

/** The deadlines. */
export interface Deadlines {
  /** When a connection that drains must be closed, however much still moves. */
  latestAt: number;
  armStage(delayMs: number, expired: () => void): void;
  shortenStage(delayMs: number, expired: () => void): void;
  readsAgain(): void;
  /** Bytes were received: whether a message is in the middle now, and how many came before it. */
  messageStands(isPartial: boolean, messagesIn: number): void;
  /** Something is pending: the peer has `sendTimeoutMs` to take some of it. */
  watchSends(): void;
}

/** A stream connection, as its parts see it. */
export interface Link extends TurnTask {
  readonly id: number;
  readonly host: ConnectionHost;
  readonly openedAt: number;
  readonly state: ConnectionState;
  readonly socket: Socket;
  /** Whether TLS is spoken with a proxy, which gets a close_notify at the end. */
  isTunnelled: boolean;
  readonly secure: SecureSession | null;
  readonly receiver: ReceivingSide;
  readonly sender: SendingSide | null;
  readonly deadlines: Deadlines;
  readonly consumer: Consumer | null;
  readonly pendingBytes: number;
  /** Bytes that the system has taken since the connection began. */
  readonly bytesOut: number;
  /** Whether it drains, or will when its opening hooks are done. */
  readonly isEnding: boolean;
  /** Whether everything was sent and a FIN after it. */
  readonly isShutDown: boolean;
  /** Whether `allSent` is to be called when everything that is queued has been written. */
  awaitsSent: boolean;
  /** Gets what arrives in the place of the receiver; null where there are no preambles, or they are over. */
  preambles: PreambleSide | null;
  extra: unknown;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: SocketAddress | null;
  readonly remoteHost: string;
  allSent(): void;
  /** Stops listening to the socket, so that another one can wrap it. */
  abandonSocket(): Socket;
  /** Goes on with `socket`, which wraps the one before. */
  replaceSocket(socket: Socket): void;
  /** Delivers what a resumed receiver kept, at the end of this turn. */
  resumeAtTurnEnd(): void;
  sendRaw(bytes: Uint8Array): boolean;
  sendAllRaw(parts: readonly Uint8Array[], length: number): boolean;
  sendReserved(bytes: Uint8Array, reserved: number): boolean;
  useSender(): SendingSide;
  /** Its sender goes to other connections. */
  giveUpSender(): void;
  hold(): () => void;
  answerMade(): void;
  hookFailed(hook: string, thrown: unknown, operation: SocketOperation): void;
  endedBy(hook: string, hasThrown: boolean, thrown: unknown): void;
  endByProtocol(): void;
  peerEnded(): void;
  peerEndedEarly(bytes: number): void;
  drainPatiently(): void;
  close(operation: SocketOperation, errorCode: number, error?: SocketError): void;
  socketFailed(cause: Error): void;
  socketEnded(): void;
  socketClosed(): void;
}
