import type { Port } from '../protocol/protocol.ts';
import type { HttpContext } from './context.ts';
import { HttpParseErrorCode } from './enums.ts';
import { HttpConnection } from './http-connection.ts';
import { latin1 } from './latin1.ts';
import { giveParser, takeParser } from './llhttp/lending.ts';
import { type Parser, ParserEvent, type REQUEST, type RESPONSE } from './llhttp/parser.ts';
import { Framing, MessageHead } from './message-head.ts';
import { Phase } from './phase.ts';
import { headTooLarge, type Refusal, targetTooLong, tooManyFields } from './policy.ts';
import { Stage } from './stage-deadlines.ts';

/** Which hook of a head comes next: then one for each field, from `FirstField` on. `Over` when the message is. */
export const Step = Object.freeze({ Over: -1, Begin: 0, StartLine: 1, FirstField: 2 } as const);

const CR = 13;
const LF = 10;

/** Reads heads: finds where they begin and end, applies the limits and the rules, and calls the hooks about them. */
export abstract class HeadReader extends HttpConnection {
  /** Lent while a head or chunks arrive. */
  protected parser: Parser | null = null;
  #type: typeof REQUEST | typeof RESPONSE;
  /** Which hook comes next. */
  protected hookStep: number = Step.Begin;

  constructor(context: HttpContext, port: Port, type: typeof REQUEST | typeof RESPONSE) {
    super(context, port);
    this.#type = type;
  }

  /** Checks a head, and sets its `framing` and `isKeepAlive`. @returns Null, or why it is refused. */
  protected abstract checkHead(head: MessageHead): Refusal | null;

  /** Whether another message may begin now; if not, the role has paused the port. */
  protected abstract mayBegin(): boolean;

  /** Status code for an error of the parser. @param start What it did not understand, as far as it came. */
  protected abstract statusOf(code: number, reason: string, start: string): number;

  /** `onRequestLine` or `onStatusLine`. */
  protected abstract fireStartLine(head: MessageHead): boolean;

  /** A head was let in by its hooks: its body follows. */
  protected abstract beginBody(head: MessageHead): boolean;

  // ---- parsing --------------------------------------------------------------------------------------------------

  /** Empty lines in front of a message are skipped (RFC 9112 2.2, HP-001). */
  protected beginMessage(): boolean {
    const bytes = this.readBytes;
    if (bytes === null) return false;
    let at = this.readAt;
    while (at < this.readEnd && (bytes[at] === CR || bytes[at] === LF)) at++;
    this.readAt = at;
    if (at === this.readEnd) return false;
    if (!this.mayBegin()) return this.stopHere();
    this.deadlines.clear(Stage.Idle);
    this.incoming = new MessageHead();
    this.phase = Phase.Head;
    return true;
  }

  protected parseHead(): boolean {
    const bytes = this.readBytes;
    if (bytes === null) return false;
    const { limits, lenient } = this.context;
    const head = this.incoming!;
    const from = this.readAt;
    const room = limits.maxHeadBytes - head.text.length + 1;
    const to = this.readEnd - from > room ? from + room : this.readEnd;
    this.parser ??= takeParser(this.#type, lenient);
    const parser = this.parser;
    head.shift = head.text.length - from;
    const event = parser.execute(bytes, from, to, head);
    const { position } = parser;
    const text = this.textOf(bytes, from, position);
    this.readAt = position;
    head.text = head.text === '' ? text : head.text + text;
    if (head.startTo - head.startFrom > limits.maxTargetBytes) return this.#refuseLimit('targetTooLong', targetTooLong);
    if (head.text.length > limits.maxHeadBytes) return this.#refuseLimit('headTooLarge', headTooLarge);
    if (head.count > limits.maxHeaderCount) return this.#refuseLimit('tooManyFields', tooManyFields);
    if (event === ParserEvent.NeedMore) {
      if (!this.deadlines.isSet(Stage.Head)) this.deadlines.set(Stage.Head, limits.headTimeoutMs);
      return false;
    }
    this.deadlines.clear(Stage.Head);
    if (event === ParserEvent.Error) return this.parserFailed(bytes);
    parser.describe(head);
    const refusal = this.checkHead(head);
    // The next head of this read needs one again.
    if (head.framing !== Framing.Chunked) parser.reset();
    if (refusal !== null) return this.refuse(refusal);
    this.context.counters.messages++;
    this.hookStep = Step.Begin;
    this.headVerdict = undefined;
    this.phase = Phase.HeadHooks;
    return true;
  }

  #refuseLimit(counter: 'targetTooLong' | 'headTooLarge' | 'tooManyFields', refusal: Refusal): boolean {
    this.context.counters[counter]++;
    return this.refuse(refusal);
  }

