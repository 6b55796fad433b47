import { Errno } from '../core/errno.ts';
import { ByteProtocol } from '../protocol/byte-protocol.ts';
import { AtEnd, type Lifetime, type Port } from '../protocol/protocol.ts';
import type { FrameHeader } from './frame-header.ts';
import { FrameReader, type FrameReaderRules, type FrameSink } from './frame-reader.ts';
import { buildRawFrame, type RawFrame } from './frame-writer.ts';
import type { Violation } from './opcode.ts';
import { isPlainlyOk } from './plainly-ok.ts';

/** HP-Socket's hooks about frames (EV-H-12 to EV-H-14), with their sender and connection as a component calls them. */
export interface FrameHooks {
  /** The header of a frame arrived (HTW-001). `HPR_ERROR` closes the connection. */
  onWSMessageHeader?(
    sender: unknown,
    connId: number,
    isFinal: boolean,
    reserved: number,
    opcode: number,
    mask: Buffer | null,
    bodyLength: number,
  ): unknown;
  /** Bytes of a frame's payload, unmasked; the listener's own (HTW-002). */
  onWSMessageBody?(sender: unknown, connId: number, data: Buffer): unknown;
  /** The frame is whole (HTW-003). */
  onWSMessageComplete?(sender: unknown, connId: number): unknown;
}

/** What the frame protocols of one component share. */
export interface FrameContext extends FrameReaderRules {
  readonly hooks: FrameHooks;
  /** What the hooks get as their sender. */
  readonly sender: unknown;
}

/** State of the current or last frame (`GetWSMessageState`, HTTP-M-020). */
export interface WSMessageState {
  /** FIN: the last frame of its message. */
  readonly isFinal: boolean;
  /** RSV1 to RSV3 as a number, RSV1 = 4. */
  readonly reserved: number;
  /** Opcode, 0 to 15. */
  readonly opcode: number;
  /** The masking key; null for a frame that was not masked. */
  readonly mask: Buffer | null;
  /** Length of the payload in bytes. */
  readonly bodyLength: number;
  /** Payload bytes that are still to come; the piece that `onWSMessageBody` is looking at counts as received (WS-005). */
  readonly bodyRemain: number;
}

/**
 * Frames over one connection as HP-Socket hands them to its listeners: nothing is answered, closed or put together by itself
 * (WS-004). What is sent goes out as it is: frames are made by `buildRawFrame`.
 */
export class WebSocketFrameProtocol extends ByteProtocol implements FrameSink {
  readonly deliversBytes = true;
  readonly #context: FrameContext;
  readonly #port: Port;
  readonly #reader: FrameReader;
  #isReleased = false;

  constructor(context: FrameContext, port: Port) {
    super();
    this.#context = context;
    this.#port = port;
    this.#reader = new FrameReader(context, this);
  }

  /** Of the current frame, or the last one; null before the first. */
  get messageState(): WSMessageState | null {
    const { current, remaining, hasHeader } = this.#reader;
    if (!hasHeader) return null;
    const { isFinal, reserved, opcode, length } = current;
    return { isFinal, reserved, opcode, mask: maskOf(current), bodyLength: length, bodyRemain: remaining };
  }

  /**
   * Sends one frame (`SendWSMessage`). @returns false if it cannot be queued.
   * @throws {RangeError} if `bodyLength` is not 0 and less than the data, or the mask has not four bytes (HTTP-RQ-001).
   */
  sendFrame(frame: RawFrame): boolean {
    if (frame.mask !== null && frame.mask.length !== 4) throw new RangeError('a mask has four bytes');
    if (!Number.isSafeInteger(frame.bodyLength) || (frame.bodyLength !== 0 && frame.bodyLength < frame.data.length)) {
      throw new RangeError('bodyLength has to be 0, or at least the length of the data');
    }
    return this.#port.send(buildRawFrame(frame));
  }

  /** No more frames: what arrives from now on closes the connection (`Release`, WS-014). @returns false the second time. */
  release(): boolean {
    if (this.#isReleased) return false;
    this.#isReleased = true;
    return true;
  }

  receive(bytes: Buffer, lifetime: Lifetime): void {
    if (this.#isReleased) return this.#port.violate(Errno.ECANCELED, 'bytes arrived after release', 'HP_ABORTED');
    this.#reader.receive(bytes, lifetime);
  }

  resume(): void {
    this.#reader.resume();
  }

  override get hasMessages(): boolean {
    return true;
  }

  override ended(): AtEnd {
    return this.#reader.isBetweenMessages ? AtEnd.Drain : AtEnd.Truncated;
  }

  override closed(): void {
    this.#reader.stop();
  }

  takeRest(): Buffer | null {
    return null; // no protocol follows a WebSocket (UPG-009)
  }

  get hasBacklog(): boolean {
    return this.#reader.hasBacklog;
  }

  get bufferedBytes(): number {
    return this.#reader.bufferedBytes;
  }

  // ---- FrameSink ---------------------------------------------------------------------------------------------------

  header(header: FrameHeader): boolean {
    const { hooks, sender } = this.#context;
    if (hooks.onWSMessageHeader === undefined) return this.#port.mayDeliver;
    const { isFinal, reserved, opcode, length } = header;
    let result: unknown;
    try {
      result = hooks.onWSMessageHeader(sender, this.#port.id, isFinal, reserved, opcode, maskOf(header), length);
    } catch (thrown) {
      return this.#port.threw('onWSMessageHeader', thrown);
    }
    return this.#settle('onWSMessageHeader', result);
  }

  body(data: Buffer): boolean {
    const { hooks, sender } = this.#context;
    if (hooks.onWSMessageBody === undefined) return this.#port.mayDeliver;
    let result: unknown;
    try {
      result = hooks.onWSMessageBody(sender, this.#port.id, data);
    } catch (thrown) {
      return this.#port.threw('onWSMessageBody', thrown);
    }
    return this.#settle('onWSMessageBody', result);
  }

  complete(): boolean {
    const { hooks, sender } = this.#context;
    if (hooks.onWSMessageComplete === undefined) return this.#port.mayDeliver;
    let result: unknown;
    try {
      result = hooks.onWSMessageComplete(sender, this.#port.id);
    } catch (thrown) {
      return this.#port.threw('onWSMessageComplete', thrown);
    }
    return this.#settle('onWSMessageComplete', result);
  }

  violate({ message }: Violation): void {
    this.#port.violate(Errno.EBADMSG, message);
  }

  #settle(hook: string, result: unknown): boolean {
    return result === undefined || isPlainlyOk(result) ? this.#port.mayDeliver : this.#port.settle(hook, result);
  }
}

function maskOf({ isMasked, key }: FrameHeader): Buffer | null {
  return isMasked ? Buffer.from([key & 255, (key >>> 8) & 255, (key >>> 16) & 255, key >>> 24]) : null;
}
