import { Errno } from '../core/errno.ts';
import { readInt32 } from './segment.ts';

/*
 *  0       2   3   4               8               12 (BYTE)
 *  +-------+---+---+---------------+---------------+
 *  | magic |cmd|flg|    selfID     |    peerID     |   all little-endian (AQ-006..011)
 *  +-------+---+---+---------------+---------------+
 *   4F BB   01  bit 0 = complete     0 = not known yet
 */
export const HANDSHAKE_BYTES = 12;
const MAGIC_LOW = 0x4f;
const MAGIC_HIGH = 0xbb;
const COMMAND = 0x01;
const FLAG_COMPLETE = 0x01;
/** Longest pause between two handshake packets (AQ-014). */
const RESEND_MAX_MS = 2_000;

/** Writes a handshake packet to `out[0..11]`. IDs are unsigned 32-bit; `isComplete` sets bit 0 of the flag. */
export function writeHandshake(out: Uint8Array, selfId: number, peerId: number, isComplete: boolean): void {
  out[0] = MAGIC_LOW;
  out[1] = MAGIC_HIGH;
  out[2] = COMMAND;
  out[3] = isComplete ? FLAG_COMPLETE : 0;
  for (let i = 0; i < 4; i++) {
    out[4 + i] = selfId >>> (8 * i);
    out[8 + i] = peerId >>> (8 * i);
  }
}

/** True for 12 bytes with the right magic, command and flag; anything else of that length is an error (AQ-021). */
export function isHandshake(datagram: Uint8Array): boolean {
  return (
    datagram.length === HANDSHAKE_BYTES &&
    datagram[0] === MAGIC_LOW &&
    datagram[1] === MAGIC_HIGH &&
    datagram[2] === COMMAND &&
    (datagram[3]! & ~FLAG_COMPLETE) === 0
  );
}

/** `selfID` of a valid handshake packet: the ID of its sender. */
export function handshakeSelfId(datagram: Uint8Array): number {
  return readInt32(datagram, 4) >>> 0;
}

/** `peerID` of a valid handshake packet: the receiver's ID as far as the sender knows it, else 0. */
export function handshakePeerId(datagram: Uint8Array): number {
  return readInt32(datagram, 8) >>> 0;
}

export function isHandshakeComplete(datagram: Uint8Array): boolean {
  return datagram[3] === FLAG_COMPLETE;
}

let conversationCounter: number | undefined;

/**
 * The next conversation ID of this process: a 32-bit counter that starts at the millisecond clock, without 0 (AQ-012). A
 * process that restarts therefore does not hand out the IDs that its peers still remember.
 */
export function nextConversationId(nowMs: number = Date.now()): number {
  conversationCounter = ((conversationCounter ?? nowMs >>> 0) + 1) >>> 0 || 1;
  return conversationCounter;
}

/** For tests of the wrap-around. @internal */
export function seedConversationIds(last: number): void {
  conversationCounter = last >>> 0;
}

/**
 * The ARQ handshake of one side (AQ-012..022). Both sides run the same machine:
 *
 *   state      event                                       next       what happens
 *   -------------------------------------------------------------------------------------------------
 *   Unknown    packet {x, 0}                               Known      peerId := x, answer at once
 *   Unknown    packet {x, own}                             Ready      peerId := x, answer at once
 *   Known      packet {x, 0}                               Known      answer if one is due
 *   Known      packet {x, own}                             Ready
 *   Ready      packet {x, own}, flag 1                     Complete   answer if one is due
 *   Ready/Complete  packet {x, 0}                          same       answer if one is due; too old: ECONNRESET
 *   any        packet of another selfID or to another ID   -          ECONNRESET
 *   any        not a handshake packet                      -          EBADMSG
 *   before Complete  handshakeTimeoutMs passed               -          ETIMEDOUT
 *
 * Packets of Ready and Complete carry flag 1. Packets go out on schedule until Complete, at least one with flag 1.
 */
export class ArqHandshake {
  readonly selfId: number;
  /** The peer's conversation ID, 0 = not known yet. */
  peerId = 0;
  isReady = false;
  /** The peer has said that it is ready too: nothing more needs to be sent. */
  isComplete = false;

