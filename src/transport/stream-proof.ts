import { once } from 'node:events';
import net from 'node:net';
import {
  type DirectWriteOwner,
  DirectWriter,
  type StreamHandle,
  setDirectWritesProven,
  setWriteStyle,
  type WriteStyle,
  writableHandle,
  writeStyleOf,
} from './fast-io.ts';
import { makeReadingSocket, socketOfHandle, takeAccepted } from './handle-socket.ts';
import { Proof, type ProofRun } from './proof.ts';
import { listenToStrayReads, type SocketOwner, type SocketReader, setSocketOwner } from './socket-owner.ts';

/*
 * The proof of the fast path over TCP: two sockets of this process talk to each other the way that connections will.
 *
 *   connecting socket                         accepted handle
 *     write() of Node's own     -- HELLO -->    onread; the request is looked at on its way through the handle
 *     onread, in new memory     <-- 3 parts --  direct writes: one buffer, then several
 *     direct writes until one   -- MUCH  -->    onread says stop after the first read; then goes on until all has come
 *       is under way
 *     end()                     -- FIN   -->    'end'
 *     'end', 'close'            <-- FIN  --     end()
 */

const HELLO = Buffer.from('hello, handle');
const PARTS = [Buffer.from('one '), Buffer.from('two '), Buffer.from('three')];
const ANSWER = Buffer.concat(PARTS);
const BLOCK_BYTES = 64 * 1024;
/** The system takes 2 to 6 MiB for a peer that does not read; then a write is under way. */
const MAX_BLOCKS = 512;

/** What one large write brings. Its period is no power of 2, so that pieces in the wrong place show. */
export function makeBlock(): Buffer {
  return Buffer.alloc(BLOCK_BYTES, Buffer.from(Array.from({ length: 251 }, (_, index) => index)));
}

/** One end of the talk. */
export class ProofEnd implements SocketOwner, SocketReader, DirectWriteOwner {
  readonly receiver = this;
  /** Bytes that came since `expect` was called. */
  received = 0;
  /** Whether reading stops after the next read. */
  stops = false;
  readonly #run: ProofRun;
  #expected: Buffer = Buffer.alloc(0);
  #total = 0;
  #done: (() => void) | null = null;
  #nextBuffer: Buffer | undefined = undefined;
  #buffer: Buffer | null = null;
  #written: ((status: number) => void) | null = null;

  constructor(run: ProofRun) {
    this.#run = run;
  }

  /** Resolves when `total` bytes have come, by default one `block`; they must be repetitions of `block`. */
  expect(block: Buffer, total = block.length): Promise<void> {
    this.#expected = block;
    this.#total = total;
    this.received = 0;
    return new Promise((resolve) => {
      this.#done = resolve;
    });
  }

  /** More has been written than was known when `expect` was called. */
  expectInAll(total: number): void {
    this.#total = total;
    this.#settle();
  }

  /** Lets the read after the next one land in `buffer`. */
  readNextInto(buffer: Buffer): void {
    this.#nextBuffer = buffer;
  }

