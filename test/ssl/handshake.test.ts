import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  Errno,
  HandleResult,
  SocketOperation,
  SslAgent,
  SslClient,
  SslPackClient,
  SslPackServer,
  SslServer,
} from '../../src/index.ts';
import { commonCertificates } from '../tools/certificates.ts';
import { clientHello, connectBare, connectTls, failure, host, Log, readToEnd, relay, until } from './support.ts';

const { authority, server: identity } = await commonCertificates();

let log: Log;
let server: SslServer;
let port = 0;

async function serve(hooks: Record<string, unknown> = {}, options: object = {}): Promise<void> {
  log = new Log();
  server = new SslServer(
    log.hooks({ onReceive: (s: SslServer, id: number, data: Buffer) => void s.send(id, data), ...hooks }),
    options,
  );
  server.setupSSLContextByMemory(identity);
  ({ port } = await server.start(host, 0));
}

function makeClient(hooks: Record<string, unknown> = {}, options: object = {}): { client: SslClient; seen: Log } {
  const seen = new Log();
  const client = new SslClient(seen.hooks(hooks), options);
  client.setupSSLContextByMemory({ ca: authority.ca });
  return { client, seen };
}

describe('the order of events', () => {
  beforeEach(() => serve({ onSend: () => {} }));
  afterEach(async () => {
    if (server.hasStarted) await server.stop();
  });

  test('server and client: HSK-001, HSK-002, HSK-018, HSK-019, ORD-011, NTL-001, EV-S-03, EV-A-03, EV-C-03', async () => {
    const { client, seen } = makeClient();
    await client.start(host, port);
    expect(seen.events).toEqual(['onPrepareConnect', 'onConnect', 'onHandShake']);
    expect(client.send('hello')).toBe(true);
    await until(() => seen.received === 'hello');
    await client.stop();
    await until(() => log.closes.length === 1);
    expect(log.events).toEqual(['onAccept', 'onHandShake', 'onReceive', 'onSend', 'onClose']);
    expect(seen.events).toEqual(['onPrepareConnect', 'onConnect', 'onHandShake', 'onReceive', 'onClose']);
    expect(log.closes[0]).toEqual({ operation: SocketOperation.Close, errorCode: 0, error: undefined });
  });

  test('start resolves when the connection is open; asynchronously before: HSK-010, ORD-016, ORD-018', async () => {
    const { client, seen } = makeClient();
    await client.start({ host, port, asyncConnect: true });
    expect(seen.events).toEqual(['onPrepareConnect']);
    expect(client.send('x')).toBe(false);
    await until(() => seen.count('onHandShake') === 1);
    expect(client.send('x')).toBe(true);
    await client.stop();
  });

  test('data that comes together with the Finished: ORD-015', async () => {
    // Holds back the client's last flight until its data is behind it, so that both come in one piece.
    let held: Buffer[] = [];
    let serverBytes = 0;
    const between = await relay(port, (from, bytes) => {
      if (from === 'server') serverBytes += bytes.length;
      if (from === 'client' && serverBytes > 0) {
        held.push(bytes);
        return false;
      }
      return true;
    });
    const bare = await connectTls(between.port);
    bare.write('early');
    await until(() => held.length >= 1 && Buffer.concat(held).length > 80);
    between.close();
    bare.destroy();
    held = [];
    await until(() => log.closes.length === 1);
    // The same end to end: Node's client writes with its Finished.
    const { client, seen } = makeClient({ onHandShake: (c: SslClient) => void c.send('first words') });
    await client.start(host, port);
    await until(() => seen.received === 'first words');
    expect(log.events.slice(-4)).toEqual(['onAccept', 'onHandShake', 'onReceive', 'onSend']);
    await client.stop();
  });
});

