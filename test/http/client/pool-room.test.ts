import { describe, expect, it } from 'vitest';
import type { HttpRequest } from '../../../src/http.ts';
import { makeAgent, serve, serveRaw, until } from './support.ts';

/** Servers that answer with their number and the path, unless that is `/held`. */
async function origins(count: number): Promise<{ urls: string[]; held: HttpRequest[] }> {
  const held: HttpRequest[] = [];
  const urls = await Promise.all(
    Array.from({ length: count }, (_, n) =>
      serve({
        onRequest: (_s, _id, request) => {
          if (request.path === '/held') held.push(request);
          else void request.respond(`${n}${request.path}`);
        },
      }),
    ),
  );
  return { urls, held };
}

describe('an HTTP agent with maxConnectionCount connections', () => {
  it('closes the one that has been idle longest to serve another origin', async () => {
    const { urls } = await origins(4);
    const agent = await makeAgent({ maxConnectionCount: 2 });
    const ids: number[] = [];
    // The second is used again, so that of the first two it is not the one idle longest.
    for (const n of [0, 1, 0, 2, 0, 3]) {
      const answer = await agent.request(`${urls[n]}/a`);
      expect(answer.text()).toBe(`${n}/a`);
      ids.push(answer.connId);
    }
    expect(ids[2]).toBe(ids[0]);
    expect(ids[4]).toBe(ids[0]);
    expect(agent.connectionCount).toBe(2);
    expect(agent.poolStats()).toMatchObject({ connected: 4, evicted: 2, connections: 2, idle: 2, origins: 2 });
    expect(agent.stats()!.limits.connections).toBe(0);
  });

  it('tells nobody that an evicted connection failed', async () => {
    const { urls } = await origins(2);
    const closed: unknown[] = [];
    const agent = await makeAgent(
      { maxConnectionCount: 1 },
      { onClose: (_agent, _id, _operation, errorCode) => void closed.push(errorCode) },
    );
    for (const url of urls) await agent.request(url);
    expect(closed).toEqual([0]);
  });

  it('lets requests wait while all connections are busy, whoever gets free first', async () => {
    const { urls, held } = await origins(3);
    const agent = await makeAgent({ maxConnectionCount: 2 });
    const busy = [0, 1].map((n) => agent.request(`${urls[n]}/held`));
    await until(() => held.length === 2);
    const waiting = Array.from({ length: 3 }, (_, i) => agent.request(`${urls[2]}/${i}`));
    expect(agent.poolStats()).toMatchObject({ connections: 2, connecting: 0, queued: 3, evicted: 0 });
    held[1]!.respond('second');
    expect((await Promise.all(waiting)).map((answer) => answer.text())).toEqual(['2/0', '2/1', '2/2']);
    expect(agent.poolStats()).toMatchObject({ connections: 2, queued: 0, evicted: 1, inFlight: 1 });
    held[0]!.respond('first');
    expect((await Promise.all(busy)).map((answer) => answer.text())).toEqual(['first', 'second']);
  });

  it('takes turns: an origin that is never idle gives a connection up to one that has waited longer', async () => {
    const { urls, held } = await origins(2);
    const agent = await makeAgent({ maxConnectionCount: 1 });
    const order: string[] = [];
    const ask = (n: number, path: string): Promise<unknown> =>
      agent.request(`${urls[n]}${path}`).then((answer) => order.push(answer.text()));
    const first = ask(0, '/held');
    await until(() => held.length === 1);
    const second = ask(1, '/b');
    await new Promise((resolve) => setTimeout(resolve, 20)); // the clock goes on
    const others = [ask(0, '/c'), ask(0, '/d')];
    held[0]!.respond('a');
    await Promise.all([first, second, ...others]);
    expect(order).toEqual(['a', '1/b', '0/c', '0/d']);
  });

  it('serves more origins than it may have connections, many requests at once', async () => {
    const { urls } = await origins(6);
    const agent = await makeAgent({ maxConnectionCount: 3, maxConnectionsPerOrigin: 2 });
    let most = 0;
    const asked = Array.from({ length: 300 }, async (_, i) => {
      const answer = await agent.request(`${urls[i % 6]}/${i}`);
      most = Math.max(most, agent.connectionCount);
      return answer.text();
    });
    expect(await Promise.all(asked)).toEqual(asked.map((_, i) => `${i % 6}/${i}`));
    expect(most).toBeLessThanOrEqual(3);
    expect(agent.stats()!.limits.connections).toBe(0);
  });

  it('waits no longer than queueTimeoutMs, and is told no more of what was aborted', async () => {
    const { urls, held } = await origins(2);
    const silent = await serveRaw(() => {});
    const agent = await makeAgent({ maxConnectionCount: 1, queueTimeoutMs: 1500 });
    const busy = agent.request(`${urls[0]}/held`);
    await until(() => held.length === 1);
    await expect(agent.request(silent)).rejects.toMatchObject({ errnoName: 'ETIMEDOUT' });
    const controller = new AbortController();
    const aborted = agent.request(silent, { signal: controller.signal });
    controller.abort();
    await expect(aborted).rejects.toMatchObject({ errnoName: 'ECANCELED' });
    held[0]!.respond('a');
    await busy;
    expect(agent.poolStats()).toMatchObject({ evicted: 0, connections: 1 });
    expect((await agent.request(`${urls[1]}/b`)).text()).toBe('1/b');
  });

  it('uses the room that connections of the user leave, and fails if there is nothing else', async () => {
    const { urls } = await origins(2);
    const agent = await makeAgent({ maxConnectionCount: 2 });
    const port = Number(new URL(urls[0]!).port);
    const mine = [await agent.connect('127.0.0.1', port), await agent.connect('127.0.0.1', port)];
    await expect(agent.request(urls[1]!)).rejects.toMatchObject({ errnoName: 'ENOSR', operation: 'connect' });
    agent.disconnect(mine[0]!);
    await until(() => agent.connectionCount === 1);
    expect((await agent.request(`${urls[1]}/a`)).text()).toBe('1/a');
    // No connection that somebody made himself is closed.
    expect((await agent.request(`${urls[0]}/b`)).text()).toBe('0/b');
    expect(agent.getAllConnectionIDs()).toContain(mine[1]);
  });

  it('stops with requests that wait for room', async () => {
    const { urls, held } = await origins(2);
    const agent = await makeAgent({ maxConnectionCount: 1 });
    const busy = agent.request(`${urls[0]}/held`);
    await until(() => held.length === 1);
    const waiting = agent.request(urls[1]!);
    const outcomes = Promise.allSettled([busy, waiting]);
    await agent.stop();
    expect((await outcomes).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    await agent.start();
    expect((await agent.request(`${urls[1]}/a`)).text()).toBe('1/a');
  });
});
