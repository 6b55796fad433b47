/** Adopts the sockets that its parent sends, and answers with its process ID. Run by adopting.test.ts. */
import type { Socket } from 'node:net';
import { TcpServer } from '../../src/index.ts';

const server = new TcpServer({ onReceive: (self, connId) => void self.send(connId, String(process.pid)) });
await server.start('127.0.0.1', 0);
process.on('message', (_text, socket) => void server.adopt(socket as Socket));
process.on('disconnect', () => void server.stop());
process.send!('ready');
