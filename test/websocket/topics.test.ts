import { describe, expect, it } from 'vitest';
import type { SharedMessage } from '../../src/websocket/shared-message.ts';
import { LocalTopicBus } from '../../src/websocket/topic-bus.ts';
import { type SlowSubscriberPolicy, type Subscriber, Topics } from '../../src/websocket/topics.ts';

class FakeSubscriber implements Subscriber {
  readonly connId: number;
  pendingBytes = 0;
  isFull = false;
  isOpen = true;
  readonly got: SharedMessage[] = [];
  closedWith = 0;

  constructor(connId: number) {
    this.connId = connId;
  }

  send(message: SharedMessage): boolean {
    if (this.isFull || !this.isOpen) return false;
    this.got.push(message);
    return true;
  }

  close(code: number): void {
    this.closedWith = code;
  }

  get texts(): string[] {
    return this.got.map(({ data }) => Buffer.from(data).toString());
  }
}

function make(policy: SlowSubscriberPolicy = 'drop', bus = new LocalTopicBus()) {
  const topics = new Topics({ policy, maxSubscriberPendingBytes: 1000, maxTopicsPerConnection: 3 }, bus);
  const all = new Map<number, FakeSubscriber>();
  const subscribe = (connId: number, topic: string): FakeSubscriber => {
    expect(topics.subscribe(connId, topic, (id) => all.set(id, new FakeSubscriber(id)).get(id)!)).toBe(true);
    return all.get(connId)!;
  };
  return { topics, subscribe, all, bus };
}

const data = (text: string): Buffer => Buffer.from(text);

describe('topics', () => {
  it('carry a message to each subscriber once, framed once for all, except to the publisher', () => {
    const { topics, subscribe } = make();
    const [a, b, c] = [1, 2, 3].map((id) => subscribe(id, 'news'));
    subscribe(1, 'news');
    expect(topics.publish('news', data('first'), false)).toBe(3);
    expect(topics.publish('news', data('second'), false, 2)).toBe(2);
    expect(topics.publish('other', data('nobody'), false)).toBe(0);
    expect([a!.texts, b!.texts, c!.texts]).toEqual([['first', 'second'], ['first'], ['first', 'second']]);
    expect(a!.got[0]).toBe(c!.got[0]);
    expect(a!.got[0]!.frame(false)).toBe(c!.got[0]!.frame(false));
    expect(topics.stats).toMatchObject({ delivered: 5, dropped: 0 });
  });

  it('count what a subscriber that is closing does not get as nothing', () => {
    const { topics, subscribe } = make();
    subscribe(1, 'news');
    subscribe(2, 'news').isOpen = false;
    expect(topics.publish('news', data('late'), false)).toBe(1);
    expect(topics.stats).toMatchObject({ delivered: 1, dropped: 0 });
  });

  it('forget subscribers that leave, and topics that have none left', () => {
    const { topics, subscribe, bus } = make();
    const one = subscribe(1, 'a');
    subscribe(1, 'b');
    subscribe(2, 'b');
    expect(topics.topicsOf(1)).toEqual(['a', 'b']);
    expect(topics.subscribersOf('b')).toEqual([1, 2]);
    expect(topics.unsubscribe(1, 'a')).toBe(true);
    expect(topics.unsubscribe(1, 'a')).toBe(false);
    expect(topics.publish('a', data('x'), true)).toBe(0);
    topics.removed(1);
    expect(topics.publish('b', data('x'), true)).toBe(1);
    topics.removed(2);
    topics.removed(2);
    expect(one.got).toEqual([]);
    expect(topics.topicCount).toBe(0);
    expect(bus.topicCount).toBe(0);
  });

  it('have a limit for each connection', () => {
    const { topics, subscribe } = make();
    for (const topic of ['a', 'b', 'c']) subscribe(1, topic);
    expect(topics.subscribe(1, 'd', () => new FakeSubscriber(1))).toBe(false);
    expect(topics.stats.refused).toBe(1);
    topics.unsubscribe(1, 'a');
    subscribe(1, 'd');
  });

  it('let a slow subscriber miss messages until it has caught up, and nobody else', () => {
    const { topics, subscribe } = make('drop');
    const [slow, quick] = [subscribe(1, 't'), subscribe(2, 't')];
    slow.pendingBytes = 1001;
    expect(topics.publish('t', data('1'), false)).toBe(1);
    slow.pendingBytes = 1000;
    expect(topics.publish('t', data('2'), false)).toBe(2);
    quick.isFull = true;
    expect(topics.publish('t', data('3'), false)).toBe(1);
    expect([slow.texts, quick.texts]).toEqual([
      ['2', '3'],
      ['1', '2'],
    ]);
    expect(topics.stats.dropped).toBe(2);
  });

  it('close a slow subscriber with 1013 where that is the policy', () => {
    const { topics, subscribe } = make('close');
    const [slow, quick] = [subscribe(1, 't'), subscribe(2, 't')];
    slow.pendingBytes = 5000;
    expect(topics.publish('t', data('1'), false)).toBe(1);
    expect(slow.closedWith).toBe(1013);
    expect(quick.texts).toEqual(['1']);
    expect(topics.subscribersOf('t')).toEqual([2]);
    expect(topics.stats.closed).toBe(1);
  });

  it('wait for slow subscribers where that is the policy: until they have room, or are gone', async () => {
    const { topics, subscribe } = make('block');
    const [slow, slower] = [subscribe(1, 't'), subscribe(2, 't')];
    subscribe(3, 't');
    expect(await topics.publishPatiently('t', data('0'), false)).toBe(3);
    slow.pendingBytes = slower.pendingBytes = 5000;
    let isDone = false;
    const published = topics.publishPatiently('t', data('1'), false).then((count) => {
      isDone = true;
      return count;
    });
    expect([slow.texts, slower.texts]).toEqual([
      ['0', '1'],
      ['0', '1'],
    ]);
    topics.drained(3);
    topics.drained(1);
    await Promise.resolve();
    expect(isDone).toBe(false);
    topics.removed(2);
    expect(await published).toBe(3);
  });

  it('do not keep a publisher waiting when the component stops', async () => {
    const { topics, subscribe } = make('block');
    subscribe(1, 't').pendingBytes = 5000;
    const published = topics.publishPatiently('t', data('1'), false);
    topics.close();
    expect(await published).toBe(1);
  });

  it('are shared by the components on one bus, each message once', () => {
    const bus = new LocalTopicBus();
    const [here, there] = [make('drop', bus), make('drop', bus)];
    const [a, b, c] = [here.subscribe(1, 't'), there.subscribe(1, 't'), there.subscribe(2, 'u')];
    expect(here.topics.publish('t', data('from here'), false)).toBe(1);
    // A connection of the same number elsewhere is somebody else.
    expect(there.topics.publish('t', data('from there'), true, 1)).toBe(0);
    expect([a.texts, b.texts, c.texts]).toEqual([['from here', 'from there'], ['from here'], []]);
    expect(a.got.map(({ opcode }) => opcode)).toEqual([1, 2]);
    there.topics.removed(1);
    here.topics.publish('t', data('2'), false);
    there.topics.close();
    expect(bus.topicCount).toBe(1);
  });
});
