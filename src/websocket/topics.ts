import { CloseCode, Opcode } from './opcode.ts';
import { SharedMessage } from './shared-message.ts';
import type { TopicBus, TopicBusMember, TopicMessage } from './topic-bus.ts';

/**
 * What becomes of a subscriber that does not read fast enough, and never of the others:
 * `'drop'`: it misses messages until it has caught up; `'close'`: it is closed with 1013; `'block'`: it gets all that
 * `maxPendingBytes` has room for, and `publishPatiently` waits for it.
 */
export type SlowSubscriberPolicy = 'drop' | 'close' | 'block';

/** One connection as topics see it. */
export interface Subscriber {
  readonly connId: number;
  /** Bytes that it has not taken yet. */
  readonly pendingBytes: number;
  /** False once it is closing: what is published then is not for it. */
  readonly isOpen: boolean;
  /** Queues a message. False if it cannot take it: no room, or it is closing. */
  send(message: SharedMessage): boolean;
  close(code: number, reason: string): void;
}

/** How the topics of a component are kept. */
export interface TopicOptions {
  readonly policy: SlowSubscriberPolicy;
  /** A subscriber with more bytes pending is slow. */
  readonly maxSubscriberPendingBytes: number;
  /** Most topics of one connection. */
  readonly maxTopicsPerConnection: number;
}

/** Counters of the topics of one component. */
export interface TopicStats {
  /** Messages handed to connections. */
  delivered: number;
  /** Messages that slow subscribers missed. */
  dropped: number;
  /** Subscribers closed for being slow. */
  closed: number;
  /** Subscriptions refused because of `maxTopicsPerConnection`. */
  refused: number;
}

/** Which connections of one component are subscribed to what, and how a message gets to them: framed and compressed once for all. */
export class Topics implements TopicBusMember {
  readonly stats: TopicStats = { delivered: 0, dropped: 0, closed: 0, refused: 0 };
  #options: TopicOptions;
  #bus: TopicBus;
  #topics = new Map<string, Set<Subscriber>>();
  #subscriptions = new Map<number, { readonly subscriber: Subscriber; readonly topics: Set<string> }>();
  /** Publishers that wait for slow subscribers. */
  #waiting = new Set<{ readonly slow: Set<Subscriber>; readonly done: () => void }>();

  constructor(options: TopicOptions, bus: TopicBus) {
    this.#options = options;
    this.#bus = bus;
    bus.join(this);
  }

  /**
   * Subscribes a connection. @param make Makes its subscriber if it has none yet.
   * @returns false if it has `maxTopicsPerConnection` topics already.
   */
  subscribe(connId: number, topic: string, make: (connId: number) => Subscriber): boolean {
    let entry = this.#subscriptions.get(connId);
    if (entry?.topics.has(topic) === true) return true;
    if ((entry?.topics.size ?? 0) >= this.#options.maxTopicsPerConnection) {
      this.stats.refused++;
      return false;
    }
    if (entry === undefined) {
      entry = { subscriber: make(connId), topics: new Set() };
      this.#subscriptions.set(connId, entry);
    }
    entry.topics.add(topic);
    const subscribers = this.#topics.get(topic);
    if (subscribers !== undefined) subscribers.add(entry.subscriber);
    else {
      this.#topics.set(topic, new Set([entry.subscriber]));
      this.#bus.follow(this, topic);
    }
    return true;
  }

  /** @returns false if it was not subscribed. */
  unsubscribe(connId: number, topic: string): boolean {
    const entry = this.#subscriptions.get(connId);
    if (entry?.topics.delete(topic) !== true) return false;
    this.#removeFrom(topic, entry.subscriber);
    if (entry.topics.size === 0) this.#forget(connId, entry.subscriber);
    return true;
  }

  /** The connection is gone: so are its subscriptions. */
  removed(connId: number): void {
    const entry = this.#subscriptions.get(connId);
    if (entry === undefined) return;
    for (const topic of entry.topics) this.#removeFrom(topic, entry.subscriber);
    this.#forget(connId, entry.subscriber);
  }

