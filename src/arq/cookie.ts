import { randomBytes } from 'node:crypto';
import {
  HANDSHAKE_BYTES,
  handshakePeerId,
  handshakeSelfId,
  isHandshake,
  isHandshakeComplete,
  writeHandshake,
} from './handshake.ts';
import { SipHash } from './siphash.ts';

/*
 * A server that creates a session for every first packet can be filled up by anyone who can write a false source address.
 * So it does what TCP's SYN cookies do: its own conversation ID for a new peer is not counted up but computed,
 *
 *   ID = keyed hash(peer address, peer port, peer's ID, coarse time),
 *
 * sent back in one handshake packet, and forgotten. A client that echoes it must have received it, and only then is a session made.
 *
 *   client                      server
 *   {c, 0}          ------->    s = hash(...); keeps nothing
 *                   <-------    {s, c}           12 bytes for 12 bytes: no amplification
 *   ready
 *   {c, s, flag 1}  ------->    hash(...) == s: session made, ready
 *                   <-------    {s, c, flag 1}
 *
 * An HP-Socket client cannot tell: a server may know the client's ID in its very first packet (AQ-015, AQ-016).
 *
 * Coarse time is the number of a window of `windowMs`; a cookie of the current and of the last window is accepted.
 *
 *   window k                                 | window k+1
 *   --------------------------[ tail        ]|[ head        ]------------------------------>
 *
 * A client that has no answer within 60 ms asks again, and if the window ends in between would see the server's ID change,
 * which it must take for a reset (AQ-016). So a peer answered in the tail keeps its cookie in the head. That needs memory, but
 * not memory per peer: one bit in a table of fixed size, at a place the hash chooses. If a flood sets all bits, or two peers
 * share one, a cookie is a window older than need be, which is harmless.
 *
 * A cookie is good for one session. If it were good for more, a late copy of the packet that proved it would make a session
 * that nobody talks to; and a client that has not heard that its session was closed would be given another one with the same
 * IDs, in which both sides count segments from different numbers: what they send is never delivered, and neither notices.
 * So cookies that became sessions are remembered as long as they would be accepted. A client that comes with such a one is answered with
 * an ID that nobody has, which is a reset to a client that knows the old one (AQ-018).
 */
const ANSWERED_BITS = 65_536;
/** Cookies of one window that are remembered as spent; beyond, the oldest are forgotten. */
const SPENT_LIMIT = 65_536;
/** An address of a client and that of its proxy are shorter, be it a path. */
const MAX_ADDRESS_CHARS = 256;

/** What a datagram of a peer without a session is. */
export const CookieVerdict = Object.freeze({
  /** Not an acceptable handshake packet: do not answer, do not allocate. */
  Ignore: 0,
  /** A first packet: `out` holds the 12 bytes to send back. */
  Answer: 1,
  /** The peer has echoed its cookie: make a session with `selfId`, `peerId` and `isPeerComplete`. */
  Proved: 2,
  /** The cookie has had its session: the peer's copy of that is stale. `out` holds 12 bytes that reset it. */
  Spent: 3,
} as const);
export type CookieVerdict = (typeof CookieVerdict)[keyof typeof CookieVerdict];

/** Answers the handshake packets of peers that have not yet proved their address, without keeping anything about them. */
export class ArqCookies {
  /** After `Proved`: the server's ID for this peer, ... */
  selfId = 0;
  /** ... the peer's own ID, ... */
  peerId = 0;
  /** ... and whether its packet carried the complete flag. */
  isPeerComplete = false;
  /** The answer, after `Answer`. Overwritten by the next call. */
  readonly out: Buffer = Buffer.alloc(HANDSHAKE_BYTES);

  answered = 0;
  proved = 0;
  ignored = 0;

  private readonly sip: SipHash;
  private readonly windowMs: number;
  private readonly edgeMs: number;
  private readonly scratch = new Uint8Array(MAX_ADDRESS_CHARS + 32);
  private readonly answeredInTail = new Uint8Array(ANSWERED_BITS / 8);
  private tailWindow = -1;
  // Cookies spent in this window and in the one before.
  private spent = new Set<number>();
  private spentBefore = new Set<number>();
  private spentWindow = -1;

  /**
   * @param handshakeTimeoutMs How long a client tries; the window is a multiple of it.
   * @param secret 16 bytes; random unless given.
   */
  constructor(handshakeTimeoutMs = 5_000, secret: Uint8Array = randomBytes(16)) {
    if (secret.length !== 16) throw new RangeError(`the secret must have 16 bytes, not ${secret.length}`);
    this.sip = new SipHash(secret);
    this.edgeMs = handshakeTimeoutMs;
    this.windowMs = Math.max(30_000, 4 * handshakeTimeoutMs);
  }

