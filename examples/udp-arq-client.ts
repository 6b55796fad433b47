// A reliable UDP client that also sends what is worth nothing when it is late: with a deadline, and unreliably.
import assert from 'node:assert/strict';
import { UdpArqClient, UdpArqServer } from 'hp-socket';

const seen = new Set<string>();
let isComplete: () => void;
const complete = new Promise<void>((resolve) => {
  isComplete = resolve;
});
const note = (text: string): void => {
  seen.add(text);
  if (seen.size === 3) isComplete();
};
const server = new UdpArqServer(
  {
    onReceive: (_server, _connId, message) => note(message.toString()),
    onReceiveUnreliable: (_server, _connId, message) => note(message.toString()),
  },
  { preset: 'interactive', unreliable: true },
);
const { port } = await server.start('127.0.0.1', 0);

const client = new UdpArqClient({}, { preset: 'interactive', unreliable: true });
await client.start('127.0.0.1', port); // resolves when the ARQ handshake is done
client.send('reliable');
client.sendWithin('in time', 100);
// Both ends must have said that they take it, which needs a round trip.
while (!client.sendUnreliable('unreliable')) await new Promise((resolve) => setTimeout(resolve, 5));
await complete;
assert.deepEqual([...seen].sort(), ['in time', 'reliable', 'unreliable']);
await client.stop({ drainTimeoutMs: 1000 });
await server.stop();
