import { SocketErrorCode, SocketOperation } from '../core/enums.ts';
import { Errno } from '../core/errno.ts';
import { SocketError } from '../core/errors.ts';
import { TICK_MS, WheelTimer } from '../core/timer-wheel.ts';
import { unsentBytes } from '../transport/fast-io.ts';
import type { Deadlines, Link } from './link.ts';

/** Time over which `minReceiveBytesPerSecond` is an average. */
const RATE_WINDOW_MS = 5000;

/**
 * Deadlines of one connection: one for the stage that it is in (connecting, TLS handshake, lifetime, draining), one for
 * silence. Made when the first is needed.
 */
export class ConnectionDeadlines implements Deadlines {
  /** When a connection that drains must be closed, however much still moves. */
  latestAt = Number.POSITIVE_INFINITY;
  #connection: Link;
  #stage: WheelTimer | null = null;
  #idle: WheelTimer | null = null;
  #message: WheelTimer | null = null;
  /** Messages that had come when the present one began. */
  #messagesBefore = -1;
  #rate: WheelTimer | null = null;
  #send: WheelTimer | null = null;
  /** When reading last went on after a pause. */
  #readsSince = 0;

  constructor(connection: Link) {
    this.#connection = connection;
  }

  /** Calls `expired` in `delayMs` unless another stage begins before. 0 for no deadline. */
  armStage(delayMs: number, expired: () => void): void {
    this.disarmStage();
    if (delayMs <= 0) return;
    this.#stage = new WheelTimer(expired);
    this.#connection.host.wheel.arm(this.#stage, delayMs);
  }

  /** As `armStage`, unless the deadline of this stage is sooner. */
  shortenStage(delayMs: number, expired: () => void): void {
    const { wheel } = this.#connection.host;
    const stage = this.#stage;
    const isSooner = stage?.isArmed === true && stage.tick * TICK_MS <= wheel.clock.now() + delayMs;
    if (!isSooner) this.armStage(delayMs, expired);
  }

  disarmStage(): void {
    if (this.#stage !== null) this.#connection.host.wheel.cancel(this.#stage);
    this.#stage = null;
  }

  /** Deadline for connecting or for a handshake. */
  armHandshake(delayMs: number, what: string, option: string): void {
    this.armStage(delayMs, () => {
      this.#connection.host.limits.handshakeTimeouts++;
      this.timedOut(SocketOperation.Connect, `${what} did not end within ${delayMs} ms (${option})`);
    });
  }

  /** Deadlines of an open connection: lifetime and silence. */
  armOpen(): void {
    const connection = this.#connection;
    const { settings, limits } = connection.host;
    const { connectionTimeoutMs, idleTimeoutMs, idleCountsSent } = settings;
    this.armStage(connectionTimeoutMs, () => {
      limits.lifetime++;
      const message = `connection ${connection.id} was open for ${connectionTimeoutMs} ms (connectionTimeoutMs)`;
      this.timedOut(SocketOperation.Close, message);
    });
    if (idleTimeoutMs > 0) this.#armIdle(idleTimeoutMs, idleCountsSent);
    if (settings.minReceiveBytesPerSecond > 0) this.#armRate(settings.minReceiveBytesPerSecond);
  }

  #armIdle(timeoutMs: number, countsSent: boolean): void {
    const connection = this.#connection;
    const { receiver, host } = connection;
    const { wheel, limits } = host;
    receiver.lastReceiveAt = wheel.now();
    let moved = 0;
    let movedAt = receiver.lastReceiveAt;
    // Sends note no time: looking four times in `timeoutMs` whether bytes have left is exact enough.
    const lookMs = Math.max(timeoutMs >> 2, 1);
    const timer = new WheelTimer(() => {
      const now = wheel.clock.now();
      const looksAtSent = countsSent || receiver.hasEnded;
      const present = looksAtSent ? movedBytes(connection) : moved;
      // What this side does not read, whatever for, is no silence of the peer.
      if (present !== moved || receiver.pauses !== 0) {
        moved = present;
        movedAt = now;
      }
      // Reads only note the time; the timer is armed again when it finds that there was one.
      const leftMs = Math.max(receiver.lastReceiveAt, movedAt, this.#readsSince) + timeoutMs - now;
      if (leftMs > 0) return wheel.arm(timer, looksAtSent ? Math.min(leftMs, lookMs) : leftMs);
      limits.idle++;
      const what = looksAtSent ? 'neither sent nor received anything' : 'received nothing';
      this.timedOut(SocketOperation.Close, `connection ${connection.id} ${what} for ${timeoutMs} ms (idleTimeoutMs)`);
    });
    this.#idle = timer;
    wheel.arm(timer, countsSent ? lookMs : timeoutMs);
  }

  #armRate(bytesPerSecond: number): void {
    const connection = this.#connection;
    const { receiver, host } = connection;
    let bytesIn = receiver.bytesIn;
    let readsSince = this.#readsSince;
    const timer = new WheelTimer(() => {
      const isSlow = receiver.bytesIn - bytesIn < (bytesPerSecond * RATE_WINDOW_MS) / 1000;
      // What this side does not read, whatever for, is not the peer's slowness.
      const wasReading = receiver.pauses === 0 && this.#readsSince === readsSince && !receiver.hasEnded;
      if (isSlow && wasReading) {
        host.limits.slowPeers++;
        const message = `connection ${connection.id} received ${receiver.bytesIn - bytesIn} bytes in ${RATE_WINDOW_MS} ms, less than ${bytesPerSecond} per second (minReceiveBytesPerSecond)`;
        return this.timedOut(SocketOperation.Close, message);
      }
      bytesIn = receiver.bytesIn;
      readsSince = this.#readsSince;
      host.wheel.arm(timer, RATE_WINDOW_MS);
    });
    this.#rate = timer;
    host.wheel.arm(timer, RATE_WINDOW_MS);
  }

