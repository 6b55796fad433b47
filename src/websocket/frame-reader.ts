import type { SlabPool } from '../memory/slab-pool.ts';
import { Lifetime } from '../protocol/protocol.ts';
import { checkCloseBody } from './control-payload.ts';
import { checkFrameLength, checkFrameStart, FrameHeader, type FrameRules, MAX_HEADER_BYTES } from './frame-header.ts';
import { applyMask, rotateKey } from './mask.ts';
import { Opcode, type Violation, Violations } from './opcode.ts';
import { Utf8Validator } from './utf8.ts';

/** What the frame readers of one component share. */
export interface FrameReaderRules extends FrameRules {
  /** Whether everything is checked that RFC 6455 asks for. If not, only the masking is, as HP-Socket does (WS-002, WS-003). */
  readonly isValidating: boolean;
  /** Where copies of borrowed bytes come from. */
  readonly pool: SlabPool;
}

/** Where frames go: HP-Socket's three hooks. Each returns false to stop for now. */
export interface FrameSink {
  /** The header of a frame, which is overwritten by the next one (EV-H-12). */
  header(header: FrameHeader): boolean;
  /** A piece of the payload, unmasked, as it arrived; none for an empty payload (EV-H-13, WS-005, WS-006). */
  body(data: Buffer): boolean;
  /** The end of the frame; of control frames too (EV-H-14). */
  complete(): boolean;
  /** The peer broke the protocol. The reader takes nothing more. */
  violate(violation: Violation): void;
}

/** What is due next; EV-H-12 to EV-H-14 come in this order for every frame (ORD-041). */
const Phase = { Header: 0, Body: 1, Complete: 2, Over: 3 } as const;

const EMPTY = Buffer.alloc(0);

/**
 * Frames from the bytes of one connection, as HP-Socket hands them to its listeners: header, body pieces, end. Pure.
 *
 * ```
 *   phase      on                    goes to
 *   Header     a whole header        Body, or Complete if the payload is empty
 *   Body       a piece of payload    Body, or Complete at its end
 *   Complete   (at once)             Header
 *   any        violation, stop()     Over
 * ```
 *
 * The sink may say stop at each step; what is left waits in `#backlog`.
 */
export class FrameReader {
  /** The header of the current frame, or of the last one (`getWSMessageState`). */
  readonly current = new FrameHeader();
  /** Payload bytes of it that are still to come. */
  remaining = 0;
  /** Whether any header came yet. */
  hasHeader = false;
  #rules: FrameReaderRules;
  #sink: FrameSink;
  #phase: (typeof Phase)[keyof typeof Phase] = Phase.Header;
  /** The key as it is for the next payload byte. */
  #key = 0;
  #partial: Buffer | null = null;
  #backlog: Buffer | null = null;
  /** Whether a message was begun and not finished; only where frames are checked. */
  #isContinuing = false;
  /** Checks the text of the message under way; null for other messages. */
  #text: Utf8Validator | null = null;
  #closeBody: Buffer | null = null;

  constructor(rules: FrameReaderRules, sink: FrameSink) {
    this.#rules = rules;
    this.#sink = sink;
  }

  get hasBacklog(): boolean {
    return this.#backlog !== null;
  }

