import { describe, expect, test } from 'vitest';
import { type Conversation, conversation } from '../../../src/protocol/preambles/conversation.ts';
import type { Preamble, PreamblePort } from '../../../src/protocol/preambles/preamble.ts';

/** A conversation on a port that writes down what is called; `settle` waits until its function has gone as far as it can. */
function begun(talk: (peer: Conversation) => void | Promise<void>): {
  preamble: Preamble;
  calls: unknown[][];
  settle(): Promise<void>;
} {
  const calls: unknown[][] = [];
  const note =
    (name: string) =>
    (...values: unknown[]): void =>
      void calls.push([name, ...values]);
  const port = {
    id: 1,
    extra: null,
    send: note('send'),
    done: note('done'),
    fail: note('fail'),
    threw: note('threw'),
    again: note('again'),
  };
  const preamble = conversation(talk)(port as unknown as PreamblePort);
  expect([preamble.isBusy, preamble.maxBytes]).toEqual([true, 16_384]);
  preamble.begin!();
  return { preamble, calls, settle: () => new Promise((resolve) => setImmediate(resolve)) };
}

describe('a conversation', () => {
  test('reads just what it asks for, keeps no more than that waiting, and is busy in between', async () => {
    const got: unknown[] = [];
    const { preamble, calls, settle } = begun(async (peer) => {
      got.push(String(await peer.read(3)));
      got.push(String(await peer.readUntil('--', 6)));
      got.push(await peer.readLine(5));
      got.push(await peer.readLine());
    });
    expect([preamble.isBusy, preamble.maxBytes]).toEqual([false, 3]);
    expect(preamble.receive(Buffer.from('ab'))).toBe(0);
    expect(preamble.receive(Buffer.from('abcde--'))).toBe(3);
    expect([preamble.isBusy, preamble.maxBytes]).toEqual([true, 16_384]);
    expect(preamble.receive(Buffer.from('de--'))).toBe(0); // not asked for yet
    await settle();
    expect([preamble.isBusy, preamble.maxBytes]).toEqual([false, 6]);
    expect(preamble.receive(Buffer.from('defgh--'))).toBe(0); // the mark ends beyond 6 bytes
    expect(preamble.receive(Buffer.from('de-f--'))).toBe(6);
    await settle();
    expect(preamble.receive(Buffer.from('a\rb\r\nc\n'))).toBe(5);
    await settle();
    expect([preamble.isBusy, preamble.maxBytes]).toEqual([false, 1024]);
    expect(preamble.receive(Buffer.from('c\n'))).toBe(2);
    await settle();
    expect(got).toEqual(['abc', 'de-f--', 'a\rb', 'c']);
    expect(calls).toEqual([['again'], ['again'], ['again'], ['again'], ['done']]);
  });

  test('fail ends it there, with its errno, and is no exception', async () => {
    const { calls, settle } = begun((peer) => {
      peer.send('before');
      peer.fail('wrong login', 13);
      (peer as Conversation).send('behind');
    });
    await settle();
    expect(calls).toEqual([
      ['send', 'before'],
      ['fail', 'wrong login', 13],
    ]);
    const other = begun((peer) => peer.fail('broken'));
    await other.settle();
    expect(other.calls).toEqual([['fail', 'broken', 74]]);
  });

  test('what it throws is handed on', async () => {
    const error = new Error('mine');
    const { calls, settle } = begun(() => {
      throw error;
    });
    await settle();
    expect(calls).toEqual([['threw', error]]);
  });

  test('when the connection closes, the read that waits is rejected, and each later one at once', async () => {
    let seen: Conversation | undefined;
    const errors: string[] = [];
    const { preamble, calls } = begun(async (peer) => {
      seen = peer;
      await peer.read(1).catch((error: Error) => errors.push(error.message));
    });
    preamble.closed!();
    const later = seen!.read(1);
    expect(preamble.isBusy).toBe(true); // no read was begun
    await expect(later).rejects.toThrow('the connection was closed, or the preamble is over');
    expect(errors).toEqual(['the connection was closed, or the preamble is over']);
    expect(calls[0]).toEqual(['again']);
    expect(calls.filter(([name]) => name === 'again')).toHaveLength(1);
  });
});
