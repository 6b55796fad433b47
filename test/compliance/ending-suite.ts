import { createHash, randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { describe, expect, test } from 'vitest';
import { type ConnId, HandleResult, SocketOperation } from '../../src/index.ts';
import { type AnyServerHooks, bytesOf, deferred, type Family, until } from './family.ts';

const host = '127.0.0.1';
const piece = randomBytes(60_000);
const pieces = 60;

/** Sends `chunks` and a FIN, and collects what comes until the other side ends. */
async function ask(stream: Duplex, chunks: Iterable<Buffer>): Promise<string> {
  const got: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => got.push(chunk));
  const ended = new Promise((resolve, reject) => stream.once('end', resolve).once('error', reject));
  await pipeline(chunks, stream, { end: true }).catch(() => {});
  await ended;
  return Buffer.concat(got).toString();
}

function* question(): Iterable<Buffer> {
  for (let i = 0; i < pieces; i++) yield piece;
}

/** What `counting` answers to `question`. */
function rightAnswer(): string {
  const hash = createHash('sha256');
  for (const one of question()) hash.update(one);
  return hash.digest('hex');
}

/** A server that answers when its peer has sent everything. */
function digesting(): AnyServerHooks {
  const hashes = new Map<ConnId, ReturnType<typeof createHash>>();
  return {
    onHandShake: (_server, connId) => void hashes.set(connId, createHash('sha256')),
    onReceive: (server, connId, data) => void hashes.get(connId)!.update(bytesOf(server, connId, data)),
    onEnd: (server, connId) => void server.send(connId, hashes.get(connId)!.digest('hex')),
  };
}