  /** Memory held. */
  get bufferedBytes(): number {
    return (this.#partial?.length ?? 0) + (this.#backlog?.length ?? 0);
  }

  /** Whether the bytes so far end between two messages. */
  get isBetweenMessages(): boolean {
    return this.#phase === Phase.Header && this.#partial === null && this.#backlog === null && !this.#isContinuing;
  }

  /** Takes nothing more, and gives up what it holds. */
  stop(): void {
    this.#phase = Phase.Over;
    this.#partial = null;
    this.#backlog = null;
  }

  receive(bytes: Buffer, lifetime: Lifetime): void {
    if (this.#phase === Phase.Over) return;
    if (this.#backlog !== null) {
      this.#backlog = Buffer.concat([this.#backlog, bytes]);
      return;
    }
    let own = lifetime === Lifetime.Call ? this.#rules.pool.copy(bytes, 0, bytes.length) : bytes;
    let keptFor = lifetime === Lifetime.Loan ? Lifetime.Loan : Lifetime.Forever;
    if (this.#partial !== null) {
      own = Buffer.concat([this.#partial, own]);
      keptFor = Lifetime.Forever;
      this.#partial = null;
    }
    this.#parse(own, keptFor);
  }

  /** Goes on with what was kept when the sink said stop. */
  resume(): void {
    const backlog = this.#backlog;
    if (backlog === null) return;
    this.#backlog = null;
    this.#parse(backlog, Lifetime.Forever);
  }

  #parse(bytes: Buffer, lifetime: Lifetime): void {
    const end = bytes.length;
    const { current } = this;
    const sink = this.#sink;
    let at = 0;
    let goesOn = true;
    while (goesOn) {
      switch (this.#phase) {
        case Phase.Header: {
          if (at === end) return;
          const violation = this.#check(bytes, at, end);
          if (violation !== null) return this.#violate(violation);
          if (!current.read(bytes, at, end)) {
            this.#partial = Buffer.from(bytes.subarray(at, Math.min(end, at + MAX_HEADER_BYTES)));
            return;
          }
          at += current.size;
          this.#begin();
          goesOn = sink.header(current);
          break;
        }
        case Phase.Body: {
          if (at === end) return;
          const piece = bytes.subarray(at, Math.min(end, at + this.remaining));
          at += piece.length;
          this.remaining -= piece.length;
          if (current.isMasked) {
            applyMask(piece, 0, piece.length, this.#key);
            this.#key = rotateKey(this.#key, piece.length);
          }
          if (this.#rules.isValidating && !this.#checkBody(piece)) return;
          if (this.remaining === 0) this.#phase = Phase.Complete;
          goesOn = sink.body(piece);
          break;
        }
        case Phase.Complete:
          if (this.#rules.isValidating && !this.#checkEnd()) return;
          this.#phase = Phase.Header;
          goesOn = sink.complete();
          break;
        default:
          return;
      }
    }
    // `stop` may have been called from within the sink.
    if ((this.#phase as number) === Phase.Over) return;
    const isOwed = this.#phase === Phase.Complete;
    if (at === end && !isOwed) return;
    const rest = at === end ? EMPTY : bytes.subarray(at);
    this.#backlog = lifetime === Lifetime.Forever ? rest : Buffer.from(rest);
  }

  /** The first bytes of a frame: what is wrong with them, as far as that can be told. */
  #check(bytes: Buffer, at: number, end: number): Violation | null {
    if (end - at < 2) return null;
    const second = bytes[at + 1]!;
    const rules = this.#rules;
    if (!rules.isValidating) {
      if (second >= 0x80 === rules.expectsMask) return null;
      return rules.expectsMask ? Violations.unmasked : Violations.masked;
    }
    return checkFrameStart(bytes[at]!, second, rules, this.#isContinuing) ?? checkFrameLength(bytes, at, end);
  }

  #begin(): void {
    const { current } = this;
    this.hasHeader = true;
    this.remaining = current.length;
    this.#key = current.key;
    this.#phase = current.length === 0 ? Phase.Complete : Phase.Body;
    if (!this.#rules.isValidating) return;
    if (current.opcode === Opcode.Close) this.#closeBody = EMPTY;
    if (current.opcode >= 8) return;
    if (!this.#isContinuing) {
      this.#text = current.opcode === Opcode.Text && current.reserved === 0 ? new Utf8Validator() : null;
    }
    this.#isContinuing = !current.isFinal;
  }

  #checkBody(piece: Buffer): boolean {
    const { opcode } = this.current;
    if (opcode === Opcode.Close) this.#closeBody = Buffer.concat([this.#closeBody!, piece]);
    if (opcode >= 8 || this.#text === null || this.#text.push(piece, 0, piece.length)) return true;
    this.#violate(Violations.text);
    return false;
  }

  #checkEnd(): boolean {
    const { opcode, isFinal } = this.current;
    let violation: Violation | null = null;
    if (opcode === Opcode.Close) violation = checkCloseBody(this.#closeBody!);
    else if (opcode < 8 && isFinal && this.#text?.isComplete === false) violation = Violations.text;
    if (violation === null) return true;
    this.#violate(violation);
    return false;
  }

  #violate(violation: Violation): void {
    this.stop();
    this.#sink.violate(violation);
  }
}
