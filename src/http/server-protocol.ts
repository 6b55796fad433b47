import { Errno } from '../core/errno.ts';
import { AtEnd, type Port, type Protocol } from '../protocol/protocol.ts';
import type { Answer } from './answer-queue.ts';
import { AnsweringProtocol } from './answering-protocol.ts';
import type { HttpContext } from './context.ts';
import type { HttpHeaders } from './header-list.ts';
import { Flag } from './llhttp/layout.ts';
import { REQUEST } from './llhttp/parser.ts';
import { Framing, type MessageHead } from './message-head.ts';
import { METHOD_CONNECT } from './methods.ts';
import { Phase } from './phase.ts';
import {
  bodyTooSlow,
  checkRequest,
  chunkedNotLast,
  headTooSlow,
  isKeptAlive,
  lengthTooLarge,
  noTunnel,
  type Refusal,
  statusOfError,
} from './policy.ts';
import { finalAnswer, responseHead } from './response-head.ts';
import { Stage } from './stage-deadlines.ts';

/** HTTP on a connection that gets requests: takes them in, makes WebSockets of some, refuses others, and ends. */
export class HttpServerProtocol extends AnsweringProtocol {
  /** Requests whose head was let in. */
  requestCount = 0;
  /** Whether the request that arrives is among the unanswered ones. */
  #isCounted = false;
  /** Answer to the request that arrives, if that is taken as a whole. */
  #current: Answer | null = null;
  /** The answer with which another protocol took the connection. */
  #switched: Answer | null = null;

  constructor(context: HttpContext, port: Port) {
    super(context, port, REQUEST);
  }

  // ---- receiving -------------------------------------------------------------------------------------------------

  protected override mayBegin(): boolean {
    if (this.isReleased) {
      this.phase = Phase.Gone;
      this.port.violate(Errno.ECANCELED, 'bytes arrived after release', 'HP_ABORTED');
      return false;
    }
    if (this.owed < this.maxOwed || this.makeRoom !== null) return true;
    this.context.counters.pipelineFull++;
    const { promise, resolve } = withResolvers();
    this.makeRoom = resolve;
    this.port.settle('onRequest', promise);
    return false;
  }

  /** Whether the request whose head was read asks for a WebSocket. */
  get isWebSocketRequest(): boolean {
    return this.head !== null && isForWebSocket(this.head);
  }

  /** The request whose head was read is answered by a handler that may make a WebSocket of it: nothing behind it is parsed until then. */
  awaitsUpgrade(): void {
    this.mayUpgrade = true;
  }

  /** Resolves when everything before the request that arrives is answered, or the connection is gone; undefined if it is. */
  whenAnswered(): Promise<void> | undefined {
    if (this.owed <= 1 || !this.port.isOpen) return undefined;
    return new Promise((resolve) => {
      this.answeredWaiter = resolve;
    });
  }

  /**
   * Answers a request that was taken as a whole with 101, and lets another protocol take the connection.
   * @returns false if it was answered already, or something before it was not, or the connection is closing.
   */
  switchTo(answer: Answer, headers: HttpHeaders, make: () => Protocol): boolean {
    const isReady = this.phase === Phase.Idle || this.phase === Phase.Over;
    if (!isReady || answer.hasBegun || !answer.isItsTurn || this.isReleased || this.isOver || !this.port.isOpen)
      return false;
    if (this.isDraining || this.hasPeerEnded) return false;
    const head = responseHead(101, null, headers, 0, this.context.localVersion, true);
    if (answer.isHolding || !this.write(head)) return false;
    answer.hasBegun = true;
    this.phase = Phase.Gone;
    this.#switched = answer;
    answer.complete();
    this.context.counters.upgrades++;
    this.deadlines.clearAll();
    this.port.become(make());
    return true;
  }

  /** Whether this was the answer with which another protocol took the connection. */
  isSwitchedBy(answer: Answer): boolean {
    return this.#switched === answer;
  }

  protected override checkHead(head: MessageHead): Refusal | null {
    const { rules, limits, takesUpgrades, takesWebSockets, counters } = this.context;
    const refusal = checkRequest(head, rules);
    if (refusal !== null) return refusal;
    head.isTunnel = head.methodNumber === METHOD_CONNECT;
    if (head.isUpgrade && !takesUpgrades && !(takesWebSockets && isForWebSocket(head))) {
      if (head.isTunnel) return noTunnel;
      head.isUpgrade = false; // a server may ignore it (RFC 9110 7.8)
    }
    if (head.isChunked) head.framing = Framing.Chunked;
    else if ((head.flags & Flag.TransferEncoding) !== 0) {
      return chunkedNotLast;
    } else if (head.contentLength > 0 && !head.isTunnel) {
      if (!Number.isSafeInteger(head.contentLength)) {
        return lengthTooLarge;
      }
      head.framing = Framing.Length;
    }
    this.requestCount++;
    head.isKeepAlive = isKeptAlive(head.version, head.flags);
    if (limits.maxRequestsPerConnection > 0 && this.requestCount >= limits.maxRequestsPerConnection) {
      if (head.isKeepAlive) counters.requestsPerConnection++;
      head.isKeepAlive = false;
    }
    this.unanswered++;
    this.#isCounted = true;
    return null;
  }

