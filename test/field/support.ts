import { once } from 'node:events';
import net from 'node:net';
import type { CloseInfo, ConnId } from '../../src/index.ts';
import { deferred } from '../tcp/support.ts';

export const host = '127.0.0.1';

/**
 * Keeps this process busy, as one long callback, or being stopped, would; what `speak` sends waits in the system meanwhile.
 * Timers come next then, before anything is read: libuv's order after its check phase.
 */
export function beBusyFor(ms: number, speak: () => void = () => {}): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(() => {
      speak();
      // Behind what a send of a datagram defers.
      process.nextTick(() =>
        process.nextTick(() => {
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
          resolve();
        }),
      );
    });
  });
}

export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await turn();
}

/** What an `onClose` told, with every argument: the reason may come with details behind HP-Socket's parameters. */
export interface Told {
  readonly operation: number;
  readonly code: number;
  readonly error: Error | undefined;
  /** Bytes that were dropped, as any of the arguments tells; undefined if none does. */
  readonly droppedBytes: number | undefined;
}

/** An `onClose` hook, and a promise of what it is told first. */
export function closeOf(): { onClose: (...args: unknown[]) => void; told: Promise<Told> } {
  const { promise, resolve } = deferred<Told>();
  const onClose = (...args: unknown[]): void => {
    const [, , operation, code, info] = args as [unknown, ConnId, number, number, CloseInfo];
    const error = info.error ?? undefined;
    const details = args
      .filter(
        (arg): arg is { droppedBytes: number } => typeof arg === 'object' && arg !== null && 'droppedBytes' in arg,
      )
      .map(({ droppedBytes }) => droppedBytes);
    resolve({ operation, code, error, droppedBytes: details[0] });
  };
  return { onClose, told: promise };
}

/** How a bare socket saw its connection end, after reading everything: 'FIN', or the code of its error. */
export async function endSeenBy(socket: net.Socket): Promise<string> {
  let seen = '';
  socket.on('end', () => void (seen ||= 'FIN'));
  socket.on('error', (error: NodeJS.ErrnoException) => void (seen ||= error.code ?? error.message));
  socket.resume();
  if (!socket.closed) {
    const closed = once(socket, 'close').catch(() => {});
    socket.on('end', () => socket.end());
    await closed;
  }
  return seen;
}

/** A bare connection that reads nothing until it is told. */
export async function connectMute(port: number): Promise<net.Socket> {
  const socket = net.connect({ host, port, allowHalfOpen: true });
  socket.on('error', () => {});
  await once(socket, 'connect');
  socket.pause();
  return socket;
}
