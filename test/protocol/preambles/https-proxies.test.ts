import { once } from 'node:events';
import net from 'node:net';
import { beforeAll, describe, expect, test } from 'vitest';
import { HttpServer, HttpSyncClient, HttpsAgent, HttpsServer, HttpsSyncClient } from '../../../src/http.ts';
import {
  Errno,
  type ProxyOptions,
  SslAgent,
  SslClient,
  SslPackClient,
  SslPackServer,
  SslServer,
  TcpAgent,
  TcpClient,
  TcpPackClient,
  TcpPackServer,
  TcpServer,
} from '../../../src/index.ts';
import { WebSocketAgent, WebSocketClient, WebSocketServer } from '../../../src/websocket.ts';
import { failure, host, Log, until } from '../../ssl/support.ts';
import { Authority, commonCertificates, type Identity } from '../../tools/certificates.ts';
import { FakeProxy, type FakeProxyOptions } from '../../tools/fake-proxy.ts';

let ca = '';
let identity: Identity;
let client: Identity;
beforeAll(async () => {
  const common = await commonCertificates();
  ca = common.authority.ca;
  identity = common.server;
  client = common.client;
});

/** A proxy that speaks TLS, and what reaches it. */
async function secureProxy(
  options: Partial<FakeProxyOptions> = {},
): Promise<{ proxy: FakeProxy; through: ProxyOptions } & AsyncDisposable> {
  const proxy = await FakeProxy.start({ kind: 'http', ...options, tls: { ...identity, ...options.tls } });
  return { proxy, through: { url: proxy.url, ssl: { ca } }, [Symbol.asyncDispose]: () => proxy[Symbol.asyncDispose]() };
}

/** A server that answers what it gets. */
async function echoServer(): Promise<TcpServer & { port: number }> {
  const server = new TcpServer({ onReceive: (s, id, data) => void s.send(id, data) });
  const { port } = await server.start(host, 0);
  return Object.assign(server, { port });
}

/** What a client gets back for what it sends behind proxies. */
async function ask(proxy: TcpClient['proxy'], name: string, port: number, text: string, before = 0): Promise<string> {
  let got = '';
  const asking = new TcpClient({ onReceive: (_c, _id, data) => void (got += data) }, { proxy });
  await asking.start(name, port);
  asking.send(text);
  await until(() => got.length >= before + text.length);
  await asking.stop();
  return got;
}

