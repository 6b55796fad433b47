import { Errno } from '../core/errno.ts';
import type { SocketErrorName } from '../core/error-names.ts';
import type { SendQueue } from '../memory/send-queue.ts';
import { AtEnd, Lifetime, type Port, type Protocol } from '../protocol/protocol.ts';
import type { HttpContext, MessageConsumer } from './context.ts';
import { HttpParseErrorCode, HttpParseResult, HttpUpgradeType, isRefusal } from './enums.ts';
import { latin1 } from './latin1.ts';
import { giveParser, takeParser } from './llhttp/lending.ts';
import { forgetInput } from './llhttp/llhttp.ts';
import { type Parser, ParserEvent, type REQUEST, type RESPONSE } from './llhttp/parser.ts';
import { FieldBlock, Framing, MessageHead } from './message-head.ts';
import type { BodyBytes } from './message-writer.ts';
import { Phase } from './phase.ts';
import {
  checkTrailers,
  extensionsTooLong,
  headTooLarge,
  type Refusal,
  targetTooLong,
  tooManyFields,
  trailersTooLarge,
} from './policy.ts';
import { BODY_RATE_WINDOW_MS, LINGER_BYTES } from './settings.ts';
import { Stage, StageDeadlines } from './stage-deadlines.ts';

/** Steps of `HeadHooks`: then one for each field, from `FirstField` on. */
const Step = Object.freeze({ Begin: 0, StartLine: 1, FirstField: 2 } as const);

/** Most bytes of a read that are made a text at once: a head that is kept keeps all of it. */
const MAX_TEXT_BYTES = 16 * 1024;

const CR = 13;
const LF = 10;

/**
 * HTTP on one connection: finds messages, applies the rules, calls the hooks in HP-Socket's order. What servers and clients
 * do differently is in `HttpServerProtocol` and `HttpClientProtocol`. Pure: bytes and a clock in, calls of the port out.
 */
export abstract class HttpProtocol implements Protocol {
  readonly context: HttpContext;
  readonly port: Port;
  readonly deliversBytes = false;
  readonly hasMessages = true;
  /** The message whose hooks fire, or the last one: readable until the next begins (HP-036). */
  head: MessageHead | null = null;
  /** Trailers of that message, as far as they have come. */
  trailers: FieldBlock | null = null;
  /** `HttpParseErrorCode` of the message that was refused, 0 if none was. */
  parseErrorCode = 0;
  parseErrorText = '';
  #refusalError: SocketErrorName = 'HP_BAD_MESSAGE';
  /** What the connection is to become, or has become. */
  upgradeType: HttpUpgradeType = HttpUpgradeType.None;
  /** Whether the role has nothing more to say, and ends or has ended the connection. */
  protected isOver = false;
  protected readonly deadlines: StageDeadlines;
  protected phase: Phase;
  #parser: Parser | null = null;
  #type: typeof REQUEST | typeof RESPONSE;
  #incoming: MessageHead | null = null;
  #consumer: MessageConsumer | null = null;
  #step = 0;
  /** What `onHeadersComplete` answered. */
  #verdict: unknown = undefined;
  #isUpgrading = false;
  /** Whether the last message had a body. */
  #hasBodies = false;
  /** Whether the last chunk's header was there: fields are trailers. */
  #isInTrailers = false;
  #bodyLeft = 0;
  /** Bytes of the body since its rate was measured. */
  #measuredBytes = 0;
  #lingerBytes = 0;
  #hasPeerEnded = false;
  #hasUpgraded = false;
  /** Hook that runs, '' outside. */
  #hook = '';
  #isRunning = false;
  #isStopped = false;
  #bytes: Buffer | null = null;
  /** Text of several heads of the read, from `#textFrom` on; '' if it was not made. */
  #text = '';
  #textFrom = 0;
  #at = 0;
  #end = 0;
  #lifetime: Lifetime = Lifetime.Forever;

