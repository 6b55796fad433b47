import { Errno } from '../../core/errno.ts';
import type { SendQueue } from '../../memory/send-queue.ts';
import { toBytes } from '../../memory/sendable.ts';
import { AtEnd, Lifetime, type Port, type Protocol, type ReceiveContext } from '../protocol.ts';
import { FrameInput } from './frame-input.ts';

/** A framing, as the protocol of its connections sees it, which must not name it: it is what makes them. */
export interface FramingRules {
  readonly maxMessageBytes: number;
  readonly extraBytes: number;
  readonly deliversBytes: boolean;
  readonly encode: ((message: never) => Uint8Array | string) | null;
  decode(input: FrameInput): unknown;
  sizeOf(length: number): number;
  frame(queue: SendQueue, bytes: Uint8Array): void;
  frameParts(queue: SendQueue, parts: readonly Uint8Array[], length: number): void;
  explain(length: number): string;
}

/** What the framed connections of one component share. */
export interface FramedContext extends ReceiveContext {
  readonly framer: FramingRules;
  readonly input: FrameInput;
}

/** What framed connections ask of theirs. */
export type FramedPort = Pick<Port, 'deliver' | 'violate' | 'threw'>;

/** Makes the protocols of the connections of a component with a framing. */
export function framedProtocols(pool: ReceiveContext['pool'], framer: FramingRules): (port: FramedPort) => Protocol {
  const context: FramedContext = { pool, framer, input: new FrameInput() };
  return framer.encode === null
    ? (port) => new FramedProtocol(context, port)
    : (port) => new EncodingProtocol(context, port);
}

/**
 * Every message that a framing finds is one `onReceive`.
 *
 * Whole messages of a read are copied out together at most once, and delivered as views of that copy. An incomplete one
 * grows in a buffer of its own, which doubles as bytes arrive: nothing is allocated for a length that was only announced.
 */
export class FramedProtocol implements Protocol {
  #context: FramedContext;
  #framer: FramingRules;
  #port: FramedPort;
  /** The incomplete message at the end of the stream: `#partial[0, #partialLength)`. */
  #partial: Buffer | null = null;
  #partialLength = 0;
  /** What its framing knows of it. */
  #scanned = 0;
  #needs = 0;
  /** Own bytes that were not parsed because the port said stop. */
  #backlog: Buffer | null = null;
  #isBroken = false;

  constructor(context: FramedContext, port: FramedPort) {
    this.#context = context;
    this.#framer = context.framer;
    this.#port = port;
  }

  get deliversBytes(): boolean {
    return this.#context.framer.deliversBytes;
  }

  get hasMessages(): boolean {
    return true;
  }

  get hasBacklog(): boolean {
    return this.#backlog !== null;
  }

  get bufferedBytes(): number {
    return this.#partialLength + (this.#backlog?.length ?? 0);
  }

  get isMidMessage(): boolean {
    return this.#partialLength > 0;
  }

  opened(): void {}

  receive(bytes: Buffer, lifetime: Lifetime): void {
    if (this.#isBroken) return;
    if (this.#partialLength > 0) return this.#receiveMore(bytes);
    const isOwn = lifetime === Lifetime.Forever || (lifetime === Lifetime.Loan && this.deliversBytes);
    const own = isOwn ? bytes : this.#context.pool.copy(bytes, 0, bytes.length);
    const at = this.#parse(own, lifetime === Lifetime.Loan);
    if (at < own.length) this.#keepPartial(own, at);
  }

  /** Bytes behind the beginning of a message: together they are parsed as soon as they may be whole. */
  #receiveMore(bytes: Buffer): void {
    this.#append(bytes);
    if (this.#partialLength < this.#needs) return;
    const partial = this.#partial!;
    const length = this.#partialLength;
    const whole = partial.subarray(0, length);
    this.#partial = null;
    this.#partialLength = 0;
    const at = this.#parse(whole, false);
    if (at === length) return;
    if (at > 0) return this.#keepPartial(whole, at);
    this.#partial = partial;
    this.#partialLength = length;
  }

  resume(): void {
    const backlog = this.#backlog;
    if (backlog === null) return;
    this.#backlog = null;
    const at = this.#parse(backlog, false);
    if (at < backlog.length) this.#keepPartial(backlog, at);
  }

  /** Delivers the messages of `own`. @returns Where the incomplete one begins; its length if nothing is left to keep. */
  #parse(own: Buffer, isLoan: boolean): number {
    const { input } = this.#context;
    const framer = this.#framer;
    const port = this.#port;
    const limit = framer.maxMessageBytes + framer.extraBytes;
    const { length } = own;
    let at = 0;
    let scanned = this.#scanned;
    this.#scanned = 0;
    this.#needs = 0;
    while (at < length) {
      // A hook may have made another connection of this component parse meanwhile.
      if (input.bytes !== own) input.use(own);
      input.at = at;
      input.scanned = scanned;
      input.needs = 0;
      let message: unknown;
      try {
        message = framer.decode(input);
      } catch (thrown) {
        return this.#failed(thrown, length);
      }
      if (message === undefined) {
        if (input.errno !== 0) return this.#violate(input, length);
        this.#scanned = input.scanned;
        this.#needs = input.needs;
        if (length - at <= limit && input.needs <= limit) return at;
        return this.#tooLong(Math.max(length - at, input.needs), length);
      }
      if (input.errno !== 0) return this.#violate(input, length);
      const next = input.at;
      if (!(next > at && next <= length)) return this.#failed(new RangeError(notBehind), length);
      if (next - at > limit) return this.#tooLong(next - at, length);
      at = next;
      scanned = 0;
      if (port.deliver(message)) continue;
      if (at === length) return length;
      const rest = own.subarray(at);
      this.#backlog = isLoan ? Buffer.from(rest) : rest;
      return length;
    }
    return length;
  }

  #failed(thrown: unknown, length: number): number {
    this.#context.input.errno = 0;
    this.#break();
    this.#port.threw('framing.decode', thrown);
    return length;
  }

