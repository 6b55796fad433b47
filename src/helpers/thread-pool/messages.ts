/**
 * What the pool and its workers say to each other: arrays, since the names of an object's members would be copied with
 * every message.
 *
 * pool -> worker, at most one task at a time
 *   [Ask.Define, id, url, name]   the function `name` of the module `url` is called `id` from now on
 *   [id, argument, kind]          call that function; ids are 0 and up
 *   [Ask.End]                     end as soon as nothing runs
 *
 * worker -> pool
 *   [Told.Ready]
 *   [Told.Value, value]           what the function returned, or its promise resolved to
 *   [Told.Bytes, bytes]           the same, a Buffer, which would arrive as a plain Uint8Array
 *   [Told.Error, error, members]  what it threw; `members` are the error's own ones (`code`, ...), which cloning drops
 */
export const Ask = Object.freeze({ Define: -1, End: -2 } as const);
export const Told = Object.freeze({ Ready: 0, Value: 1, Bytes: 2, Error: 3 } as const);

/** How the worker makes the argument of a function out of what it got. */
export const ArgumentKind = Object.freeze({
  /** As it is. */
  Plain: 0,
  /** Bytes, handed on as a Buffer. */
  Bytes: 1,
  /** `[connId, bytes, wparam, lparam]` of a socket task. */
  SocketTask: 2,
} as const);
export type ArgumentKind = (typeof ArgumentKind)[keyof typeof ArgumentKind];

/** What a worker is started with. */
export interface WorkerSetup {
  port: import('node:worker_threads').MessagePort;
  /** Counts what was posted to the worker; it sleeps on it (a futex) between tasks. */
  posted: Int32Array;
  /** Added to the thread's nice value. */
  niceness: number;
}
