import { SlabPool } from '../../src/memory/slab-pool.ts';
import { Lifetime } from '../../src/protocol/protocol.ts';
import type { FrameHeader } from '../../src/websocket/frame-header.ts';
import { FrameReader, type FrameReaderRules, type FrameSink } from '../../src/websocket/frame-reader.ts';
import { MessageReader } from '../../src/websocket/message-reader.ts';
import type { MessageRules, MessageSink } from '../../src/websocket/message-sink.ts';
import type { Violation } from '../../src/websocket/opcode.ts';

/** What a frame of a test is made of; written byte by byte here, and not by the code under test. */
export interface TestFrame {
  isFinal?: boolean;
  reserved?: number;
  opcode: number;
  payload?: Uint8Array | string;
  /** Four bytes; null or left out for none. */
  mask?: readonly number[] | null;
  /** Bytes that the length takes, 1, 2 or 8, whether they are the fewest or not. */
  lengthBytes?: 1 | 2 | 8;
  /** Length to announce, if not the payload's. */
  announced?: number | bigint;
}

/** A masking key that is used where any will do. */
export const MASK = [0x37, 0xfa, 0x21, 0x3d] as const;

/** A frame, the plain way. */
export function frameOf({
  isFinal = true,
  reserved = 0,
  opcode,
  payload = '',
  mask = null,
  ...rest
}: TestFrame): Buffer {
  const body = Buffer.from(payload as Uint8Array);
  const announced = BigInt(rest.announced ?? body.length);
  const lengthBytes = rest.lengthBytes ?? (announced < 126n ? 1 : announced < 65_536n ? 2 : 8);
  const head = [(isFinal ? 128 : 0) + reserved * 16 + opcode];
  const maskBit = mask === null ? 0 : 128;
  if (lengthBytes === 1) head.push(maskBit + Number(announced));
  else {
    head.push(maskBit + (lengthBytes === 2 ? 126 : 127));
    for (let i = lengthBytes - 1; i >= 0; i--) head.push(Number((announced >> BigInt(8 * i)) & 255n));
  }
  if (mask === null) return Buffer.concat([Buffer.from(head), body]);
  return Buffer.concat([Buffer.from([...head, ...mask]), Buffer.from(body.map((byte, i) => byte ^ mask[i & 3]!))]);
}

/** The body of a close frame. */
export function closeBody(code: number, reason: string | Uint8Array = ''): Buffer {
  return Buffer.concat([Buffer.from([code >> 8, code & 255]), Buffer.from(reason as Uint8Array)]);
}

export type Role = 'server' | 'client';

/** The mask that frames for a reader of this role have to have. */
export function maskFor(role: Role): readonly number[] | null {
  return role === 'server' ? MASK : null;
}

/** What a reader said, in order, as short lines: `text:...`, `binary:<hex>`, `ping:<hex>`, `close:1000:...`, `violation:1002`. */
export class RecordingMessages implements MessageSink {
  readonly log: string[] = [];
  readonly violations: Violation[] = [];
  /** Says stop after so many deliveries. */
  stopAfter = Number.POSITIVE_INFINITY;
  isOver = false;

