// Two nodes without connections.
import assert from 'node:assert/strict';
import { UdpNode } from 'hp-socket';

const pong = new UdpNode({
  onReceive(node, address, port, data) {
    node.send(address, port, `pong to ${data}`);
  },
});
const { port } = await pong.start('127.0.0.1', 0);

let answered: (text: string) => void;
const answer = new Promise<string>((resolve) => {
  answered = resolve;
});
const ping = new UdpNode({
  onReceive: (_node, _address, _port, data) => answered(data.toString()),
  onError: (_node, operation, errorCode, address) => console.error({ operation, errorCode, address }),
});
await ping.start('127.0.0.1', 0);
ping.send('127.0.0.1', port, 'ping');
assert.equal(await answer, 'pong to ping');
await Promise.all([ping.stop(), pong.stop()]);
