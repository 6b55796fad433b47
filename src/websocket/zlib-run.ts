import { constants, type DeflateRaw, type InflateRaw } from 'node:zlib';
import { END, RunEnd, type TakeSlice } from './zlib-engine.ts';

const { Z_SYNC_FLUSH } = constants;

/**
 * Lets a zlib stream work on `data` on a thread of the pool, and flush. `take` gets what it makes.
 *
 * While `take` makes it wait the stream is paused: zlib's stream stops by itself when what it made is not fetched, which is after
 * 16 KiB, or 64 from Node 22 on. So that is all that a bomb can make ahead of its reader.
 */
export function runStream(stream: DeflateRaw | InflateRaw, data: Uint8Array, take: TakeSlice): Promise<RunEnd> {
  return new Promise((resolve) => {
    if (stream.destroyed) return resolve(RunEnd.Closed);
    let isWaiting = false;
    let isSettled = false;
    /** How it ends when all that was made has been taken. */
    let end: RunEnd | null = null;
    const settle = (how: RunEnd): void => {
      if (isSettled) return;
      isSettled = true;
      stream.off('data', onData).off('end', onEnd).off('error', onError).off('close', onClose);
      if (how >= RunEnd.Data) {
        // What it still makes goes nowhere, and it makes no more.
        stream.on('error', ignore);
        stream.close();
      }
      resolve(how);
    };
    const settleIfTaken = (): void => {
      if (end !== null && !isWaiting && stream.readableLength === 0) settle(end);
    };
    const onData = (slice: Buffer): void => {
      if (isSettled) return;
      const goesOn = take(slice);
      if (goesOn === false) return settle(RunEnd.Stopped);
      if (goesOn === true) return settleIfTaken();
      isWaiting = true;
      stream.pause();
      goesOn.then(
        (isWanted) => {
          isWaiting = false;
          if (isSettled) return;
          if (!isWanted) return settle(RunEnd.Stopped);
          stream.resume();
          settleIfTaken();
        },
        () => settle(RunEnd.Stopped),
      );
    };
    const onEnd = (): void => {
      end = RunEnd.Ended;
      settleIfTaken();
    };
    const onError = (): void => settle(RunEnd.Data);
    const onClose = (): void => settle(RunEnd.Closed);
    stream.on('data', onData).on('end', onEnd).on('error', onError).on('close', onClose);
    stream.write(data);
    stream.flush(Z_SYNC_FLUSH, () => {
      end ??= RunEnd.Done;
      settleIfTaken();
    });
  });
}

function ignore(): void {}

/** What expands by a stream that is replaced when a deflate stream ended inside a message. */
export interface Expander {
  readonly stream: InflateRaw;
  renew(): void;
  /**
   * Expands some of `data` at once, if it can: a peer may end thousands of deflate streams in one message, and a stream of Node for each
   * takes long. @returns what it made, and how many bytes of `data` it used; null if they cannot be inflated.
   */
  expandSome(data: Uint8Array): { readonly made: Buffer; readonly used: number } | null;
}

/** Expands a part of a message on threads. A block with BFINAL ends a deflate stream: what follows begins a new one. */
export async function expand(by: Expander, data: Uint8Array, isLast: boolean, take: TakeSlice): Promise<RunEnd> {
  let rest = data;
  // Once for no bytes as well: there may be more to come of those before.
  do {
    const { stream } = by;
    const before = stream.bytesWritten;
    const end = await runStream(stream, rest, take);
    if (end === RunEnd.Done) break;
    if (end !== RunEnd.Ended) return end;
    rest = rest.subarray(stream.bytesWritten - before);
    by.renew();
    const some = by.expandSome(rest);
    if (some === null) return RunEnd.Data;
    rest = rest.subarray(some.used);
    if (some.made.length > 0 && !(await take(some.made))) return RunEnd.Stopped;
  } while (rest.length > 0);
  return isLast ? expandEnd(by) : RunEnd.Done;
}

async function expandEnd(by: Expander): Promise<RunEnd> {
  const { stream } = by;
  const before = stream.bytesWritten;
  const end = await runStream(stream, END, () => false);
  // Made of what belongs to no message: the data was cut off inside a block.
  if (end === RunEnd.Stopped) return RunEnd.Data;
  if (end !== RunEnd.Ended) return end;
  if (stream.bytesWritten !== before) return RunEnd.Data;
  // It ended with the last byte of the message: the tail belongs to no block, and the next message begins anew.
  by.renew();
  return RunEnd.Done;
}
