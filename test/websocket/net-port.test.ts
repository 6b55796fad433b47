/** What HPSocket.Net's WebSocketServer and WebSocketAgent do, as far as it is the same here, and where it is not on purpose. */
import { once } from 'node:events';
import net from 'node:net';
import { afterEach, expect, it } from 'vitest';
import WebSocket, { WebSocketServer as WsServer } from 'ws';
import { targetOf } from '../../src/websocket/client-handshake.ts';
import { CloseCode, SslWebSocketAgent, WebSocketAgent, WebSocketClient, WebSocketServer } from '../../src/websocket.ts';

const running: { stop(): Promise<unknown>; hasStarted: boolean }[] = [];

afterEach(async () => {
  for (const component of running.splice(0).reverse()) if (component.hasStarted) await component.stop();
});

type Arguments = ConstructorParameters<typeof WebSocketServer>;

async function serve(...args: Arguments): Promise<{ server: WebSocketServer; port: number }> {
  const server = new WebSocketServer(...args);
  running.push(server);
  const { port } = await server.start('127.0.0.1', 0);
  return { server, port };
}

it('takes ws: and wss: URLs, with their ports by default, and nothing else [WSS-001] [WSA-001]', async () => {
  const { port } = await serve({});
  const agent = new WebSocketAgent({});
  running.push(agent);
  await agent.start();
  for (const url of ['/relative', 'ftp://127.0.0.1/', `ws://127.0.0.1:${port}/#part`, 'ws://', `ws://a:b@127.0.0.1/`]) {
    await expect(agent.open(url)).rejects.toThrow(TypeError);
  }
  await expect(agent.open(`wss://127.0.0.1:${port}/`)).rejects.toThrow(/Ssl/);
  await expect(new SslWebSocketAgent({}).open('ws://127.0.0.1/')).rejects.toThrow(/wss/);
  await expect(agent.open('ws://127.0.0.1:0/')).rejects.toMatchObject({ code: 'HP_INVALID_PARAM' });
  expect(targetOf('ws://127.0.0.1/', [], []).port).toBe(80);
  expect(targetOf('wss://127.0.0.1/', [], []).port).toBe(443);
  const id = await agent.open(`ws://127.0.0.1:${port}/path?query`);
  expect(agent.isOpen(id)).toBe(true);
});

it('sends what the agent is given with the request: headers, sub-protocols, and from which address [WSA-001] [ECO-006]', async () => {
  const { server, port } = await serve({}, { subProtocols: ['b'] });
  const agent = new WebSocketAgent({});
  running.push(agent);
  await agent.start();
  await agent.open(`ws://127.0.0.1:${port}/`, {
    headers: [
      ['User-Agent', 'mine'],
      ['Cookie', 'a=b'],
    ],
    subProtocols: ['a', 'b'],
    localAddress: '127.0.0.2',
  });
  const [connId] = server.getAllConnectionIDs();
  const request = server.getRequest(connId!)!;
  expect([request.header('user-agent'), request.header('cookie')]).toEqual(['mine', 'a=b']);
  expect(server.getSubProtocol(connId!)).toBe('b');
  expect(server.getRemoteAddress(connId!)?.address).toBe('127.0.0.2');
});

it('has its settings as properties: messages are limited, silence is noticed, nothing is compressed [WSS-003]', () => {
  const server = new WebSocketServer({});
  expect(server).toMatchObject({
    compression: false,
    maxMessageBytes: 16 * 1024 * 1024,
    pingIntervalMs: 30_000,
    subProtocols: [],
  });
  server.maxMessageBytes = 100;
  expect(() => {
    server.pingIntervalMs = -1;
  }).toThrow(RangeError);
});