describe('TLS with the proxy', () => {
  test('CONNECT is spoken inside, with the login of the URL; the proxy resolves the name', async () => {
    await using server = await echoServer();
    await using secured = await secureProxy({ login: 'me:p%40ss', names: { 'inside.example': server.port } });
    const { proxy, through } = secured;
    expect(proxy.url).toBe(`https://me:p%40ss@127.0.0.1:${proxy.port}`);
    expect(await ask(through, 'inside.example', 4711, 'hello')).toBe('hello');
    expect(proxy.asked).toEqual(['inside.example:4711']);
    expect(proxy.reads[0]).toMatch(/^CONNECT inside\.example:4711 HTTP\/1\.1\r\n/);
    await until(() => proxy.openCount === 0);
  });

  test('answers byte by byte, in one piece with the first bytes of the target, and a megabyte both ways', async () => {
    await using server = await echoServer();
    await using slow = await secureProxy({ isSlow: true });
    expect(await ask(slow.through, host, server.port, 'hello')).toBe('hello');
    await using eager = await secureProxy({ behind: 'welcome' });
    expect(await ask(eager.through, host, server.port, '+hello', 7)).toBe('welcome+hello');
    const long = 'long '.repeat(200_000);
    expect((await ask(eager.through, host, server.port, long, 7)).slice(7)).toBe(long);
  });

  test('the hooks fire once and know the target; the proxy is named without a password', async () => {
    await using server = await echoServer();
    await using secured = await secureProxy({ login: 'me:secret' });
    const log = new Log();
    const asking = new TcpClient(log.hooks(), { proxy: secured.through });
    await asking.start(host, server.port);
    const { proxies, remoteAddress, localAddress, remoteHost } = asking.connection!;
    expect(proxies).toEqual([`https://127.0.0.1:${secured.proxy.port}`]);
    expect([remoteAddress!.port, remoteHost, localAddress?.address]).toEqual([server.port, host, host]);
    await asking.stop();
    expect(log.events).toEqual(['onPrepareConnect', 'onConnect', 'onHandShake', 'onClose']);
  });

  test('SOCKS5 over TLS, also in one piece', async () => {
    await using server = await echoServer();
    for (const pipeline of [false, true]) {
      await using secured = await secureProxy({ kind: 'socks5', login: 'a:b' });
      expect(secured.proxy.url).toMatch(/^socks5:/);
      expect(await ask({ ...secured.through, pipeline }, host, server.port, 'hello')).toBe('hello');
    }
  });

  test('what the peer ends, and what this side ends, ends', async () => {
    const log = new Log();
    await using server = new TcpServer({
      onReceive(s, id, data) {
        s.send(id, `last words on ${data}`);
        s.disconnect(id);
      },
    });
    const { port } = await server.start(host, 0);
    await using secured = await secureProxy();
    const asking = new TcpClient(log.hooks(), { proxy: secured.through });
    await asking.start(host, port);
    asking.send('bye');
    await until(() => log.closes.length === 1);
    expect([log.received, log.closes[0]!.errorCode]).toEqual(['last words on bye', 0]);
    await until(() => secured.proxy.openCount === 0);
  });

  test('all that was sent before a disconnect, and before a stop that drains, arrives; the proxy sees a whole stream', async () => {
    const got: Buffer[] = [];
    let closes = 0;
    await using server = new TcpServer({
      onReceive: (_s, _id, data) => void got.push(Buffer.from(data)),
      onClose: () => void closes++,
    });
    const { port } = await server.start(host, 0);
    await using secured = await secureProxy();
    for (const end of ['disconnect', 'drain'] as const) {
      got.length = 0;
      const asking = new TcpClient({}, { proxy: secured.through });
      await asking.start(host, port);
      asking.send(Buffer.alloc(100_000, 'a'));
      asking.send('end');
      if (end === 'disconnect') asking.connection!.disconnect();
      else await asking.stop({ drainTimeoutMs: 5_000 });
      await until(() => Buffer.concat(got).length === 100_003);
      await asking.wait();
    }
    await until(() => closes === 2 && secured.proxy.openCount === 0);
    expect(secured.proxy.refusals).toEqual([]);
  });

  test('the proxy gets a close_notify, but for a stream that is cut off: that is reset', async () => {
    const ends: string[] = [];
    let taken = 0;
    await using proxy = new SslServer(
      {
        onReceive(s, id, data) {
          taken += data.length;
          if (data.includes('CONNECT')) s.send(id, 'HTTP/1.1 200 OK\r\n\r\n');
        },
        onClose: (_s, _id, _operation, _errno, { error }) => void ends.push(error?.code ?? 'whole'),
      },
      { ssl: identity },
    );
    const { port } = await proxy.start(host, 0);
    const asking = new TcpClient({}, { proxy: { url: `https://localhost:${port}`, ssl: { ca } } });
    const endings: [string, () => unknown][] = [
      ['whole', () => asking.connection!.disconnect()],
      ['whole', () => asking.stop({ drainTimeoutMs: 5_000 })],
      ['whole when all has arrived', () => asking.stop()],
      ['cut when all has arrived', () => asking.connection!.reset()],
    ];
    for (const [index, [how, end]] of endings.entries()) {
      await asking.start('a.example', 1);
      const before = taken;
      asking.send('x'.repeat(50_000));
      if (how.includes('arrived')) await until(() => taken === before + 50_000);
      await end();
      await until(() => ends.length === index + 1);
      await asking.wait();
      expect([ends[index] === 'whole' ? 'whole' : 'cut', taken - before]).toEqual([how.split(' ')[0], 50_000]);
    }
    expect(ends[3]).toBe('ECONNRESET');
  });

  test('a disconnect ends a drain at once, though its peer does not read', async () => {
    await using server = new TcpServer({ onAccept: (s, id) => void s.pauseReceive(id) });
    await using sealed = new SslServer({ onHandShake: (s, id) => void s.pauseReceive(id) }, { ssl: identity });
    const { port } = await server.start(host, 0);
    const { port: sealedPort } = await sealed.start(host, 0);
    await using secured = await secureProxy();
    const { through: proxy } = secured;
    for (const make of [
      (log: Log) => [new TcpAgent(log.hooks(), { proxy }), port] as const,
      (log: Log) => [new SslAgent(log.hooks(), { proxy, ssl: { ca } }), sealedPort] as const,
      (log: Log) => [new SslAgent(log.hooks(), { ssl: { ca } }), sealedPort] as const,
    ]) {
      const log = new Log();
      const [agent, to] = make(log);
      await using running = agent;
      await running.start();
      const id = await running.connect('localhost', to);
      running.send(id, Buffer.alloc(20_000_000));
      running.connection(id)!.drain(60_000);
      await new Promise((resolve) => setImmediate(resolve));
      running.disconnect(id);
      await until(() => log.closes.length === 1);
      expect(log.closes[0]!.errorCode).toBe(0);
    }
  });

  test('an agent, many at a time, a reset, and connections without a proxy beside', async () => {
    await using server = await echoServer();
    await using secured = await secureProxy();
    let bytes = 0;
    await using agent = new TcpAgent(
      { onReceive: (_a, _id, data) => void (bytes += data.length) },
      { proxy: secured.through },
    );
    await agent.start();
    const ids = await Promise.all(Array.from({ length: 20 }, () => agent.connect(host, server.port)));
    const direct = await agent.connect({ host, port: server.port, proxy: null });
    for (const id of [...ids, direct]) agent.send(id, 'x');
    await until(() => bytes === 21);
    expect(secured.proxy.openCount).toBe(20);
    agent.connection(ids[0]!)!.reset();
    await until(() => agent.connectionCount === 20 && secured.proxy.openCount === 19);
  });
});

