// An echo server: every byte goes back to where it came from. Run it: npx tsx examples/tcp-server.ts
import { once } from 'node:events';
import { connect } from 'node:net';
import { TcpServer } from 'hp-socket';

const server = new TcpServer({
  onAccept(server, connId) {
    console.log(`connection ${connId} from ${server.getRemoteAddress(connId)?.address}`);
  },
  onReceive(server, connId, data) {
    server.send(connId, data);
  },
  onClose(_server, connId, _operation, errorCode) {
    console.log(`connection ${connId} closed ${errorCode === 0 ? 'in peace' : `with error ${errorCode}`}`);
  },
});
const { port } = await server.start('127.0.0.1', 0);

// Any program can be the client; here, a bare socket.
const socket = connect(port, '127.0.0.1');
socket.write('hello');
const [answer] = await once(socket, 'data');
console.log(`the server answered: ${answer}`);
socket.end();
await once(socket, 'close');

console.log(await server.stop({ drainTimeoutMs: 1000 }));
if (String(answer) !== 'hello') process.exit(1);