  /**
   * Looks at a datagram from an address without a session.
   *
   * @param address Textual address of the peer, as `node:dgram` gives it (always the same text for one peer); of a client behind a proxy,
   *   its own and the proxy's.
   * @param nowMs Any steady clock.
   */
  input(datagram: Uint8Array, address: string, port: number, nowMs: number): CookieVerdict {
    if (isHandshake(datagram)) {
      const from = handshakeSelfId(datagram);
      const echoed = handshakePeerId(datagram);
      const now = Math.floor(nowMs);
      const window = Math.floor(now / this.windowMs);
      if (from !== 0 && echoed === 0) {
        const id = this.issue(address, port, from, now, window);
        if (this.isSpent(id, window)) return this.reset(address, port, from, window);
        writeHandshake(this.out, id, from, false);
        this.answered++;
        return CookieVerdict.Answer;
      }
      if (
        from !== 0 &&
        (echoed === this.cookie(address, port, from, window) || echoed === this.cookie(address, port, from, window - 1))
      ) {
        if (this.isSpent(echoed, window)) return this.reset(address, port, from, window);
        this.selfId = echoed;
        this.peerId = from;
        this.isPeerComplete = isHandshakeComplete(datagram);
        this.proved++;
        return CookieVerdict.Proved;
      }
    }
    this.ignored++;
    return CookieVerdict.Ignore;
  }

  /** The session of the last `Proved` is made: its cookie proves nothing any more. Not to be called if it was not made. */
  spend(nowMs: number): void {
    this.turnTo(Math.floor(Math.floor(nowMs) / this.windowMs));
    const { spent } = this;
    if (spent.size >= SPENT_LIMIT) spent.delete(spent.values().next().value as number);
    spent.add(this.selfId);
  }

  private isSpent(id: number, window: number): boolean {
    this.turnTo(window);
    return this.spent.has(id) || this.spentBefore.has(id);
  }

  /** A cookie is accepted in its window and the next, so those spent before the last window can be forgotten. */
  private turnTo(window: number): void {
    if (window === this.spentWindow) return;
    this.spentBefore = window === this.spentWindow + 1 ? this.spent : new Set();
    this.spent = new Set();
    this.spentWindow = window;
  }

  /** Answers with an ID that proves nothing: the one of a window that will not come for ages. */
  private reset(address: string, port: number, peerId: number, window: number): CookieVerdict {
    writeHandshake(this.out, this.cookie(address, port, peerId, window ^ (1 << 31)), peerId, false);
    this.ignored++;
    return CookieVerdict.Spent;
  }

  /** The ID to answer with: of this window, or in its head of the last one for a client that got that shortly before. */
  private issue(address: string, port: number, peerId: number, now: number, window: number): number {
    const phase = now - window * this.windowMs;
    const cookie = this.cookie(address, port, peerId, window);
    if (phase < this.edgeMs) {
      if (this.tailWindow !== window - 1) return cookie;
      const last = this.cookie(address, port, peerId, window - 1);
      const bit = this.sip.high & (ANSWERED_BITS - 1);
      return (this.answeredInTail[bit >> 3]! & (1 << (bit & 7))) !== 0 ? last : cookie;
    }
    if (phase >= this.windowMs - this.edgeMs) {
      if (this.tailWindow !== window) {
        this.tailWindow = window;
        this.answeredInTail.fill(0);
      }
      const bit = this.sip.high & (ANSWERED_BITS - 1);
      this.answeredInTail[bit >> 3]! |= 1 << (bit & 7);
    }
    return cookie;
  }

  /** Leaves the hash's other half in `sip.high`, which picks the bit. */
  private cookie(address: string, port: number, peerId: number, window: number): number {
    const bytes = this.scratch;
    const chars = Math.min(address.length, MAX_ADDRESS_CHARS);
    let at = 0;
    for (let i = 0; i < chars; i++) bytes[at++] = address.charCodeAt(i);
    bytes[at++] = port;
    bytes[at++] = port >> 8;
    for (let shift = 0; shift < 32; shift += 8) bytes[at++] = peerId >>> shift;
    for (let shift = 0; shift < 32; shift += 8) bytes[at++] = window >> shift;
    this.sip.hash(bytes, at);
    return this.sip.low >>> 0 || 1; // 0 means "not known" on the wire
  }
}
