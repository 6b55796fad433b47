import { describe } from '../../core/describe.ts';
import { Errno } from '../../core/errno.ts';
import { toBytes } from '../../memory/sendable.ts';
import { MAX_PREAMBLE_BYTES, type Preamble, type PreambleFactory, type PreamblePort } from './preamble.ts';

/** What is said on a connection before its protocol, for an async function. One read at a time. */
export interface Conversation
  extends Pick<PreamblePort, 'id' | 'localAddress' | 'localPort' | 'remoteAddress' | 'remotePort' | 'extra'> {
  /** Sends bytes, or text as UTF-8. */
  send(bytes: Uint8Array | string): void;
  /** Reads so many bytes, 1 to 1,048,576. They are the caller's own. Rejects when the connection closes, as all reads. */
  read(length: number): Promise<Buffer>;
  /** Reads up to a mark, and the mark; without it, `maxBytes` bytes end the connection (EMSGSIZE). */
  readUntil(mark: string | Uint8Array, maxBytes?: number): Promise<Buffer>;
  /** Reads a line as UTF-8, without its LF or CR LF. `maxBytes` is 1024 unless given. */
  readLine(maxBytes?: number): Promise<string>;
  /** Ends the connection, and the function: the peer did not say what it should. @param errno Default EBADMSG. */
  fail(message: string, errno?: number): never;
}

/** Most bytes that one read takes. */
const MAX_READ_BYTES = 1024 * 1024;

/**
 * A preamble as an async function. When that is done, the component's protocol begins, with the first byte that was not read.
 *
 * ```ts
 * const server = new TcpPackServer(listener, {
 *   preamble: conversation(async (peer) => {
 *     const [word, name, password] = (await peer.readLine()).split(' ');
 *     if (word !== 'LOGIN' || !(await isKnown(name, password))) peer.fail('wrong login');
 *     peer.extra = { name };
 *     peer.send('OK\n');
 *   }),
 * });
 * ```
 *
 * Nothing is read while it waits for something else than bytes. What it throws, apart from `fail`, ends the connection as a hook that
 * throws does.
 */
export function conversation(talk: (peer: Conversation) => void | Promise<void>): PreambleFactory {
  if (typeof talk !== 'function') throw new TypeError(`conversation needs a function, not ${describe(talk)}`);
  return (port) => new ConversationPreamble(port, talk);
}

/** A read that waits for bytes. */
interface Wanted {
  readonly maxBytes: number;
  /** How many of the bytes it takes; 0 for more. */
  find(bytes: Buffer): number;
  resolve(bytes: Buffer): void;
  reject(error: Error): void;
}

/** Thrown by `fail`, to end the function. */
class Refusal extends Error {}

class ConversationPreamble implements Preamble, Conversation {
  #port: PreamblePort;
  #talk: (peer: Conversation) => void | Promise<void>;
  #wanted: Wanted | null = null;
  #isOver = false;

  constructor(port: PreamblePort, talk: (peer: Conversation) => void | Promise<void>) {
    this.#port = port;
    this.#talk = talk;
  }

  // ---- Preamble ----------------------------------------------------------------------------------------------------

  get isBusy(): boolean {
    return this.#wanted === null;
  }

  get maxBytes(): number {
    return this.#wanted?.maxBytes ?? MAX_PREAMBLE_BYTES;
  }

  begin(): void {
    const port = this.#port;
    void (async () => this.#talk(this))().then(
      () => port.done(),
      (thrown: unknown) => {
        if (!(thrown instanceof Refusal)) port.threw(thrown);
      },
    );
  }

  receive(bytes: Buffer): number {
    const wanted = this.#wanted;
    const length = wanted === null ? 0 : wanted.find(bytes);
    if (length === 0) return 0;
    this.#wanted = null;
    wanted!.resolve(Buffer.from(bytes.subarray(0, length)));
    return length;
  }

  closed(): void {
    this.#isOver = true;
    const wanted = this.#wanted;
    this.#wanted = null;
    wanted?.reject(closedError());
  }

  // ---- Conversation ------------------------------------------------------------------------------------------------

  get id(): number {
    return this.#port.id;
  }

  get localAddress(): string {
    return this.#port.localAddress;
  }

  get localPort(): number {
    return this.#port.localPort;
  }

  get remoteAddress(): string {
    return this.#port.remoteAddress;
  }

  get remotePort(): number {
    return this.#port.remotePort;
  }

  get extra(): unknown {
    return this.#port.extra;
  }

  set extra(extra: unknown) {
    this.#port.extra = extra;
  }

  send(bytes: Uint8Array | string): void {
    this.#port.send(bytes);
  }

  read(length: number): Promise<Buffer> {
    checkBytes('length', length);
    return this.#read(length, (bytes) => (bytes.length < length ? 0 : length));
  }

  readUntil(mark: string | Uint8Array, maxBytes: number = MAX_PREAMBLE_BYTES): Promise<Buffer> {
    const sought = Buffer.from(toBytes(mark, 0, undefined));
    if (sought.length === 0) throw new RangeError('mark must have 1 byte at least');
    checkBytes('maxBytes', maxBytes);
    return this.#read(maxBytes, (bytes) => {
      const end = bytes.indexOf(sought) + sought.length;
      return end < sought.length || end > maxBytes ? 0 : end;
    });
  }

  readLine(maxBytes = 1024): Promise<string> {
    return mayBeLeft(this.#readLine(maxBytes));
  }

  async #readLine(maxBytes: number): Promise<string> {
    return (await this.readUntil('\n', maxBytes)).toString('utf8').replace(/\r?\n$/, '');
  }

  fail(message: string, errno: number = Errno.EBADMSG): never {
    this.#port.fail(message, errno);
    throw new Refusal(message);
  }

  #read(maxBytes: number, find: (bytes: Buffer) => number): Promise<Buffer> {
    if (this.#wanted !== null) throw new Error('one read at a time: await the one before');
    if (this.#isOver) return mayBeLeft(Promise.reject(closedError()));
    return mayBeLeft(
      new Promise((resolve, reject) => {
        this.#wanted = { maxBytes, find, resolve, reject };
        this.#port.again();
      }),
    );
  }
}

/** A peer that goes while a read is begun and not awaited yet must not end the process, as a rejection nobody handles does. */
function mayBeLeft<T>(read: Promise<T>): Promise<T> {
  read.catch(() => {});
  return read;
}

function closedError(): Error {
  return new Error('the connection was closed, or the preamble is over');
}

function checkBytes(name: string, value: number): void {
  if (typeof value !== 'number') throw new TypeError(`${name} must be a number, not ${describe(value)}`);
  if (!Number.isInteger(value) || value < 1 || value > MAX_READ_BYTES)
    throw new RangeError(`${name} must be a whole number, 1 to ${MAX_READ_BYTES}, not ${value}`);
}
