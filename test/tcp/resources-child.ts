/** What a process holds after many connections, and after components stopped. Run by resources.test.ts with --expose-gc. */
import { TcpAgent, TcpClient, TcpPackServer, TcpPullServer, TcpServer } from '../../src/index.ts';
import { Counter, connectBare } from './support.ts';

const gc = (globalThis as { gc?: () => void }).gc!;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function collect(): Promise<void> {
  for (let i = 0; i < 10; i++) {
    await turn();
    gc();
  }
}

function resources(): Record<string, number> {
  const result: Record<string, number> = {};
  for (const name of process.getActiveResourcesInfo()) {
    // Timers are the wheel's one, and what gc and stdout do is not ours.
    if (name.startsWith('TCP')) result[name] = (result[name] ?? 0) + 1;
  }
  return result;
}

async function manyConnections(): Promise<object> {
  const closed = new Counter();
  const answered = new Counter();
  const options = { maxConnectionCount: 500, idleTimeoutMs: 60_000 };
  const server = new TcpServer(
    {
      onReceive: (server, connId, data) => void server.send(connId, data),
      onClose: () => closed.add(),
    },
    { ...options, maxConnectionsPerAddress: 500 },
  );
  const agent = new TcpAgent({ onReceive: () => answered.add(), onClose: () => closed.add() }, options);
  const { port } = await server.start('127.0.0.1', 0);
  await agent.start();
  let done = 0;
  const run = async (count: number): Promise<void> => {
    for (let batch = 0; batch < count / 200; batch++) {
      const ids = await Promise.all(Array.from({ length: 200 }, () => agent.connect('127.0.0.1', port)));
      for (const connId of ids) agent.send(connId, 'hello');
      done += 200;
      await answered.reach(done);
      // Half of them are ended by one side, half by the other.
      ids.slice(0, 100).forEach((connId) => void agent.disconnect(connId));
      await closed.reach(2 * done - 200);
      for (const connId of server.getAllConnectionIDs()) server.disconnect(connId);
      await closed.reach(2 * done);
    }
  };
  await run(2000);
  await collect();
  const before = { heap: process.memoryUsage().heapUsed, resources: resources() };
  await run(10_000);
  await collect();
  const after = { heap: process.memoryUsage().heapUsed, resources: resources() };
  const stats = { server: server.stats(), agent: agent.stats() };
  const ids = [server.getAllConnectionIDs().length, agent.getAllConnectionIDs().length];
  await server.stop();
  await agent.stop();
  await collect();
  return { before, after, stats, ids, stopped: resources() };
}

/** Lets every kind of component do something, and returns nothing but weak references. */
async function useComponents(): Promise<[string, WeakRef<object>][]> {
  const refs: [string, WeakRef<object>][] = [];
  const keep = <T extends object>(name: string, value: T): T => {
    refs.push([name, new WeakRef<object>(value)]);
    return value;
  };
  for (const Server of [TcpServer, TcpPullServer, TcpPackServer]) {
    const received = new Counter();
    const closed = new Counter();
    const server = keep(
      Server.name,
      new (Server as typeof TcpServer)(
        keep('listener', {
          onReceive(server: TcpServer, connId: number) {
            server.send(connId, Buffer.alloc(100_000));
            received.add();
          },
          onSend: () => {},
          onClose: () => closed.add(),
        }),
        { idleTimeoutMs: 60_000, connectionTimeoutMs: 60_000, maxReceiveBytesPerSecond: 100_000_000 },
      ),
    );
    const { port } = await server.start({ host: '127.0.0.1', signal: keep('signal', new AbortController()).signal });
    const peer = await connectBare(port);
    peer.resume();
    peer.write(Buffer.from([3, 0, 0, 0, 1, 2, 3]));
    await received.reach(1);
    peer.destroy();
    await closed.reach(1);

    const heard = new Counter();
    const client = keep(
      'TcpClient',
      new TcpClient({ onReceive: (_client, _connId, data) => heard.add(data.length) }, { idleTimeoutMs: 60_000 }),
    );
    await client.start('127.0.0.1', port);
    client.send(Buffer.from([3, 0, 0, 0, 1, 2, 3]));
    await heard.reach(100_000);
    const agent = keep(
      'TcpAgent',
      new TcpAgent({ onReceive: (_agent, _connId, data) => heard.add(data.length) }, { idleTimeoutMs: 60_000 }),
    );
    await agent.start();
    const connId = await agent.connect({ host: '127.0.0.1', port, extra: keep('extra', {}) });
    agent.send(connId, Buffer.from([3, 0, 0, 0, 1, 2, 3]));
    await heard.reach(200_000);
    await server.stop();
    await client.wait();
    await agent.stop();
  }
  return refs;
}

async function collectable(): Promise<object> {
  const refs = await useComponents();
  const alive = (): string[] => refs.filter(([, ref]) => ref.deref() !== undefined).map(([name]) => name);
  // Handles that are closed tell so in a later turn, and on a loaded machine the kernel may take its time: what is
  // looked for is that nothing holds on to them, not how soon the collector gets there.
  const deadline = performance.now() + 10_000;
  do {
    await collect();
    await new Promise((resolve) => setTimeout(resolve, 20));
  } while (alive().length > 0 && performance.now() < deadline);
  return { all: refs.length, alive: alive() };
}

const result = process.argv[2] === 'many' ? await manyConnections() : await collectable();
process.stdout.write(JSON.stringify(result));
