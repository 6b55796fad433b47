import { once } from 'node:events';
import net from 'node:net';
import tls from 'node:tls';
import { expect, test } from 'vitest';
import { SocketOperation, SslClient, SslServer } from '../../src/index.ts';
import { deferred, until } from '../compliance/family.ts';
import { commonCertificates } from '../tools/certificates.ts';

const host = '127.0.0.1';
const { authority, server: material } = await commonCertificates();

type Close = [operation: SocketOperation, errno: number];

/** A write to a socket that has been reset fails at once, inside the call: nobody may wait for it to complete. */
test('CLS-005: writes to a peer that is gone end the connection of a server', async () => {
  for (let round = 0; round < 10; round++) {
    const closed = deferred<Close>();
    const server = new SslServer({
      onReceive(server, connId, data) {
        if (data.toString() === 'hello') return void server.send(connId, 'hello');
        socket.resetAndDestroy();
        // The reset is in the system when this is over, and what is written at the end of this turn fails.
        const later = Date.now() + 2;
        while (Date.now() < later);
        for (let i = 0; i < 3; i++) server.send(connId, Buffer.alloc(2000));
        return new Promise((resolve) => setTimeout(resolve, 2));
      },
      onClose: (_server, _connId, operation, code) => closed.resolve([operation, code]),
    });
    server.setupSSLContextByMemory(material);
    const { port } = await server.start(host, 0);
    const socket = net.connect(port, host);
    socket.on('error', () => {});
    const peer = tls.connect({ socket, rejectUnauthorized: false });
    peer.on('error', () => {});
    await once(peer, 'secureConnect');
    peer.write('hello');
    await once(peer, 'data');
    peer.write('now');
    const [operation, code] = await closed.promise;
    expect(operation).toBe(SocketOperation.Send);
    expect([32, 104]).toContain(code);
    await server.stop();
  }
});

test('a client whose peer ended and then went away does not wait for what it cannot send', async () => {
  for (const linger of [0, 1, 3]) {
    const ended = deferred<Close>();
    const listener = tls.createServer({ key: material.key, cert: material.cert }, (peer) => {
      peer.on('error', () => {});
      peer.once('data', () => {
        // Its end, then its reset: from here on writes fail.
        peer.end();
        setTimeout(() => (peer as unknown as net.Socket).destroy(), linger);
      });
    });
    listener.listen(0, host);
    await once(listener, 'listening');
    const client = new SslClient({
      // The peer's end is not looked at before this is over.
      onReceive: () => new Promise<void>((resolve) => setTimeout(resolve, 20)),
      onClose: (_client, _connId, operation, code) => ended.resolve([operation, code]),
    });
    client.setupSSLContextByMemory({ ca: authority.ca });
    await client.start(host, (listener.address() as net.AddressInfo).port);
    await until(() => client.send('end'));
    for (let i = 0; i < 400 && client.isConnected; i++) {
      client.send(Buffer.alloc(2400));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await ended.promise;
    await client.wait();
    listener.close();
  }
});
