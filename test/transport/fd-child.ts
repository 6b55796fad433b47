/** A server on the listening socket that is its file descriptor 3. Ends when its input does. Run by listening.test.ts. */
import { once } from 'node:events';
import { TcpServer } from '../../src/index.ts';

const server = new TcpServer({ onReceive: (self, connId) => void self.send(connId, String(process.pid)) });
console.log(JSON.stringify(await server.start({ fd: 3 })));
process.stdin.resume();
await once(process.stdin, 'end');
await server.stop();
