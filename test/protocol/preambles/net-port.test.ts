/** Defects of the .NET port's proxies that ours has not. */
import { expect, test } from 'vitest';
import { TcpAgent, TcpClient, TcpServer } from '../../../src/index.ts';
import { host, until } from '../../ssl/support.ts';
import { FakeProxy, type FakeProxyOptions } from '../../tools/fake-proxy.ts';

const kinds: FakeProxyOptions['kind'][] = ['socks5', 'http'];

/** A server that greets with its name, and answers what it gets. */
async function named(name: string): Promise<TcpServer & { port: number }> {
  const server = new TcpServer({
    onHandShake: (s, id) => void s.send(id, `${name}:`),
    onReceive: (s, id, data) => void s.send(id, data),
  });
  const { port } = await server.start(host, 0);
  return Object.assign(server, { port });
}

test.each(kinds)('connections through one %s proxy at a time each reach their own target [EBUG-015]', async (kind) => {
  await using one = await named('one');
  await using two = await named('two');
  await using proxy = await FakeProxy.start({ kind, isSlow: true });
  const got = new Map<number, string>();
  await using agent = new TcpAgent(
    { onReceive: (_a, id, data) => void got.set(id, (got.get(id) ?? '') + data) },
    { proxy: [proxy.url] },
  );
  await agent.start();
  const targets = [one, two, one, two, two, one];
  const ids = await Promise.all(targets.map(({ port }) => agent.connect(host, port)));
  await until(() => got.size === ids.length && [...got.values()].every((text) => text.length === 4));
  expect(ids.map((id) => got.get(id))).toEqual(targets.map((server) => (server === one ? 'one:' : 'two:')));
  expect(proxy.asked.sort()).toEqual(targets.map(({ port }) => `${host}:${port}`).sort());
  expect(ids.map((id) => agent.getRemoteAddress(id)?.port)).toEqual(targets.map(({ port }) => port));
});

test.each(kinds)(
  'a client behind a %s proxy goes on after the first bytes, and connects again [EBUG-016]',
  async (kind) => {
    await using server = await named('one');
    await using proxy = await FakeProxy.start({ kind, isSlow: true });
    let got = '';
    const client = new TcpClient({ onReceive: (_c, _id, data) => void (got += data) }, { proxy: proxy.url });
    for (let round = 1; round <= 2; round++) {
      got = '';
      await client.start(host, server.port);
      await until(() => got === 'one:');
      for (let i = 1; i <= 5; i++) {
        client.send(`${i}`);
        await until(() => got === `one:${'12345'.slice(0, i)}`);
      }
      expect(client.connection!.remoteAddress!.port).toBe(server.port);
      await client.stop();
      expect(proxy.asked).toHaveLength(round);
    }
  },
);
