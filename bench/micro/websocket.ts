import * as ws from 'ws';
import { SlabPool } from '../../src/memory/slab-pool.ts';
import { Lifetime } from '../../src/protocol/protocol.ts';
import { writeHeader } from '../../src/websocket/frame-header.ts';
import { applyMask, randomKey } from '../../src/websocket/mask.ts';
import { MessageReader } from '../../src/websocket/message-reader.ts';
import type { MessageSink } from '../../src/websocket/message-sink.ts';
import type { MicroTask } from './task.ts';

/** What of `ws` stands beside our codec: its parser, without a socket. It is not in the types of the package. */
interface WsReceiver {
  _write(chunk: Buffer, encoding: string, done: () => void): void;
  on(event: 'message', listener: (data: Buffer) => void): void;
}

const { Receiver } = ws as unknown as { Receiver: new (options: object) => WsReceiver };

/** One masked frame, with a key that is not zero: `ws` spares itself the work on a zero key. */
function maskedFrame(first: number, payload: Uint8Array): Buffer {
  const frame = Buffer.alloc(14 + payload.length);
  const key = randomKey() | 1;
  const at = writeHeader(frame, 0, first, payload.length, true, key);
  frame.set(payload, at);
  applyMask(frame, at, at + payload.length, key);
  return frame.subarray(0, at + payload.length);
}

/** `count` frames of `length` bytes, cut into reads of `readBytes`. */
function readsOf(first: number, length: number, count: number, readBytes: number): Buffer[] {
  const payload = Buffer.from('The quick brown fox jumps over the lazy dog. '.repeat(Math.ceil(length / 45))).subarray(
    0,
    length,
  );
  const all = Buffer.concat(Array.from({ length: count }, () => maskedFrame(first, payload)));
  const reads: Buffer[] = [];
  for (let at = 0; at < all.length; at += readBytes) reads.push(Buffer.from(all.subarray(at, at + readBytes)));
  return reads;
}

function ours(reads: Buffer[]): () => void {
  let messages = 0;
  const sink: MessageSink = {
    message: () => ++messages > 0,
    compressedBegins: () => false,
    compressedPart: () => true,
    streamBegins: () => true,
    streamPiece: () => true,
    streamEnds: () => true,
    control: () => true,
    closedByPeer: () => {},
    violate: ({ message }) => {
      throw new Error(message);
    },
  };
  const rules = {
    expectsMask: true,
    allowedReserved: 0,
    maxMessageBytes: 1 << 24,
    maxFragments: 1024,
    streamBytes: Number.POSITIVE_INFINITY,
    maxStreamedBytes: 1 << 30,
    pool: new SlabPool(),
  };
  const reader = new MessageReader(rules, sink);
  // Reads land in one buffer, as they do in a component; unmasking in place must not spoil the next round.
  const landing = Buffer.alloc(Math.max(...reads.map((read) => read.length)));
  return () => {
    for (const read of reads) {
      landing.set(read);
      reader.receive(landing.length === read.length ? landing : landing.subarray(0, read.length), Lifetime.Call);
    }
  };
}

function theirs(reads: Buffer[]): () => void {
  const receiver = new Receiver({ isServer: true, allowSynchronousEvents: true, maxPayload: 1 << 24 });
  let messages = 0;
  receiver.on('message', () => messages++);
  const done = (): void => {};
  return () => {
    // Node gives each read memory of its own.
    for (const read of reads) receiver._write(Buffer.from(read), 'binary', done);
  };
}

/** The codec by itself, against the parser of `ws`, both from bytes that a read brought. */
export function microTasks(): MicroTask[] {
  const tasks: MicroTask[] = [];
  const works: [string, number, number, number, number][] = [
    ['64 B binary, 16 a read', 0x82, 64, 16, 16 * 70],
    ['64 B text, 16 a read', 0x81, 64, 16, 16 * 70],
    ['1 KiB binary, 16 a read', 0x82, 1024, 16, 16 * 1032],
    ['64 KiB binary, reads of 64 KiB', 0x82, 65_536, 4, 65_536],
  ];
  for (const [name, first, length, count, readBytes] of works) {
    const reads = readsOf(first, length, count, readBytes);
    tasks.push({ name: `websocket: ${name}`, operations: count, run: ours(reads) });
    tasks.push({ name: `websocket: ${name}, ws Receiver`, operations: count, run: theirs(reads) });
  }
  return tasks;
}
