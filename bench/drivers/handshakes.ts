import type { TLSSocket } from 'node:tls';
import { testCertificate } from '../certificates.ts';
import { Child } from '../harness/child.ts';
import { connectTls } from './connections.ts';
import { LaneSession } from './lanes.ts';
import type { Session } from './sessions.ts';

// Connections that are in their handshake at any time.
const handshakesAtOnce = 16;

/** Full TLS handshakes; a "message" is one of them. */
export async function openHandshakes(module: string): Promise<Session> {
  const child = await Child.start(module, { certificate: await testCertificate() });
  return new LaneSession(child, handshakesAtOnce, shakeHands);
}

async function shakeHands(port: number): Promise<void> {
  const socket = (await connectTls(port, () => {})) as TLSSocket;
  if (socket.isSessionReused()) throw new Error('a session was resumed: that was no full handshake');
  socket.on('error', () => {});
  // Orderly, with close_notify: the server must not have errors to handle in the one case and none in the other.
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.end();
  await closed;
}