  protected override fireStartLine(head: MessageHead): boolean {
    const { listener, owner, rules } = this.context;
    if (listener.onRequestLine === undefined) return true;
    if (!rules.target && head.url === null) return true; // HP-012
    return this.startLineAnswered('onRequestLine', () =>
      listener.onRequestLine!(owner, this.port.id, head.method, head.start),
    );
  }

  protected override headPassed(_head: MessageHead): void {}

  protected override messageDone(head: MessageHead): boolean {
    this.#isCounted = false;
    this.#current = null;
    return head.isKeepAlive;
  }

  protected override settled(): void {
    super.settled();
    if (this.owed > 0 && !this.#isCounted && !this.deadlines.isSet(Stage.Answer)) {
      this.deadlines.set(Stage.Answer, this.context.limits.responseTimeoutMs);
    }
    if (this.isDraining || this.phase === Phase.Over) this.endIfDone();
  }

  protected override statusOf(code: number, reason: string, start: string): number {
    return statusOfError(code, reason, start);
  }

  /** The request that arrives is taken as a whole, and answered through what this returns. */
  takeRequest(): Answer {
    if (this.unanswered > 0) this.unanswered--;
    this.#current = this.answers.add();
    return this.#current;
  }

  // ---- ending ----------------------------------------------------------------------------------------------------

  protected override answerRefusal(refusal: Refusal): boolean {
    if (!this.context.rules.answersErrors) return false;
    const current = this.#current;
    this.#current = null;
    // Its answer has begun: there cannot be another one.
    const isAnswered = current === null ? this.#isCounted && this.unanswered === 0 : current.hasBegun;
    if (current === null && this.#isCounted && this.unanswered > 0) this.unanswered--;
    if (current !== null && !current.hasBegun) this.answers.dropLast(current);
    this.#isCounted = false;
    if (isAnswered && current !== null) current.closes = true;
    this.lastWords = isAnswered || this.isStreaming ? '' : finalAnswer(refusal.status);
    this.isStreaming = false;
    this.endIfDone();
    return true;
  }

  protected override endedIdle(): AtEnd {
    this.hasPeerEnded = true;
    if (this.owed > 0 || this.isStreaming) return AtEnd.Stay;
    this.isOver = true;
    return AtEnd.Drain;
  }

  override drain(): boolean {
    if (this.isOver) return true;
    this.isDraining = true;
    return this.owed === 0 && !this.isStreaming && !this.isBusy;
  }

  override closed(): void {
    super.closed();
    this.answers.dropAll();
    this.makeRoom = null;
    this.tellAnswered();
    const watchers = this.watchers;
    this.watchers = null;
    if (watchers !== null) for (const watcher of watchers) watcher.gone();
  }

  /** No more requests: what arrives from now on closes the connection (`Release`, REL-001). @returns false the second time. */
  release(): boolean {
    if (this.isReleased || !this.isHttpStarted) return false;
    this.isReleased = true;
    return true;
  }

  protected override roleExpired(stage: Stage): void {
    const { counters } = this.context;
    switch (stage) {
      case Stage.Head:
        counters.headTimeouts++;
        // Nothing was asked, so there is nothing to answer.
        if (this.phase === Phase.Idle) return this.#endIdle();
        this.refuse(headTooSlow);
        return;
      case Stage.Body:
        counters.bodyRateTimeouts++;
        this.refuse(bodyTooSlow);
        return;
      case Stage.Idle:
        if (this.owed > 0 || this.isStreaming || this.phase !== Phase.Idle) return;
        counters.keepAliveTimeouts++;
        return this.#endIdle();
      case Stage.Answer:
        counters.responseTimeouts++;
        return this.#answerTimedOut();
    }
  }

  #endIdle(): void {
    this.phase = Phase.Over;
    this.end();
  }

  /** The application does not answer: 503, unless it has begun to. */
  #answerTimedOut(): void {
    const first = this.answers.first;
    const hasBegun = this.isStreaming || first?.hasBegun === true;
    if (hasBegun) return; // it streams: the deadline is for the beginning
    this.phase = Phase.Over;
    this.answers.dropAll();
    this.unanswered = 0;
    this.isStreaming = false;
    this.lastWords = finalAnswer(503);
    this.endIfDone();
  }
}

/** Whether the first `Upgrade` field is for a WebSocket (UPG-003). */
function isForWebSocket(head: MessageHead): boolean {
  return head.methodNumber !== METHOD_CONNECT && head.get('upgrade')?.toLowerCase() === 'websocket';
}

function withResolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve: () => void = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
