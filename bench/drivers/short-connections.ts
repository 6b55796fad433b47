import { once } from 'node:events';
import { connect } from 'node:net';
import { Child } from '../harness/child.ts';
import type { Settings } from '../harness/contract.ts';
import { LaneSession } from './lanes.ts';
import type { Session } from './sessions.ts';

// Connections that are open at any time.
const connectionsAtOnce = 32;
const payload = Buffer.alloc(16, 0x5a);

/**
 * Connections for one echo each: a "message" is one connection.
 *
 * @param preamble What each sends in front of its payload, in one write with it.
 */
export async function openShortConnections(module: string, preamble: Buffer, settings: Settings): Promise<Session> {
  const bytes = Buffer.concat([preamble, payload]);
  return new LaneSession(await Child.start(module, settings), connectionsAtOnce, (port) => echoOnce(port, bytes));
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