describe('before the handshake is done', () => {
  test('send is refused, also in onAccept and onConnect, and nothing leaves in clear text: HSK-003, SND-005, ACC-005', async () => {
    const sends: [string, boolean, number][] = [];
    await serve({
      onAccept: (s: SslServer, id: number) => void sends.push(['onAccept', s.send(id, 'clear'), s.lastSystemError]),
    });
    const { client, seen } = makeClient({
      onConnect: (c: SslClient) => void sends.push(['onConnect', c.send('clear'), c.lastSystemError]),
    });
    await client.start(host, port);
    expect(sends.sort()).toEqual([
      ['onAccept', false, Errno.EPERM],
      ['onConnect', false, Errno.EPERM],
    ]);
    expect(seen.closes).toEqual([]);
    await client.stop();
    await server.stop();
  });

  test('an async onAccept and an async onHandShake hold everything back', async () => {
    const order: string[] = [];
    const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 50));
    await serve({
      onAccept: async () => {
        await turn();
        order.push('accepted');
      },
      onHandShake: async () => {
        order.push('handshake');
        await turn();
        order.push('shaken');
      },
      onReceive: (s: SslServer, id: number, data: Buffer) => {
        order.push('received');
        s.send(id, data);
      },
    });
    const { client, seen } = makeClient();
    await client.start(host, port);
    client.send('quick');
    await until(() => seen.received === 'quick');
    expect(order).toEqual(['accepted', 'handshake', 'shaken', 'received']);
    await client.stop();
    await server.stop();
  });

  test('onHandShake Error closes with onClose(Receive, ECANCELED), on both sides: HSK-008, ORD-013', async () => {
    await serve({ onHandShake: () => HandleResult.Error });
    const { client, seen } = makeClient();
    await client.start(host, port);
    await client.wait();
    await until(() => log.closes.length === 1);
    expect(log.events).toEqual(['onAccept', 'onHandShake', 'onClose']);
    expect(log.closes[0]).toMatchObject({ operation: 4, errorCode: 125 });
    expect(seen.closes[0]).toMatchObject({ operation: 5, errorCode: 0 });
    await server.stop();
    await serve();
    const refusing = makeClient({ onHandShake: () => HandleResult.Error });
    expect(await failure(() => refusing.client.start(host, port))).toMatchObject({ errno: Errno.ECANCELED });
    expect(refusing.seen.closes[0]).toMatchObject({ operation: 4, errorCode: 125 });
    await server.stop();
  });

  test('getSSLInfo and getSSLSessionInfo work in mid-handshake: SSI-017', async () => {
    await serve();
    const socket = await connectBare(port);
    await until(() => log.count('onAccept') === 1);
    expect(server.getSSLInfo(1)).toMatchObject({ isEstablished: false, peerCertificate: null, cipher: null });
    socket.destroy();
    await server.stop();
  });
});

