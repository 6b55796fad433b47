import type { Socket } from 'node:net';
import { headerSize, packFlag } from '../baselines/framing-by-hand.ts';

/** What each connection sends, over and over. */
export interface EchoShape {
  /** Bytes of one message on the wire, its header included. */
  readonly messageSize: number;
  /** Messages that a connection keeps on their way at any time. */
  readonly inFlight: number;
  /** Fills one message. The number makes the connections' messages different, so that a mix-up shows. */
  fill(message: Buffer, connection: number): void;
}

/** How often, in reads, the content of what came back is compared with what was sent. */
const compareEvery = 64;

/**
 * The driver's end of one echo connection: a sliding window of messages, in which each one that came back whole is
 * answered by the next. All messages of a connection are the same bytes, so an echo is right when the stream that comes
 * back is that message repeated, at every offset.
 */
export class EchoStream {
  /** Messages that came back whole, in all. */
  messages = 0;
  /** Set to stop answering, so that what is on its way can come back and be counted. */
  isPaused = true;
  failure: Error | undefined;

  readonly #shape: EchoShape;
  /** One message more than the window: a read that starts in the middle of a message can be compared in one go. */
  readonly #pattern: Buffer;
  #socket: Socket | undefined;
  #offset = 0;
  #sent = 0;
  #reads = 0;

  constructor(shape: EchoShape, connection: number) {
    this.#shape = shape;
    this.#pattern = Buffer.allocUnsafeSlow(shape.messageSize * (shape.inFlight + 1));
    const first = this.#pattern.subarray(0, shape.messageSize);
    shape.fill(first, connection);
    for (let at = shape.messageSize; at < this.#pattern.length; at += shape.messageSize) first.copy(this.#pattern, at);
  }

  attach(socket: Socket): void {
    this.#socket = socket;
  }

  /** Fills the window. */
  resume(): void {
    if (!this.isSettled) throw new Error('resumed before everything had come back');
    this.isPaused = false;
    this.#send(this.#shape.inFlight);
  }

  /** Everything that was sent has come back, and nothing else. */
  get isSettled(): boolean {
    return this.messages === this.#sent && this.#offset === 0;
  }

  /** Takes what was read; `received` may be overwritten afterwards. */
  take(received: Buffer): void {
    const { messageSize } = this.#shape;
    const whole = Math.floor((this.#offset + received.length) / messageSize);
    if (this.messages + whole > this.#sent) {
      this.fail(new Error('more bytes came back than were sent'));
      return;
    }
    // The first reads of a connection are all compared, later ones now and then: a comparison costs the driver time.
    if (this.#reads < 8 || this.#reads % compareEvery === 0) this.#compare(received);
    this.#reads++;
    this.#offset = (this.#offset + received.length) % messageSize;
    this.messages += whole;
    if (whole > 0 && !this.isPaused) this.#send(whole);
  }

  fail(error: Error): void {
    this.failure ??= error;
    this.isPaused = true;
    this.#socket?.destroy();
  }

  #send(count: number): void {
    this.#sent += count;
    this.#socket?.write(this.#pattern.subarray(0, count * this.#shape.messageSize));
  }

  #compare(received: Buffer): void {
    const { messageSize, inFlight } = this.#shape;
    const most = messageSize * inFlight;
    for (let at = 0; at < received.length; at += most) {
      const piece = received.subarray(at, at + most);
      const from = (this.#offset + at) % messageSize;
      if (this.#pattern.compare(piece, 0, piece.length, from, from + piece.length) === 0) continue;
      this.fail(new Error(`wrong bytes came back near message ${this.messages}`));
      return;
    }
  }
}

/** Messages without a header. */
export function plainShape(messageSize: number, inFlight: number): EchoShape {
  return { messageSize, inFlight, fill: fillBody };
}

/** A package of HP-Socket's pack model: one little-endian word (flag in the upper 10 bits, length below), then the body. */
export function packShape(bodySize: number, inFlight: number): EchoShape {
  return {
    messageSize: headerSize + bodySize,
    inFlight,
    fill(message, connection) {
      message.writeUInt32LE(((packFlag << 22) | bodySize) >>> 0, 0);
      fillBody(message.subarray(headerSize), connection);
    },
  };
}

/** A length of 4 bytes, big-endian, then the body. */
export function lengthShape(bodySize: number, inFlight: number): EchoShape {
  return {
    messageSize: 4 + bodySize,
    inFlight,
    fill(message, connection) {
      message.writeUInt32BE(bodySize, 0);
      fillBody(message.subarray(4), connection);
    },
  };
}

/** A line of printable characters that ends with LF, which is one of its bytes. */
export function lineShape(messageSize: number, inFlight: number): EchoShape {
  return {
    messageSize,
    inFlight,
    fill(message, connection) {
      for (let at = 0; at < messageSize - 1; at++) message[at] = 33 + ((at * 7 + connection * 31) % 90);
      message[messageSize - 1] = 10;
    },
  };
}

/** Bytes that differ from connection to connection and from place to place. */
function fillBody(body: Buffer, connection: number): void {
  for (let at = 0; at < body.length; at++) body[at] = (at * 7 + connection * 31) & 0xff;
  if (body.length >= 4) body.writeUInt32LE(connection, 0);
}
