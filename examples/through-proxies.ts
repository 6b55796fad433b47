// A client that reaches its server through two proxies, whose names only they know.
// Run it: npx tsx examples/through-proxies.ts

import net from 'node:net';
import { conversation, SocketError, TcpClient, TcpServer } from 'hp-socket';

/** A proxy that takes CONNECT, in a few lines: in real life it is squid, or one of your company. */
async function startProxy(names: Record<string, string>): Promise<{ port: number; stop(): Promise<unknown> }> {
  const proxy = new TcpServer<{ host: string; port: number }>(
    {
      onAccept(sender, connId) {
        const upstream = net.connect(sender.getConnectionExtra(connId)!);
        const stream = sender.createStream(connId);
        for (const socket of [upstream, stream]) socket.on('error', () => stream.destroy());
        stream.pipe(upstream).pipe(stream);
      },
    },
    {
      preamble: conversation(async (peer) => {
        const [line = ''] = (await peer.readUntil('\r\n\r\n')).toString().split('\r\n');
        const [, name = '', port = ''] = /^CONNECT (\S+):(\d+) HTTP\/1\.1$/.exec(line) ?? [];
        const host = names[name];
        peer.send(host === undefined ? 'HTTP/1.1 403 Forbidden\r\n\r\n' : 'HTTP/1.1 200 OK\r\n\r\n');
        if (host === undefined) peer.fail('nobody here has that name');
        peer.extra = { host, port: Number(port) };
      }),
    },
  );
  const { port } = await proxy.start('127.0.0.1', 0);
  return { port, stop: () => proxy.stop() };
}

const server = new TcpServer({ onReceive: (sender, connId, data) => void sender.send(connId, `you said ${data}`) });
const { port } = await server.start('127.0.0.1', 0);
const near = await startProxy({ 'far.example': '127.0.0.1' });
const far = await startProxy({ 'inside.example': '127.0.0.1' });

const client = new TcpClient(
  {
    onReceive(sender, _connId, data) {
      console.log(`${data}, through ${sender.connection?.proxies.join(' and ')}`); // you said hello, through ...
      void sender.stop();
    },
  },
  { proxy: [`http://127.0.0.1:${near.port}`, `http://far.example:${far.port}`] },
);
await client.start('inside.example', port);
client.send('hello');
await client.wait();
try {
  await client.start('nowhere.example', port);
} catch (error) {
  // "connecting to nowhere.example:... failed: proxy 2 of 2 (http://far.example:...) did not connect ...: 403 Forbidden (...)"
  if (error instanceof SocketError) console.log(error.code, error.message);
}
await client.wait();
await Promise.all([near.stop(), far.stop(), server.stop()]);