describe('peers that break it', () => {
  beforeEach(() => serve({}, { handshakeTimeoutMs: 150 }));
  afterEach(() => server.stop().then(() => {}));

  test('garbage: HSK-007, HSK-020, NTL-006', async () => {
    const socket = await connectBare(port);
    socket.write(Buffer.alloc(100, 0xee));
    await readToEnd(socket);
    await until(() => log.closes.length === 1);
    expect(log.events).toEqual(['onAccept', 'onClose']);
    expect(log.closes[0]).toMatchObject({ operation: 4, errorCode: 74 });
  });

  test('half a ClientHello, then silence: HSK-009', async () => {
    const hello = await clientHello();
    const socket = await connectBare(port);
    socket.write(hello.subarray(0, hello.length >> 1));
    await readToEnd(socket);
    await until(() => log.closes.length === 1);
    expect(log.closes[0]).toMatchObject({ operation: 4, errorCode: Errno.ETIMEDOUT });
    expect(log.closes[0]?.error?.message).toMatch(/did not end within 150 ms \(handshakeTimeoutMs\)/);
    expect(server.stats().limits.handshakeTimeouts).toBe(1);
  });

  test('a FIN in mid-handshake: HSK-021', async () => {
    const hello = await clientHello();
    const socket = await connectBare(port);
    socket.end(hello);
    await until(() => log.closes.length === 1);
    expect(log.closes[0]).toMatchObject({ operation: 5, errorCode: 0 });
    expect(log.closes[0]?.error?.message).toMatch(/middle of the TLS handshake/);
    socket.destroy();
  });

  test.each([1, 2, 3])('a reset behind flight %i', async (flight) => {
    let flights = 0;
    let last = '';
    const between = await relay(port, (from, _bytes, cut) => {
      if (from !== last) flights++;
      last = from;
      if (flights < flight) return true;
      cut(true);
      return false;
    });
    const { client, seen } = makeClient();
    // With TLS 1.3 the client is through before its last flight arrives.
    await client.start(host, between.port).catch(() => {});
    await client.wait();
    await until(() => log.closes.length === 1);
    expect(log.events).not.toContain('onHandShake');
    expect(log.count('onClose')).toBe(1);
    expect(seen.count('onClose')).toBe(1);
    expect(seen.closes[0]?.error?.message).toMatch(/closed connection|reset|ECONN/i);
    between.close();
  });

  test('a ClientHello one byte at a time is fine', async () => {
    const between = await relay(port, (from, bytes) => {
      if (from === 'server') return true;
      return bytes.length < 2;
    });
    between.close();
    const hello = await clientHello();
    await server.stop();
    await serve({}, { handshakeTimeoutMs: 0 }); // on a busy machine so many turns may take long
    const socket = await connectBare(port);
    socket.setNoDelay(true);
    for (const byte of hello) {
      socket.write(Buffer.of(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer[0]).toBe(0x16);
    socket.destroy();
    await until(() => log.closes.length === 1);
  });
});

describe('deadlines of open connections', () => {
  test.each([
    ['automatic', true],
    ['started by hand', false],
  ])(
    'idleTimeoutMs begins with the end of the handshake, and is over with the connection: %s',
    async (_how, isAuto) => {
      const identityOf = async (name: string): Promise<number> => {
        if (name === 'slow.example') await delay(300);
        return 0;
      };
      log = new Log();
      const timed = new SslServer(
        log.hooks({ onAccept: (s: SslServer, id: number) => void (isAuto || s.startSSLHandShake(id)) }),
        { idleTimeoutMs: 100, sslAutoHandShake: isAuto },
      );
      timed.setupSSLContextByMemory({ ...identity, sniCallback: identityOf });
      const { port: at } = await timed.start(host, 0);
      // The handshake takes longer than silence may last.
      (await connectTls(at, { servername: 'slow.example' })).end();
      await until(() => log.closes.length === 1);
      const silent = await connectTls(at);
      await until(() => log.closes.length === 2);
      silent.destroy();
      expect(log.closes.map(({ errorCode }) => errorCode)).toEqual([0, Errno.ETIMEDOUT]);
      // A timer that the first one left behind would have struck before that of the second.
      expect(timed.stats().limits.idle).toBe(1);
      await timed.stop();
    },
  );
});

describe('many at once', () => {
  test('good clients go on while hundreds are silent, send garbage, or reset', async () => {
    await serve({}, { handshakeTimeoutMs: 1500, maxConnectionCount: 5000 });
    const hello = await clientHello();
    const bad = await Promise.all(
      Array.from({ length: 1000 }, async (_, i) => {
        const socket = await connectBare(port);
        if (i % 4 === 0) socket.write(hello.subarray(0, 40));
        else if (i % 4 === 1) socket.write('garbage in, garbage out\r\n');
        else if (i % 4 === 2) socket.write(hello, () => socket.resetAndDestroy());
        return socket;
      }),
    );
    for (let i = 0; i < 10; i++) {
      const { client, seen } = makeClient();
      await client.start(host, port);
      client.send('still there?');
      await until(() => seen.received === 'still there?');
      await client.stop();
    }
    for (const socket of bad) socket.destroy();
    await until(() => log.count('onClose') === 1010);
    expect(server.connectionCount).toBe(0);
    expect(server.stats()).toMatchObject({ opened: 10, refused: 1000 });
    await server.stop();
  });

  test('2,000 clients that send nothing keep nobody out, with the default limits', async () => {
    await serve({}, { handshakeTimeoutMs: 60_000 });
    const silent = await Promise.all(Array.from({ length: 2000 }, () => connectBare(port)));
    await until(() => server.connectionCount === 2000);
    const { client, seen } = makeClient();
    await client.start(host, port);
    client.send('my turn');
    await until(() => seen.received === 'my turn');
    expect(server.connectionCount).toBe(2001);
    expect(server.stats().limits).toMatchObject({ handshakesQueued: 0, handshakeTimeouts: 0 });
    await client.stop();
    for (const socket of silent) socket.destroy();
    await server.stop();
  });

  test('clients that fall silent behind their ClientHello lose their places to those that wait', async () => {
    await serve({}, { maxHandshakes: 3 });
    const hello = await clientHello();
    const mute = await Promise.all(Array.from({ length: 3 }, () => connectBare(port)));
    for (const socket of mute) {
      socket.write(hello);
      await once(socket, 'data'); // the server has answered it
    }
    const { client, seen } = makeClient();
    await client.start(host, port);
    client.send('my turn');
    await until(() => seen.received === 'my turn');
    expect(server.stats().limits).toMatchObject({ handshakesQueued: 1, handshakeTimeouts: 0 });
    // They have only lost their places.
    expect(server.connectionCount).toBe(4);
    await client.stop();
    for (const socket of mute) socket.destroy();
    await server.stop();
  });

  test('maxHandshakesPerAddress counts an address by itself', async () => {
    await serve({}, { maxHandshakesPerAddress: 1 });
    const hello = await clientHello();
    const mute = await connectBare(port);
    mute.write(hello);
    await once(mute, 'data');
    const { client } = makeClient();
    const agent = new SslAgent({});
    agent.setupSSLContextByMemory({ ca: authority.ca });
    await agent.start('127.0.0.2');
    const other = agent.connect(host, port);
    const same = client.start(host, port);
    await other;
    await same; // its turn comes, since the other one says nothing more
    expect(server.stats().limits.handshakesQueued).toBe(1);
    mute.destroy();
    await Promise.all([client.stop(), agent.stop()]);
    await server.stop();
  });

  test('an agent is not held up by servers that do not answer', async () => {
    await serve();
    const accepted: net.Socket[] = [];
    const mute = net.createServer((socket) => void accepted.push(socket));
    mute.listen(0, host);
    await once(mute, 'listening');
    const agent = new SslAgent({}, { maxHandshakes: 4 });
    agent.setupSSLContextByMemory({ ca: authority.ca });
    await agent.start();
    let failed = 0;
    const { port: mutePort } = mute.address() as net.AddressInfo;
    const attempts = Array.from({ length: 4 }, () => agent.connect(host, mutePort).catch(() => void failed++));
    await until(() => accepted.length === 4);
    const connId = await agent.connect(host, port);
    expect(agent.getSSLInfo(connId)).toMatchObject({ isEstablished: true });
    expect(failed).toBe(0);
    await agent.stop();
    await Promise.all(attempts);
    for (const socket of accepted) socket.destroy();
    mute.close();
    await server.stop();
  });

  test('maxHandshakes is checked', () => {
    expect(() => new SslServer({}, { maxHandshakes: -1 })).toThrow(RangeError);
    expect(() => new SslServer({}, { maxHandshakesPerAddress: 0.5 })).toThrow(RangeError);
    expect(new SslAgent({}).maxHandshakes).toBe(2000);
    expect(new SslServer({}).maxHandshakesPerAddress).toBe(500);
  });
});

describe('the other receive models', () => {
  test('packages over TLS, many per record and one over many records', async () => {
    const got: number[] = [];
    const packServer = new SslPackServer(
      { onReceive: (s, id, data) => void s.send(id, data) },
      { packHeaderFlag: 0x2a, maxPackSize: 1_000_000 },
    );
    packServer.setupSSLContextByMemory(identity);
    const { port: packPort } = await packServer.start(host, 0);
    const client = new SslPackClient(
      { onReceive: (_c, _id, data) => void got.push(data.length) },
      { packHeaderFlag: 0x2a, maxPackSize: 1_000_000 },
    );
    client.setupSSLContextByMemory({ ca: authority.ca });
    await client.start(host, packPort);
    const sizes = [1, 2, 3, 500_000, 4, 16_384, 16_385, 5, 999_999, 6];
    for (const size of sizes) expect(client.send(Buffer.alloc(size))).toBe(true);
    await until(() => got.length === sizes.length);
    expect(got).toEqual(sizes);
    await client.stop({ drainTimeoutMs: 1000 });
    await packServer.stop();
  });
});