  constructor(context: HttpContext, port: Port, type: typeof REQUEST | typeof RESPONSE) {
    this.context = context;
    this.port = port;
    this.#type = type;
    this.phase = context.autoStart ? Phase.Idle : Phase.Raw;
    this.deadlines = new StageDeadlines(port, context.clock, this);
  }

  // ---- what roles do differently ---------------------------------------------------------------------------------

  /** Checks a head, and sets its `framing` and `isKeepAlive`. @returns Null, or why it is refused. */
  protected abstract checkHead(head: MessageHead): Refusal | null;
  /** Whether another message may begin now; if not, the role has paused the port. */
  protected abstract mayBegin(): boolean;
  /** A head was let in by its hooks; its body follows. @param isUpgrading Whether another protocol follows behind the message. */
  protected abstract headPassed(head: MessageHead, isUpgrading: boolean): void;
  /** Who takes the message as a whole, if anybody. */
  protected consumerOf(head: MessageHead): MessageConsumer | null {
    return this.context.consume?.(this, head) ?? null;
  }

  /** A message is complete, after its hooks. @returns Whether another may follow. */
  protected abstract messageDone(head: MessageHead): boolean;
  /** A message was refused: answers, if that is possible. @returns false to close at once. */
  protected abstract answerRefusal(refusal: Refusal): boolean;
  /** Whether an answer is still to be sent, or on its way. */
  protected abstract readonly hasMoreToSay: boolean;
  /** What becomes of the connection when the peer ended between two messages. */
  protected abstract endedIdle(): AtEnd;
  /** Everything was said: what is queued is sent, then the connection ends. */
  protected end(): void {
    this.isOver = true;
    if (this.port.isOpen) this.port.end();
  }

  /** A deadline other than those of the parser. */
  protected abstract roleExpired(stage: Stage): void;
  /** Status code for an error of the parser. @param start What it did not understand, as far as it came. */
  protected abstract statusOf(code: number, reason: string, start: string): number;
  /** Sends one chunk, the last one if there are no bytes (`SendChunkData`, CHK-001). */
  abstract sendChunkData(data: BodyBytes, extensions?: string | null, trailers?: string): boolean;
  abstract drain(): boolean;

  /** Milliseconds that the connection may be idle between two messages, 0 for ever. */
  protected get idleMs(): number {
    return this.context.limits.keepAliveTimeoutMs;
  }

  // ---- Protocol --------------------------------------------------------------------------------------------------

  opened(): void {
    if (this.phase === Phase.Idle) this.started();
  }

  /** HTTP begins on this connection: the first head is awaited. */
  protected started(): void {
    this.deadlines.set(Stage.Head, this.context.limits.headTimeoutMs);
  }

