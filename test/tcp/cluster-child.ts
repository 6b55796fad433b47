/** Servers in the workers of a cluster, which share one port. Run by cluster.test.ts; prints what the primary saw. */
import cluster from 'node:cluster';
import { on, once } from 'node:events';
import { TcpClient, TcpServer } from '../../src/index.ts';

const host = '127.0.0.1';
const rounds = 2;

/** Listens on each port that the primary names, then tells which one it is, and stops when the primary says so. */
async function work(): Promise<void> {
  const server = new TcpServer({ onReceive: (self, connId) => void self.send(connId, String(process.pid)) });
  for (let round = 0; round < rounds; round++) {
    const told = once(process, 'message');
    process.send!('ready');
    const [wanted] = await told;
    const { port } = await server.start(host, wanted);
    const toldToStop = once(process, 'message');
    process.send!(port);
    await toldToStop;
    process.send!(await server.stop());
  }
  process.disconnect();
}

/** Sends one message, and returns the answer. */
async function ask(port: number): Promise<string> {
  let answered: (text: string) => void;
  const answer = new Promise<string>((resolve) => {
    answered = resolve;
  });
  const client = new TcpClient({ onReceive: (_client, _connId, data) => answered(data.toString()) });
  await client.start(host, port);
  client.send('who is there?');
  const text = await answer;
  await client.stop();
  return text;
}

async function lead(): Promise<void> {
  cluster.schedulingPolicy = process.argv[2] === 'shared' ? cluster.SCHED_NONE : cluster.SCHED_RR;
  const workers = [cluster.fork(), cluster.fork()];
  const exits = workers.map((worker) => once(worker, 'exit'));
  const messages = workers.map((worker) => on(worker, 'message'));
  const next = () => Promise.all(messages.map(async (iterator) => (await iterator.next()).value[0]));
  const pids = new Set(workers.map((worker) => String(worker.process.pid)));
  let ports = [0, 0];
  for (let round = 0; round < rounds; round++) {
    await next();
    for (const worker of workers) worker.send(ports[0]!);
    ports = await next();
    const answers = await Promise.all(Array.from({ length: 10 }, () => ask(ports[0]!)));
    for (const worker of workers) worker.send('stop');
    const reports = await next();
    console.log(
      JSON.stringify({
        isShared: ports[0] === ports[1],
        answers: answers.filter((pid) => pids.has(pid)).length,
        reports: reports.length,
      }),
    );
  }
  console.log(JSON.stringify((await Promise.all(exits)).map(([code]) => code)));
}

await (cluster.isPrimary ? lead() : work());