  #removeFrom(topic: string, subscriber: Subscriber): void {
    const subscribers = this.#topics.get(topic);
    if (subscribers?.delete(subscriber) !== true || subscribers.size > 0) return;
    this.#topics.delete(topic);
    this.#bus.unfollow(this, topic);
  }

  #forget(connId: number, subscriber: Subscriber): void {
    this.#subscriptions.delete(connId);
    this.#caughtUp(subscriber);
  }

  /** Topics of a connection. */
  topicsOf(connId: number): string[] {
    return [...(this.#subscriptions.get(connId)?.topics ?? [])];
  }

  /** Connections that are subscribed to `topic`. */
  subscribersOf(topic: string): number[] {
    return [...(this.#topics.get(topic) ?? [])].map(({ connId }) => connId);
  }

  get topicCount(): number {
    return this.#topics.size;
  }

  /**
   * Sends a message to the subscribers of a topic, here and on the other components of the bus.
   * @param except A connection that does not get it: whose message it is.
   * @returns How many connections of this component get it.
   */
  publish(topic: string, data: Uint8Array, isBinary: boolean, except = 0): number {
    const count = this.#send(topic, data, isBinary, except);
    this.#bus.publish(this, { topic, data, isBinary });
    return count;
  }

  /** As `publish`, and resolves when none of those that got it is slow any more, or they are gone. */
  async publishPatiently(topic: string, data: Uint8Array, isBinary: boolean, except = 0): Promise<number> {
    const count = this.publish(topic, data, isBinary, except);
    const { maxSubscriberPendingBytes } = this.#options;
    const slow = new Set<Subscriber>();
    for (const subscriber of this.#topics.get(topic) ?? []) {
      if (subscriber.pendingBytes > maxSubscriberPendingBytes) slow.add(subscriber);
    }
    if (slow.size > 0) await new Promise<void>((done) => this.#waiting.add({ slow, done }));
    return count;
  }

  /** The connection has room again: told by the connection. */
  drained(connId: number): void {
    if (this.#waiting.size === 0) return;
    const subscriber = this.#subscriptions.get(connId)?.subscriber;
    if (subscriber !== undefined) this.#caughtUp(subscriber);
  }

  #caughtUp(subscriber: Subscriber): void {
    for (const waiting of this.#waiting) {
      if (!waiting.slow.delete(subscriber) || waiting.slow.size > 0) continue;
      this.#waiting.delete(waiting);
      waiting.done();
    }
  }

  deliver({ topic, data, isBinary }: TopicMessage): void {
    this.#send(topic, data, isBinary, 0);
  }

  #send(topic: string, data: Uint8Array, isBinary: boolean, except: number): number {
    const subscribers = this.#topics.get(topic);
    if (subscribers === undefined) return 0;
    const { policy, maxSubscriberPendingBytes } = this.#options;
    const { stats } = this;
    const message = new SharedMessage(data, isBinary ? Opcode.Binary : Opcode.Text);
    let count = 0;
    let tooSlow: Subscriber[] | null = null;
    for (const subscriber of subscribers) {
      if (subscriber.connId === except) continue;
      if (policy !== 'block' && subscriber.pendingBytes > maxSubscriberPendingBytes) {
        if (policy === 'drop') stats.dropped++;
        else (tooSlow ??= []).push(subscriber);
      } else if (subscriber.send(message)) {
        count++;
      } else if (subscriber.isOpen) {
        stats.dropped++;
      }
    }
    stats.delivered += count;
    if (tooSlow !== null) for (const subscriber of tooSlow) this.#closeSlow(subscriber);
    return count;
  }

  #closeSlow(subscriber: Subscriber): void {
    this.stats.closed++;
    this.removed(subscriber.connId);
    subscriber.close(CloseCode.TryAgainLater, 'too slow');
  }

  /** The component stops. */
  close(): void {
    for (const { done } of this.#waiting) done();
    this.#waiting.clear();
    this.#topics.clear();
    this.#subscriptions.clear();
    this.#bus.leave(this);
  }
}