  /** Begins to speak HTTP on a connection that did not (`StartHttp`). @returns false if it does already. */
  startHttp(): boolean {
    if (this.phase !== Phase.Raw || this.upgradeType !== HttpUpgradeType.None || this.#hasUpgraded) return false;
    this.phase = Phase.Idle;
    this.started();
    return true;
  }

  /** Whether messages are parsed: not before `startHttp`, nor behind an upgrade. */
  get isHttpStarted(): boolean {
    return this.phase !== Phase.Raw || this.#hasUpgraded;
  }

  /** Heads are made texts of, whoever takes them; bodies are handed on as they come. */
  get handsOnReads(): boolean {
    return this.#hasBodies || this.phase === Phase.Raw;
  }

  receive(bytes: Buffer, lifetime: Lifetime): void {
    forgetInput();
    this.#bytes = bytes;
    this.#at = 0;
    this.#end = bytes.length;
    this.#lifetime = lifetime;
    this.#run();
  }

  resume(): void {
    if (this.#isRunning) return;
    forgetInput();
    this.#run();
  }

  get hasBacklog(): boolean {
    return this.#isStopped;
  }

  get bufferedBytes(): number {
    const held = this.#bytes === null ? 0 : this.#end - this.#at;
    return held + (this.phase === Phase.Head ? this.#incoming!.text.length : 0);
  }

  takeRest(): Buffer | null {
    const rest = this.#own(this.#at, this.#end);
    this.#bytes = null;
    this.#at = this.#end = 0;
    this.#isStopped = false;
    return rest.length === 0 ? null : rest;
  }

  ended(): AtEnd {
    switch (this.phase) {
      case Phase.UntilClose:
        this.phase = Phase.Complete;
        this.#run();
        return AtEnd.Drain;
      case Phase.Refused:
        // It has seen enough, unless the answer is still on its way.
        this.#hasPeerEnded = true;
        if (!this.hasMoreToSay) this.#cut();
        return AtEnd.Stay;
      case Phase.Idle:
      case Phase.Over:
        return this.endedIdle();
      case Phase.Raw:
      case Phase.Gone:
        return AtEnd.Drain;
      default:
        this.#failConsumer('the peer ended in the middle of a message');
        this.isOver = true;
        return AtEnd.Truncated;
    }
  }

  wrote(pendingBytes: number): void {
    if (pendingBytes === 0 && this.phase === Phase.Refused && this.#hasPeerEnded && !this.hasMoreToSay) this.#cut();
  }

  closed(): void {
    this.deadlines.clearAll();
    this.#giveParser();
    this.#bytes = null;
    this.#isStopped = false;
    this.#failConsumer('the connection was closed');
  }

  sizeOf(length: number): number {
    return length;
  }

  frame(queue: SendQueue, bytes: Uint8Array): void {
    queue.append(bytes, 0, bytes.length);
  }

  frameParts(queue: SendQueue, parts: readonly Uint8Array[], _length: number): void {
    for (const part of parts) queue.append(part, 0, part.length);
  }

  explain(length: number): string {
    return `a message of ${length} bytes is not possible`;
  }

  // ---- the walk through the bytes --------------------------------------------------------------------------------

  /** Whether a read is being dealt with: `settled` will be called. */
  protected get isParsing(): boolean {
    return this.#isRunning;
  }

  #run(): void {
    this.#isStopped = false;
    this.#isRunning = true;
    try {
      while (this.#advance());
    } catch (thrown) {
      const hook = this.#hook;
      if (hook === '') throw thrown;
      this.#isStopped = true;
      this.port.threw(hook, thrown);
    } finally {
      this.#hook = '';
      this.#isRunning = false;
      this.#text = '';
      if (this.#parser !== null && this.#parser.isFresh) this.#giveParser();
    }
    if (this.#at < this.#end && this.#isStopped) {
      // Kept until `resume`.
      if (this.#lifetime !== Lifetime.Forever) this.#bytes = Buffer.from(this.#bytes!.subarray(this.#at, this.#end));
      else this.#bytes = this.#bytes!.subarray(this.#at, this.#end);
      this.#lifetime = Lifetime.Forever;
      this.#end -= this.#at;
      this.#at = 0;
    } else {
      this.#bytes = null;
      this.#at = this.#end = 0;
    }
    this.settled();
  }

  /** A read is dealt with: sets the deadline of what is awaited now. */
  protected settled(): void {
    if (this.phase === Phase.Idle && !this.#isStopped) {
      if (!this.deadlines.isSet(Stage.Head)) this.deadlines.set(Stage.Idle, this.idleMs);
    } else if (this.phase === Phase.Body || this.phase === Phase.Chunked) {
      if (!this.deadlines.isSet(Stage.Body) && this.context.limits.minBodyBytesPerSecond > 0) {
        this.#measuredBytes = 0;
        this.deadlines.set(Stage.Body, BODY_RATE_WINDOW_MS);
      }
    }
  }

  /** One step. @returns false when there is nothing to do, or somebody said stop. */
  #advance(): boolean {
    switch (this.phase) {
      case Phase.Idle:
        return this.#begin();
      case Phase.Head:
        return this.#parseHead();
      case Phase.HeadHooks:
        return this.#fireHead();
      case Phase.Body:
        return this.#takeBody();
      case Phase.Chunked:
        return this.#parseChunks();
      case Phase.ChunkEnd:
        return this.#endChunk();
      case Phase.UntilClose:
        return this.#at < this.#end && this.#deliverBody(this.#at, this.#end);
      case Phase.Complete:
        return this.#complete();
      case Phase.Upgrade:
        return this.#upgrade();
      case Phase.Raw:
        return this.#deliverRaw();
      case Phase.Refused:
        return this.#linger();
      default: // Over, Gone
        this.#at = this.#end;
        return false;
    }
  }

  #stop(): false {
    this.#isStopped = true;
    return false;
  }

  /** Empty lines in front of a message are skipped (RFC 9112 2.2, HP-001). */
  #begin(): boolean {
    const bytes = this.#bytes;
    if (bytes === null) return false;
    let at = this.#at;
    while (at < this.#end && (bytes[at] === CR || bytes[at] === LF)) at++;
    this.#at = at;
    if (at === this.#end) return false;
    if (!this.mayBegin()) return this.#stop();
    this.deadlines.clear(Stage.Idle);
    this.#incoming = new MessageHead();
    this.phase = Phase.Head;
    return true;
  }

  #parseHead(): boolean {
    const bytes = this.#bytes;
    if (bytes === null) return false;
    const { limits, lenient } = this.context;
    const head = this.#incoming!;
    const from = this.#at;
    const room = limits.maxHeadBytes - head.text.length + 1;
    const to = this.#end - from > room ? from + room : this.#end;
    this.#parser ??= takeParser(this.#type, lenient);
    const parser = this.#parser;
    head.shift = head.text.length - from;
    const event = parser.execute(bytes, from, to, head);
    const { position } = parser;
    const text = this.#textOf(bytes, from, position);
    this.#at = position;
    head.text = head.text === '' ? text : head.text + text;
    if (head.startTo - head.startFrom > limits.maxTargetBytes) return this.#refuseLimit('targetTooLong', targetTooLong);
    if (head.text.length > limits.maxHeadBytes) return this.#refuseLimit('headTooLarge', headTooLarge);
    if (head.count > limits.maxHeaderCount) return this.#refuseLimit('tooManyFields', tooManyFields);
    if (event === ParserEvent.NeedMore) {
      if (!this.deadlines.isSet(Stage.Head)) this.deadlines.set(Stage.Head, limits.headTimeoutMs);
      return false;
    }
    this.deadlines.clear(Stage.Head);
    if (event === ParserEvent.Error) return this.#parserFailed(bytes);
    parser.describe(head);
    const refusal = this.checkHead(head);
    // The next head of this read needs one again.
    if (head.framing !== Framing.Chunked) parser.reset();
    if (refusal !== null) return this.refuse(refusal);
    this.context.counters.messages++;
    this.#step = Step.Begin;
    this.#verdict = undefined;
    this.phase = Phase.HeadHooks;
    return true;
  }

  /**
   * Bytes of heads as text. Heads behind the first of a read are made a text together, of which each has its part: requests that
   * are pipelined come in rows.
   */
  #textOf(bytes: Buffer, from: number, to: number): string {
    if (this.#text !== '' && to <= this.#textFrom + this.#text.length) {
      return this.#text.slice(from - this.#textFrom, to - this.#textFrom);
    }
    if (from === 0 || this.#hasBodies || to - from > MAX_TEXT_BYTES) return latin1(bytes, from, to);
    this.#text = latin1(bytes, from, Math.min(this.#end, from + MAX_TEXT_BYTES));
    this.#textFrom = from;
    return this.#text.slice(0, to - from);
  }

  /** Whoever needs a parser next gets this one. */
  #giveParser(): void {
    const parser = this.#parser;
    if (parser === null) return;
    this.#parser = null;
    giveParser(parser, this.#type, this.context.lenient);
  }

  #parserFailed(bytes: Buffer): boolean {
    const { errorCode, errorReason } = this.#parser!;
    const head = this.#incoming!;
    let start = '';
    if (this.phase === Phase.Head) {
      start = head.text + latin1(bytes, this.#at, Math.min(this.#end, this.#at + 1));
      this.#fireBroken(head, errorCode);
      if ((this.phase as Phase) !== Phase.Head) return true;
    }
    const status = this.statusOf(errorCode, errorReason, start);
    return this.refuse({ status, code: errorCode, message: errorReason, error: 'HP_BAD_MESSAGE' });
  }

  /** The hooks about what was complete in front of an error (ORD-042). A promise of theirs is not waited for. */
  #fireBroken(head: MessageHead, code: number): void {
    const parser = this.#parser!;
    head.methodNumber = parser.method;
    head.statusCode = parser.statusCode;
    let count = head.completeCount;
    // The last value may go on behind the error.
    if (count > 0 && !head.text.includes('\n', head.spans[4 * count - 1])) count--;
    const hasStart = head.spans.length > 0 || (head.startFrom >= 0 && code !== HttpParseErrorCode.InvalidUrl);
    this.#step = Step.Begin;
    this.#fireFields(head, count, hasStart);
    this.#isStopped = false;
  }

  #refuseLimit(counter: 'targetTooLong' | 'headTooLarge' | 'tooManyFields', refusal: Refusal): boolean {
    this.context.counters[counter]++;
    return this.refuse(refusal);
  }

  /** The hooks about a head. */
  #fireHead(): boolean {
    const head = this.#incoming!;
    const { listener, owner, hasHeadHooks } = this.context;
    if (hasHeadHooks) {
      if (!this.#fireFields(head, head.completeCount, true)) return false;
    } else if (this.#step === Step.Begin) {
      this.head = head;
      this.trailers = null;
    }
    if (this.#step <= Step.FirstField + head.completeCount) {
      this.#step = Step.FirstField + head.completeCount + 1;
      if (listener.onHeadersComplete !== undefined) {
        this.#hook = 'onHeadersComplete';
        this.#verdict = listener.onHeadersComplete(owner, this.port.id);
        if (!this.#goesOn(this.#verdict, HttpParseErrorCode.CbHeadersComplete)) return false;
      }
    }
    return this.#beginBody(head);
  }

  /** `onMessageBegin`, the start line, and the first `count` fields, from where it stopped. */
  #fireFields(head: MessageHead, count: number, hasStart: boolean): boolean {
    const { listener, owner } = this.context;
    const { id } = this.port;
    if (this.#step === Step.Begin) {
      this.#step = Step.StartLine;
      this.head = head;
      this.trailers = null;
      if (listener.onMessageBegin !== undefined) {
        this.#hook = 'onMessageBegin';
        if (!this.#goesOn(listener.onMessageBegin(owner, id), HttpParseErrorCode.CbMessageBegin)) return false;
      }
    }
    if (this.#step === Step.StartLine) {
      this.#step = Step.FirstField;
      if (hasStart && !this.fireStartLine(head)) return false;
    }
    if (listener.onHeader === undefined) return true;
    for (;;) {
      const i = this.#step - Step.FirstField;
      if (i >= count) return true;
      this.#step++;
      this.#hook = 'onHeader';
      if (!this.#goesOn(listener.onHeader(owner, id, head.name(i), head.value(i)), HttpParseErrorCode.User))
        return false;
    }
  }

  /** `onRequestLine` or `onStatusLine`. */
  protected abstract fireStartLine(head: MessageHead): boolean;

  /** Calls a hook of the start line. */
  protected startLineAnswered(hook: string, call: () => unknown): boolean {
    this.#hook = hook;
    return this.#goesOn(call(), HttpParseErrorCode.User);
  }

  /**
   * What follows from the answer of a hook.
   * @param code Error code of a refusal.
   */
  #goesOn(result: unknown, code: number): boolean {
    const hook = this.#hook;
    this.#hook = '';
    if (result !== undefined) {
      if (isRefusal(result)) return this.#refusedBy(hook, code);
      if (typeof result === 'object' || typeof result === 'function') {
        const goesOn = this.port.settle(hook, result, (value) => {
          if (isRefusal(value)) this.#refusedBy(hook, code);
          else if (hook === 'onHeadersComplete') this.#verdict = value;
        });
        if (!goesOn) return this.#stop();
      }
    }
    return this.port.mayDeliver || this.#stop();
  }

  #refusedBy(hook: string, code: number): false {
    const message = `the hook ${hook} answered HttpParseResult.Error`;
    this.refuse({ status: 400, code, message, error: 'HP_HOOK_REFUSED' });
    return false;
  }

  #beginBody(head: MessageHead): boolean {
    const verdict = this.#verdict;
    this.#isUpgrading = head.isUpgrade;
    if (verdict === HttpParseResult.SkipBody || verdict === HttpParseResult.Upgrade) {
      this.#giveParser();
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
      this.#consumer = this.consumerOf(head);
      if (this.phase !== Phase.HeadHooks) return true; // refused
    }
    this.#hasBodies = head.framing !== Framing.None;
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

  /** A body of known length: it does not go through the parser. */
  #takeBody(): boolean {
    const available = this.#end - this.#at;
    if (available === 0) return false;
    const length = Math.min(available, this.#bodyLeft);
    this.#bodyLeft -= length;
    if (this.#bodyLeft === 0) this.phase = Phase.Complete;
    return this.#deliverBody(this.#at, this.#at + length);
  }

  /** Hands on the piece `[from, to)` of the read. */
  #deliverBody(from: number, to: number): boolean {
    const { listener, owner } = this.context;
    this.#at = Math.max(this.#at, to);
    this.#measuredBytes += to - from;
    if (from === to || (listener.onBody === undefined && this.#consumer === null)) return true;
    const data = this.#own(from, to);
    if (listener.onBody !== undefined) {
      this.#hook = 'onBody';
      if (!this.#goesOn(listener.onBody(owner, this.port.id, data), HttpParseErrorCode.User)) {
        // It is the consumer's as well, whatever the hook is still thinking about.
        if (this.#isStopped && this.port.isOpen) this.#consumer?.data(data);
        return false;
      }
    }
    const wait = this.#consumer?.data(data);
    if (wait === undefined) return this.port.mayDeliver || this.#stop();
    return this.port.settle('onRequest', wait) || this.#stop();
  }

  /** Bytes of the read that are their receiver's own. */
  #own(from: number, to: number): Buffer {
    const bytes = this.#bytes;
    if (bytes === null || from === to) return Buffer.alloc(0);
    return this.#lifetime === Lifetime.Forever ? bytes.subarray(from, to) : this.context.pool.copy(bytes, from, to);
  }

  #parseChunks(): boolean {
    const bytes = this.#bytes;
    const parser = this.#parser!;
    const trailers = this.trailers!;
    const { limits, listener, owner, counters } = this.context;
    // Without bytes there may still be the end of the message to tell.
    const source = bytes ?? Buffer.alloc(0);
    const from = this.#at;
    trailers.shift = trailers.text.length - from;
    const event = parser.execute(source, from, this.#end, trailers);
    const { position } = parser;
    this.#at = position;
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
        return this.#deliverBody(parser.bodyFrom, parser.bodyTo);
      case ParserEvent.ChunkHeader: {
        const length = parser.contentLength;
        this.#isInTrailers = length === 0;
        if (listener.onChunkHeader === undefined) return true;
        this.#hook = 'onChunkHeader';
        return this.#goesOn(listener.onChunkHeader(owner, id, length), HttpParseErrorCode.CbChunkHeader);
      }
      case ParserEvent.ChunkComplete:
        this.#step = Step.Begin;
        this.phase = Phase.ChunkEnd;
        return true;
      case ParserEvent.MessageComplete:
        this.#giveParser();
        this.phase = Phase.Complete;
        return true;
      case ParserEvent.Error:
        return this.#parserFailed(source);
      default:
        return false;
    }
  }

  #endChunk(): boolean {
    const { listener, owner, rules } = this.context;
    const { id } = this.port;
    const trailers = this.trailers!;
    if (this.#isInTrailers && this.#step === Step.Begin) {
      const refusal = checkTrailers(trailers, rules);
      if (refusal !== null) return this.refuse(refusal);
    }
    // Steps: the trailers, then one more.
    const count = this.#isInTrailers ? trailers.completeCount : 0;
    while (this.#step < count) {
      const i = this.#step++;
      if (listener.onHeader === undefined) continue;
      this.#hook = 'onHeader';
      if (!this.#goesOn(listener.onHeader(owner, id, trailers.name(i), trailers.value(i)), HttpParseErrorCode.User))
        return false;
    }
    this.phase = Phase.Chunked;
    if (listener.onChunkComplete === undefined) return true;
    this.#hook = 'onChunkComplete';
    return this.#goesOn(listener.onChunkComplete(owner, id), HttpParseErrorCode.CbChunkComplete);
  }

  #complete(): boolean {
    const { listener, owner } = this.context;
    const head = this.#incoming!;
    if (this.#step !== Number.MAX_SAFE_INTEGER) {
      this.#step = Number.MAX_SAFE_INTEGER;
      this.deadlines.clear(Stage.Body);
      if (listener.onMessageComplete !== undefined) {
        this.#hook = 'onMessageComplete';
        if (!this.#goesOn(listener.onMessageComplete(owner, this.port.id), HttpParseErrorCode.CbMessageComplete))
          return false;
      }
    }
    const consumer = this.#consumer;
    this.#consumer = null;
    this.#incoming = null;
    if (this.#isUpgrading) {
      this.phase = Phase.Upgrade;
      return true;
    }
    // Before it is told: an answer that is made at once finds the message complete.
    this.phase = this.messageDone(head) ? Phase.Idle : Phase.Over;
    consumer?.complete(this.trailers);
    return this.port.mayDeliver || this.#stop();
  }

  #upgrade(): boolean {
    const { listener, owner, counters, upgradeTo } = this.context;
    if (!this.#hasUpgraded) {
      this.#hasUpgraded = true;
      if (listener.onUpgrade !== undefined) {
        this.#hook = 'onUpgrade';
        const result = listener.onUpgrade(owner, this.port.id, this.upgradeType);
        this.#hook = '';
        if (result !== undefined && !this.#upgradeAnswered(result)) return this.#stop();
        if (this.phase !== Phase.Upgrade) return true;
      }
    }
    counters.upgrades++;
    this.deadlines.clearAll();
    this.phase = Phase.Raw;
    const next = upgradeTo?.(this, this.upgradeType) ?? null;
    this.head = null; // UPG-009
    this.trailers = null;
    if (next === null) return true;
    this.phase = Phase.Gone;
    this.port.become(next);
    return false;
  }

  /** Any answer but Ok ends the connection without `onParseError` (UPG-010). */
  #upgradeAnswered(result: unknown): boolean {
    const isOk = (value: unknown): boolean => !isRefusal(value) && value !== HttpParseResult.SkipBody;
    if (typeof result === 'object' || typeof result === 'function') {
      return this.port.settle('onUpgrade', result, (value) => {
        if (!isOk(value)) this.#refuseUpgrade();
      });
    }
    if (isOk(result)) return true;
    this.#refuseUpgrade();
    return false;
  }

  #refuseUpgrade(): void {
    this.phase = Phase.Gone;
    this.port.violate(Errno.ECANCELED, 'the hook onUpgrade did not answer HttpParseResult.Ok', 'HP_HOOK_REFUSED');
  }

  #deliverRaw(): boolean {
    if (this.#at === this.#end) return false;
    const data = this.#own(this.#at, this.#end);
    this.#at = this.#end;
    this.port.deliver(data);
    return false;
  }

  // ---- refusing --------------------------------------------------------------------------------------------------

  /**
   * Refuses the message that arrives: `onParseError`, an answer if the role gives one, and the connection ends.
   * @returns true, for the walk to go on with dropping.
   */
  refuse(refusal: Refusal): boolean {
    if (this.phase === Phase.Refused || this.phase === Phase.Gone) return true;
    const { listener, owner, counters } = this.context;
    if (this.#incoming !== null && this.phase === Phase.Head && this.head !== this.#incoming) {
      // Whatever is wrong with it, it began (EV-H-01).
      this.head = this.#incoming;
      this.trailers = null;
      this.#callQuietly('onMessageBegin', () => listener.onMessageBegin?.(owner, this.port.id));
    }
    this.phase = Phase.Refused;
    this.#incoming = null;
    counters.parseErrors++;
    this.parseErrorCode = refusal.code;
    this.parseErrorText = refusal.message;
    this.#refusalError = refusal.error;
    this.deadlines.clear(Stage.Head);
    this.deadlines.clear(Stage.Body);
    this.deadlines.clear(Stage.Idle);
    this.#callQuietly('onParseError', () =>
      listener.onParseError?.(owner, this.port.id, refusal.code, refusal.message),
    );
    this.#failConsumer(refusal.message);
    if (!this.port.isOpen) return true;
    if (!this.answerRefusal(refusal)) this.#cut();
    return true;
  }