  #note(line: string): boolean {
    if (this.isOver) throw new Error(`${line} after the end`);
    this.log.push(line);
    return --this.stopAfter > 0;
  }

  message(data: Buffer, isBinary: boolean, isCompressed: boolean): boolean {
    const kind = `${isCompressed ? 'compressed ' : ''}${isBinary ? 'binary' : 'text'}`;
    return this.#note(`${kind}:${data.toString(isBinary || isCompressed ? 'hex' : 'utf8')}`);
  }

  /** Whether compressed messages are wanted part by part. */
  wantsParts = false;

  compressedBegins(isBinary: boolean): boolean {
    if (this.wantsParts) this.#note(`parts of compressed ${isBinary ? 'binary' : 'text'}`);
    return this.wantsParts;
  }

  /** Compressed parts so far. */
  #parts: Buffer[] = [];

  compressedPart(data: Buffer, isLast: boolean): boolean {
    this.pieceCount++;
    this.#parts.push(data);
    if (!isLast) return --this.stopAfter > 0;
    const all = Buffer.concat(this.#parts.splice(0));
    return this.#note(`compressed parts:${all.toString('hex')}`);
  }

  /** What a stream brought so far. */
  #streamed: Buffer[] | null = null;
  #kind = '';
  /** Pieces that streams came in. */
  pieceCount = 0;

  streamBegins(isBinary: boolean): boolean {
    this.#streamed = [];
    this.#kind = isBinary ? 'binary' : 'text';
    return this.#note(`stream ${this.#kind}`);
  }

  streamPiece(data: Buffer): boolean {
    this.pieceCount++;
    this.#streamed!.push(data);
    return --this.stopAfter > 0;
  }

  streamEnds(): boolean {
    const data = Buffer.concat(this.#streamed!);
    this.#streamed = null;
    return this.#note(`${this.#kind}:${data.toString(this.#kind === 'binary' ? 'hex' : 'utf8')}`);
  }

  control(opcode: number, data: Buffer): boolean {
    return this.#note(`${opcode === 9 ? 'ping' : 'pong'}:${data.toString('hex')}`);
  }

  closedByPeer(code: number, reason: Buffer): void {
    this.#note(`close:${code}:${reason.toString()}`);
    this.isOver = true;
  }

  violate(violation: Violation): void {
    this.violations.push(violation);
    this.#note(`violation:${violation.closeCode}`);
    this.isOver = true;
  }
}

export function messageRules(role: Role, rules: Partial<MessageRules> = {}): MessageRules {
  return {
    expectsMask: role === 'server',
    allowedReserved: 0,
    maxMessageBytes: 1 << 24,
    maxFragments: 1 << 17,
    streamBytes: Number.POSITIVE_INFINITY,
    maxStreamedBytes: 1 << 30,
    pool: new SlabPool(),
    ...rules,
  };
}

/** Feeds `bytes` cut at `cuts`, in memory that is overwritten after each call unless it is the reader's for ever. */
export function feed(
  reader: { receive(bytes: Buffer, lifetime: Lifetime): void },
  bytes: Buffer,
  cuts: readonly number[],
  lifetime: Lifetime,
): void {
  let from = 0;
  for (const to of [...cuts, bytes.length]) {
    if (to > from) {
      // An odd place in larger memory, so that words of the memory and of the payload do not meet.
      const memory = Buffer.alloc(to - from + 11, 0xee);
      const piece = memory.subarray(5, 5 + to - from);
      piece.set(bytes.subarray(from, to));
      reader.receive(piece, lifetime);
      if (lifetime !== Lifetime.Forever) memory.fill(0xee);
    }
    from = to;
  }
}

/** What a message reader of this role makes of `bytes`. */
export function readMessages(
  role: Role,
  bytes: Buffer,
  cuts: readonly number[] = [],
  lifetime: Lifetime = Lifetime.Call,
  rules: Partial<MessageRules> = {},
): RecordingMessages {
  const sink = new RecordingMessages();
  feed(new MessageReader(messageRules(role, rules), sink), bytes, cuts, lifetime);
  return sink;
}

/** All frames of a reader as lines: `header ...`, `body <hex>`, `complete`, `violation:1002`. Body pieces may be joined. */
export class RecordingFrames implements FrameSink {
  readonly log: string[] = [];
  stopAfter = Number.POSITIVE_INFINITY;
  /** Whether neighbouring body pieces become one line, for comparing different splits. */
  joinsBodies = true;

  #note(line: string): boolean {
    this.log.push(line);
    return --this.stopAfter > 0;
  }

  header({ isFinal, reserved, opcode, isMasked, key, length }: FrameHeader): boolean {
    const mask = isMasked ? (key >>> 0).toString(16).padStart(8, '0') : '-';
    return this.#note(`header final=${isFinal} rsv=${reserved} opcode=${opcode} mask=${mask} length=${length}`);
  }

  body(data: Buffer): boolean {
    const last = this.log.length - 1;
    if (this.joinsBodies && this.log[last]?.startsWith('body ') === true) {
      this.log[last] += data.toString('hex');
      return --this.stopAfter > 0;
    }
    return this.#note(`body ${data.toString('hex')}`);
  }

  complete(): boolean {
    return this.#note('complete');
  }

  violate(violation: Violation): void {
    this.#note(`violation:${violation.closeCode}`);
  }
}

export function frameRules(role: Role, isValidating: boolean): FrameReaderRules {
  return { expectsMask: role === 'server', allowedReserved: 0, isValidating, pool: new SlabPool() };
}

export function readFrames(
  role: Role,
  bytes: Buffer,
  isValidating: boolean,
  cuts: readonly number[] = [],
  lifetime: Lifetime = Lifetime.Call,
): RecordingFrames {
  const sink = new RecordingFrames();
  feed(new FrameReader(frameRules(role, isValidating), sink), bytes, cuts, lifetime);
  return sink;
}
