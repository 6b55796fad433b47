// A client that talks to a line-based server, with a listener class. Run it: npx tsx examples/tcp-client.ts

import { once } from 'node:events';
import { createServer } from 'node:net';
import { type ConnId, type SocketOperation, TcpClient, TcpClientListener } from 'hp-socket';

const server = createServer((socket) => socket.end(`you are ${socket.remoteAddress}\n`)).listen(0, '127.0.0.1');
await once(server, 'listening');

class Reader extends TcpClientListener {
  text = '';

  override onReceive(_client: TcpClient, _connId: ConnId, data: Buffer): void {
    this.text += data.toString();
  }

  override onClose(_client: TcpClient, _connId: ConnId, operation: SocketOperation, errorCode: number): void {
    console.log(`closed: operation ${operation}, error ${errorCode}`);
  }
}

const reader = new Reader();
const client = new TcpClient(reader, { syncConnectTimeout: 3000 });
await client.start('127.0.0.1', (server.address() as { port: number }).port);
await client.wait(); // the client stops by itself when the server closes
console.log(reader.text.trim());
server.close();
if (reader.text !== 'you are 127.0.0.1\n') process.exit(1);
