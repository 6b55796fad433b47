import { MAX_DELAY_MS } from '../core/delay.ts';
import { HandleResult, SocketOperation } from '../core/enums.ts';
import { Errno } from '../core/errno.ts';
import { callHook } from '../core/hooks.ts';
import { movedBytes, timeoutError } from './deadlines.ts';
import type { Link } from './link.ts';

/** Asks `onEnd` what becomes of a connection whose peer sent its FIN. Returns false if there is no such hook. */
export function askEnd(connection: Link): boolean {
  const { receiver } = connection;
  const { listener, owner } = connection.host;
  if (listener.onEnd === undefined) return false;
  receiver.markHook(true); // nothing more comes, but until it answers the peer is not idle
  callHook(() => listener.onEnd?.(owner, connection.id), {
    answered(value) {
      receiver.markHook(false);
      if (value !== HandleResult.Ignore) connection.drainPatiently();
    },
    refused() {
      receiver.markHook(false);
      receiver.refusedBy('onEnd');
    },
    failed(thrown) {
      receiver.markHook(false);
      connection.hookFailed('onEnd', thrown, SocketOperation.Receive);
    },
  });
  return true;
}

/**
 * Deadline of a connection that drains, or begins to: `timeoutMs` in all; if `isPatient`, as long as bytes move with pauses of
 * up to that, but not beyond its lifetime. Of several drains the one that ends sooner counts.
 */
export function armDraining(connection: Link, timeoutMs: number, isPatient: boolean): void {
  const { deadlines, host } = connection;
  const { clock } = host.wheel;
  const { connectionTimeoutMs } = host.settings;
  const delayMs = timeoutMs >= 1 ? Math.min(timeoutMs, MAX_DELAY_MS) : 1;
  const soonest = clock.now() + delayMs;
  if (!isPatient) deadlines.latestAt = Math.min(deadlines.latestAt, soonest);
  else if (connectionTimeoutMs > 0) {
    deadlines.latestAt = Math.min(deadlines.latestAt, Math.max(soonest, connection.openedAt + connectionTimeoutMs));
  }
  let moved = movedBytes(connection);
  const expired = (): void => {
    const leftMs = Math.min(delayMs, deadlines.latestAt - clock.now());
    const present = movedBytes(connection);
    if (isPatient && present !== moved && leftMs > 0) {
      moved = present;
      return deadlines.armStage(leftMs, expired);
    }
    // Both sides have said their end, and only the `close` of the socket is still to come.
    const isOver = connection.isShutDown && connection.receiver.hasToldEnd && connection.pendingBytes === 0;
    if (isOver) return connection.close(SocketOperation.Close, 0);
    host.limits.closing++;
    const message = `the peer of connection ${connection.id} did not take the last ${connection.pendingBytes} bytes and close within ${timeoutMs} ms`;
    const isComplete = connection.receiver.hasEnded || connection.isShutDown;
    const errorCode = isComplete ? 0 : Errno.ETIMEDOUT;
    connection.close(SocketOperation.Close, errorCode, timeoutError(connection, 'drain', message));
  };
  if (connection.isEnding) deadlines.shortenStage(delayMs, expired);
  else deadlines.armStage(delayMs, expired);
}
