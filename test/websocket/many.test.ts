import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { expect, it } from 'vitest';
import { WebSocketServer } from '../../src/websocket.ts';
import type { Ask, Counts } from './many-clients.ts';

/** `HP_SOCKET_WS_CONNECTIONS=10000` makes it as many as a busy server has. */
const COUNT = Number(process.env.HP_SOCKET_WS_CONNECTIONS ?? 2000);
const ROUNDS = 12;

async function answerOf(clients: ChildProcess): Promise<Counts | null> {
  const [{ result, error }] = (await once(clients, 'message')) as [{ result: Counts | null; error?: string }];
  if (error !== undefined) throw new Error(error);
  return result;
}

function ask(clients: ChildProcess, question: Ask): Promise<Counts | null> {
  const answer = answerOf(clients);
  clients.send(question);
  return answer;
}

it(`delivers each message of a topic to each of ${COUNT} connections that come and go, once`, async () => {
  await using server = new WebSocketServer(
    { onOpen: (sender, connId) => sender.subscribe(connId, 'all') },
    { maxConnectionCount: 2 * COUNT, pingIntervalMs: 0 },
  );
  const { port } = await server.start('127.0.0.1', 0);
  const clients = fork(new URL('many-clients.ts', import.meta.url), [`ws://127.0.0.1:${port}/`], {
    execArgv: ['--import', 'tsx'],
  });
  try {
    await answerOf(clients);
    const moving = Math.floor(COUNT / 100);
    await ask(clients, { open: COUNT - 2 * moving, stay: true });
    await ask(clients, { open: 2 * moving, stay: false });
    const message = Buffer.alloc(64, 'm');
    let sent = 0;
    for (let round = 0; round < ROUNDS; round++) {
      // Some leave, and some come, while messages are on their way.
      sent += server.publish('all', message);
      await ask(clients, { close: moving });
      const come = ask(clients, { open: moving, stay: false });
      sent += server.publish('all', message);
      await come;
    }
    let counts: Counts | null = null;
    for (const deadline = Date.now() + 60_000; counts?.received !== sent && Date.now() < deadline; ) {
      counts = await ask(clients, 'counts');
    }
    expect(counts).toEqual({ received: sent, fewest: 2 * ROUNDS, most: 2 * ROUNDS, lost: [] });
    expect(server.webSocketStats()?.topics).toMatchObject({ delivered: sent, dropped: 0, closed: 0 });
  } finally {
    const exited = once(clients, 'exit');
    clients.disconnect();
    await exited;
  }
}, 180_000);
