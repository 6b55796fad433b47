import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocketServer as WsServer } from 'ws';
import { HttpAgent, HttpClient, HttpServer, HttpUpgradeType } from '../../src/http.ts';
import { acceptOf, createKey } from '../../src/websocket/handshake.ts';

const cleanups: (() => Promise<unknown> | unknown)[] = [];

afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

/** An echo server of `ws`, which answers close frames and pings as RFC 6455 asks for. */
async function wsEcho(): Promise<number> {
  const server = new WsServer({ host: '127.0.0.1', port: 0 });
  server.on('connection', (socket) => socket.on('message', (data, binary) => socket.send(data, { binary })));
  await once(server, 'listening');
  cleanups.push(() => {
    for (const client of server.clients) client.terminate();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

const upgrade = (key: string): [string, string][] => [
  ['Connection', 'Upgrade'],
  ['Upgrade', 'websocket'],
  ['Sec-WebSocket-Version', '13'],
  ['Sec-WebSocket-Key', key],
];
const MASK = Buffer.from([1, 2, 3, 4]);

describe('frames on agents and clients (EV-H-12, EV-H-13, EV-H-14)', () => {
  it('come to the hooks of a client behind its upgrade, and are sent by sendWSMessage [HTTP-1-001] [HTTP-1-021] [WS-009]', async () => {
    const port = await wsEcho();
    const log: string[] = [];
    const client = new HttpClient({
      onUpgrade: (_client, _id, type) => void log.push(`upgrade ${type === HttpUpgradeType.WebSocket}`),
      onWSMessageHeader: (_client, _id, isFinal, reserved, opcode, mask, length) =>
        void log.push(`header ${isFinal} ${reserved} ${opcode} ${mask} ${length}`),
      onWSMessageBody: (_client, _id, data) => void log.push(`body ${data}`),
      onWSMessageComplete: (sender) => void log.push(`complete ${sender.getWSMessageState()?.bodyRemain}`),
      onClose: () => void log.push('close'),
    });
    await client.start('127.0.0.1', port);
    cleanups.push(() => client.hasStarted && client.stop());
    expect(client.sendWSMessage(true, 0, 1, MASK, 'too early')).toBe(false);
    expect(client.lastSystemError).toBe(1);
    expect(client.getWSMessageState()).toBeNull();
    client.sendGet('/', upgrade(createKey()));
    await expect.poll(() => log).toEqual(['upgrade true']);
    const data = Buffer.from('hello');
    expect(client.sendWSMessage(true, 0, 1, MASK, data)).toBe(true);
    expect(data.toString()).toBe('hello');
    await expect.poll(() => log.slice(1)).toEqual(['header true 0 1 null 5', 'body hello', 'complete 0']);
    expect(client.getWSMessageState()).toMatchObject({ opcode: 1, bodyLength: 5, mask: null });
    // In two frames, the second announced by the first header and sent by hand, with the mask going on.
    log.length = 0;
    expect(client.sendWSMessage(false, 0, 2, MASK, 'ab')).toBe(true);
    expect(client.sendWSMessage(true, 0, 0, MASK, 'cd', 4)).toBe(true);
    expect(client.send(Buffer.from('ef').map((byte, i) => byte ^ MASK[2 + i]!))).toBe(true);
    await expect.poll(() => log[1]).toBe('body abcdef');
    expect(client.sendWSMessage(true, 0, 2, MASK, 'abc', 2)).toBe(false);
    expect(client.lastSystemError).toBe(22);
    expect(() => client.sendWSMessage(true, 0, 2, Buffer.alloc(3))).toThrow(RangeError);
    client.sendWSMessage(true, 0, 8, MASK, Buffer.from([3, 232]));
    await expect.poll(() => log.at(-1)).toBe('close');
    expect(log).toContain('header true 0 8 null 2');
  });

  it('come to the hooks of an agent for each of its connections [HTTP-RQ-001] [HTTP-M-020]', async () => {
    const port = await wsEcho();
    const bodies = new Map<number, string>();
    const agent = new HttpAgent({
      onWSMessageBody: (_agent, connId, data) => void bodies.set(connId, (bodies.get(connId) ?? '') + data),
    });
    await agent.start();
    cleanups.push(() => agent.stop());
    const ids = [await agent.connect('127.0.0.1', port), await agent.connect('127.0.0.1', port)];
    for (const id of ids) agent.sendGet(id, '/', upgrade(createKey()));
    await expect.poll(() => ids.every((id) => agent.sendWSMessage(id, true, 0, 1, MASK, `${id}`))).toBe(true);
    await expect.poll(() => ids.map((id) => bodies.get(id)?.startsWith(`${id}`))).toEqual([true, true]);
    expect(agent.getWSMessageState(ids[0]!)).toMatchObject({ opcode: 1, bodyRemain: 0 });
    expect(agent.sendWSMessage(999, true, 0, 1, MASK)).toBe(false);
  });

  it('close the connection when a server masks them, whatever wsPolicy says (WS-002)', async () => {
    for (const wsPolicy of ['strict', 'hp'] as const) {
      const server = new HttpServer({
        onUpgrade(sender, connId) {
          const accept = acceptOf(sender.getHeader(connId, 'sec-websocket-key')!);
          sender.sendResponse(connId, 101, null, [
            ['Connection', 'Upgrade'],
            ['Upgrade', 'websocket'],
            ['Sec-WebSocket-Accept', accept],
          ]);
          sender.send(connId, Buffer.from([0x81, 0x81, 0, 0, 0, 0, 0x61]));
        },
      });
      const { port } = await server.start('127.0.0.1', 0);
      cleanups.push(() => server.stop());
      const closed = new Promise<number>((resolve) => {
        const client = new HttpClient(
          { onWSMessageBody: () => {}, onClose: (_client, _id, _operation, code) => resolve(code) },
          { wsPolicy },
        );
        void client.start('127.0.0.1', port).then(() => client.sendGet('/', upgrade(createKey())));
      });
      expect(await closed).toBe(74);
    }
  });

  it('end a connection of a server that was released [WS-014]', async () => {
    const closed: [number, number][] = [];
    const server = new HttpServer({
      onUpgrade: (sender, connId) => void sender.sendResponse(connId, 101, null, upgrade(createKey())),
      onWSMessageComplete: (sender, connId) => {
        expect(sender.release(connId)).toBe(true);
        expect(sender.release(connId)).toBe(false);
        expect(sender.sendWSMessage(connId, true, 0, 2, 'still sent')).toBe(true);
      },
      onClose: (_server, _id, operation, code) => void closed.push([operation, code]),
    });
    const { port } = await server.start('127.0.0.1', 0);
    cleanups.push(() => server.stop());
    let got = '';
    const client = new HttpClient({ onWSMessageBody: (_client, _id, data) => void (got += data) });
    await client.start('127.0.0.1', port);
    cleanups.push(() => client.hasStarted && client.stop());
    client.sendGet('/', upgrade(createKey()));
    await expect.poll(() => client.sendWSMessage(true, 0, 2, MASK, 'first')).toBe(true);
    await expect.poll(() => got).toBe('still sent');
    expect(closed).toEqual([]);
    client.sendWSMessage(true, 0, 2, MASK, 'second');
    await expect.poll(() => closed).toEqual([[4, 125]]);
  });
});
