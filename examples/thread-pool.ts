// A server that hashes what it gets on other threads, and answers everyone meanwhile. Run it: npx tsx examples/thread-pool.ts
import { createHash } from 'node:crypto';
import { TcpPackClient, TcpPackServer } from 'hp-socket';
import { createSocketTask, ThreadPool } from 'hp-socket/helpers';

// In a program of yours this is a file: new URL('./tasks.js', import.meta.url).
const tasks = `data:text/javascript,
  import { createHash } from 'node:crypto';
  export function sha256({ data }) {
    return createHash('sha256').update(data).digest();
  }`;

const pool = new ThreadPool(
  {
    onWorkerThreadStart: (_pool, threadId) => console.log(`thread ${threadId} is ready`),
    onWorkerThreadEnd: (_pool, threadId, error) => console.log(`thread ${threadId} has ended ${error?.message ?? ''}`),
  },
  { module: tasks, taskTimeoutMs: 30_000 },
);
await pool.start(2, { maxQueueSize: 100 });

const options = { maxPackSize: 4_000_000 };
const server = new TcpPackServer(
  {
    async onReceive(server, connId, packet) {
      if (packet.length < 100) {
        server.send(connId, packet); // answered at once
        return;
      }
      const digest = await pool.submit(createSocketTask('sha256', server, connId, packet));
      server.send(connId, digest as Buffer);
    },
  },
  options,
);
const { port } = await server.start('127.0.0.1', 0);

const large = Buffer.alloc(3_000_000, 'data');
const answers: string[] = [];
await new Promise<void>((resolve) => {
  const listen = (name: string): TcpPackClient =>
    new TcpPackClient(
      {
        onReceive(_client, _connId, packet) {
          answers.push(packet.length === 32 ? packet.toString('hex') : packet.toString());
          console.log(`${name} hears ${answers.at(-1)}`);
          if (answers.length === 3) resolve();
        },
      },
      options,
    );
  const [hasher, talker] = [listen('hasher'), listen('talker')];
  Promise.all([hasher.start('127.0.0.1', port), talker.start('127.0.0.1', port)]).then(() => {
    hasher.send(large);
    talker.send('hello');
    talker.send('again');
  });
});
await server.stop();
await pool.stop();
if (!answers.includes(createHash('sha256').update(large).digest('hex'))) process.exit(1);
