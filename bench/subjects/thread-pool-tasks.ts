import { ThreadPool } from 'hp-socket/helpers';
import { taskLoop } from '../baselines/task-loop.ts';
import type { StartContender } from '../harness/contract.ts';

export const start: StartContender = async () => {
  const pool = new ThreadPool({}, { module: new URL('../baselines/tasks.js', import.meta.url) });
  await pool.start(2);
  return taskLoop(() => pool.submit('empty'));
};
