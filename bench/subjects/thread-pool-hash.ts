/** Hashes on two threads while the delay of the event loop is measured. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { ThreadPool } from 'hp-socket/helpers';
import type { StartContender } from '../harness/contract.ts';

const tasks = 8;
const bytesPerTask = 64 * 1024 * 1024;

export const start: StartContender = async () => {
  const pool = new ThreadPool({}, { module: new URL('../baselines/tasks.js', import.meta.url) });
  await pool.start(2);
  const inputs = Array.from({ length: tasks }, () => new Uint8Array(bytesPerTask));
  const delay = monitorEventLoopDelay({ resolution: 1 });
  let done = 0;
  return {
    port: 0,
    receivedBytes: () => done * bytesPerTask,
    // The histogram holds what passes beyond the asked resolution of 1 ms too, so that much is taken off.
    figure: () => delay.percentile(99) / 1e6 - 1,
    kickOff: () => {
      delay.enable();
      const all = inputs.map(async (data) => {
        await pool.submit('hash', data, { transfer: [data.buffer] });
        done++;
      });
      void Promise.all(all).then(() => delay.disable());
    },
  };
};
