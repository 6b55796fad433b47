import { handshakeSelfId, isHandshake, isMigration, KCP_HEADER_BYTES, type MigrationKey } from '../arq/index.ts';
import { Errno } from '../core/errno.ts';
import type { SocketError } from '../core/errors.ts';
import { ArqClaim, type Claimant } from './udp-arq-claim.ts';

/** Errors of the system that another address of this machine may cure. */
const lostErrors: ReadonlySet<number> = new Set([
  Errno.ENETUNREACH,
  Errno.ENETDOWN,
  Errno.EHOSTUNREACH,
  Errno.EADDRNOTAVAIL,
]);
/** After a claim, milliseconds in which a server that does not know the client makes it no other one; less than a handshake may take. */
const CLAIM_PAUSE_MS = 1_000;

/** What becomes of a datagram of the server, as far as its address goes. */
export const PathVerdict = Object.freeze({
  /** It is one of the session. */
  Ours: 0,
  /** It was about the address, or came because the server knows another one. */
  Taken: 1,
  /** It is of another session. */
  Foreign: 2,
} as const);
export type PathVerdict = (typeof PathVerdict)[keyof typeof PathVerdict];

/** Whether another address of this machine may cure an error of the system. */
export function isPathLost(errno: number): boolean {
  return lostErrors.has(errno);
}

/** A client's way to its server, with `migration`: when the server knows another address of it, the session is claimed for this one. */
export class ArqPath {
  readonly #claimant: Claimant;
  readonly #selfId: number;
  readonly #key: MigrationKey;
  readonly #timeoutMs: number;
  readonly #over: (isMoved: boolean) => SocketError | null;
  #claim: ArqClaim | null = null;
  #claimedAt = Number.NEGATIVE_INFINITY;
  /** Called when the claim is over. */
  #waiting: ((error: SocketError | null) => void)[] = [];

  /** @param over A claim is over. Returns what it failed by, null if it did not. */
  constructor(
    claimant: Claimant,
    selfId: number,
    key: MigrationKey,
    timeoutMs: number,
    over: (isMoved: boolean) => SocketError | null,
  ) {
    this.#claimant = claimant;
    this.#selfId = selfId;
    this.#key = key;
    this.#timeoutMs = timeoutMs;
    this.#over = over;
  }

  /** A datagram came. @param peerId ID of the server. @param isReady Whether the handshake is done. */
  came(bytes: Buffer, peerId: number, isReady: boolean, now: number): PathVerdict {
    if (isMigration(bytes)) {
      this.#claim?.came(bytes);
      return PathVerdict.Taken;
    }
    // Of another session of that server, whose client was here before.
    if (bytes.length >= KCP_HEADER_BYTES && bytes.readUInt32LE(0) !== peerId) return PathVerdict.Foreign;
    // A packet of an ID that the server never had says that it knows no connection with this address.
    if (!isReady || !isHandshake(bytes) || handshakeSelfId(bytes) === peerId) return PathVerdict.Ours;
    if (this.#claim === null && now - this.#claimedAt >= Math.min(CLAIM_PAUSE_MS, this.#timeoutMs >> 2)) this.claim();
    return PathVerdict.Taken;
  }

  /** Claims the session for the present address. Resolves to null when the server has moved it, else to why not. */
  claim(): Promise<SocketError | null> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#claim?.cancel();
      this.#claim = new ArqClaim(this.#claimant, this.#selfId, this.#key, this.#timeoutMs, (isMoved) =>
        this.#ended(isMoved),
      );
    });
  }

  #ended(isMoved: boolean): void {
    this.#claim?.cancel();
    this.#claim = null;
    this.#claimedAt = this.#claimant.host.wheel.now();
    this.#settle(this.#over(isMoved));
  }

  /** The connection is closing. */
  closed(error: SocketError): void {
    this.#claim?.cancel();
    this.#settle(error);
  }

  #settle(error: SocketError | null): void {
    for (const settled of this.#waiting.splice(0)) settled(error);
  }
}
