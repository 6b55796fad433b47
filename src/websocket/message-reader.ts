import { BufferView } from '../memory/buffer-view.ts';
import { copyBytes } from '../memory/slab-pool.ts';
import { Lifetime } from '../protocol/protocol.ts';
import { checkCloseBody, closeCodeOf } from './control-payload.ts';
import { checkFrameLength, checkFrameStart, FrameHeader, type FrameRules, MAX_HEADER_BYTES } from './frame-header.ts';
import { applyMask, copyMasked, Masker, rotateKey } from './mask.ts';
import { MessageAssembly } from './message-assembly.ts';
import { type MessageRules, type MessageSink, nobody } from './message-sink.ts';
import { MAX_CONTROL_BYTES, Opcode, type Violation, Violations } from './opcode.ts';
import { isWholeUtf8 } from './utf8.ts';

const EMPTY = Buffer.alloc(0);
/** Compressed messages of more bytes are inflated as they arrive, if those that are long are handed on so; fragments always. */
const LONG_COMPRESSED_BYTES = 16 * 1024;
/** An incomplete frame of which less than this is missing to go on is kept as it is: a header, or a control frame. */
const MAX_PARTIAL_BYTES = MAX_HEADER_BYTES + MAX_CONTROL_BYTES;
/** Payloads of more are copied each by itself. */
const LONG_PAYLOAD_BYTES = 8 * 1024;
/** Parsing is synchronous and a header is done with before anybody is called, so one serves all connections. */
const header = new FrameHeader();
const masker = new Masker();

/**
 * Whole messages from the bytes of one connection (RFC 6455, 5 to 7). Pure: bytes in, calls of the sink out.
 *
 * ```
 *   state            on                                goes to
 *   Between frames   whole frames                      itself; each is handled where it lies
 *   Between frames   part of a header or control frame itself; the part is kept (`#partial`)
 *   Between frames   the beginning of a data frame     In payload
 *   In payload       some of it                        In payload; unmasked, checked and kept (`#assembly`)
 *   In payload       the rest of it                    Between frames; the last fragment delivers the message
 *   any              close frame, violation, stop()    Over
 * ```
 *
 * A read that holds many small frames is copied once, unmasked in place by words, and delivered as views of that copy. (Codec alone,
 * against the Receiver of `ws` 8.23, CPU per message on Node 20: 64 B binary, 16 a read, 44 ns to 384; 64 B text 48 to 433; 1 KiB
 * 0.35 us to 2.5; 64 KiB 22 us to 155, half of which is the memory of the message. `npm run bench:micro -- --only websocket`.)
 */
export class MessageReader {
  /** One that reads for no connection at present: between two messages a connection needs none. */
  static #spare: MessageReader | null = null;
  #rules: MessageRules;
  #sink: MessageSink;
  /** Beginning of a frame: its header, or a control frame, that is not all there. */
  #partial: Buffer | null = null;
  /** Bytes not parsed because the sink said stop. */
  #backlog: Buffer | null = null;
  /** The message that is not complete; null between messages. */
  #assembly: MessageAssembly | null = null;
  /** Bytes of the current payload that are still to come. */
  #remaining = 0;
  /** Masking key as it is for the next of them. */
  #key = 0;
  /** Whether the current payload ends its message. */
  #isFinal = false;
  #isInPayload = false;
  #isOver = false;

  constructor(rules: MessageRules, sink: MessageSink) {
    this.#rules = rules;
    this.#sink = sink;
  }

  /** A reader that begins between two messages. */
  static take(rules: MessageRules, sink: MessageSink): MessageReader {
    const reader = MessageReader.#spare;
    if (reader === null) return new MessageReader(rules, sink);
    MessageReader.#spare = null;
    reader.#rules = rules;
    reader.#sink = sink;
    return reader;
  }

  /** A reader that `isIdle` may read for others. */
  static give(reader: MessageReader): void {
    reader.#sink = nobody;
    MessageReader.#spare = reader;
  }

  /** Whether it holds nothing, so that another one could take its place. */
  get isIdle(): boolean {
    return this.isBetweenMessages && !this.#isOver;
  }

