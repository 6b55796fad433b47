import { describe } from '../../core/describe.ts';
import { Errno } from '../../core/errno.ts';
import { $protocols } from '../../core/internals.ts';
import { checkOptions } from '../../core/option-names.ts';
import type { SendQueue } from '../../memory/send-queue.ts';
import { type Sendable, toBytes } from '../../memory/sendable.ts';
import type { Protocol, ReceiveContext } from '../protocol.ts';
import type { FrameInput } from './frame-input.ts';
import { type FramedPort, framedProtocols } from './framed.ts';

/** Default of `maxMessageBytes`. */
export const DEFAULT_MAX_MESSAGE_BYTES = 0x40000;

/** What every framing may be given. */
export interface FramingOptions {
  /** Longest message, received or sent, without what frames it; 1 byte or more. Default 262,144. Longer ones close the connection (EMSGSIZE). */
  maxMessageBytes?: number | undefined;
}

/**
 * Where messages begin and end in a stream of bytes: the option `framing` of push components. Made by `lengthField`,
 * `fixedSize`, `delimiter`, `lines`, `startEnd` and `framing`; one may serve any number of components.
 * @typeParam Data What `onReceive` gets.
 * @typeParam Message What `send` takes.
 */
export abstract class Framer<Data = Buffer, Message = Sendable> {
  /** Longest message in bytes, received or sent. */
  readonly maxMessageBytes: number;
  /** Most bytes that frame a message. @internal */
  abstract readonly extraBytes: number;
  /** Whether `decode` returns bytes, and nothing else. @internal */
  abstract readonly deliversBytes: boolean;

  constructor(maxMessageBytes: number | undefined) {
    this.maxMessageBytes = checkWhole('maxMessageBytes', maxMessageBytes ?? DEFAULT_MAX_MESSAGE_BYTES, 1, 2 ** 48);
  }

  /** Makes the protocols of the connections of one component. @internal */
  [$protocols](pool: ReceiveContext['pool']): (port: FramedPort) => Protocol {
    return framedProtocols(pool, this);
  }

  /** The next message, or undefined if it is not whole or `input.fail` was called. @internal */
  abstract decode(input: FrameInput): Data | undefined;
  /** Bytes on the wire of a message, or minus an errno. @internal */
  abstract sizeOf(length: number): number;
  /** @internal */
  abstract frame(queue: SendQueue, bytes: Uint8Array): void;
  /** @internal */
  abstract frameParts(queue: SendQueue, parts: readonly Uint8Array[], length: number): void;
  /** A message of `send` as bytes; null if those are what it takes. @internal */
  get encode(): ((message: Message) => Sendable) | null {
    return null;
  }

  /** Why a message of `length` bytes cannot be sent. @internal */
  explain(length: number): string {
    return `a message of ${length} bytes is not possible with this framing, allowed are up to ${this.maxMessageBytes} (maxMessageBytes)`;
  }

  /** The peer's message is too long. @internal */
  protected tooLong(input: FrameInput, length: number): undefined {
    return input.fail(
      `the peer sent a message of ${length} bytes or more, allowed are ${this.maxMessageBytes} (maxMessageBytes)`,
      Errno.EMSGSIZE,
    );
  }
}

/** A framing of your own: two functions without state. */
export interface FramingFunctions<Data, Message> extends FramingOptions {
  /**
   * Finds the next message in `input.bytes` from `input.at` on.
   * @returns The message, after `input.at` was set behind it; undefined if it is not whole yet, perhaps after setting
   *   `input.needs` or `input.scanned`, or after `input.fail`. What it throws closes the connection.
   */
  decode(input: FrameInput): Data | undefined;
  /** What a message is on the wire, all of it. What it throws, `send` throws. */
  encode(message: Message): Sendable;
}

/**
 * A framing of your own (HPSocket.Net's data receive adapters, ADP).
 *
 * ```ts
 * const json = framing({
 *   decode(input) {
 *     const end = input.bytes.indexOf(10, input.at + input.scanned);
 *     if (end < 0) return void (input.scanned = input.available);
 *     const value: unknown = JSON.parse(input.bytes.toString('utf8', input.at, end));
 *     input.at = end + 1;
 *     return { value };
 *   },
 *   encode: (message: unknown) => `${JSON.stringify(message)}\n`,
 * });
 * ```
 * @throws TypeError, RangeError for functions or limits that are none.
 */
export function framing<Data, Message = Sendable>(functions: FramingFunctions<Data, Message>): Framer<Data, Message> {
  checkOptions('framing', functions, { decode: true, encode: true, maxMessageBytes: true });
  for (const name of ['decode', 'encode'] as const) {
    if (typeof functions[name] !== 'function')
      throw new TypeError(`${name} of framing must be a function, not ${describe(functions[name])}`);
  }
  return new CustomFramer(functions);
}

class CustomFramer<Data, Message> extends Framer<Data, Message> {
  readonly extraBytes = 0;
  readonly deliversBytes = false;
  readonly #functions: FramingFunctions<Data, Message>;

  constructor(functions: FramingFunctions<Data, Message>) {
    super(functions.maxMessageBytes);
    this.#functions = functions;
  }

  decode(input: FrameInput): Data | undefined {
    return this.#functions.decode(input);
  }

  override get encode(): (message: Message) => Sendable {
    return (message) => this.#functions.encode(message);
  }

  sizeOf(length: number): number {
    return length > this.maxMessageBytes ? -Errno.EMSGSIZE : length;
  }

  frame(queue: SendQueue, bytes: Uint8Array): void {
    queue.append(bytes, 0, bytes.length);
  }

  frameParts(queue: SendQueue, parts: readonly Uint8Array[], _length: number): void {
    for (const part of parts) queue.append(part, 0, part.length);
  }
}

/** A whole number from `min` to `max`. */
export function checkWhole(name: string, value: unknown, min: number, max: number): number {
  if (typeof value !== 'number') throw new TypeError(`${name} must be a number, not ${describe(value)}`);
  if (!Number.isInteger(value) || value < min || value > max)
    throw new RangeError(`${name} must be a whole number, ${min} to ${max}, not ${value}`);
  return value;
}

/** The bytes of a mark: at least one. A copy. */
export function checkMark(name: string, mark: Sendable): Buffer {
  if (typeof mark !== 'string' && !(mark instanceof Uint8Array))
    throw new TypeError(`${name} must be a string or bytes, not ${describe(mark)}`);
  const bytes = Buffer.from(toBytes(mark, 0, undefined));
  if (bytes.length === 0 || bytes.length > 1024)
    throw new RangeError(`${name} must have 1 to 1024 bytes, not ${bytes.length}`);
  return bytes;
}