  readInto(length: number, buffer: Buffer): boolean {
    if (this.#buffer !== null && buffer.buffer !== this.#buffer.buffer)
      this.#run.fail(new Error('a read landed in other memory'));
    this.readOwn(buffer.subarray(0, length));
    const goesOn = !this.stops;
    if (!goesOn) this.stopped();
    return goesOn;
  }

  nextReadBuffer(): Buffer | undefined {
    const next = this.#nextBuffer;
    this.#nextBuffer = undefined;
    if (next !== undefined) this.#buffer = next;
    return next;
  }

  readOwn(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; ) {
      const offset = (this.received + at) % this.#expected.length;
      const piece = bytes.subarray(at, at + this.#expected.length - offset);
      if (piece.length === 0 || piece.compare(this.#expected, offset, offset + piece.length) !== 0) {
        return this.#run.fail(new Error('other bytes came than were sent'));
      }
      at += piece.length;
    }
    this.received += bytes.length;
    this.#settle();
  }

  #settle(): void {
    if (this.received < this.#total) return;
    if (this.received > this.#total && this.#total > 0) this.#run.fail(new Error('more bytes came than were sent'));
    this.#done?.();
    this.#done = null;
  }

  /** Called when `stops` stopped the reading. */
  stopped: () => void = () => {};

  socketFailed(error: Error): void {
    this.#run.fail(error);
  }

  socketEnded(): void {}

  socketClosed(): void {}

  /** Resolves with the status of the write under way. */
  completion(): Promise<number> {
    return new Promise((resolve) => {
      this.#written = resolve;
    });
  }

  writeCompleted(status: number): void {
    this.#written?.(status);
    this.#written = null;
  }
}

/** Throws, and so ends a proof. */
export function demand(isSo: boolean, otherwise: string): asserts isSo {
  if (!isSo) throw new Error(otherwise);
}

/** A connecting socket and the handle that was accepted for it, over loopback. */
export async function handlePair(run: ProofRun): Promise<{ connecting: net.Socket; accepted: StreamHandle }> {
  const server = net.createServer();
  run.onEnd(() => server.close());
  server.on('error', run.fail);
  // In cluster workers, a socket of our own instead of one shared by the primary.
  server.listen({ host: '127.0.0.1', port: 0, exclusive: true });
  await once(server, 'listening');
  const connecting = makeReadingSocket();
  run.onEnd(() => connecting.destroy());
  connecting.on('error', run.fail);
  server.on('connection', (socket) => socket.destroy());
  connecting.connect((server.address() as net.AddressInfo).port, '127.0.0.1');
  // Where handles are something else, a server does not bear being deprived of what it accepted.
  demand(writableHandle(connecting) !== null, 'sockets have no handles that can be written to');
  const accepting = new Promise<StreamHandle>((resolve) => {
    const isTaken = takeAccepted(server, (status, handle) => {
      const peer: { port?: number } = {};
      handle?.getpeername?.(peer);
      if (status !== 0 || handle === undefined) run.fail(new Error('accepting failed'));
      else if (peer.port === connecting.localPort) resolve(handle);
      else handle.close(); // any other program may have come first
    });
    if (!isTaken) run.fail(new Error('accepted handles cannot be had'));
  });
  const [accepted] = await Promise.all([accepting, once(connecting, 'connect')]);
  server.close();
  return { connecting, accepted };
}

/** Has Node write `bytes` to `socket`, and looks at how it does that. */
async function watchWrite(socket: net.Socket, bytes: Buffer): Promise<WriteStyle> {
  const handle = writableHandle(socket);
  demand(handle !== null, 'sockets have no handle that can be written to');
  let style: WriteStyle = null;
  handle.writeBuffer = function (this: StreamHandle, request, chunk) {
    style = writeStyleOf(request);
    delete (this as Partial<StreamHandle>).writeBuffer;
    return this.writeBuffer(request, chunk);
  };
  await new Promise<void>((resolve, reject) => {
    socket.write(bytes, (error) => (error ? reject(error) : resolve()));
  });
  return style;
}

async function proveStreams(run: ProofRun): Promise<void> {
  listenToStrayReads(() => {
    const problem = new Error('a read did not say whose it was');
    streamProof.refute(problem);
    run.fail(problem);
  });
  run.onEnd(() => setDirectWritesProven('tcp', streamProof.isProven));
  const { connecting, accepted: acceptedHandle } = await handlePair(run);
  const accepted = socketOfHandle(acceptedHandle);
  run.onEnd(() => accepted.destroy());
  accepted.on('error', run.fail);
  const here = new ProofEnd(run);
  const there = new ProofEnd(run);
  setSocketOwner(connecting, here);
  setSocketOwner(accepted, there);
  const end = once(accepted, 'end');
  const backEnd = once(connecting, 'end');
  const closed = Promise.all([once(accepted, 'close'), once(connecting, 'close')]);
  connecting.resume();

  const hello = there.expect(HELLO);
  accepted.resume();
  const style = await watchWrite(connecting, HELLO);
  await hello;
  demand(style !== null, 'this runtime does not write through handles');
  setWriteStyle(style);

  // The read that brings the answer lands where the read before it was told that the next one should.
  const writer = DirectWriter.create();
  const handle = writableHandle(accepted);
  demand(handle !== null, 'accepted sockets have no handle that can be written to');
  here.readNextInto(Buffer.allocUnsafeSlow(16 * 1024));
  await exchange(writer, handle, there, here, [PARTS[0]!]);
  await exchange(writer, handle, there, here, PARTS);
  await sendMuch(writer, connecting, here, accepted, there);

  connecting.end();
  await end;
  accepted.end();
  await backEnd;
  await closed;
}

/** Writes `chunks` in one call; resolves when the other end has them, and the write is complete. */
async function exchange(
  writer: DirectWriter,
  handle: StreamHandle,
  from: ProofEnd,
  to: ProofEnd,
  chunks: Buffer[],
): Promise<void> {
  const arrival = to.expect(chunks.length === 1 ? chunks[0]! : ANSWER);
  const completion = from.completion();
  const status = writer.write(handle, chunks, from);
  demand(status === 0 || (status === 1 && (await completion) === 0), 'a direct write failed');
  await arrival;
}

/** Writes until a write is under way because the other end does not read; that then reads all. */
async function sendMuch(
  writer: DirectWriter,
  from: net.Socket,
  here: ProofEnd,
  to: net.Socket,
  there: ProofEnd,
): Promise<void> {
  const handle = writableHandle(from);
  demand(handle !== null, 'connected sockets have no handle that can be written to');
  there.stops = true;
  const stop = new Promise<void>((resolve) => {
    there.stopped = resolve;
  });
  const block = makeBlock();
  const arrival = there.expect(block, Number.POSITIVE_INFINITY);
  const completion = here.completion();
  let total = 0;
  let status = 0;
  for (let count = 0; count < MAX_BLOCKS && status === 0; count++) {
    status = writer.write(handle, [block], here);
    total += BLOCK_BYTES;
  }
  await stop;
  there.expectInAll(total);
  const before = there.received;
  // Two turns, in which the reading that was stopped must bring nothing.
  for (let turns = 0; turns < 2; turns++) await new Promise((resolve) => setImmediate(resolve));
  demand(there.received === before, 'a socket read on though it was told to stop');
  there.stops = false;
  to.resume();
  demand(status === 1, 'a direct write failed');
  demand((await completion) === 0, 'a direct write that was under way failed');
  await arrival;
}

/** Whether accepted and connected sockets read through `onread`, and handles take direct writes, as the fast path needs it. */
export const streamProof = new Proof(proveStreams);
