// A client that echoes text, bytes and a message in fragments through a server. Run it: npx tsx examples/websocket-client.ts
import { WebSocketClient, WebSocketServer } from 'hp-socket/websocket';

const server = new WebSocketServer({
  onMessage(sender, connId, data, isBinary) {
    if (isBinary) sender.send(connId, data);
    else sender.sendText(connId, data);
  },
});
const { port } = await server.start('127.0.0.1', 0);

const got: string[] = [];
const done = new Promise<void>((resolve) => {
  const client = new WebSocketClient({
    async onOpen(sender) {
      sender.send('text');
      sender.send(Buffer.from('bytes'));
      await sender.sendStream(['a message ', 'in ', 'fragments'], { isBinary: false });
    },
    onMessage(sender, _connId, data, isBinary) {
      got.push(`${isBinary ? 'bytes' : 'text'}: ${data.toString()}`);
      if (got.length === 3) sender.close(1000, 'that was all');
    },
    onWSClose: (_client, _connId, code) => got.push(`closed: ${code}`),
    onClose: () => resolve(),
  });
  client.open(`ws://127.0.0.1:${port}/`).catch((error: unknown) => {
    console.error(error);
    resolve();
  });
});
await done;
await server.stop();
console.log(got.join('\n'));
if (got.join() !== 'text: text,bytes: bytes,text: a message in fragments,closed: 1000') process.exit(1);
