import { Errno } from '../core/errno.ts';
import type { SendQueue } from '../memory/send-queue.ts';
import { AtEnd, type Lifetime, type Protocol } from '../protocol/protocol.ts';
import { BodyReader } from './body-reader.ts';
import type { MessageConsumer } from './context.ts';
import { holdDate, releaseDate } from './date-line.ts';
import { HttpParseResult, HttpUpgradeType, isRefusal } from './enums.ts';
import { forgetInput } from './llhttp/llhttp.ts';
import type { MessageHead } from './message-head.ts';
import type { BodyBytes } from './message-writer.ts';
import { Phase } from './phase.ts';
import { Stage } from './stage-deadlines.ts';

/**
 * HTTP on one connection: finds messages, applies the rules, calls the hooks in HP-Socket's order. What servers and clients
 * do differently is in `HttpServerProtocol` and `HttpClientProtocol`. Pure: bytes and a clock in, calls of the port out.
 */
export abstract class HttpProtocol extends BodyReader implements Protocol {
  readonly deliversBytes = false;
  readonly hasMessages = true;
  #hasPeerEnded = false;
  #hasUpgraded = false;
  #isRunning = false;

  // ---- what roles do differently ---------------------------------------------------------------------------------

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
  /** Sends one chunk, the last one if there are no bytes (`SendChunkData`, CHK-001). */
  abstract sendChunkData(data: BodyBytes, extensions?: string | null, trailers?: string): boolean;
  abstract drain(): boolean;

  /** Milliseconds that the connection may be idle between two messages, 0 for ever. */
  protected get idleMs(): number {
    return this.context.limits.keepAliveTimeoutMs;
  }

  protected override consumerOf(head: MessageHead): MessageConsumer | null {
    return this.context.consume?.(this, head) ?? null;
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

  /** Heads are made texts of, whatever takes them; bodies are handed on as they come. */
  get handsOnReads(): boolean {
    return this.hasBodies || this.phase === Phase.Raw;
  }

  receive(bytes: Buffer, lifetime: Lifetime): void {
    forgetInput();
    this.readBytes = bytes;
    this.readAt = 0;
    this.readEnd = bytes.length;
    this.readLifetime = lifetime;
    this.#run();
  }

  resume(): void {
    if (this.#isRunning) return;
    forgetInput();
    this.#run();
  }

  get hasBacklog(): boolean {
    return this.isStopped;
  }

  get bufferedBytes(): number {
    const held = this.readBytes === null ? 0 : this.readEnd - this.readAt;
    return held + (this.phase === Phase.Head ? this.incoming!.text.length : 0);
  }

  takeRest(): Buffer | null {
    const rest = this.ownBytes(this.readAt, this.readEnd);
    this.readBytes = null;
    this.readAt = this.readEnd = 0;
    this.isStopped = false;
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
        if (!this.hasMoreToSay) this.cut();
        return AtEnd.Stay;
      case Phase.Idle:
      case Phase.Over:
        return this.endedIdle();
      case Phase.Raw:
      case Phase.Gone:
        return AtEnd.Drain;
      default:
        this.failConsumer('the peer ended in the middle of a message');
        this.isOver = true;
        return AtEnd.Truncated;
    }
  }

  wrote(pendingBytes: number): void {
    this.room.wrote(pendingBytes);
    if (pendingBytes === 0 && this.phase === Phase.Refused && this.#hasPeerEnded && !this.hasMoreToSay) this.cut();
  }

  closed(): void {
    this.deadlines.clearAll();
    this.room.tell();
    this.giveParser();
    this.readBytes = null;
    this.isStopped = false;
    this.failConsumer('the connection was closed');
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
    this.isStopped = false;
    this.#isRunning = true;
    holdDate();
    try {
      while (this.#advance());
    } catch (thrown) {
      const hook = this.hook;
      if (hook === '') throw thrown;
      this.isStopped = true;
      this.port.threw(hook, thrown);
    } finally {
      releaseDate();
      this.hook = '';
      this.#isRunning = false;
      this.forgetText();
      if (this.parser !== null && this.parser.isFresh) this.giveParser();
    }
    this.endRead();
    this.settled();
  }

  /** A read is dealt with: sets the deadline of what is awaited now. */
  protected settled(): void {
    if (this.phase === Phase.Idle && !this.isStopped) {
      if (!this.deadlines.isSet(Stage.Head)) this.deadlines.set(Stage.Idle, this.idleMs);
    } else if (this.phase === Phase.Body || this.phase === Phase.Chunked) {
      if (!this.deadlines.isSet(Stage.Body) && this.context.limits.minBodyBytesPerSecond > 0) {
        this.measureBody();
      }
    }
  }

  /** One step. @returns false when there is nothing to do, or a hook or a consumer said stop. */
  #advance(): boolean {
    switch (this.phase) {
      case Phase.Idle:
        return this.beginMessage();
      case Phase.Head:
        return this.parseHead();
      case Phase.HeadHooks:
        return this.fireHead();
      case Phase.Body:
        return this.takeBody();
      case Phase.Chunked:
        return this.parseChunks();
      case Phase.ChunkEnd:
        return this.endChunk();
      case Phase.UntilClose:
        return this.readAt < this.readEnd && this.deliverBody(this.readAt, this.readEnd);
      case Phase.Complete:
        return this.completeMessage();
      case Phase.Upgrade:
        return this.#upgrade();
      case Phase.Raw:
        return this.#deliverRaw();
      case Phase.Refused:
        return this.lingers();
      default: // Over, Gone
        this.readAt = this.readEnd;
        return false;
    }
  }

  // ---- what is behind HTTP -----------------------------------------------------------------------------------------

  #upgrade(): boolean {
    const { listener, owner, counters, upgradeTo } = this.context;
    if (!this.#hasUpgraded) {
      this.#hasUpgraded = true;
      if (listener.onUpgrade !== undefined) {
        this.hook = 'onUpgrade';
        const result = listener.onUpgrade(owner, this.port.id, this.upgradeType);
        this.hook = '';
        if (result !== undefined && !this.#upgradeAnswered(result)) return this.stopHere();
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
    if (this.readAt === this.readEnd) return false;
    const data = this.ownBytes(this.readAt, this.readEnd);
    this.readAt = this.readEnd;
    this.port.deliver(data);
    return false;
  }

  // ---- deadlines -------------------------------------------------------------------------------------------------

  expired(): void {
    this.deadlines.woken();
  }

  /** @internal */
  stageExpired(stage: Stage): void {
    if (!this.port.isOpen) return;
    if (stage === Stage.Linger) return this.cut();
    if (stage !== Stage.Body) return this.roleExpired(stage);
    if (this.phase !== Phase.Body && this.phase !== Phase.Chunked && this.phase !== Phase.ChunkEnd) return;
    const { isBodyTooSlow } = this;
    this.measureBody();
    if (isBodyTooSlow) this.roleExpired(stage);
  }
}
