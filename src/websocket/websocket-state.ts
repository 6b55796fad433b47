import type { Inflation } from './inflation.ts';
import { CloseCode, type Violation } from './opcode.ts';
import type { Outbox } from './outbox.ts';
import type { OutgoingFragments } from './outgoing-fragments.ts';
import type { RoomWaiters } from './room-waiters.ts';
import type { StreamedMessage } from './streamed-message.ts';

/**
 * Where a WebSocket is in its life.
 *
 * | from        | on                                            | to          |
 * |-------------|-----------------------------------------------|-------------|
 * | Open        | `close`, `drain`: our close frame goes out    | ClosingHere |
 * | Open        | the peer's close frame, which is answered     | Closed      |
 * | ClosingHere | the peer's close frame                        | Closed      |
 * | Open, ClosingHere | a violation: a close frame says which   | Failed      |
 * | any         | the connection is gone                        | Gone        |
 */
export const State = { Open: 0, ClosingHere: 1, Closed: 2, Failed: 3, Gone: 4 } as const;
export type State = (typeof State)[keyof typeof State];

/**
 * What is true of a WebSocket: one number, since there may be a hundred thousand of them and a field takes 8 bytes of each.
 *
 * ```
 *   bit  0..2   its state
 *        3..9   whether ...
 *       10..    pongs that wait to be written
 * ```
 */
export const STATE = 7;
/** Something came since the timer looked last. */
export const HAS_RECEIVED = 8;
/** A ping of ours was not answered. */
export const AWAITS_PONG = 16;
export const HAS_PEER_ENDED = 32;
/** A part of a message is being inflated on a thread, or waits until there is room for what it brought. */
export const IS_INFLATING = 64;
/** The stream that gets the present message can take no more. */
export const IS_STREAM_FULL = 128;
/** The next message that is sent is text. */
export const SENDS_TEXT = 256;
/** A large message came. */
export const HAS_LARGE = 512;
export const PONG = 1024;

/** What few WebSockets have, or have for long; made when one of it is first set. */
export class Seldom {
  violation: Violation | null = null;
  /** What the peer's close frame said. */
  endCode: number = CloseCode.Abnormal;
  endReason = '';
  /** Payload of a ping that is answered when there is room. */
  lastPing: Buffer | null = null;
  /** What waits behind a message that is being compressed on a thread. */
  outbox: Outbox | null = null;
  /** The message that is handed on as it arrives. */
  streamed: StreamedMessage | null = null;
  /** The compressed message whose parts are inflated as they arrive. */
  inflation: Inflation | null = null;
  /** The message that is being sent in fragments. */
  fragments: OutgoingFragments | null = null;
  /** Senders that wait until less is pending. */
  waiters: RoomWaiters | null = null;
}