  /** A hook whose answer changes nothing. */
  #callQuietly(hook: string, call: () => unknown): void {
    const failed = (thrown: unknown): void => this.context.reportHookError(hook, thrown, this.port.id);
    try {
      const result = call();
      if (typeof result === 'object' && result !== null) Promise.resolve(result).then(undefined, failed);
    } catch (thrown) {
      failed(thrown);
    }
  }

  /** The connection of a refused message closes (CLS-010). */
  #cut(): void {
    this.phase = Phase.Gone;
    if (this.port.isOpen) this.port.violate(Errno.ECANCELED, `HTTP: ${this.parseErrorText}`, this.#refusalError);
  }

  /** What a refused peer still sends is dropped, so that it can read the answer. */
  #linger(): boolean {
    this.#lingerBytes += this.#end - this.#at;
    this.#at = this.#end;
    if (this.#lingerBytes > LINGER_BYTES) this.#cut();
    return false;
  }

  #failConsumer(reason: string): void {
    const consumer = this.#consumer;
    this.#consumer = null;
    consumer?.failed(reason);
  }

  // ---- deadlines -------------------------------------------------------------------------------------------------

  expired(): void {
    this.deadlines.woken();
  }

  /** @internal */
  stageExpired(stage: Stage): void {
    if (!this.port.isOpen) return;
    if (stage === Stage.Linger) return this.#cut();
    if (stage !== Stage.Body) return this.roleExpired(stage);
    const { minBodyBytesPerSecond } = this.context.limits;
    if (this.phase !== Phase.Body && this.phase !== Phase.Chunked && this.phase !== Phase.ChunkEnd) return;
    // While this side does not read, the peer cannot send.
    const isTooSlow =
      !this.#isStopped &&
      this.port.mayDeliver &&
      this.#measuredBytes < (minBodyBytesPerSecond * BODY_RATE_WINDOW_MS) / 1000;
    this.#measuredBytes = 0;
    if (isTooSlow) this.roleExpired(stage);
    else this.deadlines.set(Stage.Body, BODY_RATE_WINDOW_MS);
  }
}
