import type { MessageConsumer } from './context.ts';
import { HttpParseErrorCode, HttpParseResult, HttpUpgradeType } from './enums.ts';
import { HeadReader, Step } from './head-reader.ts';
import { latin1 } from './latin1.ts';
import { ParserEvent } from './llhttp/parser.ts';
import { FieldBlock, Framing, type MessageHead } from './message-head.ts';
import { Phase } from './phase.ts';
import { checkTrailers, extensionsTooLong, trailersTooLarge } from './policy.ts';
import { BODY_RATE_WINDOW_MS } from './settings.ts';
import { Stage } from './stage-deadlines.ts';

/** Reads what is behind heads: bodies of a known length, chunks with their trailers, and the end of the message. */
export abstract class BodyReader extends HeadReader {
  /** Whether another protocol follows behind the message. */
  #isUpgrading = false;
  /** Whether the last chunk's header was there: fields are trailers. */
  #isInTrailers = false;
  /** Bytes that a body of known length lacks. */
  #bodyLeft = 0;
  /** Bytes of the body since its rate was measured. */
  #measuredBytes = 0;

  /** A head was let in by its hooks; its body follows. @param isUpgrading Whether another protocol follows behind it. */
  protected abstract headPassed(head: MessageHead, isUpgrading: boolean): void;

  /** What takes the message as a whole; null if nothing does. */
  protected abstract consumerOf(head: MessageHead): MessageConsumer | null;

  /** A message is complete, after its hooks. @returns Whether another may follow. */
  protected abstract messageDone(head: MessageHead): boolean;

  protected override beginBody(head: MessageHead): boolean {
    const verdict = this.headVerdict;
    this.#isUpgrading = head.isUpgrade;
    if (verdict === HttpParseResult.SkipBody || verdict === HttpParseResult.Upgrade) {
      this.giveParser();
      head.framing = Framing.None;
      if (verdict === HttpParseResult.Upgrade && !head.isUpgrade) {
        this.#isUpgrading = true;
        this.upgradeType = HttpUpgradeType.None;
      }
    }
    if (head.isUpgrade) this.upgradeType = this.#typeOfUpgrade(head);
    this.#isInTrailers = false;
    if (head.framing === Framing.Chunked) this.trailers = new FieldBlock();
    this.headPassed(head, this.#isUpgrading);
    if (!this.#isUpgrading) {
      this.consumer = this.consumerOf(head);
      if (this.phase !== Phase.HeadHooks) return true; // refused
    }
    this.hasBodies = head.framing !== Framing.None;
    switch (head.framing) {
      case Framing.Length:
        this.#bodyLeft = head.contentLength;
        this.phase = Phase.Body;
        break;
      case Framing.Chunked:
        this.phase = Phase.Chunked;
        break;
      case Framing.UntilClose:
        this.phase = Phase.UntilClose;
        break;
      default:
        this.phase = Phase.Complete;
    }
    return true;
  }

  #typeOfUpgrade(head: MessageHead): HttpUpgradeType {
    if (head.isTunnel) return HttpUpgradeType.HttpTunnel;
    return head.get('upgrade')?.toLowerCase() === 'websocket' ? HttpUpgradeType.WebSocket : HttpUpgradeType.Unknown;
  }

  // ---- bodies ---------------------------------------------------------------------------------------------------

