import { measureBulk, measureIdleSessions } from '../drivers/arq-peers.ts';
import { openArqPeer, openDatagramPeer, openMessageEcho } from '../drivers/message-echo.ts';
import { takeTurns } from '../drivers/sessions.ts';
import type { Pair, RunSettings, Work } from '../harness/work.ts';

const messageSize = 64;
const peers = 50;
const bulk = { preset: 'bulk' };
const plain = { peers, messageSize, open: openDatagramPeer };

const alone = (value: number): Pair => ({ subject: { value, details: {} } });

const measureIdle = (run: RunSettings): ReturnType<typeof measureIdleSessions> =>
  measureIdleSessions('subjects/arq-echo.ts', 5_000, { flushInterval: 10 }, run);

export const udpWorks: readonly Work[] = [
  {
    id: 'udp-echo-64',
    area: 'udp',
    title: 'UdpServer echo, 64 B ping-pong, 50 peers',
    against: 'node:dgram echo',
    unit: 'us/msg',
    judgement: 'ratio',
    bar: 1,
    measurePair: takeTurns(
      () => openMessageEcho('baselines/dgram-echo.ts', plain),
      () => openMessageEcho('subjects/udp-echo.ts', plain),
    ),
  },
  {
    id: 'arq-echo-64',
    area: 'arq',
    title: 'UdpArqServer echo, 64 B ping-pong, 50 sessions',
    // Nothing else on Node speaks KCP without native code, so this asks what reliability costs above datagrams that may be lost.
    against: 'node:dgram echo (unreliable)',
    unit: 'us/msg',
    judgement: 'ratio',
    bar: 1.1,
    measurePair: takeTurns(
      () => openMessageEcho('baselines/dgram-echo.ts', plain),
      () => openMessageEcho('subjects/arq-echo.ts', { peers, messageSize, open: openArqPeer() }),
    ),
  },
  {
    id: 'arq-bulk',
    area: 'arq',
    title: 'UdpArqServer receives from one session, 1 KiB messages, preset bulk',
    unit: 'MB/s',
    judgement: 'atLeast',
    bar: 40,
    measurePair: async (run) => alone((await measureBulk('subjects/arq-sink.ts', 1024, bulk, run)).megabytesPerSecond),
  },
  {
    id: 'arq-bulk-cpu',
    area: 'arq',
    title: 'UdpArqServer receives from one session, CPU of the server',
    unit: 'us/MB',
    judgement: 'atMost',
    measurePair: async (run) =>
      alone((await measureBulk('subjects/arq-sink.ts', 1024, bulk, run)).cpuMicrosPerMegabyte),
  },
  {
    id: 'arq-idle-5k',
    area: 'arq',
    title: 'UdpArqServer with 5,000 idle sessions, interval 10 ms',
    unit: '% of a core',
    judgement: 'atMost',
    bar: 1,
    measurePair: async (run) => ({ subject: (await measureIdle(run)).busy }),
  },
  {
    id: 'arq-memory-5k',
    area: 'arq',
    title: 'UdpArqServer memory per session, 5,000 sessions',
    unit: 'KB',
    judgement: 'atMost',
    bar: 4,
    measurePair: async (run) => ({ subject: (await measureIdle(run)).memory }),
  },
];
