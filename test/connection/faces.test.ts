// What `server.connection(connId)`, `agent.connection(connId)` and `client.connection` have of each family, on live connections.
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { HttpsAgent, HttpsClient, HttpsServer } from '../../src/http.ts';
import {
  DatagramConnection,
  Errno,
  FetchResult,
  PullConnection,
  SecureConnection,
  SecurePullConnection,
  SSLSessionInfo,
  SslAgent,
  SslClient,
  SslPackClient,
  SslPackServer,
  SslPullAgent,
  SslPullServer,
  SslServer,
  TcpAgent,
  TcpClient,
  TcpConnection,
  TcpPullAgent,
  TcpPullClient,
  TcpPullServer,
  TcpServer,
  UdpArqClient,
  UdpArqConnection,
  UdpArqServer,
  UdpClient,
  UdpServer,
} from '../../src/index.ts';
import { SecureWebSocketConnection, SslWebSocketClient, SslWebSocketServer } from '../../src/websocket.ts';
import { commonCertificates } from '../tools/certificates.ts';

const host = '127.0.0.1';
const { authority, server: identity } = await commonCertificates();
const trusting = { ssl: { ca: authority.ca } };
const own = { ssl: identity };

/** Resolves when `isDone` answers true. */
async function until(isDone: () => boolean): Promise<void> {
  while (!isDone()) await new Promise((resolve) => setTimeout(resolve, 1));
}

// ---- TLS -----------------------------------------------------------------------------------------------------------

test('connections of TLS components tell of their TLS what the components tell', async () => {
  await using server = new SslServer({}, own);
  const { port } = await server.start(host, 0);
  await using agent = new SslAgent({}, trusting);
  await agent.start();
  const connId = await agent.connect(host, port);
  await using client = new SslClient({}, trusting);
  await client.start(host, port);
  await until(() => server.connectionCount === 2 && server.connection(2)?.isSecure === true);

  const kind = SSLSessionInfo.Version;
  for (const [face, info, one] of [
    [server.connection(1)!, server.getSSLInfo(1), server.getSSLSessionInfo(1, kind)],
    [agent.connection(connId)!, agent.getSSLInfo(connId), agent.getSSLSessionInfo(connId, kind)],
    [client.connection!, client.getSSLInfo(), client.getSSLSessionInfo(kind)],
  ] as const) {
    expect(face).toBeInstanceOf(SecureConnection);
    expect(face).toBeInstanceOf(TcpConnection);
    expect(face.isSecure).toBe(true);
    expect(face.getSSLInfo()).toEqual(info);
    expect(info?.protocol).toBe('TLSv1.3');
    expect(face.getSSLSessionInfo(kind)).toEqual(one);
    expect(one).not.toBeNull();
  }
  const face = client.connection!;
  expect([face.startSSLHandShake(), client.lastSystemError]).toEqual([false, Errno.EPERM]); // automatic
  expect([face.getSSLSessionInfo(999 as never), client.lastSystemError]).toEqual([null, Errno.EINVAL]);
  await client.stop();
  expect([face.startSSLHandShake(), client.lastSystemError]).toEqual([false, Errno.EBADSLT]);
  expect(client.lastFailure).toMatchObject({ operation: 'startSSLHandShake', connId: face.id });
});

test('a connection that started in clear text is secured by its own face, on both ends', async () => {
  let received = '';
  await using server = new SslServer(
    {
      onReceive(s, id, data) {
        const face = s.connection(id)!;
        if (data.toString() !== 'STARTTLS') return void face.send(data);
        expect([face.isSecure, face.getSSLInfo(), s.lastSystemError]).toEqual([false, null, Errno.EPERM]);
        face.send('GO');
        expect(face.startSSLHandShake()).toBe(true);
        expect([face.startSSLHandShake(), s.lastSystemError]).toEqual([false, Errno.EALREADY]);
        expect(face.isSecure).toBe(false); // it has only begun
      },
    },
    { ...own, sslAutoHandShake: false },
  );
  const { port } = await server.start(host, 0);
  await using client = new SslClient(
    {
      onReceive(c, _id, data) {
        if (data.toString() === 'GO') expect(c.connection!.startSSLHandShake()).toBe(true);
        else received += data;
      },
      onHandShake: (c) => void c.connection!.send('secret'),
    },
    { ...trusting, sslAutoHandShake: false },
  );
  await client.start(host, port);
  const face = client.connection!;
  expect(face.isSecure).toBe(false);
  face.send('STARTTLS');
  await until(() => received === 'secret');
  expect([face.isSecure, server.connection(1)!.isSecure]).toEqual([true, true]);
});

test('the facts of TLS are there inside onClose, and the connection is no longer to be secured', async () => {
  const seen: unknown[] = [];
  await using server = new SslServer(
    {
      onClose(s, id) {
        const face = s.connection(id)!;
        seen.push(face.isSecure, face.getSSLInfo()?.protocol, face.startSSLHandShake(), s.lastSystemError);
      },
    },
    own,
  );
  const { port } = await server.start(host, 0);
  const client = new SslClient({}, trusting);
  await client.start(host, port);
  // With TLS 1.3, the client is done before the server.
  await until(() => server.connection(1)?.isSecure === true);
  await client.stop();
  await until(() => seen.length > 0);
  expect(seen).toEqual([true, 'TLSv1.3', false, Errno.EBADSLT]);
});

