import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type net from 'node:net';
import { afterAll, describe, expect, test } from 'vitest';
import { HandleResult, PortForwarder } from '../../src/index.ts';
import { eventually, readBytes, readToEnd } from '../tcp/support.ts';
import { endOf, openLine, removeSockets, type Transport, transports } from './support.ts';

afterAll(removeSockets);

const MUCH = 4 * 1024 * 1024;
const lines = transports.flatMap((inbound) => transports.map((outbound) => [inbound, outbound] as const));

/** The two ends of a line, as the one that acts and the one that is acted upon. */
const directions = [
  ['client', 'far'],
  ['far', 'client'],
] as const;

describe.each(lines)('from %s to %s', (inbound, outbound) => {
  test.each(directions)('bytes of the %s arrive at the %s, all and in order [FWD-006] [ECO-004]', async (from, to) => {
    await using line = await openLine(inbound, outbound);
    const sent = randomBytes(MUCH);
    const arrived = readBytes(line[to], MUCH);
    for (let at = 0; at < MUCH; at += 100_000) line[from].write(sent.subarray(at, at + 100_000));
    expect(
      createHash('sha256')
        .update(await arrived)
        .digest('hex'),
    ).toBe(createHash('sha256').update(sent).digest('hex'));
  });

  test.each(directions)('the %s ends, and the answer of the %s still comes [FWD-010]', async (from, to) => {
    await using line = await openLine(inbound, outbound);
    line[to].write('hello');
    await once(line[from], 'data');
    const asked = readToEnd(line[to]);
    const answer = readToEnd(line[from]);
    line[from].end('the last words');
    expect((await asked).toString()).toBe('the last words');
    // Nobody hurries the answer, and it may be long.
    const long = randomBytes(MUCH);
    line[to].write(long.subarray(0, 10));
    await eventually(() => line.forwarder.server.stats().bytesIn + line.forwarder.agent.stats().bytesIn >= 29);
    expect(line.forwarder.pairCount).toBe(1);
    line[to].end(long.subarray(10));
    expect((await answer).equals(long)).toBe(true);
    await eventually(() => line.forwarder.pairCount === 0);
    expect(line.forwarder.stats()).toMatchObject({ broken: 0, connected: 1 });
  });

  test.each(directions)(
    'a %s that stops reading stops the %s, within bounds; then all arrives [FWD-010]',
    async (slow, fast) => {
      await using line = await openLine(inbound, outbound, {
        server: { highWaterMarkBytes: 100_000, lowWaterMarkBytes: 10_000 },
        agent: { highWaterMarkBytes: 100_000, lowWaterMarkBytes: 10_000 },
      });
      const total = 64 * 1024 * 1024;
      const chunk = Buffer.alloc(256 * 1024, 7);
      line[slow].pause();
      let written = 0;
      const pump = (): void => {
        while (written < total) {
          written += chunk.length;
          if (!line[fast].write(chunk)) return void line[fast].once('drain', pump);
        }
      };
      pump();
      await eventually(() => line.forwarder.stats().blocked > 0);
      // Nothing moves any more once the buffers of the system are full.
      for (let before = -1, still = 0; still < 20; still++) {
        const present = line.forwarder.server.stats().bytesIn + line.forwarder.agent.stats().bytesIn;
        if (present !== before) still = 0;
        before = present;
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
      const { server, agent } = line.forwarder.stats();
      // A read of 256 KiB may be the one that crosses the mark; TLS hands on what it has decrypted by then.
      expect(server.pendingBytes + agent.pendingBytes).toBeLessThan(1024 * 1024);
      expect(server.bytesIn + agent.bytesIn).toBeLessThan(total);
      const arrived = readBytes(line[slow], total);
      expect((await arrived).length).toBe(total);
    },
  );
});

describe('marks of its own', () => {
  test.each(['server', 'agent'])('the %s has a higher one: a side that reads late gets everything', async (high) => {
    for (const [slow, fast] of directions) {
      await using line = await openLine('tcp', 'tcp', { [high]: { highWaterMarkBytes: 4 * 1024 * 1024 } });
      line[slow].pause();
      const total = 24 * 1024 * 1024;
      for (let sent = 0; sent < total; sent += 65_536) line[fast].write(Buffer.alloc(65_536, 7));
      await eventually(() => line.forwarder.stats().blocked > 0);
      expect((await readBytes(line[slow], total)).length).toBe(total);
    }
  });

  test.each(['server', 'agent'] as const)(
    'maxPendingBytes of the %s must be above the mark, or end those that reach it',
    async (part) => {
      const limit = { maxPendingBytes: 200_000 };
      const forwarder = new PortForwarder({}, { target: { host: '127.0.0.1', port: 1 }, [part]: limit });
      await expect(forwarder.start('127.0.0.1', 0)).rejects.toThrow(
        `maxPendingBytes of ${part} must be 0, or 524288 at least`,
      );
      await using line = await openLine('tcp', 'tcp', { [part]: { ...limit, pendingPolicy: 'close' } });
      const [slow, fast] = part === 'server' ? (['client', 'far'] as const) : (['far', 'client'] as const);
      line[slow].pause();
      const total = 24 * 1024 * 1024;
      for (let sent = 0; sent < total; sent += 65_536) line[fast].write(Buffer.alloc(65_536, 7));
      await eventually(() => line.forwarder.stats().broken === 1);
    },
  );
});

describe('a reset', () => {
  const resettable = lines.filter(([inbound, outbound]) => inbound !== 'unix' && outbound !== 'unix');

  test.each(
    resettable.flatMap(([inbound, outbound]) => directions.map(([from, to]) => [inbound, outbound, from, to] as const)),
  )(
    'from %s to %s, of the %s, reaches the %s as one, over TLS as an end without close_notify [FWD-007]',
    async (inbound, outbound, from, to) => {
      let closes = 0;
      await using line = await openLine(
        inbound,
        outbound,
        {},
        { onServerClose: () => void closes++, onAgentClose: () => void closes++ },
      );
      line[from].write('x');
      await once(line[to], 'data');
      const isTlsEnd = (to === 'client' ? inbound : outbound) === 'tls';
      const end = endOf(line[to]);
      resetBare(line[from]);
      expect(['ECONNRESET', ...(isTlsEnd ? ['end', 'close'] : [])]).toContain(await end);
      await eventually(() => line.forwarder.pairCount === 0);
      expect(line.forwarder.stats().broken).toBe(1);
      expect(closes).toBe(2);
    },
  );

  test('drops what is queued for the one that did not read', async () => {
    await using line = await openLine('tcp', 'tcp');
    line.far.pause();
    const total = 16 * 1024 * 1024;
    line.client.write(Buffer.alloc(total));
    await eventually(() => line.forwarder.stats().agent.pendingBytes > 0);
    line.client.resetAndDestroy();
    // The client is not read while its target does not take more: that it is gone is noticed when there is room.
    let bytes = 0;
    line.far.on('data', ({ length }) => {
      bytes += length;
    });
    // Where data and a reset come at once, libuv may tell an end instead. Then the answer finds out.
    if ((await endOf(line.far)) === 'end') {
      const end = endOf(line.far);
      writeOn(line.far);
      expect(['ECONNRESET', 'EPIPE']).toContain(await end);
    }
    expect(bytes).toBeLessThan(total);
    await eventually(() => line.forwarder.pairCount === 0);
    expect(line.forwarder.stats().broken).toBe(1);
  });

  test('after its own FIN is one, too: the other end does not wait for an answer that nobody reads', async () => {
    await using line = await openLine('tcp', 'tcp');
    line.client.end('question');
    await readToEnd(line.far);
    line.client.resetAndDestroy();
    const end = endOf(line.far);
    writeOn(line.far);
    expect(['ECONNRESET', 'EPIPE']).toContain(await end);
    await eventually(() => line.forwarder.pairCount === 0);
    expect(line.forwarder.stats().broken).toBe(1);
  });

  test.each(directions)('by the pair itself ends both, also %s and %s', async (one, two) => {
    await using line = await openLine('tcp', 'tcp');
    const ends = Promise.all([endOf(line[one]), endOf(line[two])]);
    await eventually(() => line.forwarder.stats().connected === 1);
    const [pair] = line.forwarder.pairs();
    expect(pair!.reset()).toBe(true);
    expect(await ends).toEqual(['ECONNRESET', 'ECONNRESET']);
    await eventually(() => line.forwarder.pairCount === 0);
    expect(pair!.reset()).toBe(false);
    expect(pair!.disconnect()).toBe(false);
  });

  test('is not what disconnect does', async () => {
    await using line = await openLine('tcp', 'tcp');
    const ends = Promise.all([endOf(line.client), endOf(line.far)]);
    await eventually(() => line.forwarder.stats().connected === 1);
    expect(line.forwarder.pairs()[0]!.disconnect()).toBe(true);
    expect(await ends).toEqual(['end', 'end']);
    line.client.destroy();
    line.far.destroy();
    await eventually(() => line.forwarder.pairCount === 0);
    expect(line.forwarder.stats().broken).toBe(0);
  });
});

/** Writes until the connection is gone. */
function writeOn(socket: net.Socket): void {
  while (!socket.destroyed && socket.write(Buffer.alloc(65_536)));
  if (!socket.destroyed) socket.once('drain', () => writeOn(socket));
}

/** Resets the TCP connection below a bare socket. */
function resetBare(socket: net.Socket): void {
  const below = (socket as unknown as { _handle?: { _parent?: { reset?(done: () => void): void } } })._handle?._parent;
  if ('encrypted' in socket && typeof below?.reset === 'function') below.reset(() => {});
  else socket.resetAndDestroy();
}

describe('half-closed', () => {
  test('a pair in which nothing moves any more is broken off after halfCloseTimeoutMs', async () => {
    await using line = await openLine('tcp', 'tcp', { halfCloseTimeoutMs: 40 });
    const end = endOf(line.far);
    line.client.end('question');
    expect(await end).toBe('end');
    const clientEnd = endOf(line.client);
    expect(await clientEnd).toBe('ECONNRESET');
    await eventually(() => line.forwarder.pairCount === 0);
    expect(line.forwarder.stats()).toMatchObject({ halfCloseTimeouts: 1, broken: 1 });
  });

  test('a pair in which something moves is not', async () => {
    await using line = await openLine('tcp', 'tcp', { halfCloseTimeoutMs: 60 });
    const answer = readToEnd(line.client);
    line.client.end('question');
    await readToEnd(line.far);
    for (let i = 0; i < 20; i++) {
      line.far.write('.');
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    line.far.end();
    expect((await answer).toString()).toBe('.'.repeat(20));
    expect(line.forwarder.stats().halfCloseTimeouts).toBe(0);
  });

  test('both at the same time', async () => {
    await using line = await openLine('tcp', 'tcp');
    const ends = Promise.all([readToEnd(line.client), readToEnd(line.far)]);
    line.client.end('a');
    line.far.end('b');
    expect((await ends).map(String)).toEqual(['b', 'a']);
    await eventually(() => line.forwarder.pairCount === 0);
    expect(line.forwarder.stats().broken).toBe(0);
  });

  test('the answer arrives though a hook about it is still thinking when the question ends', async () => {
    let release: () => void = () => {};
    let calls = 0;
    await using line = await openLine(
      'tcp',
      'tcp',
      {},
      {
        onAgentReceive: () =>
          ++calls === 1
            ? new Promise<void>((resolve) => {
                release = resolve;
              })
            : undefined,
      },
    );
    const answer = readToEnd(line.client);
    line.far.write('one ');
    await eventually(() => calls === 1);
    line.client.end('question');
    await eventually(() => line.forwarder.agent.stats().bytesOut === 8);
    line.far.write('two ');
    release();
    await once(line.far.resume(), 'end');
    line.far.end('three');
    expect((await answer).toString()).toBe('one two three');
  });
});

describe('a hook that reads the bytes', () => {
  test('gets them after they have been forwarded, and keeps them [FWD-002 FWD-006]', async () => {
    const seen: { from: string; data: Buffer; sent: number }[] = [];
    await using line = await openLine(
      'tcp',
      'tcp',
      {},
      {
        onServerReceive: (forwarder, _pair, data) => {
          seen.push({ from: 'client', data, sent: forwarder.agent.stats().messagesOut });
        },
        onAgentReceive: (forwarder, _pair, data) => {
          seen.push({ from: 'far', data, sent: forwarder.server.stats().messagesOut });
        },
      },
    );
    const big = randomBytes(300_000);
    const arrived = readBytes(line.far, big.length);
    line.client.write(big);
    await arrived;
    line.far.write('thanks');
    await once(line.client, 'data');
    expect(Buffer.concat(seen.filter(({ from }) => from === 'client').map(({ data }) => data)).equals(big)).toBe(true);
    expect(seen.at(-1)).toMatchObject({ from: 'far', sent: 1 });
    expect(seen[0]!.sent).toBeGreaterThan(0);
  });

  test.each([
    ['resolves to Error', async () => HandleResult.Error],
    [
      'rejects',
      async () => {
        throw new Error('no');
      },
    ],
  ])('and %s, ends the pair by a reset of the other end', async (how, look) => {
    const told: string[] = [];
    await using line = await openLine(
      'tcp',
      'tcp',
      {},
      {
        onServerReceive: async () => {
          await once(line.far, 'data');
          return look();
        },
        onHookError: (_sender, hook, _error, connId) => void told.push(`${hook} ${connId}`),
      },
    );
    const end = endOf(line.far);
    line.client.write('x');
    expect(await end).toBe('ECONNRESET');
    await eventually(() => line.forwarder.pairCount === 0);
    expect(line.forwarder.stats().broken).toBe(1);
    expect(told).toEqual(how === 'rejects' ? ['onServerReceive 1'] : []);
  });

  test('and throws, ends the pair', async () => {
    const told: unknown[] = [];
    await using line = await openLine(
      'tcp',
      'tcp',
      {},
      {
        onAgentReceive: () => {
          throw new Error('no');
        },
        onHookError: (_sender, hook, error, connId) => void told.push([hook, (error as Error).message, connId]),
      },
    );
    line.far.write('x');
    await eventually(() => line.forwarder.stats().broken === 1);
    expect(told).toEqual([['onAgentReceive', 'no', 1]]);
  });

  test.each(['tcp', 'tls'] as readonly Transport[])('over %s, sees both ends closed once', async (transport) => {
    const events: string[] = [];
    await using line = await openLine(
      transport,
      transport,
      {},
      {
        onServerAccept: (_f, pair) => void events.push(`accept ${pair.id}`),
        onAgentConnect: (_f, pair) => void events.push(`connect ${pair.id} ${pair.agent!.id}`),
        onServerClose: (_f, pair, operation, errorCode) =>
          void events.push(`server close ${pair.id} ${operation} ${errorCode}`),
        onAgentClose: (_f, pair, operation, errorCode) =>
          void events.push(`agent close ${pair.id} ${operation} ${errorCode}`),
      },
    );
    const ended = readToEnd(line.far);
    line.client.end('x');
    await ended;
    line.far.end();
    await readToEnd(line.client);
    await eventually(() => events.length === 4);
    expect(events.slice(0, 2)).toEqual(['accept 1', 'connect 1 1']);
    expect(events.slice(2).sort()).toEqual(['agent close 1 5 0', 'server close 1 5 0']);
  });
});
