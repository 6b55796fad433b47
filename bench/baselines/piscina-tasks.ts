/** Empty tasks on a pool of `piscina`, with its default settings but for the number of threads. */
import { Piscina } from 'piscina';
import type { StartContender } from '../harness/contract.ts';
import { taskLoop } from './task-loop.ts';

export const start: StartContender = async () => {
  const filename = new URL('./tasks.js', import.meta.url).href;
  const pool = new Piscina({ filename, name: 'empty', minThreads: 2, maxThreads: 2 });
  await pool.run(undefined);
  return taskLoop(() => pool.run(undefined));
};