describe('what is inside and behind', () => {
  test('TLS in TLS: SslClient and SslAgent see the certificate of the target only', async () => {
    const other = await Authority.make('Authority of the target');
    const targetIdentity = await other.sign({ names: ['localhost'], commonName: 'the target' });
    await using server = new SslServer({ onReceive: (s, id, data) => void s.send(id, data) }, { ssl: targetIdentity });
    const { port } = await server.start(host, 0);
    await using secured = await secureProxy({ isSlow: true });
    const log = new Log();
    let before: unknown;
    const asking = new SslClient(log.hooks({ onConnect: (c: SslClient) => void (before = c.getSSLInfo()) }), {
      proxy: secured.through,
      ssl: { ca: other.ca },
    });
    await asking.start('localhost', port);
    asking.send('secret');
    await until(() => log.received === 'secret');
    expect(before).toBeNull();
    expect(asking.getSSLInfo()!.peerCertificate!.subject.CN).toBe('the target');
    await asking.stop();
    await until(() => secured.proxy.openCount === 0);
    let got = '';
    await using agent = new SslAgent(
      { onReceive: (_a, _id, data) => void (got += data) },
      { ssl: { ca: other.ca }, closeNotify: false },
    );
    await agent.start();
    for (const text of ['one', 'two']) {
      const id = await agent.connect('localhost', port, { proxy: secured.through });
      agent.send(id, text);
      await until(() => got.endsWith(text));
      agent.disconnect(id);
      await until(() => agent.connectionCount === 0);
    }
    await until(() => secured.proxy.openCount === 0);
    // What verifies the target does not verify the proxy, and the other way round.
    const wrongProxy = await failure(() =>
      asking.start({ host: 'localhost', port, proxy: { ...secured.through, ssl: { ca: other.ca } } }),
    );
    expect(wrongProxy.message).toMatch(/^connecting to localhost:\d+ failed: the TLS handshake with proxy \(https:/);
    const wrongTarget = new SslClient({}, { proxy: secured.through, ssl: { ca } });
    expect((await failure(() => wrongTarget.start('localhost', port))).message).toMatch(/handshake of connection/);
    await until(() => secured.proxy.openCount === 0);
  });

  test('TLS in TLS: all that was sent before a disconnect and a drain arrives, and the target sees a whole stream', async () => {
    let taken = 0;
    const ends: unknown[] = [];
    await using server = new SslServer(
      {
        onReceive: (_s, _id, data) => void (taken += data.length),
        onClose: (_s, _id, _operation, _errno, { code }) => void ends.push(code),
      },
      { ssl: identity },
    );
    const { port } = await server.start(host, 0);
    await using secured = await secureProxy();
    const asking = new SslClient({}, { proxy: secured.through, ssl: { ca } });
    for (const [index, end] of [
      () => asking.connection!.disconnect(),
      () => asking.stop({ drainTimeoutMs: 5_000 }),
    ].entries()) {
      taken = 0;
      await asking.start('localhost', port);
      asking.send(Buffer.alloc(200_000, 'x'));
      await end();
      await until(() => ends.length === index + 1);
      await asking.wait();
      expect([taken, ends[index]]).toEqual([200_000, null]);
    }
    await until(() => secured.proxy.openCount === 0);
  });

  test('TLS that is started by hand, behind clear text in the tunnel', async () => {
    await using server = new SslServer(
      {
        onReceive(s, id, data) {
          if (String(data) !== 'STARTTLS') return void s.send(id, data);
          s.send(id, 'GO');
          s.startSSLHandShake(id);
        },
      },
      { ssl: identity, sslAutoHandShake: false },
    );
    const { port } = await server.start(host, 0);
    await using secured = await secureProxy();
    const log = new Log();
    const asking = new SslClient(log.hooks(), { proxy: secured.through, ssl: { ca }, sslAutoHandShake: false });
    await asking.start('localhost', port);
    asking.send('STARTTLS');
    await until(() => log.received === 'GO');
    asking.startSSLHandShake();
    await until(() => log.count('onHandShake') === 1);
    asking.send('secret');
    await until(() => log.received === 'GOsecret');
    await asking.stop();
  });

  test('pack, over TCP and TLS', async () => {
    await using packs = new TcpPackServer({ onReceive: (s, id, body) => void s.send(id, body) });
    await using sealed = new SslPackServer({ onReceive: (s, id, body) => void s.send(id, body) }, { ssl: identity });
    const { port } = await packs.start(host, 0);
    const { port: sealedPort } = await sealed.start(host, 0);
    await using secured = await secureProxy();
    const got: string[] = [];
    const onReceive = (_c: unknown, _id: number, body: Buffer): void => void got.push(String(body));
    const plain = new TcpPackClient({ onReceive }, { proxy: secured.through });
    const tls = new SslPackClient({ onReceive }, { proxy: secured.through, ssl: { ca } });
    await plain.start('localhost', port);
    await tls.start('localhost', sealedPort);
    plain.send('plain');
    await until(() => got.length === 1);
    tls.send('sealed');
    await until(() => got.length === 2);
    expect(got).toEqual(['plain', 'sealed']);
    await Promise.all([plain.stop(), tls.stop()]);
  });

  test('HTTP and HTTPS, clients and agents', async () => {
    const hooks = {
      onRequest: (_s: unknown, _id: number, request: { respond(text: string): void }) => request.respond('hi'),
    };
    await using server = new HttpServer(hooks as never);
    await using secure = new HttpsServer(hooks as never, { ssl: identity });
    const { port } = await server.start(host, 0);
    const { port: securePort } = await secure.start(host, 0);
    await using secured = await secureProxy();
    const { through: proxy } = secured;
    await using one = new HttpSyncClient({}, { proxy });
    expect((await one.openUrl('GET', `http://localhost:${port}/`)).text()).toBe('hi');
    await using two = new HttpsSyncClient({}, { proxy, ssl: { ca } });
    expect((await two.openUrl('GET', `https://localhost:${securePort}/`)).text()).toBe('hi');
    await using agent = new HttpsAgent({}, { proxy, ssl: { ca } });
    await agent.start();
    expect((await agent.request(`https://localhost:${securePort}/`)).text()).toBe('hi');
    expect(secured.proxy.asked).toEqual([port, securePort, securePort].map((each) => `localhost:${each}`));
  });

  test('WebSocket clients and agents', async () => {
    await using server = new WebSocketServer({ onMessage: (s, id, data) => void s.send(id, `echo ${data}`) });
    const { port } = await server.start(host, 0);
    await using secured = await secureProxy();
    const got: string[] = [];
    const onMessage = (_c: unknown, _id: number, data: unknown): void => void got.push(String(data));
    const asking = new WebSocketClient({ onMessage });
    await asking.open(`ws://localhost:${port}/`, { proxy: secured.through });
    asking.send('one');
    await until(() => got.length === 1);
    await asking.stop();
    await using agent = new WebSocketAgent({ onMessage });
    await agent.start();
    const id = await agent.open(`ws://localhost:${port}/`, { proxy: secured.through });
    agent.send(id, 'two');
    await until(() => got.length === 2);
    expect(got).toEqual(['echo one', 'echo two']);
  });

  test('a PROXY header and a preamble come behind the tunnel', async () => {
    const seen: string[] = [];
    await using server = new TcpServer(
      { onAccept: (s, id) => void seen.push(s.connection(id)!.remoteAddress!.address) },
      { proxyProtocol: { trustedProxies: [host] } },
    );
    const { port } = await server.start(host, 0);
    await using secured = await secureProxy();
    const proxyHeader = { source: { address: '192.0.2.7', port: 7 }, destination: { address: '192.0.2.8', port: 8 } };
    const asking = new TcpClient({}, { proxy: secured.through, proxyHeader });
    await asking.start(host, port);
    await until(() => seen.length === 1);
    expect(seen).toEqual(['192.0.2.7']);
    await asking.stop();
  });
});

describe('in chains', () => {
  test('TLS at any place, at several, and with TLS inside of all', async () => {
    await using server = new SslServer({ onReceive: (s, id, data) => void s.send(id, data) }, { ssl: identity });
    const { port } = await server.start(host, 0);
    await using echo = await echoServer();
    for (const order of ['Tc', 'cT', 'TT', 'TcT', 'Ts', 'TTT']) {
      const proxies = await Promise.all(
        [...order].map((letter) =>
          letter === 'T'
            ? FakeProxy.start({ kind: 'http', tls: identity, login: 'a:b' })
            : FakeProxy.start({ kind: letter === 's' ? 'socks5' : 'http' }),
        ),
      );
      const chain = proxies.map(({ url }) => (url.startsWith('https') ? { url, ssl: { ca } } : url));
      expect(await ask(chain, host, echo.port, 'hello')).toBe('hello');
      const log = new Log();
      const asking = new SslClient(log.hooks(), { proxy: chain, ssl: { ca } });
      await asking.start('localhost', port);
      asking.send('secret');
      await until(() => log.received === 'secret');
      await asking.stop();
      await until(() => proxies.every(({ openCount }) => openCount === 0));
      for (const proxy of proxies) await proxy[Symbol.asyncDispose]();
    }
  });

  test('an error names the one that it is about', async () => {
    const stranger = await (await Authority.make('Nobody knows it')).sign();
    await using first = await FakeProxy.start({ kind: 'http', tls: identity, login: 'me:hidden' });
    await using second = await FakeProxy.start({ kind: 'http', tls: stranger });
    const chain = [first, second].map(({ url }) => ({ url, ssl: { ca } }));
    const asking = new TcpClient({}, { proxy: chain });
    const error = await failure(() => asking.start('host.example', 80));
    expect(error.message).toMatch(
      new RegExp(
        `^connecting to host\\.example:80 failed: the TLS handshake with proxy 2 of 2 \\(https://127\\.0\\.0\\.1:${second.port}\\) failed: ` +
          `an unknown authority signed the peer's certificate.*give`,
      ),
    );
    expect([error.code, error.errno, error.operation]).toEqual(['HP_TLS_FAILED', Errno.EBADMSG, 'connect']);
    expect(asking.lastFailure).toBe(error);
    await until(() => first.openCount === 0 && second.openCount === 0);
  });
});

describe('a proxy that cannot be spoken TLS with', () => {
  /** Connects through `proxy`, which must fail, and leave nothing open. */
  async function refused(proxy: ProxyOptions | string, port = 1) {
    const log = new Log();
    const asking = new TcpClient(log.hooks(), { proxy, syncConnectTimeout: 20_000 });
    const error = await failure(() => asking.start(host, port));
    await asking.wait();
    expect(log.events.filter((event) => event === 'onConnect' || event === 'onClose')).toEqual([]);
    expect(asking.connection).toBeNull();
    return error;
  }

  test.each<[string, () => Promise<Identity>, RegExp]>([
    ['of an unknown authority', async () => (await Authority.make('X')).sign(), /unknown authority signed/],
    [
      'for another host',
      async () => (await commonCertificates()).authority.sign({ names: ['other.example'] }),
      /is for another host; .* set serverName, or verifyHost: false/,
    ],
    [
      'that has expired',
      async () => (await commonCertificates()).authority.sign({ fromDays: -2, toDays: -1 }),
      /has expired/,
    ],
  ])('a certificate %s', async (_what, make, message) => {
    await using proxy = await FakeProxy.start({ kind: 'http', tls: await make() });
    const error = await refused({ url: proxy.url, ssl: { ca } });
    expect(error.message).toMatch(message);
    expect(error.message).toContain(`the TLS handshake with proxy (https://127.0.0.1:${proxy.port}) failed`);
    expect(error.code).toBe('HP_TLS_FAILED');
    expect(proxy.asked).toEqual([]);
    await until(() => proxy.openCount === 0);
  });

  test('it is checked without being asked for; verifyServer, verifyHost and serverName say otherwise', async () => {
    await using server = await echoServer();
    const named = await (await commonCertificates()).authority.sign({ names: ['proxy.example'] });
    await using proxy = await FakeProxy.start({ kind: 'http', tls: named });
    expect((await refused(proxy.url)).code).toBe('HP_TLS_FAILED');
    expect((await refused({ url: proxy.url })).code).toBe('HP_TLS_FAILED');
    expect((await refused({ url: proxy.url, ssl: { verifyServer: false, verifyHost: true } })).message).toMatch(
      /for another host/,
    );
    for (const ssl of [
      { verifyServer: false },
      { ca, verifyHost: false },
      { ca, serverName: 'proxy.example' },
      { ca, serverName: 'proxy.example.' },
      { serverName: 'proxy.example', verifyServer: false, verifyHost: true },
    ])
      expect(await ask({ url: proxy.url, ssl }, host, server.port, 'hello')).toBe('hello');
  });

  test('one that wants a certificate gets it, or the error says so', async () => {
    await using server = await echoServer();
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      await using proxy = await FakeProxy.start({
        kind: 'http',
        tls: { ...identity, ca, requestCert: true, rejectUnauthorized: true, maxVersion },
      });
      expect(await ask({ url: proxy.url, ssl: { ca, ...client } }, host, server.port, 'hello')).toBe('hello');
      const error = await refused({ url: proxy.url, ssl: { ca } }, server.port);
      expect(error.message).toContain(`proxy (https://127.0.0.1:${proxy.port})`);
      await until(() => proxy.openCount === 0);
    }
  });

  test('no protocol version in common', async () => {
    await using proxy = await FakeProxy.start({ kind: 'http', tls: { ...identity, maxVersion: 'TLSv1.2' } });
    const error = await refused({ url: proxy.url, ssl: { ca, minVersion: 'TLSv1.3' } });
    expect(error.message).toMatch(/version/);
  });

  test.each<[string, (socket: net.Socket) => void, RegExp, string]>([
    ['speaks plain HTTP', (s) => void s.end('HTTP/1.1 400 Bad Request\r\n\r\n'), /not TLS/, 'HP_TLS_FAILED'],
    ['ends', (s) => void s.end(), /in the middle of the TLS handshake|in place of the TLS/, 'ECONNABORTED'],
    ['resets', (s) => void s.resetAndDestroy(), /TLS handshake of proxy|middle of the TLS/, 'ECONNRESET'],
  ])('one that %s', async (_what, act, message, code) => {
    const server = net.createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => act(socket));
    });
    await once(server.listen(0, host), 'listening');
    const { port } = server.address() as net.AddressInfo;
    const error = await refused({ url: `https://127.0.0.1:${port}`, ssl: { ca } });
    expect(error.message).toMatch(message);
    expect(error.message).toContain(`proxy (https://127.0.0.1:${port})`);
    expect(error.code).toBe(code);
    await new Promise((resolve) => server.close(resolve)); // does not end while a connection is open
  });

  test('one that says nothing: one deadline for all, and an abort ends it', async () => {
    const sockets: net.Socket[] = [];
    const server = net.createServer((socket) => {
      sockets.push(socket);
      socket.on('error', () => {});
      socket.resume();
    });
    await once(server.listen(0, host), 'listening');
    const { port } = server.address() as net.AddressInfo;
    const proxy = { url: `https://127.0.0.1:${port}`, ssl: { ca } };
    const asking = new TcpClient({}, { proxy, syncConnectTimeout: 100 });
    const error = await failure(() => asking.start(host, 1));
    expect(error.code).toBe('ETIMEDOUT');
    expect(error.message).toContain(`the TLS handshake of proxy (https://127.0.0.1:${port}) did not come`);
    asking.syncConnectTimeout = 20_000;
    const controller = new AbortController();
    const aborted = failure(() => asking.start({ host, port: 1, signal: controller.signal }));
    await until(() => sockets.length === 2);
    controller.abort();
    expect((await aborted).code).toBe('HP_ABORTED');
    await asking.wait();
    // While TLS is loaded, and certificates are read.
    const log = new Log();
    const another = new TcpClient(log.hooks(), { proxy });
    const early = new AbortController();
    const cancelled = failure(() => another.start({ host, port: 1, signal: early.signal }));
    early.abort();
    expect((await cancelled).code).toBe('HP_ABORTED');
    await another.wait();
    expect([log.events, sockets.length]).toEqual([[], 2]);
    await new Promise((resolve) => server.close(resolve));
  });

  test('the handshake counts for the deadline of what follows', async () => {
    await using secured = await secureProxy({ instead: { connect: 'hang' } });
    const asking = new TcpClient({}, { proxy: secured.through, syncConnectTimeout: 300 });
    const error = await failure(() => asking.start(host, 1));
    expect([error.code, secured.proxy.asked]).toEqual(['ETIMEDOUT', []]);
    await until(() => secured.proxy.openCount === 0);
  });

  test('its refusals give the errors that those of any proxy give', async () => {
    await using secured = await secureProxy({ head: 'HTTP/1.1 502 Bad Gateway\r\n\r\n' });
    const error = await refused(secured.through, secured.proxy.port);
    expect(error.message).toMatch(/proxy \(https:.*did not connect to .*: 502 Bad Gateway/);
    expect(error.code).toBe('EHOSTUNREACH');
    await until(() => secured.proxy.openCount === 0);
  });

  test('what goes wrong with its TLS later is an error of that TLS, also below another TLS', async () => {
    await using server = await echoServer();
    await using sealed = new SslServer({}, { ssl: identity });
    const { port: sealedPort } = await sealed.start(host, 0);
    await using secured = await secureProxy();
    let toClient: net.Socket | null = null;
    const relay = net.createServer((socket) => {
      toClient = socket;
      const upstream = net.connect(secured.proxy.port, host);
      for (const each of [socket, upstream]) each.on('error', () => {});
      socket.pipe(upstream).pipe(socket, { end: false });
    });
    await once(relay.listen(0, host), 'listening');
    const proxy = { url: `https://localhost:${(relay.address() as net.AddressInfo).port}`, ssl: { ca } };
    for (const make of [
      (log: Log) => [new TcpClient(log.hooks(), { proxy }), server.port] as const,
      (log: Log) => [new SslClient(log.hooks(), { proxy, ssl: { ca } }), sealedPort] as const,
    ]) {
      const log = new Log();
      const [asking, port] = make(log);
      await asking.start('localhost', port);
      toClient!.write(Buffer.alloc(100, 7));
      await until(() => log.closes.length === 1);
      const { error } = log.closes[0]!;
      expect(error!.message).toMatch(/^TLS with proxy \(https:\/\/localhost:\d+\) failed: /);
      expect(error!.code).toBe('HP_TLS_FAILED');
      await asking.wait();
    }
    await new Promise((resolve) => relay.close(resolve));
  });

  test('certificates and keys that cannot be used: nothing is connected', async () => {
    await using secured = await secureProxy();
    const { url } = secured.proxy;
    for (const [ssl, message] of [
      [{ ca: 'no PEM' }, /the option ssl of proxy \(https:.*\) cannot be used: ca holds no PEM certificate/],
      [{ caFileOrPath: '/does/not/exist.pem' }, /caFileOrPath .* does not exist/],
      [{ cert: identity.cert }, /a certificate needs its private key/],
      [{ cert: identity.cert, key: client.key }, /the private key is not that of the certificate/],
    ] as const) {
      const error = await refused({ url, ssl });
      expect(error.message).toMatch(message);
      expect(error.code).toBe(error.errno === Errno.ENOENT ? 'HP_INVALID_PARAM' : error.code);
    }
    expect(secured.proxy.openCount).toBe(0);
  });

  test('an options object that was changed, or another one, is taken', async () => {
    await using server = await echoServer();
    await using secured = await secureProxy();
    const ssl: { ca: string } = { ca: (await Authority.make('Wrong')).ca };
    const proxy = { url: secured.proxy.url, ssl };
    expect((await refused(proxy)).code).toBe('HP_TLS_FAILED');
    ssl.ca = ca;
    expect(await ask(proxy, host, server.port, 'hello')).toBe('hello');
  });
});

