import type { Clock } from '../core/clock.ts';
import { isSignalAborted } from '../core/component.ts';
import { SocketOperation } from '../core/enums.ts';
import { type EmptyWait, HOOK_GRACE_MS } from '../core/start-stop.ts';
import type { StopReport } from '../core/stats.ts';
import type { StopOptions } from '../core/stop-options.ts';
import type { CloseReason } from './lifecycle.ts';

/** A connection as a stop sees it. */
interface ClosingConnection {
  readonly closeReason: CloseReason;
  /** Whether all that was queued is known to have left, or to have arrived, and the end was graceful. */
  readonly hasDrained: boolean;
  onReleased: (() => void) | null;
  drain(timeoutMs: number, ignoresHook?: boolean): void;
  close(operation: SocketOperation, errorCode: number): void;
  abandonHooks(): void;
}

/** Connections of a component, as a stop sees them. */
interface ClosingTable<C> {
  readonly size: number;
  values(): Iterable<C>;
}

/** A report of nothing. */
export function emptyReport(): StopReport {
  return { connections: 0, drained: 0, forced: 0, failed: 0, droppedBytes: 0, durationMs: 0 };
}

/**
 * Closes all connections, gracefully if there is time for it, and waits until they are closed.
 * @param active The connection whose hook calls this, if there is one: the hook may await it, so it is not waited for.
 */
export async function closeAll<C extends ClosingConnection>(
  table: ClosingTable<C>,
  emptyWait: EmptyWait,
  clock: Clock,
  { drainTimeoutMs = 0, signal }: StopOptions,
  active: unknown,
): Promise<StopReport> {
  const startedAt = clock.now();
  const report = emptyReport();
  let isCutOff = false;
  const connections = [...table.values()];
  for (const connection of connections) {
    const { onReleased } = connection;
    connection.onReleased = () => {
      onReleased?.();
      countEnd(report, connection, isCutOff);
    };
  }
  if (drainTimeoutMs > 0 && !isSignalAborted(signal) && connections.length > 0) {
    for (const connection of connections) connection.drain(drainTimeoutMs, connection === active);
    // Connections whose async onAccept never answers are not gone when their time is up.
    if (table.size > 0) await emptyWait.wait(signal, drainTimeoutMs + HOOK_GRACE_MS);
    isCutOff = true;
  }
  const rest = [...table.values()];
  for (const connection of rest) connection.close(SocketOperation.Close, 0);
  // One turn for the transport to close; those whose async onAccept never answers are given up then.
  if (rest.length > 0) {
    setTimeout(() => {
      for (const connection of rest) connection.abandonHooks();
    }, HOOK_GRACE_MS);
    if (table.size > 0) await emptyWait.wait();
  }
  report.durationMs = clock.now() - startedAt;
  return report;
}

/** @param isCutOff Whether the connection was still there when the time to drain was over: then it has not drained. */
function countEnd(report: StopReport, connection: ClosingConnection, isCutOff: boolean): void {
  const { droppedBytes, errorCode, error } = connection.closeReason;
  report.connections++;
  report.droppedBytes += droppedBytes;
  // A drain that ran out of time is told to the listener as an error, but it is this side that cuts off.
  if (errorCode !== 0 && error?.operation !== 'drain') report.failed++;
  else if (connection.hasDrained && !isCutOff) report.drained++;
  else report.forced++;
}
