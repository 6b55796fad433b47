import { connect, type Socket } from 'node:net';
import { TcpPackServer, TcpServer } from '../../src/index.ts';
import { sharedMemory } from '../../src/memory/read-memory.ts';
import { packHeader } from '../../src/protocol/pack.ts';
import { sharedOnread } from '../../src/transport/socket-owner.ts';
import type { MicroTask } from './task.ts';

const connections = 100;
const packHeaderFlag = 0x169;
const body = Buffer.alloc(64, 0x5a);

/** The handle of a socket, as far as its writes are taken from it. */
interface WritingHandle {
  writeBuffer: () => number;
  writev: () => number;
}

/** An echo from the call that brings a read to the call that writes the answer, which is left out: what is ours of a message. */
export async function microTasks(): Promise<MicroTask[]> {
  const header = Buffer.alloc(4);
  header.writeUInt32LE(packHeader(packHeaderFlag, body.length));
  const packages = Buffer.concat(Array.from({ length: 16 }, () => [header, body]).flat());
  const accepted: Socket[] = [];
  const onAccept = (_server: unknown, _connId: number, socket: Socket): void => void accepted.push(socket);
  const push = new TcpServer({ onAccept, onReceive: (server, connId, data) => server.send(connId, data) });
  const pack = new TcpPackServer(
    { onAccept, onReceive: (server, connId, data) => server.send(connId, data) },
    { packHeaderFlag },
  );
  return [
    await task('64 B echo, a read each', push, accepted, body, 1),
    await task('64 B packages, 16 in a read', pack, accepted, packages, 16),
  ];
}

async function task(
  name: string,
  server: TcpServer | TcpPackServer,
  accepted: Socket[],
  read: Buffer,
  messages: number,
): Promise<MicroTask> {
  const { port } = await server.start('127.0.0.1', 0);
  const peers: Socket[] = [];
  for (let i = 0; i < connections; i++) {
    const peer = connect(port, '127.0.0.1');
    await new Promise((resolve) => peer.once('connect', resolve));
    peers.push(peer);
  }
  while (accepted.length < connections) await new Promise((resolve) => setTimeout(resolve, 1));
  const sockets = accepted.splice(0);
  for (const socket of sockets) {
    const { _handle: handle } = socket as unknown as { _handle: WritingHandle };
    handle.writeBuffer = () => 0;
    handle.writev = () => 0;
  }
  const { shared } = sharedMemory().read;
  return {
    name: `stream path without system calls: ${name}`,
    operations: 10 * connections * messages,
    run() {
      read.copy(shared);
      for (let i = 0; i < 10; i++) {
        for (const socket of sockets) {
          sharedOnread.callback.call(socket as never, read.length, shared);
          (sharedOnread.buffer as () => Buffer)();
        }
      }
    },
    async close() {
      for (const peer of peers) peer.destroy();
      await server.stop();
    },
  };
}