  #tooLong(bytes: number, length: number): number {
    const { framer, input } = this.#context;
    input.fail(
      `the peer sent a message of ${bytes} bytes or more, allowed are ${framer.maxMessageBytes} (maxMessageBytes)`,
      Errno.EMSGSIZE,
    );
    return this.#violate(input, length);
  }

  #violate(input: FrameInput, length: number): number {
    const { errno, problem } = input;
    input.errno = 0;
    this.#break();
    this.#port.violate(errno, problem);
    return length;
  }

  #break(): void {
    this.#isBroken = true;
    this.#partial = null;
    this.#partialLength = 0;
  }

  #keepPartial(bytes: Buffer, at: number): void {
    const length = bytes.length - at;
    this.#partial = Buffer.allocUnsafe(Math.max(length, 64));
    this.#partial.set(at === 0 ? bytes : bytes.subarray(at));
    this.#partialLength = length;
  }

  #append(bytes: Buffer): void {
    const length = this.#partialLength + bytes.length;
    let partial = this.#partial!;
    if (length > partial.length) {
      partial = Buffer.allocUnsafe(Math.max(partial.length * 2, length));
      this.#partial!.copy(partial, 0, 0, this.#partialLength);
      this.#partial = partial;
    }
    partial.set(bytes, this.#partialLength);
    this.#partialLength = length;
  }

  /** The peer may end between two messages only. */
  ended(): AtEnd {
    return this.#partialLength > 0 ? AtEnd.Truncated : AtEnd.Drain;
  }

  drain(): boolean {
    return true;
  }

  closed(): void {}

  sizeOf(length: number): number {
    return this.#framer.sizeOf(length);
  }

  frame(queue: SendQueue, bytes: Uint8Array): void {
    this.#framer.frame(queue, bytes);
  }

  frameParts(queue: SendQueue, parts: readonly Uint8Array[], length: number): void {
    this.#context.framer.frameParts(queue, parts, length);
  }

  explain(length: number): string {
    return this.#context.framer.explain(length);
  }

  takeRest(): Buffer | null {
    const partial = this.#partial?.subarray(0, this.#partialLength) ?? EMPTY;
    const rest = Buffer.concat([partial, this.#backlog ?? EMPTY]);
    this.#partial = null;
    this.#partialLength = 0;
    this.#backlog = null;
    this.#scanned = 0;
    this.#needs = 0;
    return rest.length > 0 ? rest : null;
  }
}

const EMPTY = Buffer.alloc(0);
const notBehind = 'decode returned a message and did not set input.at behind it';

/** With a framing that makes bytes of what is sent. */
class EncodingProtocol extends FramedProtocol {
  #encode: (message: never) => Uint8Array | string;

  constructor(context: FramedContext, port: FramedPort) {
    super(context, port);
    this.#encode = context.framer.encode!;
  }

  encode(message: unknown): Uint8Array {
    return toBytes(this.#encode(message as never), 0, undefined);
  }
}
