import { once } from 'node:events';
import net from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { type KeptSender, SenderRing } from '../../src/connection/sender-ring.ts';
import { TcpServer } from '../../src/tcp.ts';

class Sender implements KeptSender {
  ringAt = -1;
  isIdle = true;
  hasLeft = false;
  leave(): void {
    this.hasLeft = true;
  }
}

it('takes senders from connections only beyond a thousand, at the end of a turn, and never one that is in use', () => {
  let asked = 0;
  const ring = new SenderRing(() => asked++);
  const senders = Array.from({ length: 1100 }, () => new Sender());
  for (const sender of senders.slice(0, 1024)) ring.add(sender);
  expect(asked).toBe(0);
  for (const sender of senders.slice(1024)) ring.add(sender);
  expect(asked).toBe(76);
  for (const sender of senders.slice(0, 10)) sender.isIdle = false;
  ring.turnEnded();
  const left = senders.filter((sender) => sender.hasLeft);
  expect(left).toHaveLength(76);
  expect(left.every(({ isIdle, ringAt }) => isIdle && ringAt < 0)).toBe(true);
  // Those that stay know where they are.
  const places = senders.filter((sender) => !sender.hasLeft).map(({ ringAt }) => ringAt);
  expect(places.sort((a, b) => a - b)).toEqual(Array.from({ length: 1024 }, (_, i) => i));
  expect(left).toContain(ring.takeSpare());
});

it('keeps no sender of a closed connection, and hands on none that may still be called', () => {
  const ring = new SenderRing(() => {});
  const [used, writing] = [new Sender(), new Sender()];
  ring.add(writing);
  ring.add(used);
  ring.remove(writing, false);
  expect([writing.ringAt, used.ringAt]).toEqual([-1, 0]);
  expect(ring.takeSpare()).toBeNull();
  ring.remove(used, true);
  expect(ring.takeSpare()).toBe(used);
  expect(ring.takeSpare()).toBeNull();
});

let server: TcpServer | null = null;
const sockets: net.Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await server?.stop();
  server = null;
});

it('lets more connections than there are senders answer again and again, each its own, and counts what each sent', async () => {
  const echo = new TcpServer({ onReceive: (s, id, data) => void s.send(id, data) }, { maxConnectionCount: 2000 });
  server = echo;
  const { port } = await echo.start('127.0.0.1', 0);
  const texts: string[] = [];
  for (let i = 0; i < 1300; i++) {
    const socket = net.connect(port!, '127.0.0.1');
    sockets.push(socket);
    texts.push('');
    socket.on('data', (data) => {
      texts[i] += data.toString();
    });
    await once(socket, 'connect');
  }
  let expected = '';
  for (const round of ['a', 'b', 'c']) {
    for (const [i, socket] of sockets.entries()) socket.write(`${round}${i};`);
    expected += round;
    await expect
      .poll(() => texts.every((text, i) => text === [...expected].map((r) => `${r}${i};`).join('')), {
        timeout: 20_000,
      })
      .toBe(true);
  }
  const stats = echo.getAllConnectionIDs().map((id) => echo.getConnectionStats(id)!);
  expect(stats).toHaveLength(1300);
  expect(stats.every(({ bytesIn, bytesOut, messagesOut }) => bytesIn === bytesOut && messagesOut >= 1)).toBe(true);
  expect(echo.stats().messagesOut).toBe(stats.reduce((sum, { messagesOut }) => sum + messagesOut, 0));
}, 60_000);
