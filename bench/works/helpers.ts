import { measureFigure, measurePackDelay, measureTasks } from '../drivers/tasks.ts';
import { alternate, type Work } from '../harness/work.ts';

const hashedBytes = 8 * 64 * 1024 * 1024;

export const helperWorks: readonly Work[] = [
  {
    id: 'pool-empty',
    area: 'helpers',
    title: 'ThreadPool, empty tasks, 2 threads, 16 in flight',
    against: 'piscina',
    unit: 'us/task',
    judgement: 'ratio',
    bar: 1.1,
    measurePair: alternate('baselines/piscina-tasks.ts', 'subjects/thread-pool-tasks.ts', measureTasks),
  },
  {
    id: 'pool-loop-delay',
    area: 'helpers',
    title: 'Event loop delay, p99, while 8 tasks hash 64 MiB on 2 threads',
    unit: 'ms',
    judgement: 'atMost',
    bar: 20,
    measurePair: async () => ({ subject: await measureFigure('subjects/thread-pool-hash.ts', hashedBytes) }),
  },
  {
    id: 'pool-pack-delay',
    area: 'helpers',
    title: 'TcpPackServer, p99 of small packages while large ones are hashed, with a ThreadPool',
    against: 'hashing in onReceive',
    unit: 'ms',
    judgement: 'ratio',
    measurePair: alternate('baselines/pack-hash-inline.ts', 'subjects/pack-hash-pool.ts', measurePackDelay),
  },
];
