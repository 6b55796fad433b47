// A pull server: lengths first, then as many bytes, cut by the server and not by the network.
// Run it: npx tsx examples/tcp-pull-server.ts
import { TcpClient, TcpPullServer } from 'hp-socket';

const texts: string[] = [];
await using server = new TcpPullServer({
  onReceive(server, connId) {
    for (;;) {
      const head = server.peek(connId, 2); // two bytes length, big-endian
      if (head === null) return; // not there yet
      const record = server.fetch(connId, 2 + head.readUInt16BE());
      if (record === null) return;
      texts.push(record.subarray(2).toString());
    }
  },
});
const { port } = await server.start('127.0.0.1', 0);

await using client = new TcpClient({});
await client.start('127.0.0.1', port);
const record = (text: string): Buffer => {
  const bytes = Buffer.from(`  ${text}`);
  bytes.writeUInt16BE(bytes.length - 2);
  return bytes;
};
for (const byte of Buffer.concat([record('one'), record('two'), record('three')])) {
  client.send(Uint8Array.of(byte)); // byte by byte, to be nasty
  await new Promise((resolve) => setImmediate(resolve));
}
while (texts.length < 3) await new Promise((resolve) => setTimeout(resolve, 5));
console.log(texts);
