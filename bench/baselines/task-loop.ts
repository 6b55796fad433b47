import type { Started } from '../harness/contract.ts';

/** Tasks that are under way at once, with two threads. */
const tasksInFlight = 16;

/** A contender that submits empty tasks for ever, once it is told to, and counts each as a byte. */
export function taskLoop(submit: () => Promise<unknown>): Started {
  let done = 0;
  const loop = async (): Promise<void> => {
    for (;;) {
      await submit();
      done++;
    }
  };
  return {
    port: 0,
    receivedBytes: () => done,
    kickOff: () => {
      for (let i = 0; i < tasksInFlight; i++) void loop();
    },
  };
}
