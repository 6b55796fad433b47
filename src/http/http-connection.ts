import { Errno } from '../core/errno.ts';
import type { SocketErrorName } from '../core/error-names.ts';
import { Lifetime, type Port } from '../protocol/protocol.ts';
import type { HttpContext, MessageConsumer } from './context.ts';
import { HttpUpgradeType, isRefusal } from './enums.ts';
import { latin1 } from './latin1.ts';
import type { FieldBlock, MessageHead } from './message-head.ts';
import { Phase } from './phase.ts';
import type { Refusal } from './policy.ts';
import { SendRoom } from './send-room.ts';
import { LINGER_BYTES } from './settings.ts';
import { Stage, StageDeadlines } from './stage-deadlines.ts';

/** Most bytes of a read that are made a text at once: a head that is kept keeps all of it. */
const MAX_TEXT_BYTES = 16 * 1024;

/**
 * An HTTP connection, as all steps of reading it know it: the message that arrives, the read that it arrives in, what hooks answered,
 * and how a message is refused. The steps are in the classes on top of each other: heads (`HeadReader`), bodies (`BodyReader`), and
 * the walk through them (`HttpProtocol`).
 */
export abstract class HttpConnection {
  readonly context: HttpContext;
  readonly port: Port;
  /** The message whose hooks fire, or the last one: readable until the next begins (HP-036). */
  head: MessageHead | null = null;
  /** Trailers of that message, as far as they have come. */
  trailers: FieldBlock | null = null;
  /** `HttpParseErrorCode` of the message that was refused, 0 if none was. */
  parseErrorCode = 0;
  parseErrorText = '';
  /** What the connection is to become, or has become. */
  upgradeType: HttpUpgradeType = HttpUpgradeType.None;
  /** Whether the role has nothing more to say, and ends or has ended the connection. */
  protected isOver = false;
  protected readonly deadlines: StageDeadlines;
  protected phase: Phase;
  /** The message that arrives. */
  protected incoming: MessageHead | null = null;
  /** Takes it as a whole. */
  /** How much of what this side sends is on its way. */
  readonly room: SendRoom;
  protected consumer: MessageConsumer | null = null;
  /** What `onHeadersComplete` answered. */
  protected headVerdict: unknown = undefined;
  /** Whether the last message had a body. */
  protected hasBodies = false;
  /** Hook that runs, '' outside. */
  protected hook = '';
  /** Whether a hook or a consumer said stop: the rest of the read is kept. */
  protected isStopped = false;
  /** The read that is being dealt with, and which part of it is left. */
  protected readBytes: Buffer | null = null;
  protected readAt = 0;
  protected readEnd = 0;
  protected readLifetime: Lifetime = Lifetime.Forever;
  /** Text of several heads of the read, from `#runFrom` on; '' if it was not made. */
  #runText = '';
  #runFrom = 0;
  #refusalError: SocketErrorName = 'HP_BAD_MESSAGE';
  #lingerBytes = 0;

  constructor(context: HttpContext, port: Port) {
    this.context = context;
    this.port = port;
    this.phase = context.autoStart ? Phase.Idle : Phase.Raw;
    this.deadlines = new StageDeadlines(port, context.clock, this);
    this.room = new SendRoom(context.bounds);
  }

  /** Whether so much is on its way that what is sent in pieces should wait for `whenRoom`. */
  get isFull(): boolean {
    return this.room.isFull;
  }

  /** Resolves when there is room again, or the connection is gone. */
  whenRoom(): Promise<void> {
    return this.isFull && this.port.isOpen ? this.room.wait() : Promise.resolve();
  }

  /** A deadline has passed. @internal */
  abstract stageExpired(stage: Stage): void;

  /** A message was refused: answers, if that is possible. @returns false to close at once. */
  protected abstract answerRefusal(refusal: Refusal): boolean;

  // ---- the read -------------------------------------------------------------------------------------------------

  /** Bytes of the read that are their receiver's own. */
  protected ownBytes(from: number, to: number): Buffer {
    const bytes = this.readBytes;
    if (bytes === null || from === to) return Buffer.alloc(0);
    return this.readLifetime === Lifetime.Forever ? bytes.subarray(from, to) : this.context.pool.copy(bytes, from, to);
  }

