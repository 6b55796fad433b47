import { pipeline } from 'node:stream/promises';
import { describe, expect, test } from 'vitest';
import { type ConnId, HandleResult, SocketErrorCode, SocketOperation } from '../../src/index.ts';
import { type AnyServerHooks, deferred, type Family, until } from './family.ts';

const host = '127.0.0.1';
const atOnce = (): undefined => undefined;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Async hooks that take their connection as a stream, and use it until it ends. */
export function handlerSuite(family: Family): void {
  /** A server whose `hook` echoes by a stream, after `before`; notes how its connections end. */
  function echoing(hook: string, wait: () => Promise<void> | undefined) {
    const closes: unknown[][] = [];
    const errors: string[] = [];
    const server = family.server({
      async [hook](self: ReturnType<Family['server']>, connId: ConnId) {
        const ready = wait();
        if (ready !== undefined) await ready;
        const stream = self.createStream(connId, { allowHalfOpen: true });
        await pipeline(stream, stream);
      },
      onClose: (_self, _connId, operation, errorCode) => void closes.push([operation, errorCode]),
      onHookError: (_self, name, error) => void errors.push(`${name}: ${(error as Error).message}`),
    } as AnyServerHooks);
    return { server, closes, errors };
  }
  const graceful = [SocketOperation.Close, 0];

  async function ask(port: number, text: string): Promise<string> {
    await using client = family.client({});
    await client.start(host, port);
    const stream = client.createStream({ allowHalfOpen: true });
    stream.end(text);
    let answer = '';
    for await (const chunk of stream) answer += chunk;
    return answer;
  }

  describe(`an async hook of ${family.name} that uses its connection as a stream`, () => {
    test.each([
      ['onAccept', 'at once', atOnce],
      ['onAccept', 'later', turn],
      ['onHandShake', 'at once', atOnce],
      ['onHandShake', 'later', turn],
    ] as const)('%s, taken %s: data flows while its promise is pending', async (hook, _when, wait) => {
      const { server, closes, errors } = echoing(hook, wait);
      const { port } = await server.start(host, 0);
      expect(await ask(port, 'echo')).toBe('echo');
      await until(() => closes.length === 1);
      expect(closes).toEqual([graceful]);
      await server.stop();
      expect(errors).toEqual([]);
    });

    test('of an agent and of a client: connecting ends before the hook does', async () => {
      const { server } = echoing('onHandShake', atOnce);
      const { port } = await server.start(host, 0);
      const answers: string[] = [];
      const converse = async (stream: NodeJS.ReadWriteStream): Promise<void> => {
        stream.end('echo');
        for await (const chunk of stream) answers.push(String(chunk));
      };
      await using agent = family.agent({
        onHandShake: (self, connId) => converse(self.createStream(connId, { allowHalfOpen: true })),
      });
      await using client = family.client({
        onHandShake: (self) => converse(self.createStream({ allowHalfOpen: true })),
      });
      await agent.start();
      await agent.connect(host, port);
      await client.start(host, port);
      await until(() => answers.length === 2);
      expect(answers).toEqual(['echo', 'echo']);
      await client.wait();
      await until(() => server.connectionCount + agent.connectionCount === 0);
      await server.stop();
    });

    test('of a client that iterates its messages', async () => {
      await using server = family.server({
        onHandShake(self, connId) {
          self.send(connId, 'news');
          self.disconnect(connId, { drain: true });
        },
      });
      const { port } = await server.start(host, 0);
      const messages: string[] = [];
      const read = deferred();
      await using client = family.client({
        async onHandShake(self) {
          for await (const message of self.messages()) messages.push(message.toString());
          read.resolve();
        },
      });
      await client.start(host, port);
      await read.promise;
      expect(messages).toEqual(['news']);
      await client.wait();
    });

    test('onReceive: the rest of the connection is read while its promise is pending', async () => {
      const got: string[] = [];
      const closes: unknown[][] = [];
      await using server = family.server({
        async onReceive(self, connId) {
          const stream = self.createStream(connId);
          stream.write('go on');
          for await (const chunk of stream) got.push(String(chunk));
        },
        onClose: (_self, _connId, operation, errorCode) => void closes.push([operation, errorCode]),
      });
      const { port } = await server.start(host, 0);
      await using client = family.client({});
      await client.start(host, port);
      const stream = client.createStream();
      stream.write('upgrade');
      await new Promise((resolve) => stream.once('data', resolve));
      stream.end('the rest');
      await until(() => closes.length === 1);
      expect(got.join('')).toMatch(/the rest$/); // pull: with what was not fetched
      expect(closes).toEqual([graceful]);
    });

    test.each([
      ['fails', SocketErrorCode.DataProc, ['onAccept: the handler failed']],
      ['answers Error', 125, []],
    ] as const)('ends its connection when it %s later', async (what, code, told) => {
      const answer = deferred<typeof HandleResult.Error>();
      const closes: unknown[][] = [];
      const errors: string[] = [];
      await using server = family.server({
        onAccept(self, connId) {
          self
            .createStream(connId)
            .on('error', () => {})
            .resume();
          return answer.promise;
        },
        onClose: (_self, _connId, operation, errorCode) => void closes.push([operation, errorCode]),
        onHookError: (_self, name, error) => void errors.push(`${name}: ${(error as Error).message}`),
      });
      const { port } = await server.start(host, 0);
      await using client = family.client({});
      await client.start(host, port);
      if (what === 'fails') answer.reject(new Error('the handler failed'));
      else answer.resolve(HandleResult.Error);
      await until(() => closes.length === 1);
      expect(closes).toEqual([[SocketOperation.Receive, code]]);
      await client.wait();
      expect(errors).toEqual(told);
    });

    test.each([
      ['failed', 110],
      ['was stopped', 0],
    ])('that rejects because its connection %s is not told twice', async (what, code) => {
      const closes: unknown[][] = [];
      const errors: unknown[] = [];
      const warnings: unknown[] = [];
      const onWarning = (warning: Error): void => void warnings.push(warning);
      process.on('warning', onWarning);
      await using server = family.server(
        {
          async onHandShake(self, connId) {
            for await (const _chunk of self.createStream(connId)) errors.push('nothing was sent');
          },
          onClose: (_self, _connId, operation, errorCode) => void closes.push([operation, errorCode]),
        },
        { connectionTimeoutMs: code === 0 ? 0 : 50 },
      );
      const { port } = await server.start(host, 0);
      await using client = family.client({});
      await client.start(host, port);
      if (what === 'was stopped') await server.stop();
      await until(() => closes.length === 1);
      for (let i = 0; i < 5; i++) await turn();
      process.off('warning', onWarning);
      expect(closes).toEqual([[SocketOperation.Close, code]]);
      expect([...errors, ...warnings]).toEqual([]);
    });
  });
}
