import { describe } from '../../core/describe.ts';
import { TaskBufferType } from '../enums.ts';
import type { TaskRef } from './task-ref.ts';

/** What the function of a socket task gets, on the worker (`TSocketTask`). */
export interface SocketTaskArgument {
  /** ID of the connection that the answer is for. */
  readonly connId: number;
  /** The bytes. */
  readonly data: Buffer;
  /** As it was submitted. */
  readonly wparam: unknown;
  /** As it was submitted. */
  readonly lparam: unknown;
}

/** What else a socket task carries. */
export interface SocketTaskOptions {
  /** How `data` gets to the worker; default `Copy`. */
  bufferType?: TaskBufferType | undefined;
  /** Anything that can be cloned, for the function. */
  wparam?: unknown | undefined;
  /** Anything that can be cloned, for the function. */
  lparam?: unknown | undefined;
}

/**
 * A task for a `ThreadPool` that carries a connection ID and bytes (`TSocketTask`, SYS-050). Made by `createSocketTask`; it
 * can be submitted once, and again if it was refused.
 */
export class SocketTask<Sender = unknown> {
  /** Name of the function of the module that gets it. */
  readonly task: string | TaskRef;
  /** The component of the connection. It stays on this thread. */
  readonly sender: Sender;
  /** ID of the connection that the answer is for. */
  readonly connId: number;
  /** What becomes of the caller's bytes. */
  readonly bufferType: TaskBufferType;
  /** Whatever is to reach the function as well. */
  readonly wparam: unknown;
  /** Whatever is to reach the function as well. */
  readonly lparam: unknown;
  /** Null once the bytes have gone to a worker. */
  #data: Uint8Array | null;

  /** @internal */
  constructor(task: string | TaskRef, sender: Sender, connId: number, data: Uint8Array, options: SocketTaskOptions) {
    const { bufferType = TaskBufferType.Copy, wparam, lparam, ...unknown } = options;
    const [name] = Object.keys(unknown);
    if (name !== undefined) {
      throw new TypeError(`unknown option ${describe(name)} of SocketTask; there are bufferType, wparam and lparam`);
    }
    if (!Number.isSafeInteger(connId)) throw new TypeError(`connId must be a whole number, not ${describe(connId)}`);
    if (!(data instanceof Uint8Array)) throw new TypeError(`data must be a Uint8Array, not ${describe(data)}`);
    this.task = task;
    this.sender = sender;
    this.connId = connId;
    this.bufferType = bufferType;
    this.wparam = wparam;
    this.lparam = lparam;
    this.#data = ownBytes(data, bufferType);
  }

  /** The bytes, for one run. @internal */
  takeData(): Uint8Array {
    const data = this.#data;
    if (data === null) throw new TypeError('this socket task was submitted before; create another one');
    this.#data = null;
    return data;
  }

  /** A refused task keeps its bytes. @internal */
  putBack(data: Uint8Array): void {
    this.#data = data;
  }
}

/**
 * A task that carries bytes of a connection (`HP_Create_SocketTaskObj`, SYS-050). What the function returns is what the
 * promise of `submit` resolves to; send it from there.
 * @param task Name of a function of the pool's module, or where another one is.
 * @param sender The component of the connection; it is kept, and does not go to the worker.
 * @param data By default copied at once, so the caller may do with it as it likes.
 * @throws TypeError for `TaskBufferType.Refer` with bytes that are not in a SharedArrayBuffer, and for `Attach` with bytes
 *   that are only part of a larger memory, such as what `onReceive` gets: other messages live in the rest of it.
 */
export function createSocketTask<Sender>(
  task: string | TaskRef,
  sender: Sender,
  connId: number,
  data: Uint8Array,
  options: SocketTaskOptions = {},
): SocketTask<Sender> {
  return new SocketTask(task, sender, connId, data, options);
}

function ownBytes(data: Uint8Array, bufferType: TaskBufferType): Uint8Array {
  const memory = data.buffer;
  switch (bufferType) {
    case TaskBufferType.Copy:
      return new Uint8Array(data);
    case TaskBufferType.Refer:
      if (memory instanceof SharedArrayBuffer) return data;
      throw new TypeError('TaskBufferType.Refer needs bytes in a SharedArrayBuffer; use Copy or Attach');
    case TaskBufferType.Attach:
      if (!(memory instanceof ArrayBuffer) || data.byteLength !== memory.byteLength) {
        throw new TypeError('TaskBufferType.Attach needs bytes that are a whole ArrayBuffer; use Copy');
      }
      return new Uint8Array(structuredClone(memory, { transfer: [memory] }));
    default:
      throw new RangeError(`bufferType must be one of TaskBufferType, not ${describe(bufferType)}`);
  }
}