  private readonly intervalMs: number;
  private readonly timeoutMs: number;
  private createdMs: number;
  private nextMs: number;
  private sentCount = 0;
  private hasSentComplete = false;

  /**
   * @param intervalMs KCP's clamped flush interval, the unit of the schedule.
   * @param timeoutMs HandShakeTimeout.
   */
  constructor(selfId: number, nowMs: number, intervalMs: number, timeoutMs: number) {
    this.selfId = selfId >>> 0;
    this.intervalMs = intervalMs;
    this.timeoutMs = timeoutMs;
    this.createdMs = nowMs;
    this.nextMs = nowMs;
  }

  /**
   * For a server whose peer has echoed a cookie: starts in Ready. The flag of the very packet that did so counts, other than
   * in AQ-016, because that peer had to be ready to set it; so two packets of ours are saved for every connection. We still
   * send one with flag 1, for which the peer waits.
   */
  prove(peerId: number, isPeerComplete: boolean): void {
    this.peerId = peerId >>> 0;
    this.isReady = true;
    this.isComplete = isPeerComplete;
  }

  /** For stock KCP, which has no handshake: nothing is sent, and both sides are ready. */
  skip(): void {
    this.isReady = true;
    this.isComplete = true;
    this.hasSentComplete = true;
  }

  /** True while packets go out on schedule. */
  get isSending(): boolean {
    return !(this.isComplete && this.hasSentComplete);
  }

  /** A 12-byte datagram came. Returns 0, EBADMSG or ECONNRESET. Afterwards a packet may be due. */
  input(datagram: Uint8Array, nowMs: number): number {
    if (!isHandshake(datagram)) return Errno.EBADMSG;
    const from = handshakeSelfId(datagram);
    const to = handshakePeerId(datagram);
    if (this.isReady) {
      if (from !== this.peerId) return Errno.ECONNRESET;
      if (to !== this.selfId) {
        if (to !== 0) return Errno.ECONNRESET;
        // A late copy of the peer's first packets; but this long after, it is a peer that starts anew.
        if (nowMs - this.createdMs > 2 * this.timeoutMs) return Errno.ECONNRESET;
      }
      if (isHandshakeComplete(datagram)) this.isComplete = true;
      return 0;
    }
    if (this.peerId === 0) {
      this.peerId = from;
      this.nextMs = nowMs;
      this.sentCount = 0;
    } else if (from !== this.peerId) {
      return Errno.ECONNRESET;
    }
    if (to === this.selfId) this.isReady = true;
    else if (to !== 0) return Errno.ECONNRESET;
    else if (isHandshakeComplete(datagram)) this.isComplete = true;
    return 0;
  }

  /** AQ-019: the handshake, both halves of it, took too long. */
  isTimedOut(nowMs: number): boolean {
    return this.isSending && nowMs - this.createdMs > this.timeoutMs;
  }

  /**
   * Writes the next packet to `out[0..11]` if one is due and returns true. Call it on schedule while {@link isSending}, and
   * after every handshake packet that came in, because the peer asks for ours that way.
   */
  poll(nowMs: number, out: Uint8Array): boolean {
    // A clock that went back must not silence us.
    if (nowMs < this.createdMs) this.createdMs = nowMs;
    if (this.nextMs - nowMs > RESEND_MAX_MS) this.nextMs = nowMs;
    if (nowMs < this.nextMs || nowMs - this.createdMs > this.timeoutMs) return false;
    this.sentCount++;
    this.nextMs = nowMs + Math.min(this.intervalMs * this.sentCount, RESEND_MAX_MS);
    if (this.isReady) this.hasSentComplete = true;
    writeHandshake(out, this.selfId, this.peerId, this.isReady);
    return true;
  }

  /** When {@link poll} or {@link isTimedOut} has something to say; `Infinity` once complete. */
  get nextDueMs(): number {
    // One more than the limit: the rule is "more than", and clocks may count whole milliseconds.
    return this.isSending ? Math.min(this.nextMs, this.createdMs + this.timeoutMs + 1) : Infinity;
  }
}