/** Peers that have sent everything, and wait for an answer. */
export function endingSuite(family: Family): void {
  describe(`a peer of ${family.name} that sends no more`, () => {
    test('gets what is sent while the promise of onEnd is pending, then the connection closes', async () => {
      const asked = deferred<ConnId>();
      const answered = deferred();
      const closes: unknown[][] = [];
      await using server = family.server({
        onEnd(_server, connId) {
          asked.resolve(connId);
          return answered.promise;
        },
        onClose: (_server, _connId, operation, errorCode) => void closes.push([operation, errorCode]),
      });
      const { port } = await server.start(host, 0);
      await using client = family.client({});
      await client.start(host, port);
      const answer = ask(client.createStream(), [Buffer.from('question')]);
      const connId = await asked.promise;
      for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
      expect(server.isConnected(connId)).toBe(true);
      expect(server.send(connId, 'answer')).toBe(true);
      answered.resolve();
      expect(await answer).toBe('answer');
      await until(() => closes.length > 0);
      expect(closes).toEqual([[SocketOperation.Close, 0]]);
    });

    test('is not taken for idle while the promise of onEnd is pending', async () => {
      const asked = deferred<ConnId>();
      const answered = deferred();
      await using server = family.server(
        {
          onEnd(_server, connId) {
            asked.resolve(connId);
            return answered.promise;
          },
        },
        { idleTimeoutMs: 50 },
      );
      const { port } = await server.start(host, 0);
      await using client = family.client({});
      await client.start(host, port);
      const answer = ask(client.createStream(), [Buffer.from('question')]);
      const connId = await asked.promise;
      await new Promise((resolve) => setTimeout(resolve, 300));
      expect(server.isConnected(connId)).toBe(true);
      expect(server.send(connId, 'answer')).toBe(true);
      answered.resolve();
      expect(await answer).toBe('answer');
    });

    test('is waited for by a draining stop while the promise of onEnd is pending', async () => {
      const asked = deferred<ConnId>();
      const answered = deferred();
      await using server = family.server({
        onEnd(_server, connId) {
          asked.resolve(connId);
          return answered.promise;
        },
      });
      const { port } = await server.start(host, 0);
      await using client = family.client({});
      await client.start(host, port);
      const answer = ask(client.createStream(), [Buffer.from('question')]);
      const connId = await asked.promise;
      const stopped = server.stop({ drainTimeoutMs: 20_000 });
      for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
      expect(server.send(connId, 'answer')).toBe(true);
      answered.resolve();
      expect(await answer).toBe('answer');
      expect(await stopped).toMatchObject({ forced: 0 });
    });

    test('stays connected after HandleResult.Ignore, until it is disconnected', async () => {
      const asked = deferred<ConnId>();
      let ends = 0;
      await using server = family.server({
        onEnd(_server, connId) {
          ends++;
          asked.resolve(connId);
          return HandleResult.Ignore;
        },
      });
      const { port } = await server.start(host, 0);
      await using client = family.client({});
      await client.start(host, port);
      const answer = ask(client.createStream(), [Buffer.from('question')]);
      const connId = await asked.promise;
      for (const part of ['an', 'sw', 'er']) {
        expect(server.send(connId, part)).toBe(true);
        server.pauseReceive(connId, true);
        server.pauseReceive(connId, false); // tells nothing again
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      expect(server.disconnect(connId, { drain: true })).toBe(true);
      expect(await answer).toBe('answer');
      await until(() => server.connectionCount === 0);
      expect(ends).toBe(1);
    });

    test.each([true, false])(
      'is told by onEnd behind all that it sent, also after a pause (fastPath: %s)',
      async (fastPath) => {
        const events: string[] = [];
        await using server = family.server(
          {
            onHandShake: (server, connId) => void server.pauseReceive(connId),
            onReceive: (server, connId, data) => void events.push(bytesOf(server, connId, data).toString()),
            onEnd: () => void events.push('end'),
            onClose: () => void events.push('close'),
          },
          { fastPath },
        );
        const { port } = await server.start(host, 0);
        await using client = family.client({});
        await client.start(host, port);
        const answer = ask(client.createStream(), [Buffer.from('question')]);
        await until(() => server.connectionCount === 1);
        await new Promise((resolve) => setTimeout(resolve, 20));
        expect(events).toEqual([]);
        const [connId] = server.getAllConnectionIDs();
        expect(server.pauseReceive(connId!, false)).toBe(true);
        await answer;
        await until(() => events.includes('close'));
        expect(events).toEqual(['question', 'end', 'close']);
      },
    );

    test.each(['before', 'after'])('is seen though receiving was paused %s our own end', async (when) => {
      const opened = deferred<ConnId>();
      await using server = family.server({
        onHandShake(self, connId) {
          if (when === 'before') self.pauseReceive(connId);
          opened.resolve(connId);
        },
      });
      const { port } = await server.start(host, 0);
      // It answers the end by its own only when it is told.
      const asked = deferred();
      const answered = deferred();
      const onEnd = (): Promise<void> => {
        asked.resolve();
        return answered.promise;
      };
      await using client = family.client({ onEnd });
      await client.start(host, port);
      const connId = await opened.promise;
      const stopped = server.stop({ drainTimeoutMs: 60_000 });
      await asked.promise;
      if (when === 'after') server.pauseReceive(connId);
      answered.resolve();
      expect(await stopped).toMatchObject({ connections: 1, drained: 1 });
      await client.wait();
    });

    // By documented I/O, Node reads ahead of what is delivered, and so sees the end of the peer before it counts; on the fast
    // path nothing is read meanwhile.
    test.each([true, false])(
      'keeps for a connection that is paused what it sent before (fastPath: %s)',
      async (fastPath) => {
        const got: string[] = [];
        const closes: unknown[][] = [];
        const first = deferred<ConnId>();
        await using server = family.server(
          {
            onHandShake(self, connId) {
              self.pauseReceive(connId);
              first.resolve(connId);
            },
            onReceive: (self, connId, data) => void got.push(bytesOf(self, connId, data).toString()),
            onClose: (_self, _connId, operation, errorCode) => void closes.push([operation, errorCode]),
          },
          { fastPath },
        );
        const { port } = await server.start(host, 0);
        await using client = family.client({});
        await client.start(host, port);
        const connId = await first.promise;
        client.send('news');
        const stopped = server.stop({ drainTimeoutMs: 60_000 });
        // The client gets our FIN, and closes when it has sent its own.
        await client.wait();
        for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
        expect([got, closes]).toEqual([[], []]);
        server.pauseReceive(connId, false);
        expect(await stopped).toMatchObject({ connections: 1, drained: 1 });
        expect([got, closes]).toEqual([['news'], [[SocketOperation.Close, 0]]]);
      },
    );

    test.each([true, false])(
      'has all that it sent delivered, though both have ended while a promise of onReceive is pending (fastPath: %s)',
      async (fastPath) => {
        const got: Buffer[] = [];
        const closes: unknown[][] = [];
        const goOn = deferred();
        await using server = family.server(
          {
            onReceive(self, connId, data) {
              got.push(bytesOf(self, connId, data));
              self.disconnect(connId, { drain: true });
              return goOn.promise;
            },
            onClose: (_self, _connId, operation, errorCode) => void closes.push([operation, errorCode]),
          },
          { socketBufferSize: 8, fastPath },
        );
        const { port } = await server.start(host, 0);
        await using client = family.client({});
        await client.start(host, port);
        client.send('question');
        client.send('and more');
        // The client gets our FIN, and closes when it has sent its own.
        await client.wait();
        for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
        expect(closes).toEqual([]);
        goOn.resolve();
        await until(() => closes.length === 1);
        expect([Buffer.concat(got).toString(), closes]).toEqual(['questionand more', [[SocketOperation.Close, 0]]]);
      },
    );

    test('does not call onEnd when we ended first, or a stream reads', async () => {
      const told: string[] = [];
      const hooks: AnyServerHooks = {
        onEnd: () => void told.push('onEnd'),
        onClose: () => void told.push('onClose'),
      };
      await using first = family.server({ ...hooks, onHandShake: (s, id) => void s.disconnect(id, { drain: true }) });
      await using second = family.server({ ...hooks, onHandShake: (s, id) => void s.createStream(id).resume() });
      for (const server of [first, second]) {
        const { port } = await server.start(host, 0);
        await using client = family.client({});
        await client.start(host, port);
        client.createStream().resume().end();
        await until(() => told.includes('onClose'));
        expect(told.splice(0)).toEqual(['onClose']);
      }
    });

    test.each(['at once', 'later'])(
      'gets all of a long greeting when onHandShake, answering %s, drains',
      async (when) => {
        const greeting = randomBytes(8_000_000);
        const greet = (send: (bytes: Buffer) => boolean, drain: () => unknown): undefined | Promise<void> => {
          for (let at = 0; at < greeting.length; at += 100_000)
            expect(send(greeting.subarray(at, at + 100_000))).toBe(true);
          drain();
          expect(send(Buffer.from('too late'))).toBe(false);
          return when === 'later' ? new Promise((resolve) => setTimeout(resolve, 5)) : undefined;
        };
        const got: Buffer[] = [];
        const closes: unknown[][] = [];
        const collect: Partial<AnyServerHooks> = {
          onReceive: (self, connId, data) => void got.push(bytesOf(self, connId, data)),
        };
        const ended: Partial<AnyServerHooks> = {
          onClose: (_self, _connId, operation, errorCode) => void closes.push([operation, errorCode]),
        };
        await using server = family.server({
          ...ended,
          onHandShake: (self, id) =>
            greet(
              (b) => self.send(id, b),
              () => self.disconnect(id, { drain: true }) && self.disconnect(id, { drain: true }), // asked twice
            ),
        });
        const { port } = await server.start(host, 0);
        await using client = family.client({ onReceive: collect.onReceive as never });
        await client.start(host, port);
        await until(() => closes.length === 1);
        await client.wait();
        expect(Buffer.concat(got.splice(0)).equals(greeting)).toBe(true);

        await using patient = family.server(collect as AnyServerHooks);
        const { port: secondPort } = await patient.start(host, 0);
        const pending: Promise<unknown>[] = [];
        await using greeter = family.client({
          ...(ended as object),
          onHandShake: (self) =>
            greet(
              (b) => self.send(b),
              () => pending.push(self.stop({ drainTimeoutMs: 20_000 })),
            ),
        });
        pending.push(greeter.start(host, secondPort));
        await until(() => closes.length === 2);
        await Promise.allSettled(pending);
        await until(() => patient.connectionCount === 0);
        expect(Buffer.concat(got).equals(greeting)).toBe(true);
        expect(closes).toEqual([
          [SocketOperation.Close, 0],
          [SocketOperation.Close, 0],
        ]);
      },
    );

    test('gets all of an answer that takes longer than closeTimeoutMs, as long as it reads', async () => {
      const answer = randomBytes(12_000_000);
      const closes: unknown[][] = [];
      await using server = family.server(
        {
          onEnd: (self, connId) => {
            for (let at = 0; at < answer.length; at += 100_000) self.send(connId, answer.subarray(at, at + 100_000));
          },
          onClose: (_self, _connId, operation, errorCode) => void closes.push([operation, errorCode]),
        },
        { closeTimeoutMs: 400 },
      );
      const { port } = await server.start(host, 0);
      const got: Buffer[] = [];
      let gotBytes = 0;
      await using client = family.client({});
      await client.start(host, port);
      const stream = client.createStream();
      stream.end('question');
      // A slow reader: 1.2 s of pauses in all.
      for await (const chunk of stream) {
        const pausesBefore = Math.floor(gotBytes / 2_000_000);
        got.push(chunk as Buffer);
        gotBytes += (chunk as Buffer).length;
        if (Math.floor(gotBytes / 2_000_000) > pausesBefore) await new Promise((resolve) => setTimeout(resolve, 200));
      }
      expect(Buffer.concat(got).equals(answer)).toBe(true);
      await until(() => closes.length === 1);
      expect(closes).toEqual([[SocketOperation.Close, 0]]);
    });

    test('gets its answer through a proxy of hooks', async () => {
      await using upstream = family.server(digesting());
      const { port: upstreamPort } = await upstream.start(host, 0);
      const agent = family.agent({
        onReceive: (self, connId, data) =>
          void server.send(self.getConnectionExtra(connId), bytesOf(self, connId, data)),
        onSendBlocked: (self, connId) => void server.pauseReceive(self.getConnectionExtra(connId), true),
        onSendDrained: (self, connId) => void server.pauseReceive(self.getConnectionExtra(connId), false),
        onClose: (self, connId) => void server.disconnect(self.getConnectionExtra(connId), { drain: true }),
      });
      const server = family.server({
        async onAccept(self, connId) {
          self.setConnectionExtra(connId, await agent.connect(host, upstreamPort, { extra: connId }));
        },
        onReceive: (self, connId, data) =>
          void agent.send(self.getConnectionExtra(connId), bytesOf(self, connId, data)),
        onSendBlocked: (self, connId) => void agent.pauseReceive(self.getConnectionExtra(connId), true),
        onSendDrained: (self, connId) => void agent.pauseReceive(self.getConnectionExtra(connId), false),
        onEnd(self, connId) {
          agent.disconnect(self.getConnectionExtra(connId), { drain: true });
          return HandleResult.Ignore;
        },
      });
      await agent.start();
      const { port } = await server.start(host, 0);
      await using client = family.client({});
      await client.start(host, port);
      expect(await ask(client.createStream(), question())).toBe(rightAnswer());
      await until(() => server.connectionCount + agent.connectionCount === 0);
      await Promise.all([server.stop(), agent.stop()]);
    });

    test('gets its answer through a proxy of streams that allow half-open connections', async () => {
      await using upstream = family.server(digesting());
      const { port: upstreamPort } = await upstream.start(host, 0);
      await using agent = family.agent({});
      await agent.start();
      const failures: unknown[] = [];
      await using server = family.server({
        async onHandShake(self, connId) {
          const near = self.createStream(connId, { allowHalfOpen: true });
          const far = agent.createStream(await agent.connect(host, upstreamPort), { allowHalfOpen: true });
          Promise.all([pipeline(near, far), pipeline(far, near)]).catch((error) => failures.push(error));
        },
      });
      const { port } = await server.start(host, 0);
      await using client = family.client({});
      await client.start(host, port);
      expect(await ask(client.createStream(), question())).toBe(rightAnswer());
      await until(() => server.connectionCount + agent.connectionCount === 0);
      expect(failures).toEqual([]);
    });
  });
}
