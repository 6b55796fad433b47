import { once } from 'node:events';
import { connect } from 'node:net';
import { withChild } from '../harness/child.ts';
import type { Work } from '../harness/work.ts';
import { LaneSession } from './lanes.ts';
import { measureInTurns } from './sessions.ts';

// Connections that are open at any time.
const connectionsAtOnce = 32;
const payload = Buffer.alloc(16, 0x5a);

/**
 * Compares two servers of one process by connections for one echo each: a "message" is one connection. In one process, and in
 * slices, since processes that do the same differ by more than what is looked for.
 *
 * @param preamble What each connection to the second server sends in front of its payload, in one write with it.
 */
export function compareShortConnections(module: string, preamble: Buffer): Work['measurePair'] {
  return (run) =>
    withChild(module, {}, async (child) => {
      const lanes = (bytes: Buffer, port: number) =>
        new LaneSession(child, connectionsAtOnce, () => echoOnce(port, bytes));
      const first = lanes(payload, child.port);
      const second = run.selfCheck ? first : lanes(Buffer.concat([preamble, payload]), child.otherPort);
      // What is looked for is a fiftieth of what is measured.
      return measureInTurns(first, second, { ...run, warmUpSeconds: run.warmUpSeconds * 3, seconds: run.seconds * 3 });
    });
}

async function echoOnce(port: number, bytes: Buffer): Promise<void> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  socket.write(bytes);
  const [answer] = (await once(socket, 'data')) as [Buffer];
  if (!answer.equals(payload)) throw new Error(`the echo is ${answer.length} bytes, and not what was sent`);
  // By reset, so that tens of thousands of them leave nothing in TIME_WAIT.
  socket.on('error', () => {});
  socket.resetAndDestroy();
}
