/** A message published on a topic. Its bytes must not change. */
export interface TopicMessage {
  /** Name of the topic. */
  readonly topic: string;
  /** The message; text as UTF-8. */
  readonly data: Uint8Array;
  /** Whether it goes out as bytes; otherwise as text. */
  readonly isBinary: boolean;
}

/** One component on a bus. */
export interface TopicBusMember {
  /** Another member published on a topic that this member follows. */
  deliver(message: TopicMessage): void;
}

/**
 * Carries what is published from component to component: those of one process (`LocalTopicBus`), or, by an implementation that
 * knows how, those of many processes and machines. A member gets what others publish, never what it published itself.
 */
export interface TopicBus {
  /** A component takes part. */
  join(member: TopicBusMember): void;
  /** It takes part no more, with all its topics. */
  leave(member: TopicBusMember): void;
  /** The member has a first subscriber of `topic`: what others publish there is to reach it. */
  follow(member: TopicBusMember, topic: string): void;
  /** Its last subscriber of `topic` is gone. */
  unfollow(member: TopicBusMember, topic: string): void;
  /** Hands on what `member` published. */
  publish(member: TopicBusMember, message: TopicMessage): void;
}

/** The bus of one process: components that share it share their topics. */
export class LocalTopicBus implements TopicBus {
  #members = new Set<TopicBusMember>();
  #followers = new Map<string, Set<TopicBusMember>>();

  /** As `TopicBus.join`. */
  join(member: TopicBusMember): void {
    this.#members.add(member);
  }

  /** As `TopicBus.leave`. */
  leave(member: TopicBusMember): void {
    this.#members.delete(member);
    for (const topic of [...this.#followers.keys()]) this.unfollow(member, topic);
  }

  follow(member: TopicBusMember, topic: string): void {
    if (!this.#members.has(member)) return;
    const followers = this.#followers.get(topic);
    if (followers === undefined) this.#followers.set(topic, new Set([member]));
    else followers.add(member);
  }

  unfollow(member: TopicBusMember, topic: string): void {
    const followers = this.#followers.get(topic);
    if (followers?.delete(member) === true && followers.size === 0) this.#followers.delete(topic);
  }

  publish(member: TopicBusMember, message: TopicMessage): void {
    const followers = this.#followers.get(message.topic);
    if (followers === undefined) return;
    for (const follower of followers) if (follower !== member) follower.deliver(message);
  }

  /** Topics that are followed. */
  get topicCount(): number {
    return this.#followers.size;
  }
}
