import { Child } from '../harness/child.ts';
import { type EchoLoad, openEcho } from './echo.ts';
import type { Session } from './sessions.ts';

/** What contenders forward to: a process of its own, which is not measured. */
const target = 'subjects/tcp-echo.ts';

/** Starts an echo, a forwarder in front of it, and connects to that. */
export async function openForwarded(module: string, load: EchoLoad): Promise<Session> {
  const far = await Child.start(target);
  try {
    const session = await openEcho(module, { ...load, settings: async () => ({ port: far.port }) });
    return {
      child: session.child,
      resume: () => session.resume(),
      pause: () => session.pause(),
      countMessages: () => session.countMessages(),
      async close() {
        await session.close();
        await far.stop();
      },
    };
  } catch (error) {
    await far.stop();
    throw error;
  }
}
