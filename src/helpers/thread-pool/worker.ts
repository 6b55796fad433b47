/**
 * Main module of every thread of a `ThreadPool`. It imports nothing of this package but what is pure, so that a thread starts
 * fast, and runs one task at a time.
 *
 * Between tasks the thread first sleeps on a futex for a moment, which costs a fraction of what waking the event loop does,
 * and only then returns to the event loop, so that timers and sockets of the tasks' modules live.
 */
import { getPriority, setPriority } from 'node:os';
import { types } from 'node:util';
import { receiveMessageOnPort, workerData } from 'node:worker_threads';
import { ArgumentKind, Ask, Told, type WorkerSetup } from './messages.ts';
import { isTransferredResult } from './transfer.ts';

type TaskFunction = (argument: unknown) => unknown;

/** Longest that a thread sleeps where its event loop cannot turn. */
const NAP_MS = 1;
/** Longest that a thread works without a turn of its event loop, while tasks come without a gap. */
const TURN_MS = 10;

const { port, posted, niceness } = workerData.hpSocket as WorkerSetup;
const locations: [url: string, name: string][] = [];
const functions: (TaskFunction | undefined)[] = [];
let isRunning = false;
let isEnding = false;

function work(): void {
  const startedAt = performance.now();
  while (!isRunning) {
    // Before looking for a message: one that is posted after the look ends the nap at once.
    const seen = Atomics.load(posted, 0);
    const entry = receiveMessageOnPort(port);
    if (entry !== undefined) handle(entry.message as unknown[]);
    else if (isEnding) process.exit(0);
    else if (Atomics.wait(posted, 0, seen, NAP_MS) === 'timed-out') return;
    if (performance.now() - startedAt > TURN_MS) {
      setImmediate(work);
      return;
    }
  }
}

function handle(message: unknown[]): void {
  const id = message[0] as number;
  if (id >= 0) run(id, toArgument(message[1], message[2] as ArgumentKind));
  else if (id === Ask.Define) locations[message[1] as number] = [message[2] as string, message[3] as string];
  else isEnding = true;
}

function toArgument(value: unknown, kind: ArgumentKind): unknown {
  if (kind === ArgumentKind.Bytes) return toBuffer(value as Uint8Array);
  if (kind !== ArgumentKind.SocketTask) return value;
  const [connId, bytes, wparam, lparam] = value as [number, Uint8Array, unknown, unknown];
  return { connId, data: toBuffer(bytes), wparam, lparam };
}

function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength);
}

function run(id: number, argument: unknown): void {
  const taskFunction = functions[id];
  if (taskFunction === undefined) {
    isRunning = true;
    load(id)
      .then((loaded) => loaded(argument))
      .then(answer)
      .catch(answerError)
      .finally(next);
    return;
  }
  try {
    const result = taskFunction(argument);
    if (typeof (result as PromiseLike<unknown> | null)?.then === 'function') {
      isRunning = true;
      Promise.resolve(result).then(answer).catch(answerError).finally(next);
    } else {
      answer(result);
    }
  } catch (error) {
    answerError(error);
  }
}

async function load(id: number): Promise<TaskFunction> {
  const [url, name] = locations[id]!;
  const module = (await import(url)) as Record<string, unknown>;
  // A CommonJS module has its exports in `default` too.
  const found = module[name] ?? (module.default as Record<string, unknown> | undefined)?.[name];
  if (typeof found !== 'function') {
    throw new TypeError(`the module of the task exports no function ${JSON.stringify(name.slice(0, 60))}`);
  }
  functions[id] = found as TaskFunction;
  return functions[id];
}

function next(): void {
  isRunning = false;
  work();
}

function answer(result: unknown): void {
  if (result instanceof Uint8Array) return answerBytes(result);
  if (isTransferredResult(result)) {
    const kind = Buffer.isBuffer(result.value) ? Told.Bytes : Told.Value;
    port.postMessage([kind, result.value], result.transfer as never);
    return;
  }
  port.postMessage([Told.Value, result]);
}

/** Cloning a view clones all the memory behind it: a small Buffer is cut out of that first, and the cutting moves. */
function answerBytes(bytes: Uint8Array): void {
  const kind = Buffer.isBuffer(bytes) ? Told.Bytes : Told.Value;
  if (bytes.byteLength === bytes.buffer.byteLength || !(bytes.buffer instanceof ArrayBuffer)) {
    port.postMessage([kind, bytes]);
  } else {
    const own = new Uint8Array(bytes);
    port.postMessage([kind, own], [own.buffer]);
  }
}

function answerError(error: unknown): void {
  try {
    // A DOMException, such as DataCloneError, arrives empty.
    if (error instanceof Error && !types.isNativeError(error)) throw error;
    port.postMessage([Told.Error, error, membersOf(error)]);
  } catch {
    // What was thrown cannot be cloned: a plain error says the same.
    const { name, message, stack } = describeThrown(error);
    port.postMessage([Told.Error, Object.assign(new Error(message), { stack }), { name }]);
  }
}

function membersOf(error: unknown): Record<string, unknown> {
  const members: Record<string, unknown> = {};
  if (!(error instanceof Error)) return members;
  members.name = error.name;
  for (const [name, value] of Object.entries(error)) {
    if (typeof value !== 'object' && typeof value !== 'function' && typeof value !== 'symbol') members[name] = value;
  }
  return members;
}

function describeThrown(error: unknown): { name: string; message: string; stack: string | undefined } {
  try {
    if (error instanceof Error) {
      return { name: String(error.name), message: String(error.message), stack: String(error.stack) };
    }
    return { name: 'Error', message: `the task threw ${String(error)}`.slice(0, 200), stack: undefined };
  } catch {
    return { name: 'Error', message: 'the task threw a value that cannot be shown', stack: undefined };
  }
}

// On Linux a thread has a nice value of its own, and 0 means the calling thread; elsewhere it would be the whole process.
if (niceness > 0 && process.platform === 'linux') setPriority(Math.min(getPriority() + niceness, 19));
port.on('message', (message: unknown[]) => {
  handle(message);
  if (!isRunning) work();
});
port.postMessage([Told.Ready]);