  get hasBacklog(): boolean {
    return this.#backlog !== null;
  }

  /** Memory held: unparsed, incomplete. */
  get bufferedBytes(): number {
    return (this.#partial?.length ?? 0) + (this.#backlog?.length ?? 0) + (this.#assembly?.capacity ?? 0);
  }

  /** Whether the bytes so far end between two messages. */
  get isBetweenMessages(): boolean {
    return this.#partial === null && this.#assembly === null && this.#backlog === null && !this.#isInPayload;
  }

  /** Takes nothing more, and gives up what it holds. */
  stop(): void {
    this.#isOver = true;
    this.#partial = null;
    this.#backlog = null;
    this.#assembly = null;
  }

  receive(bytes: Buffer, lifetime: Lifetime): void {
    if (this.#isOver) return;
    if (this.#backlog !== null) {
      this.#backlog = Buffer.concat([this.#backlog, bytes]);
      return;
    }
    const end = bytes.length;
    let at = 0;
    if (this.#partial !== null) {
      at = this.#completePartial(bytes);
      if (at < 0) return;
    }
    this.#parse(bytes, at, end, lifetime);
  }

  /** Goes on with what was kept when the sink said stop. */
  resume(): void {
    const backlog = this.#backlog;
    if (backlog === null || this.#isOver) return;
    this.#backlog = null;
    this.#parse(backlog, 0, backlog.length, Lifetime.Forever);
  }

  #parse(bytes: Buffer, from: number, end: number, lifetime: Lifetime): void {
    // A long payload that has to be copied is copied by itself, so that its message owns no more than it needs.
    const longest = lifetime === Lifetime.Call ? LONG_PAYLOAD_BYTES : Number.POSITIVE_INFINITY;
    let at = from;
    for (;;) {
      if (this.#isInPayload) {
        at = this.#takePayload(bytes, at, end);
        if (at < 0) return this.#keepRest(bytes, -at - 1, lifetime);
      }
      if (at === end || this.#isOver) return;
      const runEnd = this.#endOfRun(bytes, at, end, longest);
      if (runEnd > at) {
        at = this.#takeRun(bytes, at, runEnd, lifetime);
        if (at < 0) return this.#keepRest(bytes, -at - 1, lifetime);
        if (at === end || this.#isOver) return;
      }
      at = this.#begin(bytes, at, end);
      if (at < 0) return;
    }
  }

  /** Keeps `bytes[at..]` for `resume`. */
  #keepRest(bytes: Buffer, at: number, lifetime: Lifetime): void {
    if (this.#isOver || at === bytes.length) return;
    const rest = bytes.subarray(at);
    this.#backlog = lifetime === Lifetime.Forever ? rest : Buffer.from(rest);
  }

  /**
   * Offset behind the last whole frame of `bytes[at, end)`, or in front of the first with a payload of more than `longest` bytes.
   * A frame that breaks a rule ends the run: it is found again.
   */
  #endOfRun(bytes: Buffer, at: number, end: number, longest: number): number {
    let next = at;
    const { expectsMask } = this.#rules;
    while (end - next >= 2) {
      const form = bytes[next + 1]! & 127;
      let size: number;
      if (form < 126) size = form + (expectsMask ? 6 : 2);
      else {
        if (!header.read(bytes, next, end) || header.length > longest) break;
        size = header.size + header.length;
      }
      if (size > end - next) break;
      next += size;
    }
    return next;
  }

  /** Handles the whole frames of `bytes[at, end)`. Returns `end`, or minus one minus the offset at which the sink said stop. */
  #takeRun(bytes: Buffer, at: number, end: number, lifetime: Lifetime): number {
    const rules = this.#rules;
    const isCopied = lifetime === Lifetime.Call;
    if (isCopied && isOneShortFrame(bytes, at, end) && rules.expectsMask && this.#assembly === null) {
      return this.#takeShort(bytes, at, end);
    }
    const own = isCopied ? rules.pool.copy(bytes, at, end) : bytes;
    const shift = isCopied ? at : 0;
    const { buffer: memory, byteOffset } = own;
    masker.on(own, memory, byteOffset);
    const last = end - shift;
    let next = at - shift;
    while (next < last) {
      const first = own[next]!;
      const second = own[next + 1]!;
      const form = second & 127;
      // The usual frame: a short whole message, masked as it has to be.
      if ((first === 0x82 || first === 0x81) && form < 126 && this.#assembly === null) {
        let start = next + 2;
        let isAscii = false;
        if (second >= 0x80) {
          if (!rules.expectsMask) return this.#violate(Violations.masked);
          const key = own[start]! | (own[start + 1]! << 8) | (own[start + 2]! << 16) | (own[start + 3]! << 24);
          start += 4;
          next = start + form;
          isAscii = masker.apply(start, next, key);
        } else {
          if (rules.expectsMask) return this.#violate(Violations.unmasked);
          next = start + form;
        }
        if (form > rules.maxMessageBytes) return this.#violate(Violations.messageBytes);
        if (first === 0x81 && !isAscii && !isWholeUtf8(own, start, next)) return this.#violate(Violations.text);
        const view = new BufferView(memory, byteOffset + start, form);
        if (!this.#sink.message(view, first === 0x82, false)) return -(next + shift) - 1;
        if (this.#isOver) return end;
        masker.on(own, memory, byteOffset);
        continue;
      }
      const violation =
        checkFrameStart(first, second, rules, this.#assembly !== null) ?? checkFrameLength(own, next, last);
      if (violation !== null) return this.#violate(violation);
      header.read(own, next, last);
      const start = next + header.size;
      next = start + header.length;
      if (header.opcode >= 8) {
        if (header.isMasked) masker.apply(start, next, header.key);
        if (!this.#takeControl(header.opcode, new BufferView(memory, byteOffset + start, header.length))) {
          return -(next + shift) - 1;
        }
      } else if (
        this.#assembly === null &&
        header.isFinal &&
        (header.length <= rules.streamBytes || header.reserved !== 0)
      ) {
        const { length, opcode, reserved } = header;
        if (length > rules.maxMessageBytes) return this.#violate(Violations.messageBytes);
        const isAscii = header.isMasked && masker.apply(start, next, header.key);
        const isCompressed = reserved !== 0;
        if (opcode === Opcode.Text && !isCompressed && !isAscii && !isWholeUtf8(own, start, next)) {
          return this.#violate(Violations.text);
        }
        const view = new BufferView(memory, byteOffset + start, length);
        if (!this.#sink.message(view, opcode === Opcode.Binary, isCompressed)) return -(next + shift) - 1;
      } else {
        if (!this.#beginPayload()) return this.#isOver ? end : -(start + shift) - 1;
        const took = this.#takePayload(own, start, next);
        if (took < 0) return -(next + shift) - 1;
      }
      if (this.#isOver) return end;
      masker.on(own, memory, byteOffset);
    }
    return end;
  }

  /** A read that is one short whole message, masked as it has to be: of it only the payload is copied. Returns as `#takeRun`. */
  #takeShort(bytes: Buffer, at: number, end: number): number {
    const { pool, maxMessageBytes } = this.#rules;
    const start = at + SHORT_HEADER_BYTES;
    if (end - start > maxMessageBytes) return this.#violate(Violations.messageBytes);
    const key = bytes[at + 2]! | (bytes[at + 3]! << 8) | (bytes[at + 4]! << 16) | (bytes[at + 5]! << 24);
    const message = pool.copy(bytes, start, end);
    const isBinary = bytes[at] === 0x82;
    const { buffer, memory, lastAt } = pool.small;
    // By way of the slab: it is the same for many messages.
    masker.on(buffer, memory, 0);
    const isAscii = masker.apply(lastAt, lastAt + end - start, key);
    if (!isBinary && !isAscii && !isWholeUtf8(message, 0, message.length)) return this.#violate(Violations.text);
    return this.#sink.message(message, isBinary, false) ? end : -end - 1;
  }

  /**
   * A frame begins at `bytes[at]` that is not whole, or long. Returns the offset of its payload, or -1 if what there is was kept,
   * or is not wanted.
   */
  #begin(bytes: Buffer, at: number, end: number): number {
    const violation = checkBeginning(bytes, at, end, this.#rules, this.#assembly !== null);
    if (violation !== null) return this.#violate(violation);
    if (!header.read(bytes, at, end) || header.opcode >= 8) {
      this.#partial = Buffer.from(bytes.subarray(at, end));
      return -1;
    }
    const start = at + header.size;
    if (this.#beginPayload()) return start;
    if (!this.#isOver && start < end) this.#backlog = Buffer.from(bytes.subarray(start, end));
    return -1;
  }

  /**
   * The header of a data frame is read: gets ready for its payload. False after a violation, and if the sink, which was told of a
   * stream, said stop.
   */
  #beginPayload(): boolean {
    const { maxMessageBytes, maxFragments, streamBytes, maxStreamedBytes, pool } = this.#rules;
    this.#assembly ??= new MessageAssembly(pool, header.opcode === Opcode.Binary, header.reserved !== 0);
    const assembly = this.#assembly;
    if (assembly.isCompressed && assembly.fragmentCount === 0) this.#chooseParts(assembly);
    const length = assembly.length + assembly.streamedBytes + header.length;
    const isStreamed = assembly.isStreamed || (length > streamBytes && !assembly.isCompressed);
    if (length > (isStreamed ? maxStreamedBytes + assembly.allowance(maxStreamedBytes) : maxMessageBytes)) {
      this.#violate(Violations.messageBytes);
      return false;
    }
    if (++assembly.fragmentCount > maxFragments) {
      this.#violate(Violations.fragments);
      return false;
    }
    this.#isInPayload = true;
    this.#isFinal = header.isFinal;
    this.#remaining = header.length;
    this.#key = header.key;
    if (!isStreamed || assembly.isStreamed) return true;
    assembly.isStreamed = true;
    const goesOn = this.#sink.streamBegins(assembly.isBinary);
    // What was put together so far is its first piece.
    return this.#handOn(assembly) && goesOn && !this.#isOver;
  }

  /** A compressed message begins: whether the sink gets its parts. */
  #chooseParts(assembly: MessageAssembly): void {
    if (this.#rules.streamBytes === Number.POSITIVE_INFINITY) return;
    if (header.isFinal && header.length <= LONG_COMPRESSED_BYTES) return;
    assembly.isStreamed = this.#sink.compressedBegins(assembly.isBinary);
  }

  /** Hands on what a streamed message has brought. False if the sink said stop. */
  #handOn(assembly: MessageAssembly): boolean {
    const piece = assembly.takePiece();
    if (piece === null || this.#isOver) return true;
    return assembly.isCompressed ? this.#sink.compressedPart(piece, false) : this.#sink.streamPiece(piece);
  }

  /**
   * Takes what `bytes[at, end)` has of the current payload. Returns the offset behind it, or minus one minus that if the sink
   * said stop or the connection is over.
   */
  #takePayload(bytes: Buffer, at: number, end: number): number {
    const { maxMessageBytes, expectsMask } = this.#rules;
    const assembly = this.#assembly!;
    const taken = Math.min(this.#remaining, end - at);
    const next = at + taken;
    let goesOn = true;
    if (taken > 0) {
      // A streamed message takes memory for what has come of it, piece by piece.
      const from = assembly.isStreamed
        ? assembly.extend(taken, taken, taken)
        : assembly.extend(taken, this.#remaining, maxMessageBytes, this.#isFinal);
      this.#remaining -= taken;
      const to = from + taken;
      let isAscii = false;
      if (expectsMask) {
        isAscii = copyMasked(bytes, at, next, assembly.bytes, from, this.#key);
        this.#key = rotateKey(this.#key, taken);
      } else {
        copyBytes(bytes, at, next, assembly.bytes, from);
      }
      if (assembly.text !== null && !(isAscii && assembly.text.isComplete)) {
        // Fails inside the frame, at the first byte that no text can have there (RFC 6455, 8.1).
        if (!assembly.text.push(assembly.bytes, from, to)) return this.#violate(Violations.text);
      }
      // The last part of what is compressed says that it is that.
      const isPart = assembly.isCompressed && this.#isFinal && this.#remaining === 0;
      if (assembly.isStreamed && !isPart) goesOn = this.#handOn(assembly);
    }
    if (this.#isOver) return -1;
    if (this.#remaining > 0) return goesOn ? next : -next - 1;
    this.#isInPayload = false;
    if (!this.#isFinal) return goesOn ? next : -next - 1;
    this.#assembly = null;
    if (assembly.text !== null && !assembly.text.isComplete) return this.#violate(Violations.text);
    if (assembly.isStreamed) {
      if (assembly.isCompressed) goesOn = this.#sink.compressedPart(assembly.takePiece() ?? EMPTY, true);
      else goesOn = this.#sink.streamEnds() && goesOn;
      return goesOn ? next : -next - 1;
    }
    if (!this.#sink.message(assembly.take(), assembly.isBinary, assembly.isCompressed)) return -next - 1;
    return next;
  }

  /**
   * Adds to the kept beginning of a frame what `bytes` has of it. Returns the offset in `bytes` at which to go on, or -1 if
   * there is nothing to go on with.
   */
  #completePartial(bytes: Buffer): number {
    const partial = this.#partial!;
    const kept = partial.length;
    const joined = Buffer.concat([partial, bytes.subarray(0, MAX_PARTIAL_BYTES - kept)]);
    const end = joined.length;
    this.#partial = null;
    const violation = checkBeginning(joined, 0, end, this.#rules, this.#assembly !== null);
    if (violation !== null) return this.#violate(violation);
    if (!header.read(joined, 0, end)) {
      this.#partial = joined;
      return -1;
    }
    const { size, length } = header;
    if (header.opcode < 8) {
      // What follows the header is taken from the read itself.
      if (this.#beginPayload()) return size - kept;
      if (!this.#isOver && size - kept < bytes.length) this.#backlog = Buffer.from(bytes.subarray(size - kept));
      return -1;
    }
    if (size + length > end) {
      this.#partial = joined;
      return -1;
    }
    const at = size + length - kept;
    const payload = joined.subarray(size, size + length);
    if (header.isMasked) applyMask(payload, 0, length, header.key);
    if (!this.#takeControl(header.opcode, payload)) {
      if (!this.#isOver && at < bytes.length) this.#backlog = Buffer.from(bytes.subarray(at));
      return -1;
    }
    return this.#isOver ? -1 : at;
  }

  /** A whole control frame, unmasked. False to stop. */
  #takeControl(opcode: number, data: Buffer): boolean {
    if (opcode !== Opcode.Close) return this.#sink.control(opcode, data);
    const violation = checkCloseBody(data);
    if (violation !== null) {
      this.#violate(violation);
      return false;
    }
    this.stop();
    if (data.length === 0) this.#sink.closedByPeer(1005, EMPTY);
    else this.#sink.closedByPeer(closeCodeOf(data), data.length === 2 ? EMPTY : Buffer.from(data.subarray(2)));
    return false;
  }

  /** Always -1. */
  #violate(violation: Violation): -1 {
    this.stop();
    this.#sink.violate(violation);
    return -1;
  }
}

/** First two bytes, and the key. */
const SHORT_HEADER_BYTES = 6;

/** Whether `bytes[at, end)`, which are whole frames, are one: a whole message of up to 125 bytes, masked. */
function isOneShortFrame(bytes: Buffer, at: number, end: number): boolean {
  const first = bytes[at]!;
  const length = bytes[at + 1]! - 0x80;
  return (first === 0x82 || first === 0x81) && length < 126 && length === end - at - SHORT_HEADER_BYTES;
}

/** What is wrong with the frame of which `bytes[at, end)` is the beginning, as far as that can be told already. */
function checkBeginning(
  bytes: Buffer,
  at: number,
  end: number,
  rules: FrameRules,
  isContinuing: boolean,
): Violation | null {
  if (end - at < 2) return null;
  return checkFrameStart(bytes[at]!, bytes[at + 1]!, rules, isContinuing) ?? checkFrameLength(bytes, at, end);
}