  /** The next connection that needs a parser gets this one. */
  protected giveParser(): void {
    const parser = this.parser;
    if (parser === null) return;
    this.parser = null;
    giveParser(parser, this.#type, this.context.lenient);
  }

  protected parserFailed(bytes: Buffer): boolean {
    const { errorCode, errorReason } = this.parser!;
    const head = this.incoming!;
    let start = '';
    if (this.phase === Phase.Head) {
      start = head.text + latin1(bytes, this.readAt, Math.min(this.readEnd, this.readAt + 1));
      this.#fireBroken(head, errorCode);
      if ((this.phase as Phase) !== Phase.Head) return true;
    }
    const status = this.statusOf(errorCode, errorReason, start);
    return this.refuse({ status, code: errorCode, message: errorReason, error: 'HP_BAD_MESSAGE' });
  }

  /** The hooks about what was complete in front of an error (ORD-042). A promise of theirs is not waited for. */
  #fireBroken(head: MessageHead, code: number): void {
    const parser = this.parser!;
    head.methodNumber = parser.method;
    head.statusCode = parser.statusCode;
    let count = head.completeCount;
    // The last value may go on behind the error.
    if (count > 0 && !head.text.includes('\n', head.spans[4 * count - 1])) count--;
    const hasStart = head.spans.length > 0 || (head.startFrom >= 0 && code !== HttpParseErrorCode.InvalidUrl);
    this.hookStep = Step.Begin;
    this.#fireFields(head, count, hasStart);
    this.isStopped = false;
  }

  // ---- hooks ----------------------------------------------------------------------------------------------------

  /** The hooks about a head. */
  protected fireHead(): boolean {
    const head = this.incoming!;
    const { listener, owner, hasHeadHooks } = this.context;
    if (hasHeadHooks) {
      if (!this.#fireFields(head, head.completeCount, true)) return false;
    } else if (this.hookStep === Step.Begin) {
      this.head = head;
      this.trailers = null;
    }
    if (this.hookStep <= Step.FirstField + head.completeCount) {
      this.hookStep = Step.FirstField + head.completeCount + 1;
      if (listener.onHeadersComplete !== undefined) {
        this.hook = 'onHeadersComplete';
        this.headVerdict = listener.onHeadersComplete(owner, this.port.id);
        if (!this.goesOn(this.headVerdict, HttpParseErrorCode.CbHeadersComplete)) return false;
      }
    }
    return this.beginBody(head);
  }

  /** `onMessageBegin`, the start line, and the first `count` fields, from where it stopped. */
  #fireFields(head: MessageHead, count: number, hasStart: boolean): boolean {
    const { listener, owner } = this.context;
    const { id } = this.port;
    if (this.hookStep === Step.Begin) {
      this.hookStep = Step.StartLine;
      this.head = head;
      this.trailers = null;
      if (listener.onMessageBegin !== undefined) {
        this.hook = 'onMessageBegin';
        if (!this.goesOn(listener.onMessageBegin(owner, id), HttpParseErrorCode.CbMessageBegin)) return false;
      }
    }
    if (this.hookStep === Step.StartLine) {
      this.hookStep = Step.FirstField;
      if (hasStart && !this.fireStartLine(head)) return false;
    }
    if (listener.onHeader === undefined) return true;
    for (;;) {
      const i = this.hookStep - Step.FirstField;
      if (i >= count) return true;
      this.hookStep++;
      this.hook = 'onHeader';
      if (!this.goesOn(listener.onHeader(owner, id, head.name(i), head.value(i)), HttpParseErrorCode.User))
        return false;
    }
  }

  /** Calls a hook of the start line. */
  protected startLineAnswered(hook: string, call: () => unknown): boolean {
    this.hook = hook;
    return this.goesOn(call(), HttpParseErrorCode.User);
  }
}
