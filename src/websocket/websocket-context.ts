import type { MessageRules } from './message-sink.ts';
import type { WebSocketMessageStream } from './message-stream.ts';

/** How a WebSocket ended, or is ending. */
export interface WebSocketEnd {
  /** The close code: the peer's if it sent one, 1005 if its frame held none, 1006 if there was no close frame. */
  readonly code: number;
  /** The peer's reason, or ours if we failed the connection. */
  readonly reason: string;
  /** Whether close frames went both ways. */
  readonly wasClean: boolean;
}

/** What a component does with what its WebSockets bring. What these return is settled as of any hook. */
export interface WebSocketHooks {
  /** The WebSocket is open. */
  open?(id: number): unknown;
  /** A whole message; undefined hands it to the port instead: `onReceive`, a stream, or an iterator. */
  message?(id: number, data: Buffer | string, isBinary: boolean): unknown;
  /** A message that is longer than `streamBytes`, as it arrives. */
  messageStream?(id: number, stream: WebSocketMessageStream, isBinary: boolean): unknown;
  ping?(id: number, data: Buffer): unknown;
  pong?(id: number, data: Buffer): unknown;
  /** The peer's close frame; it is answered. */
  closing?(id: number, code: number, reason: string): unknown;
  /** Something was written: so many bytes are pending now. */
  wrote?(id: number, pendingBytes: number): void;
  /** It is over: once for each that was open. */
  closed?(id: number, end: WebSocketEnd): void;
}

/** What the WebSockets of one component share. */
export interface WebSocketContext extends MessageRules {
  readonly isServer: boolean;
  readonly hooks: WebSocketHooks;
  /** Whether text is delivered as a string. */
  readonly textAsString: boolean;
  /** Silence after which a ping is sent, in milliseconds; 0 for never. */
  readonly pingIntervalMs: number;
  /** Time that a peer has for any sign of life after a ping. */
  readonly pongTimeoutMs: number;
  /** Time that the closing handshake may take. */
  readonly closeTimeoutMs: number;
  readonly counters: WebSocketCounters;
}

/** What happened in the WebSockets of one component. */
export interface WebSocketCounters {
  /** WebSockets failed because the peer broke the protocol or a limit. */
  violations: number;
  /** Those that gave no sign of life. */
  pongTimeouts: number;
  /** Those whose peer did not answer our close frame in time. */
  closeTimeouts: number;
  /** Pings that were answered by the pong to a later one. */
  pongsCoalesced: number;
}

export function newWebSocketCounters(): WebSocketCounters {
  return { violations: 0, pongTimeouts: 0, closeTimeouts: 0, pongsCoalesced: 0 };
}

const compressing = new WeakMap<MessageRules, MessageRules>();

/** The rules with the compression bit. */
export function withCompression(context: MessageRules): MessageRules {
  let rules = compressing.get(context);
  if (rules === undefined) {
    const { expectsMask, maxMessageBytes, maxFragments, streamBytes, maxStreamedBytes, pool } = context;
    rules = { allowedReserved: 4, expectsMask, maxMessageBytes, maxFragments, streamBytes, maxStreamedBytes, pool };
    compressing.set(context, rules);
  }
  return rules;
}