it('accepts the first offer of permessage-deflate that it understands, unless compression is off [WSS-008]', async () => {
  const offer = async (port: number, extensions: string): Promise<string | undefined> => {
    const client = new WebSocket(`ws://127.0.0.1:${port}/`, {
      perMessageDeflate: false,
      headers: { 'Sec-WebSocket-Extensions': extensions },
    });
    client.on('error', () => {}); // it did not offer what it is answered
    const [response] = (await once(client, 'upgrade')) as [import('node:http').IncomingMessage];
    client.terminate();
    return response.headers['sec-websocket-extensions'];
  };
  const { port } = await serve({}, { compression: true });
  expect(await offer(port, 'x-other, permessage-deflate; client_max_window_bits')).toMatch(/^permessage-deflate/);
  expect(await offer(port, 'permessage-deflate; unknown, permessage-deflate; server_no_context_takeover')).toBe(
    'permessage-deflate; server_no_context_takeover',
  );
  expect(await offer(port, 'x-other')).toBeUndefined();
  const { port: none } = await serve({}, { compression: true, compressionClientTakeover: false });
  expect(await offer(none, 'permessage-deflate')).toBe('permessage-deflate; client_no_context_takeover');
  const { port: off } = await serve({});
  expect(await offer(off, 'permessage-deflate')).toBeUndefined();
});

it('calls onMessage once for each message, however many frames it has, and refuses larger ones than allowed [WSS-010]', async () => {
  const got: string[] = [];
  const { port } = await serve(
    { onMessage: (_server, _id, data, isBinary) => void got.push(`${isBinary} ${data}`) },
    { maxMessageBytes: 40, compression: true },
  );
  const client = new WebSocket(`ws://127.0.0.1:${port}/`, { perMessageDeflate: { threshold: 0 } });
  await once(client, 'open');
  for (const compress of [false, true]) {
    client.send('in ', { fin: false, compress });
    client.send('three', { fin: false, compress });
    client.send('!', { fin: true, compress });
  }
  client.send('in one', { compress: true });
  await expect.poll(() => got).toEqual(['false in three!', 'false in three!', 'false in one']);
  client.send('x'.repeat(41), { compress: true });
  expect((await once(client, 'close'))[0]).toBe(CloseCode.MessageTooBig);
});

it('agents and clients answer a ping before onPing, and a close frame by one, then they disconnect [WSA-006]', async () => {
  const log: string[] = [];
  const { server, port } = await serve({
    onPong: (_server, _id, data) => void log.push(`server pong ${data}`),
    onWSClose: (_server, _id, code, _reason, wasClean) => void log.push(`server close ${code} ${wasClean}`),
  });
  const note = {
    onPing: (_sender: unknown, _id: number, data: Buffer) => void log.push(`ping ${data}`),
    onWSClose: (_sender: unknown, _id: number, code: number) => void log.push(`close ${code}`),
    onClose: (_sender: unknown, _id: number, _operation: number, errorCode: number) =>
      void log.push(`over ${errorCode}`),
  };
  const agent = new WebSocketAgent(note);
  running.push(agent);
  await agent.start();
  await agent.open(`ws://127.0.0.1:${port}/`);
  for (const open of [
    () => Promise.resolve(),
    async () => {
      const client = new WebSocketClient(note);
      await client.open(`ws://127.0.0.1:${port}/`);
    },
  ]) {
    await open();
    const [connId] = server.getAllConnectionIDs();
    log.length = 0;
    server.ping(connId!, 'p');
    await expect.poll(() => [...log].sort()).toEqual(['ping p', 'server pong p']);
    log.length = 0;
    server.close(connId!, 4001, 'bye');
    await expect.poll(() => [...log].sort()).toEqual(['close 4001', 'over 0', 'server close 4001 true']);
    await expect.poll(() => server.connectionCount).toBe(0);
  }
});

