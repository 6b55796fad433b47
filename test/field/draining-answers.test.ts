import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { describe, expect, test } from 'vitest';
import { TcpClient, TcpPackClient, TcpPackServer, TcpServer, UdpArqClient, UdpArqServer } from '../../src/index.ts';
import { deferred } from '../tcp/support.ts';
import { host, turns } from './support.ts';

// Issue: a draining stop drops the answers in flight, and reports success.

const streams = [
  ['TcpServer', TcpServer, TcpClient],
  ['TcpPackServer', TcpPackServer, TcpPackClient],
] as const;
const arq = [['UdpArqServer', UdpArqServer, UdpArqClient]] as const;

type One = (typeof streams)[number] | (typeof arq)[number];
type Pair = [name: string, server: One[1], client: One[2]];

/** A question whose answer is still being made when the server is stopped. */
async function stopWhileAnswering([, Server, Client]: Pair) {
  const asked = deferred();
  const goOn = deferred();
  const sent = deferred<boolean>();
  const server = new (Server as typeof TcpServer)({
    async onReceive(self: InstanceType<typeof Server>, connId: number) {
      asked.resolve();
      await goOn.promise;
      sent.resolve(self.send(connId, 'answer'));
    },
  } as never);
  const { port } = await server.start(host, 0);
  const got: string[] = [];
  const client = new (Client as typeof TcpClient)({
    onReceive: (_self: unknown, _id: number, data: Buffer) => void got.push(`${data}`),
  });
  await client.start(host, port);
  client.send('question');
  await asked.promise;
  const stopped = server.stop({ drainTimeoutMs: 20_000 });
  await turns(20);
  goOn.resolve();
  const report = await stopped;
  await client.wait();
  return { sent: await sent.promise, got, report };
}

const answered = {
  sent: true,
  got: ['answer'],
  report: expect.objectContaining({ connections: 1, drained: 1, droppedBytes: 0 }),
};

describe('a stop that drains', () => {
  test.each(streams)('lets a hook whose promise is pending send its answer: %s', async (...pair) => {
    expect(await stopWhileAnswering(pair)).toEqual(answered);
  });

  test.each(arq)('lets a hook whose promise is pending send its answer: %s', async (...pair) => {
    expect(await stopWhileAnswering(pair)).toEqual(answered);
  });

  test('lets a stream that a hook uses go on to its end', async () => {
    const goOn = deferred();
    const asked = deferred();
    const server = new TcpServer({
      async onHandShake(self, connId) {
        const stream = self.createStream(connId, { allowHalfOpen: true });
        const slowly = new Transform({
          transform(chunk, _encoding, done) {
            asked.resolve();
            goOn.promise.then(() => done(null, `answer to ${chunk}`));
          },
        });
        await pipeline(stream, slowly, stream);
      },
    });
    const { port } = await server.start(host, 0);
    const client = new TcpClient({});
    await client.start(host, port);
    const stream = client.createStream({ allowHalfOpen: true });
    stream.end('question');
    await asked.promise;
    const stopped = server.stop({ drainTimeoutMs: 20_000 });
    await turns(20);
    goOn.resolve();
    let answer = '';
    for await (const chunk of stream) answer += chunk;
    expect(answer).toBe('answer to question');
    expect(await stopped).toMatchObject({ connections: 1, drained: 1, droppedBytes: 0 });
    await client.wait();
  });

  test('reads nothing new while it waits for a hook', async () => {
    const asked = deferred();
    const goOn = deferred();
    const questions: string[] = [];
    const server = new TcpPackServer({
      async onReceive(self, connId, data) {
        questions.push(data.toString());
        asked.resolve();
        await goOn.promise;
        self.send(connId, `answer to ${data}`);
      },
    });
    const { port } = await server.start(host, 0);
    const got: string[] = [];
    const client = new TcpPackClient({ onReceive: (_self, _id, data) => void got.push(data.toString()) });
    await client.start(host, port);
    client.send('one');
    await asked.promise;
    const stopped = server.stop({ drainTimeoutMs: 20_000 });
    client.send('two');
    await turns(20);
    goOn.resolve();
    await stopped;
    await client.wait();
    expect([questions, got]).toEqual([['one'], ['answer to one']]);
  });

  test('waits for a connection that a handler holds, and that answers by a timer', async () => {
    const asked = deferred();
    let answer = (): void => {};
    const server = new TcpServer({
      onReceive(self, connId) {
        const release = (self as unknown as { connection(id: number): { hold(): () => void } })
          .connection(connId)
          .hold();
        answer = () => {
          self.send(connId, 'answer');
          release();
        };
        asked.resolve();
      },
    });
    const { port } = await server.start(host, 0);
    const got: string[] = [];
    const closed = deferred();
    const client = new TcpClient({
      onReceive: (_self, _id, data) => void got.push(data.toString()),
      onClose: () => closed.resolve(),
    });
    await client.start(host, port);
    client.send('question');
    // Without `hold` the hook fails, which closes the connection.
    await Promise.race([asked.promise, closed.promise]);
    const stopped = server.stop({ drainTimeoutMs: 20_000 });
    await turns(20);
    answer();
    expect(await stopped).toMatchObject({ connections: 1, drained: 1, droppedBytes: 0 });
    await client.wait();
    expect(got).toEqual(['answer']);
  });
});