  messageStands(isPartial: boolean, messagesIn: number): void {
    const connection = this.#connection;
    const { wheel, settings, limits } = connection.host;
    if (!isPartial) {
      if (this.#message !== null) wheel.cancel(this.#message);
      this.#messagesBefore = -1;
      return;
    }
    if (this.#messagesBefore === messagesIn) return;
    this.#messagesBefore = messagesIn;
    this.#message ??= new WheelTimer(() => {
      limits.messageTimeouts++;
      const message = `a message on connection ${connection.id} did not come whole within ${settings.messageTimeoutMs} ms (messageTimeoutMs)`;
      this.timedOut(SocketOperation.Receive, message);
    });
    wheel.arm(this.#message, settings.messageTimeoutMs);
  }

  watchSends(): void {
    if (this.#send?.isArmed === true) return;
    const connection = this.#connection;
    const { wheel, settings, limits } = connection.host;
    const { sendTimeoutMs } = settings;
    let taken = takenBytes(connection);
    const timer = new WheelTimer(() => {
      if (connection.pendingBytes === 0) return;
      const present = takenBytes(connection);
      if (present !== taken) {
        taken = present;
        return wheel.arm(timer, sendTimeoutMs);
      }
      limits.sendTimeouts++;
      const message = `the peer of connection ${connection.id} took none of ${connection.pendingBytes} pending bytes for ${sendTimeoutMs} ms (sendTimeoutMs)`;
      this.timedOut(SocketOperation.Send, message);
    });
    this.#send = timer;
    wheel.arm(timer, sendTimeoutMs);
  }

  /** Reading goes on after a pause: the peer, which may have waited for an answer, has all its time again. */
  readsAgain(): void {
    this.#readsSince = this.#connection.host.wheel.clock.now();
  }

  timedOut(operation: SocketOperation, message: string): void {
    const connection = this.#connection;
    connection.close(operation, Errno.ETIMEDOUT, timeoutError(connection, 'deadline', message));
  }

  /** The connection is closing, or begins a TLS handshake. That of the protocol is the receiver's. */
  cancel(): void {
    this.disarmStage();
    const { wheel } = this.#connection.host;
    if (this.#idle !== null) wheel.cancel(this.#idle);
    if (this.#message !== null) wheel.cancel(this.#message);
    if (this.#rate !== null) wheel.cancel(this.#rate);
    if (this.#send !== null) wheel.cancel(this.#send);
  }
}

export function timeoutError(connection: Link, operation: string, message: string): SocketError {
  const { id: connId } = connection;
  return new SocketError({ socketError: SocketErrorCode.Network, errno: Errno.ETIMEDOUT, operation, connId, message });
}

/** A number that grows when the system takes bytes for the peer. */
function takenBytes({ bytesOut, socket }: Link): number {
  return bytesOut - unsentBytes(socket);
}

/** A number that changes when bytes come in or leave. */
export function movedBytes({ receiver, bytesOut, socket }: Link): number {
  return receiver.bytesIn + bytesOut - unsentBytes(socket);
}