  /** A body of known length: it does not go through the parser. */
  protected takeBody(): boolean {
    const available = this.readEnd - this.readAt;
    if (available === 0) return false;
    const length = Math.min(available, this.#bodyLeft);
    this.#bodyLeft -= length;
    if (this.#bodyLeft === 0) this.phase = Phase.Complete;
    return this.deliverBody(this.readAt, this.readAt + length);
  }

  /** Hands on the piece `[from, to)` of the read. */
  protected deliverBody(from: number, to: number): boolean {
    const { listener, owner } = this.context;
    this.readAt = Math.max(this.readAt, to);
    this.#measuredBytes += to - from;
    if (from === to || (listener.onBody === undefined && this.consumer === null)) return true;
    const data = this.ownBytes(from, to);
    if (listener.onBody !== undefined) {
      this.hook = 'onBody';
      if (!this.goesOn(listener.onBody(owner, this.port.id, data), HttpParseErrorCode.User)) {
        // It is the consumer's as well, whatever the hook is still thinking about.
        if (this.isStopped && this.port.isOpen) this.consumer?.data(data);
        return false;
      }
    }
    const wait = this.consumer?.data(data);
    if (wait === undefined) return this.port.mayDeliver || this.stopHere();
    return this.port.settle('onRequest', wait) || this.stopHere();
  }

  /** The rate of a body is measured from now on. */
  protected measureBody(): void {
    this.#measuredBytes = 0;
    this.deadlines.set(Stage.Body, BODY_RATE_WINDOW_MS);
  }

  /** Whether less has come of a body than it should since it was measured. While this side does not read, the peer cannot send. */
  protected get isBodyTooSlow(): boolean {
    if (this.isStopped || !this.port.mayDeliver) return false;
    return this.#measuredBytes < (this.context.limits.minBodyBytesPerSecond * BODY_RATE_WINDOW_MS) / 1000;
  }

  // ---- chunks ---------------------------------------------------------------------------------------------------

  protected parseChunks(): boolean {
    const bytes = this.readBytes;
    const parser = this.parser!;
    const trailers = this.trailers!;
    const { limits, listener, owner, counters } = this.context;
    // Without bytes there may still be the end of the message to tell.
    const source = bytes ?? Buffer.alloc(0);
    const from = this.readAt;
    trailers.shift = trailers.text.length - from;
    const event = parser.execute(source, from, this.readEnd, trailers);
    const { position } = parser;
    this.readAt = position;
    if (this.#isInTrailers) {
      trailers.text += latin1(source, from, position);
      if (trailers.text.length > limits.maxTrailerBytes || trailers.count > limits.maxHeaderCount) {
        counters.trailersTooLarge++;
        return this.refuse(trailersTooLarge);
      }
    }
    if (trailers.extensionBytes > limits.maxChunkExtensionBytes) {
      counters.chunkExtensionsTooLong++;
      return this.refuse(extensionsTooLong);
    }
    const { id } = this.port;
    switch (event) {
      case ParserEvent.Body:
        return this.deliverBody(parser.bodyFrom, parser.bodyTo);
      case ParserEvent.ChunkHeader: {
        const length = parser.contentLength;
        this.#isInTrailers = length === 0;
        if (listener.onChunkHeader === undefined) return true;
        this.hook = 'onChunkHeader';
        return this.goesOn(listener.onChunkHeader(owner, id, length), HttpParseErrorCode.CbChunkHeader);
      }
      case ParserEvent.ChunkComplete:
        this.hookStep = Step.Begin;
        this.phase = Phase.ChunkEnd;
        return true;
      case ParserEvent.MessageComplete:
        this.giveParser();
        this.phase = Phase.Complete;
        return true;
      case ParserEvent.Error:
        return this.parserFailed(source);
      default:
        return false;
    }
  }

  protected endChunk(): boolean {
    const { listener, owner, rules } = this.context;
    const { id } = this.port;
    const trailers = this.trailers!;
    if (this.#isInTrailers && this.hookStep === Step.Begin) {
      const refusal = checkTrailers(trailers, rules);
      if (refusal !== null) return this.refuse(refusal);
    }
    // Steps: the trailers, then one more.
    const count = this.#isInTrailers ? trailers.completeCount : 0;
    while (this.hookStep < count) {
      const i = this.hookStep++;
      if (listener.onHeader === undefined) continue;
      this.hook = 'onHeader';
      if (!this.goesOn(listener.onHeader(owner, id, trailers.name(i), trailers.value(i)), HttpParseErrorCode.User))
        return false;
    }
    this.phase = Phase.Chunked;
    if (listener.onChunkComplete === undefined) return true;
    this.hook = 'onChunkComplete';
    return this.goesOn(listener.onChunkComplete(owner, id), HttpParseErrorCode.CbChunkComplete);
  }

  // ---- the end of the message -----------------------------------------------------------------------------------

  protected completeMessage(): boolean {
    const { listener, owner } = this.context;
    const head = this.incoming!;
    if (this.hookStep !== Step.Over) {
      this.hookStep = Step.Over;
      this.deadlines.clear(Stage.Body);
      if (listener.onMessageComplete !== undefined) {
        this.hook = 'onMessageComplete';
        if (!this.goesOn(listener.onMessageComplete(owner, this.port.id), HttpParseErrorCode.CbMessageComplete))
          return false;
      }
    }
    const consumer = this.consumer;
    this.consumer = null;
    this.incoming = null;
    if (this.#isUpgrading) {
      this.phase = Phase.Upgrade;
      return true;
    }
    // Before the consumer is called: an answer that is made at once finds the message complete.
    this.phase = this.messageDone(head) ? Phase.Idle : Phase.Over;
    consumer?.complete(this.trailers);
    return this.port.mayDeliver || this.stopHere();
  }
}