test('connections of TLS pull components fetch, and those of pack components send packages', async () => {
  await using server = new SslPullServer({}, own);
  const { port } = await server.start(host, 0);
  await using agent = new SslPullAgent({}, trusting);
  await agent.start();
  const mine = agent.connection(await agent.connect(host, port))!;
  expect(mine).toBeInstanceOf(SecurePullConnection);
  mine.send('hello');
  await until(() => (server.connection(1)?.stats().bufferedBytes ?? 0) === 5);
  const face = server.connection(1)!;
  expect(face).toBeInstanceOf(PullConnection);
  expect([face.isSecure, face.peek(2)?.toString(), face.fetch(5)?.toString()]).toEqual([true, 'he', 'hello']);

  let got = '';
  await using packs = new SslPackServer({ onReceive: (_s, _id, data) => void (got += data) }, own);
  const packPort = (await packs.start(host, 0)).port;
  await using packer = new SslPackClient({}, trusting);
  await packer.start(host, packPort);
  expect(packer.connection).toBeInstanceOf(SecureConnection);
  packer.connection!.sendPackets(['a', 'b']);
  await until(() => got === 'ab');
  expect(packs.connection(1)!.getSSLInfo()?.protocol).toBe('TLSv1.3');
});

test('connections of HTTPS and wss: components have the facts of TLS too', async () => {
  await using server = new HttpsServer({ onRequest: (_s, _id, request) => void request.respond('hi') }, own);
  const { port } = await server.start(host, 0);
  await using client = new HttpsClient({}, trusting);
  await client.start(host, port);
  await using agent = new HttpsAgent({}, trusting);
  await agent.start();
  const connId = await agent.connect(host, port);
  await until(() => server.connection(2)?.isSecure === true);
  expect(server.connection(1)).toBeInstanceOf(SecureWebSocketConnection);
  for (const face of [server.connection(1)!, client.connection!, agent.connection(connId)!]) {
    expect([face.isSecure, face.getSSLInfo()?.protocol]).toEqual([true, 'TLSv1.3']);
  }

  let got = '';
  await using sockets = new SslWebSocketServer({ onMessage: (_s, _id, data) => void (got += data) }, own as never);
  const url = `wss://${host}:${(await sockets.start(host, 0)).port}/`;
  await using wss = new SslWebSocketClient({}, trusting);
  await wss.open(url);
  expect(wss.connection).toBeInstanceOf(SecureWebSocketConnection);
  expect(wss.connection).toBe(wss.connection);
  expect([wss.connection!.isSecure, wss.connection!.isOpen, wss.connection!.send('text')]).toEqual([true, true, true]);
  await until(() => got === 'text');
  expect(sockets.connection(1)!.getSSLInfo()?.protocol).toBe('TLSv1.3');
});

test('connections of plain components have nothing of TLS, and those of push components nothing to fetch', async () => {
  await using server = new TcpServer({});
  const { port } = await server.start(host, 0);
  await using agent = new TcpAgent({});
  await agent.start();
  const connId = await agent.connect(host, port);
  await until(() => server.connection(1) !== null);
  for (const face of [server.connection(1)!, agent.connection(connId)!]) {
    for (const name of ['isSecure', 'getSSLInfo', 'startSSLHandShake', 'fetch', 'peek'])
      expect(name in face).toBe(false);
  }
});

// ---- pull ----------------------------------------------------------------------------------------------------------

test('connections of pull components fetch and peek, in every role', async () => {
  await using server = new TcpPullServer({ onAccept: (s, id) => void s.send(id, 'welcome') });
  const { port } = await server.start(host, 0);
  await using agent = new TcpPullAgent({});
  await agent.start();
  const connId = await agent.connect(host, port);
  await using client = new TcpPullClient({});
  await client.start(host, port);
  client.connection!.send('welcome');
  for (const [component, face] of [
    [agent, agent.connection(connId)!],
    [client, client.connection!],
    [server, server.connection(2)!],
  ] as const) {
    await until(() => face.stats().bufferedBytes === 7);
    expect(face).toBeInstanceOf(PullConnection);
    expect([face.fetch(8), component.lastFetchResult]).toEqual([null, FetchResult.LengthTooLong]);
    expect([face.peek(3)?.toString(), component.lastFetchResult]).toEqual(['wel', FetchResult.Ok]);
    expect(face.fetch(3)?.toString()).toBe('wel');
    expect(face.stats().bufferedBytes).toBe(4);
    expect(() => face.fetch(0)).toThrow(RangeError);
    expect(() => face.peek(1.5)).toThrow(RangeError);
  }
  const face = client.connection!;
  await client.stop();
  expect(face.fetch(4)?.toString()).toBe('come'); // what was held is not lost
  expect(face.fetch(1)).toBeNull();
  expect([face.reset(), client.lastFailure?.operation, client.lastFailure?.connId]).toEqual([false, 'reset', face.id]);
  const becomes = agent.connection(connId)!;
  const stream = becomes.createStream();
  expect(await once(stream, 'data').then(([bytes]) => String(bytes))).toBe('come');
  expect([becomes.fetch(1), agent.lastFetchResult]).toEqual([null, FetchResult.DataNotFound]);
});

