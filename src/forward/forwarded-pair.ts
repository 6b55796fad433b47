import type { TcpConnection } from '../connection/tcp-connection.ts';
import type { SocketError } from '../core/errors.ts';
import { $inspect, type Inspect, inspected } from '../core/inspect.ts';
import type { Linked } from '../core/linked-list.ts';
import type { ConnId } from '../core/listener.ts';
import type { WheelTimer } from '../core/timer-wheel.ts';
import type { ForwardTarget } from './target.ts';

/** A client's connection and the one that was made for it (FWD-008). The same object in all hooks about the two. */
export interface ForwardedPair<Extra = unknown> {
  /** ID of the client's connection with the forwarder's server. */
  readonly id: ConnId;
  /** The client's connection. What it sends goes to the target by itself. */
  readonly server: TcpConnection<ForwardedPair<Extra>>;
  /** The connection with the target; null until that is there. */
  readonly agent: TcpConnection<ForwardedPair<Extra>> | null;
  /** The target connected to, or tried last; null before that. */
  readonly target: ForwardTarget | null;
  /** Why the pair could not be made, or was broken off from this side; null for neither. */
  readonly error: SocketError | null;
  /** Your own data of the pair; undefined if there is none. */
  extra: Extra | undefined;
  /** Ends both connections: what is queued is offered to the system once more. False if they are closed already. */
  disconnect(): boolean;
  /** Ends both connections by a reset. False if they are closed already. */
  reset(): boolean;
}

/** One end of a pair. */
export class PairEnd {
  /** Null on the target's end until that is connected. */
  connection: TcpConnection<never> | null = null;
  isGone = false;
  /** Answers the hook `onEnd` of this end, which waits for the other direction; null while no FIN has come. */
  answerEnd: (() => void) | null = null;
  /** Whether its FIN has come. */
  hasEnded = false;
  /** The promise of a hook about its bytes. */
  busy: Promise<unknown> | null = null;
}

/** Bytes of a client that are kept until its target is connected; more are not read. */
const EARLY_BYTES = 16 * 1024;

/** A pair as the forwarder sees it. */
export class Pair<Extra = unknown> implements ForwardedPair<Extra>, Linked<Pair<Extra>> {
  previous: Pair<Extra> | null = null;
  next: Pair<Extra> | null = null;
  isListed = false;
  readonly client = new PairEnd();
  readonly far = new PairEnd();
  extra: Extra | undefined = undefined;
  target: ForwardTarget | null = null;
  error: SocketError | null = null;
  /** Cancels connecting to the target. */
  connecting: AbortController | null = null;
  /** Whether bytes go through: the hooks of the target's connection let it in. */
  isLinked = false;
  /** Whether it has asked for a target. */
  hasBegun = false;
  /** Whether it ended in an error, so that both ends are reset. */
  isBroken = false;
  /** Looks whether anything moves, once one side has ended. */
  halfClosed: WheelTimer | null = null;
  #early: Buffer[] | null = null;
  #earlyBytes = 0;

  get id(): ConnId {
    return this.server.id;
  }

  get server(): TcpConnection<ForwardedPair<Extra>> {
    return this.client.connection as unknown as TcpConnection<ForwardedPair<Extra>>;
  }

  get agent(): TcpConnection<ForwardedPair<Extra>> | null {
    return this.far.connection as unknown as TcpConnection<ForwardedPair<Extra>> | null;
  }

  /** Whether neither connection is left. */
  get isOver(): boolean {
    return this.client.isGone && (this.far.connection === null || this.far.isGone);
  }

  /** What `console.log` prints: of the target only where it is, since the URLs of its proxies may have passwords. */
  [$inspect](depth: number | null, options: object, inspect: Inspect): string {
    const { id, server, agent, error, extra } = this;
    const { host, port, path } = this.target ?? {};
    const target = this.target === null ? null : path === undefined ? { host, port } : { path };
    return inspected(this, { id, target, error, extra, server, agent }, depth, options, inspect);
  }

  other(end: PairEnd): PairEnd {
    return end === this.client ? this.far : this.client;
  }

  /** Keeps bytes of the client. @returns false if that was enough for now. */
  keepEarly(data: Buffer): boolean {
    this.#early ??= [];
    this.#early.push(Buffer.from(data));
    this.#earlyBytes += data.length;
    return this.#earlyBytes < EARLY_BYTES;
  }

  takeEarly(): readonly Buffer[] {
    const early = this.#early ?? [];
    this.#early = null;
    this.#earlyBytes = 0;
    return early;
  }

  /** Bytes that have come from, and gone to, either side. */
  get movedBytes(): number {
    let moved = 0;
    for (const { connection } of [this.client, this.far]) {
      if (connection === null) continue;
      const { bytesIn, bytesOut } = connection.stats();
      moved += bytesIn + bytesOut;
    }
    return moved;
  }

  disconnect(): boolean {
    return this.#onBoth(false, (connection) => connection.disconnect());
  }

  reset(): boolean {
    return this.#onBoth(true, (connection) => connection.reset());
  }

  #onBoth(isReset: boolean, end: (connection: TcpConnection<never>) => boolean): boolean {
    this.connecting?.abort();
    if (!this.isOver) this.isBroken ||= isReset;
    let wasOpen = false;
    for (const { connection, isGone } of [this.client, this.far]) {
      if (connection !== null && !isGone && end(connection)) wasOpen = true;
    }
    return wasOpen;
  }
}