  /**
   * Bytes of heads as text. Heads behind the first of a read are made a text together, of which each has its part: requests that
   * are pipelined come in rows.
   */
  protected textOf(bytes: Buffer, from: number, to: number): string {
    if (this.#runText !== '' && to <= this.#runFrom + this.#runText.length) {
      return this.#runText.slice(from - this.#runFrom, to - this.#runFrom);
    }
    if (from === 0 || this.hasBodies || to - from > MAX_TEXT_BYTES) return latin1(bytes, from, to);
    this.#runText = latin1(bytes, from, Math.min(this.readEnd, from + MAX_TEXT_BYTES));
    this.#runFrom = from;
    return this.#runText.slice(0, to - from);
  }

  /** A read was walked through: what is left of it is kept until `resume`, if a hook or a consumer said stop. */
  protected endRead(): void {
    if (this.readAt < this.readEnd && this.isStopped) {
      const rest = this.readBytes!.subarray(this.readAt, this.readEnd);
      this.readBytes = this.readLifetime === Lifetime.Forever ? rest : Buffer.from(rest);
      this.readLifetime = Lifetime.Forever;
      this.readEnd -= this.readAt;
      this.readAt = 0;
    } else {
      this.readBytes = null;
      this.readAt = this.readEnd = 0;
    }
  }

  /** What was made of the read and kept at hand is not needed any more. */
  protected forgetText(): void {
    this.#runText = '';
  }

  // ---- what hooks answer ----------------------------------------------------------------------------------------

  protected stopHere(): false {
    this.isStopped = true;
    return false;
  }

  /**
   * What follows from the answer of a hook.
   * @param code Error code of a refusal.
   */
  protected goesOn(result: unknown, code: number): boolean {
    const hook = this.hook;
    this.hook = '';
    if (result !== undefined) {
      if (isRefusal(result)) return this.#refusedBy(hook, code);
      if (typeof result === 'object' || typeof result === 'function') {
        const goesOn = this.port.settle(hook, result, (value) => {
          if (isRefusal(value)) this.#refusedBy(hook, code);
          else if (hook === 'onHeadersComplete') this.headVerdict = value;
        });
        if (!goesOn) return this.stopHere();
      }
    }
    return this.port.mayDeliver || this.stopHere();
  }

  #refusedBy(hook: string, code: number): false {
    const message = `the hook ${hook} answered HttpParseResult.Error`;
    this.refuse({ status: 400, code, message, error: 'HP_HOOK_REFUSED' });
    return false;
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

  // ---- refusing -------------------------------------------------------------------------------------------------

  /**
   * Refuses the message that arrives: `onParseError`, an answer if the role gives one, and the connection ends.
   * @returns true, for the walk to go on with dropping.
   */
  refuse(refusal: Refusal): boolean {
    if (this.phase === Phase.Refused || this.phase === Phase.Gone) return true;
    const { listener, owner, counters } = this.context;
    if (this.incoming !== null && this.phase === Phase.Head && this.head !== this.incoming) {
      // Whatever is wrong with it, it began (EV-H-01).
      this.head = this.incoming;
      this.trailers = null;
      this.#callQuietly('onMessageBegin', () => listener.onMessageBegin?.(owner, this.port.id));
    }
    this.phase = Phase.Refused;
    this.incoming = null;
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
    this.failConsumer(refusal.message);
    if (!this.port.isOpen) return true;
    if (!this.answerRefusal(refusal)) this.cut();
    return true;
  }

  /** The connection of a refused message closes (CLS-010). */
  protected cut(): void {
    this.phase = Phase.Gone;
    if (this.port.isOpen) this.port.violate(Errno.ECANCELED, `HTTP: ${this.parseErrorText}`, this.#refusalError);
  }

  /** What a refused peer still sends is dropped, so that it can read the answer. */
  protected lingers(): boolean {
    this.#lingerBytes += this.readEnd - this.readAt;
    this.readAt = this.readEnd;
    if (this.#lingerBytes > LINGER_BYTES) this.cut();
    return false;
  }

  protected failConsumer(reason: string): void {
    const consumer = this.consumer;
    this.consumer = null;
    consumer?.failed(reason);
  }
}