// ---- datagrams -----------------------------------------------------------------------------------------------------

test('connections of UDP components send packets, and count datagrams', async () => {
  const got: string[] = [];
  await using server = new UdpServer({ onReceive: (s, id, data) => void s.connection(id)!.sendPackets([data, '!']) });
  const { port } = await server.start(host, 0);
  await using client = new UdpClient({ onReceive: (_c, _id, data) => void got.push(String(data)) });
  await client.start(host, port);
  const face = client.connection!;
  expect(face.sendPackets(['to', Buffer.from('gether')])).toBe(true);
  await until(() => got.length > 0);
  expect(got).toEqual(['together!']);
  const other = server.connection(1)!;
  expect(other).toBeInstanceOf(DatagramConnection);
  expect(face.stats()).toMatchObject({ messagesOut: 1, messagesIn: 1, droppedDatagrams: 0 });
  expect(other.stats().datagramsIn).toBeGreaterThanOrEqual(1); // heartbeats count too
  expect([face.sendPackets([]), client.lastSystemError]).toEqual([false, Errno.EINVAL]);
  expect([face.sendPackets([Buffer.alloc(60_000), 'x']), client.lastSystemError]).toEqual([false, Errno.EMSGSIZE]);
  expect(() => face.sendPackets('x' as never)).toThrow(TypeError);
  expect('sendWithin' in face).toBe(false);
  await client.stop();
  expect([face.sendPackets(['x']), client.lastFailure?.connId]).toEqual([false, face.id]);
});

test('connections of ARQ components have all sends, the count of what waits, and the counters of KCP', async () => {
  const got: string[] = [];
  const hooks = {
    onReceive: (_sender: unknown, _id: number, data: Buffer) => void got.push(String(data)),
    onReceiveUnreliable: (_sender: unknown, _id: number, data: Buffer) => void got.push(`unreliable ${data}`),
  };
  await using server = new UdpArqServer(hooks, { unreliable: true });
  const { port } = await server.start(host, 0);
  await using client = new UdpArqClient(hooks, { unreliable: true });
  await client.start(host, port);
  await until(() => server.connection(1)?.isConnected === true);
  for (const [component, face] of [
    [client, client.connection!],
    [server, server.connection(1)!],
  ] as const) {
    expect(face).toBeInstanceOf(UdpArqConnection);
    expect(face).toBeInstanceOf(DatagramConnection);
    got.length = 0;
    expect(face.sendPackets(['a', 'b'])).toBe(true);
    expect(face.waitingSendMessageCount).toBe(1);
    await until(() => got.length === 1 && face.waitingSendMessageCount === 0);
    expect(face.sendWithin('late', 0)).toBe(true);
    expect(face.sendWithin('in time', 60_000)).toBe(true);
    await until(() => got.length === 2);
    expect(() => face.sendWithin('x', 'soon' as never)).toThrow(TypeError);
    await until(() => face.sendUnreliable('c'));
    await until(() => got.length === 3);
    expect(got).toEqual(['ab', 'in time', 'unreliable c']);
    expect([face.sendUnreliable(Buffer.alloc(2000)), component.lastSystemError]).toEqual([false, Errno.EMSGSIZE]);
    expect(face.stats().kcp?.expiredMessages).toBe(1);
  }
  // A message of an ARQ component may be larger than a datagram.
  expect(client.connection!.sendPackets([Buffer.alloc(1400), Buffer.alloc(1400)])).toBe(true);
  expect(client.connection!.waitingSendMessageCount).toBeGreaterThan(1);
  const face = client.connection!;
  await client.stop();
  expect([face.waitingSendMessageCount, face.sendWithin('x', 1000), face.sendUnreliable('x')]).toEqual([
    0,
    false,
    false,
  ]);
});

// ---- clients -------------------------------------------------------------------------------------------------------

test('stream and datagram clients tell the statistics of their connection, null while there is none', async () => {
  await using server = new TcpServer({});
  const { port } = await server.start(host, 0);
  const client = new TcpClient({});
  expect(client.getConnectionStats()).toBeNull();
  await client.start(host, port);
  client.send('hello');
  await until(() => server.connection(1)?.stats().bytesIn === 5);
  expect(client.getConnectionStats()).toMatchObject({ bytesOut: 5, messagesOut: 1, pendingBytes: 0 });
  expect(client.connection!.stats()).toMatchObject({ bytesOut: 5, messagesOut: 1, pendingBytes: 0 });
  await client.stop();
  expect(client.getConnectionStats()).toBeNull();
});
