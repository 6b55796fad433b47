// The functions that the tests run on other threads.

import { createHash } from 'node:crypto';
import { getPriority } from 'node:os';
import { threadId, workerData } from 'node:worker_threads';

export function echo(value?: unknown) {
  return value;
}

export async function echoLater(value?: unknown) {
  await new Promise((resolve) => setImmediate(resolve));
  return value;
}

export function where() {
  return threadId;
}

export function priority() {
  return getPriority();
}

export function data() {
  return workerData.data;
}

export function sha256(bytes: Uint8Array) {
  return createHash('sha256').update(bytes).digest();
}

export function memoryBehind(bytes: Uint8Array) {
  return [bytes.byteLength, bytes.buffer.byteLength, Buffer.isBuffer(bytes)];
}

export function fill(bytes: Uint8Array) {
  bytes.fill(7);
}

/** Comes to a gate and waits until it is opened. */
export function waitAt(cells: Int32Array) {
  Atomics.add(cells, 1, 1);
  Atomics.notify(cells, 1);
  Atomics.wait(cells, 0, 0);
  return threadId;
}

/** Writes down the order in which tasks begin. */
export function note([cells, value]: [Int32Array, number]) {
  cells[Atomics.add(cells, 0, 1) + 1] = value;
}

export function fail(message: string) {
  const error = new RangeError(message);
  throw Object.assign(error, { code: 'MY_CODE' });
}

export async function rejectLater(message: string) {
  await null;
  throw new TypeError(message);
}

export function throwOwnError() {
  class OwnError extends Error {
    override name = 'OwnError';
  }
  throw new OwnError('my own');
}

export function throwFunction() {
  throw () => {};
}

export function throwNothing() {
  throw undefined;
}

export function throwUnprintable() {
  throw { f() {}, toString: null, [Symbol.toPrimitive]: null };
}

export function returnFunction() {
  return () => {};
}

export function returnTrap() {
  return {
    get value() {
      throw new Error('the getter was read');
    },
  };
}

export function returnBadThenable() {
  return Object.defineProperty({}, 'then', {
    get() {
      throw new Error('no then for you');
    },
  });
}

export function spin() {
  for (;;);
}

export function never() {
  return new Promise(() => {});
}

export function exit(code: number) {
  process.exit(code);
}

export function crashLater() {
  setImmediate(() => {
    throw new Error('crashed behind the task');
  });
  return new Promise(() => {});
}

export function rejectUnhandled() {
  Promise.reject(new Error('nobody looks'));
  return new Promise(() => {});
}

export function useUpMemory() {
  const all: unknown[] = [];
  for (;;) all.push(new Array(100_000).fill(all.length));
}

export function smallBuffer(length: number) {
  return Buffer.from('x'.repeat(length));
}

/** Returns memory that moves, and says afterwards what is left of it. */
let moved = new Uint8Array(0);
export function moveOut(length: number) {
  moved = new Uint8Array(length).fill(5);
  return { [Symbol.for('hp-socket.transferResult')]: true, value: moved, transfer: [moved.buffer] };
}
export function whatIsLeft() {
  return moved.byteLength;
}

export function describeSocketTask({
  connId,
  data: bytes,
  wparam,
  lparam,
}: {
  connId: number;
  data: Buffer;
  wparam: unknown;
  lparam: unknown;
}) {
  return [connId, Buffer.isBuffer(bytes), bytes.toString(), wparam, lparam];
}

/** A timer of a module must fire though tasks come without a gap. */
let ticks = 0;
export function startTicking() {
  setInterval(() => ticks++, 1).unref();
}
export function ticksSoFar() {
  return ticks;
}

export const notAFunction = 5;
export default echo;