describe('the options', () => {
  test.each<[unknown, RegExp]>([
    [{ url: 'http://a', ssl: {} }, /ssl of proxy is for https:\/\/ and socks5:\/\/ only/],
    [{ url: 'https://a', ssl: null }, /the options of ssl of a proxy must be an object/],
    [{ url: 'https://a', ssl: 'yes' }, /must be an object/],
    [{ url: 'https://a', ssl: { ca: 5 } }, /ca must be PEM text/],
    [{ url: 'https://a', ssl: { verifyServer: 0 } }, /verifyServer must be true or false/],
    [{ url: 'https://a', ssl: { verifyServr: false } }, /did you mean verifyServer/],
    [{ url: 'https://a', ssl: { rejectUnauthorized: false } }, /it is called verifyServer here/],
    [{ url: 'https://a', ssl: { servername: 'b' } }, /it is called serverName here/],
    [{ url: 'https://a', ssl: { serverName: 5 } }, /serverName must be a string/],
    [{ url: 'https://a', ssl: { minVersion: 'TLS1.2' } }, /minVersion must be one of/],
    [{ url: 'https://a', ssl: { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.2' } }, /minVersion TLSv1.3 is above/],
    [{ url: 'https://a', ssl: { verifyMode: 1 } }, /verifyServer and verifyHost say/],
    [{ url: 'https://a', ssl: { ca: 'x', caFileOrPath: '/x' } }, /ssl of a proxy: ca and caFileOrPath say the same/],
    [{ url: 'https://a', ssl: { cert: 'x', certFile: '/x' } }, /cert and certFile say the same/],
    [{ url: 'https://a', ssl: { key: 'x', keyFile: '/x' } }, /key and keyFile say the same/],
    [{ url: 'https://a', headers: null }, /headers of proxy must be an object of fields and their texts, not null/],
    [{ url: 'https://a', headers: ['x'] }, /headers of proxy must be an object .*, not an array/],
    [{ url: 'https://a', headers: 'x' }, /headers of proxy must be an object/],
    [{ url: 'https://a', headers: { HOST: 'x' } }, /headers of proxy: HOST cannot be said of a CONNECT request/],
    [{ url: 'https://u:p@a', headers: { 'Proxy-Authorization': 'x' } }, /makes no sense with user and password/],
    [{ url: 'https://a', tls: {} }, /it is called ssl here/],
    [{ url: 'https://a', ca: 'x' }, /belongs into ssl/],
    [{ url: 'https://a', pipeline: true }, /pipeline of proxy is for socks5/],
    ['https://a/path', /without a path/],
    ['https://a%3Ab:c@d', /must not contain a colon/],
    ['constructor://a', /must begin with socks5:\/\/, http:\/\/ or https:\/\/, not with "constructor:"/],
  ])('refuses %j', async (proxy, message) => {
    expect(() => new TcpClient({}, { proxy: proxy as never })).toThrow(message);
    await expect(() => new TcpAgent({}).connect({ host, port: 1, proxy: proxy as never })).rejects.toThrow(message);
  });

  test('the port is 443 unless it is given', async () => {
    const asking = new TcpClient({}, {});
    for (const [proxy, name] of [
      ['https://127.0.0.1', 'https://127.0.0.1:443'],
      ['https://127.0.0.1:80', 'https://127.0.0.1:80'],
      ['https://u:p@[::1]:1', 'https://[::1]:1'],
    ] as const) {
      // Whatever is there, it has no certificate that an authority has signed for such an address.
      expect((await failure(() => asking.start({ host, port: 1, proxy }))).message).toContain(`proxy (${name})`);
      await asking.wait();
    }
  });
});
