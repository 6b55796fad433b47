import { expect, test } from 'vitest';
import { TcpPackServer, TcpServer } from '../../src/index.ts';
import { connectBare } from '../tcp/support.ts';
import { eventually } from '../udp/tools.ts';
import { host } from './support.ts';

// Issue: a listener that keeps a few bytes of each connection keeps 32 KiB for each.

const logins = 20;

/** Bytes of memory that `pieces` keep alive. */
function keptBytes(pieces: readonly Buffer[]): number {
  let sum = 0;
  for (const buffer of new Set(pieces.map((piece) => piece.buffer))) sum += buffer.byteLength;
  return sum;
}

test.each([
  ['TcpServer', TcpServer, ''],
  ['TcpPackServer', TcpPackServer, '0c000000'],
] as const)('small messages that are kept do not keep the memory of others: %s', async (_name, Server, head) => {
  const kept: Buffer[] = [];
  let otherBytes = 0;
  const server = new (Server as typeof TcpServer)({
    onReceive(_self: unknown, _connId: number, data: Buffer) {
      if (data.length === 12) kept.push(data);
      else otherBytes += data.length;
    },
  } as never);
  const { port } = await server.start(host, 0);
  const login = Buffer.concat([Buffer.from(head, 'hex'), Buffer.from('login: alice')]);
  const other = Buffer.alloc(1004, 1);
  if (head !== '') other.writeUInt32LE(1000);
  const peers = [];
  for (let i = 0; i < logins; i++) {
    const peer = await connectBare(port);
    peers.push(peer);
    peer.write(login);
    await eventually(() => kept.length === i + 1);
    // More than one piece of memory takes, and nobody keeps it.
    for (let others = 0; others < 40; others++) {
      const before = otherBytes;
      peer.write(other);
      await eventually(() => otherBytes >= before + other.length - head.length / 2);
    }
  }
  for (const peer of peers) peer.destroy();
  await server.stop();
  expect(kept.every((piece) => piece.toString() === 'login: alice')).toBe(true);
  expect(keptBytes(kept)).toBeLessThan(logins * 1024);
});