it('sends text, bytes, pings, pongs and a close frame by an agent, each as itself [WSA-007]', async () => {
  const server = new WsServer({ host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  try {
    const log: string[] = [];
    server.on('connection', (socket) => {
      socket.on('message', (data, isBinary) => log.push(`${isBinary ? 'binary' : 'text'} ${data}`));
      socket.on('ping', (data) => log.push(`ping ${data}`));
      socket.on('pong', (data) => log.push(`pong ${data}`));
      socket.on('close', (code, reason) => log.push(`close ${code} ${reason}`));
    });
    const agent = new WebSocketAgent({});
    running.push(agent);
    await agent.start();
    const id = await agent.open(`ws://127.0.0.1:${(server.address() as net.AddressInfo).port}/`);
    expect(agent.send(id, 'grüße')).toBe(true);
    expect(agent.send(id, Buffer.from('bytes'))).toBe(true);
    expect(agent.sendText(id, Buffer.from('text'))).toBe(true);
    expect(agent.ping(id, 'p')).toBe(true);
    expect(agent.pong(id, 'q')).toBe(true);
    expect(agent.ping(id)).toBe(true);
    expect(agent.close(id, 4001, 'over')).toBe(true);
    expect(agent.send(id, 'late')).toBe(false);
    await expect
      .poll(() => log)
      .toEqual([...['text grüße', 'binary bytes', 'text text', 'ping p', 'pong q', 'ping ', 'close 4001 over']]);
    await expect.poll(() => agent.connectionCount).toBe(0);
  } finally {
    for (const client of server.clients) client.terminate();
    server.close();
  }
});

it('inflates what is compressed, and nothing else, whatever an agent offered [EBUG-006]', async () => {
  for (const accepts of [false, true]) {
    const server = new WsServer({
      host: '127.0.0.1',
      port: 0,
      perMessageDeflate: accepts && { threshold: 0 },
    });
    await once(server, 'listening');
    try {
      server.on('connection', (socket) => {
        socket.send('one', { compress: true });
        socket.send('two', { compress: false });
        socket.send('in ', { fin: false, compress: false });
        socket.send(Buffer.from('three'), { fin: true, compress: false });
        socket.send(Buffer.from('four'), { compress: true });
      });
      const got: string[] = [];
      const agent = new WebSocketAgent(
        { onMessage: (_agent, _id, data, isBinary) => void got.push(`${isBinary} ${data}`) },
        { compression: true },
      );
      running.push(agent);
      await agent.start();
      const connId = await agent.open(`ws://127.0.0.1:${(server.address() as net.AddressInfo).port}/`);
      expect(agent.isCompressing(connId)).toBe(accepts);
      await expect.poll(() => got).toEqual(['false one', 'false two', 'false in three', 'true four']);
      await agent.stop();
    } finally {
      for (const client of server.clients) client.terminate();
      server.close();
    }
  }
});

it('takes the WebSocket that closed off its hub, and no other [EBUG-008]', async () => {
  const server = new WebSocketServer({});
  running.push(server);
  const hub = server.addHub('/hub', {});
  const { port } = await server.start('127.0.0.1', 0);
  const clients: WebSocket[] = [];
  const ids: number[] = [];
  for (let i = 0; i < 4; i++) {
    const client = new WebSocket(`ws://127.0.0.1:${port}/hub`);
    await once(client, 'open');
    clients.push(client);
    ids.push(...hub.connectionIds.filter((id) => !ids.includes(id)));
  }
  expect(ids).toHaveLength(4);
  for (const gone of [2, 0]) {
    clients[gone]!.terminate();
    await once(clients[gone]!, 'close');
    const left = ids.filter((_, i) => i !== gone && (gone === 2 || i !== 2));
    await expect.poll(() => [...hub.connectionIds].sort((a, b) => a - b)).toEqual(left);
  }
  expect(hub.broadcast('to those who are there')).toBe(2);
  for (const client of clients) client.terminate();
});

it('answers CONNECT with 405, and goes on serving [EBUG-009]', async () => {
  const errors: unknown[] = [];
  const { port } = await serve({ onHookError: (_server, hook, error) => void errors.push([hook, error]) });
  const socket = net.connect(port, '127.0.0.1');
  socket.write('CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n');
  let answer = '';
  for await (const piece of socket) answer += piece;
  expect(answer).toMatch(/^HTTP\/1\.1 405 /);
  const client = new WebSocket(`ws://127.0.0.1:${port}/`);
  await once(client, 'open');
  client.terminate();
  expect(errors).toEqual([]);
});
