import type { SlabPool } from '../memory/slab-pool.ts';
import type { FrameRules } from './frame-header.ts';
import type { Violation } from './opcode.ts';

/** What the readers of one component share. */
export interface MessageRules extends FrameRules {
  /** Largest message in bytes, as it is on the wire; no more memory is ever held for one. */
  readonly maxMessageBytes: number;
  /** Most fragments of a message. */
  readonly maxFragments: number;
  /** Longer messages are handed on as they arrive; Infinity for none. Of what is compressed the sink finds out how long it is. */
  readonly streamBytes: number;
  /** Largest message that is handed on so. */
  readonly maxStreamedBytes: number;
  /** Where copies of borrowed bytes come from. */
  readonly pool: SlabPool;
}

/** Where a reader delivers to. */
export interface MessageSink {
  /**
   * A whole message; its bytes are the receiver's own, unless they were a loan. Text was checked to be UTF-8, compressed text
   * was not. @returns false to stop for now.
   */
  message(data: Buffer, isBinary: boolean, isCompressed: boolean): boolean;
  /**
   * A compressed message begins that is long, or in fragments, and messages may be handed on as they arrive. @returns whether its
   * parts are wanted as they arrive, as `compressedPart`, and not the whole, as `message`.
   */
  compressedBegins(isBinary: boolean): boolean;
  /** A part of it, the receiver's own, and maybe empty. @returns false to stop for now. */
  compressedPart(data: Buffer, isLast: boolean): boolean;
  /** A message begins that is handed on as it arrives. @returns false to stop for now. */
  streamBegins(isBinary: boolean): boolean;
  /** A piece of it, the receiver's own. @returns false to stop for now. */
  streamPiece(data: Buffer): boolean;
  /** It is complete. @returns false to stop for now. */
  streamEnds(): boolean;
  /** A ping or a pong with its payload, which is the receiver's own unless it was a loan. @returns false to stop for now. */
  control(opcode: number, data: Buffer): boolean;
  /** A close frame; 1005 if it holds no code. The reader takes nothing more. */
  closedByPeer(code: number, reason: Buffer): void;
  /** The peer broke the protocol. The reader takes nothing more. */
  violate(violation: Violation): void;
}

/** A reader without a connection must not keep one alive. */
export const nobody: MessageSink = {
  message: () => false,
  compressedBegins: () => false,
  compressedPart: () => false,
  streamBegins: () => false,
  streamPiece: () => false,
  streamEnds: () => false,
  control: () => false,
  closedByPeer() {},
  violate() {},
};
