import { describe, expect, test } from 'vitest';
import { type Conversation, conversation } from '../../../src/protocol/preambles/conversation.ts';
import type { Preamble, PreamblePort } from '../../../src/protocol/preambles/preamble.ts';

/** A conversation on a port that writes down what is called; `settle` waits until its function has gone as far as it can. */
function begun(talk: (peer: Conversation) => void | Promise<void>): {
  preamble: Preamble;
  port: PreamblePort;
  calls: unknown[][];
  settle(): Promise<void>;
} {
  const calls: unknown[][] = [];
  const note =
    (name: string) =>
    (...values: unknown[]): void =>
      void calls.push([name, ...values]);
  const port = {
    id: 7,
    localAddress: '192.0.2.1',
    localPort: 1,
    remoteAddress: '198.51.100.7',
    remotePort: 2,
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
  return {
    preamble,
    port: port as unknown as PreamblePort,
    calls,
    settle: () => new Promise((resolve) => setImmediate(resolve)),
  };
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

  test('knows the ends of its connection, and its extra is that of the connection', async () => {
    const seen: unknown[] = [];
    const { port, settle } = begun((peer) => {
      const { id, localAddress, localPort, remoteAddress, remotePort } = peer;
      seen.push(id, localAddress, localPort, remoteAddress, remotePort);
      peer.extra = 'mine';
      seen.push(peer.extra);
    });
    await settle();
    expect(seen).toEqual([7, '192.0.2.1', 1, '198.51.100.7', 2, 'mine']);
    expect(port.extra).toBe('mine');
  });

  test('takes a read that is there to the byte, and a mark that is nothing else', async () => {
    const got: unknown[] = [];
    const { preamble, settle } = begun(async (peer) => {
      got.push(String(await peer.read(3)));
      got.push(String(await peer.readUntil('--')));
      got.push(String(await peer.readUntil(Buffer.from('.'))));
    });
    expect(preamble.receive(Buffer.from('abc'))).toBe(3);
    await settle();
    expect(preamble.receive(Buffer.from('a-b'))).toBe(0); // no mark
    expect(preamble.receive(Buffer.from('--'))).toBe(2);
    await settle();
    expect(preamble.receive(Buffer.from('.'))).toBe(1);
    await settle();
    expect(got).toEqual(['abc', '--', '.']);
  });

  test('asks for 1 to 1,048,576 bytes, for one read at a time, and for a mark that has bytes', async () => {
    const thrown = (act: () => unknown): string => {
      try {
        act();
        return 'taken';
      } catch (error) {
        return `${(error as Error).name}: ${(error as Error).message}`;
      }
    };
    const whole = (name: string, value: number): string =>
      `RangeError: ${name} must be a whole number, 1 to 1048576, not ${value}`;
    const told: string[] = [];
    begun((peer) => {
      for (const length of [0, 1.5, 1_048_577, '3'] as number[]) told.push(thrown(() => peer.read(length)));
      for (const maxBytes of [0, 1_048_577]) told.push(thrown(() => peer.readUntil('x', maxBytes)));
      told.push(thrown(() => peer.readUntil('')));
      for (const length of [1_048_576, 1]) told.push(thrown(() => peer.read(length)));
    });
    expect(told).toEqual([
      whole('length', 0),
      whole('length', 1.5),
      whole('length', 1_048_577),
      'TypeError: length must be a number, not "3"',
      whole('maxBytes', 0),
      whole('maxBytes', 1_048_577),
      'RangeError: mark must have 1 byte at least',
      'taken',
      'Error: one read at a time: await the one before',
    ]);
    expect(thrown(() => conversation(5 as never))).toBe('TypeError: conversation needs a function, not 5');
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
    preamble.closed!(); // with no read that waits
    const later = seen!.read(1);
    expect(preamble.isBusy).toBe(true); // no read was begun
    await expect(later).rejects.toThrow('the connection was closed, or the preamble is over');
    expect(errors).toEqual(['the connection was closed, or the preamble is over']);
    expect(calls[0]).toEqual(['again']);
    expect(calls.filter(([name]) => name === 'again')).toHaveLength(1);
  });
});
