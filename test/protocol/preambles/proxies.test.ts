import { describe, expect, test } from 'vitest';
import { HttpServer, HttpSyncClient, HttpsServer, HttpsSyncClient } from '../../../src/http.ts';
import {
  type CloseInfo,
  Errno,
  SocketError,
  SocketOperation,
  SslClient,
  SslServer,
  TcpAgent,
  TcpClient,
  TcpPackClient,
  TcpPackServer,
  TcpPullClient,
  TcpServer,
} from '../../../src/index.ts';
import { WebSocketClient, WebSocketServer } from '../../../src/websocket.ts';
import { failure, host, Log, until } from '../../ssl/support.ts';
import { commonCertificates } from '../../tools/certificates.ts';
import { FakeProxy, type FakeProxyOptions } from '../../tools/fake-proxy.ts';

/** A server that answers what it gets. */
async function echoServer(): Promise<TcpServer & { port: number }> {
  const server = new TcpServer({ onReceive: (s, id, data) => void s.send(id, data) });
  const { port } = await server.start(host, 0);
  return Object.assign(server, { port });
}

/** What a client gets back for what it sends behind proxies. */
async function ask(
  proxy: TcpClient['proxy'],
  name: string,
  port: number,
  text: string,
  bytesBefore = 0,
): Promise<string> {
  let got = '';
  const client = new TcpClient({ onReceive: (_c, _id, data) => void (got += data) }, { proxy });
  await client.start(name, port);
  client.send(text);
  await until(() => got.length >= bytesBefore + text.length);
  await client.stop();
  return got;
}

const kinds: FakeProxyOptions[] = [
  { kind: 'socks5' },
  { kind: 'socks5', login: 'me:p%40ss%3Aword' },
  { kind: 'http' },
  { kind: 'http', login: 'me:p%40ss%3Aword' },
];
const nameOf = ({ kind, login }: FakeProxyOptions): string => `${kind}${login === undefined ? '' : ' with a login'}`;

describe.each(kinds.map((options) => [nameOf(options), options] as const))('through %s', (_name, options) => {
  test('a client reaches a host whose name the proxy resolves; answers come byte by byte [PXY-002, PXY-012]', async () => {
    await using server = await echoServer();
    await using proxy = await FakeProxy.start({ ...options, names: { 'inside.example': server.port }, isSlow: true });
    expect(await ask(proxy.url, 'inside.example', 4711, 'hello')).toBe('hello');
    expect(proxy.asked).toEqual(['inside.example:4711']);
  });

  test('a name with letters beyond ASCII is asked for in ASCII', async () => {
    await using server = await echoServer();
    await using proxy = await FakeProxy.start({ ...options, names: { 'xn--bcher-kva.example': server.port } });
    expect(await ask(proxy.url, 'Bücher.example', 4711, 'hello')).toBe('hello');
    expect(proxy.asked).toEqual(['xn--bcher-kva.example:4711']);
  });

  test('bytes behind the answer belong to the component [PXY-006, PXY-011]', async () => {
    await using server = await echoServer();
    await using proxy = await FakeProxy.start({ ...options, behind: 'welcome' });
    expect(await ask(proxy.url, host, server.port, '+hello', 7)).toBe('welcome+hello');
  });

  test('the hooks fire once, behind the tunnel, and know the target [PXY-003, PXY-015]', async () => {
    await using server = await echoServer();
    await using proxy = await FakeProxy.start(options);
    const seen: string[] = [];
    const client = new TcpClient(
      {
        onConnect(c) {
          const { remoteAddress, remoteHost, proxies } = c.connection!;
          seen.push(
            `connect ${remoteHost} ${remoteAddress!.address}:${remoteAddress!.port === server.port} ${proxies}`,
          );
        },
        onHandShake: () => void seen.push('handshake'),
        onSend: () => void seen.push('send'),
        onClose: () => void seen.push('close'),
      },
      { proxy: proxy.url },
    );
    await client.start(host, server.port);
    expect(client.isConnected).toBe(true);
    await client.stop();
    const shown = `${options.kind}://127.0.0.1:${proxy.port}`;
    expect(seen).toEqual([`connect ${host} ${host}:true ${shown}`, 'handshake', 'close']);
  });

  test('pack and pull too', async () => {
    await using packs = new TcpPackServer({ onReceive: (s, id, body) => void s.send(id, body) });
    const { port } = await packs.start(host, 0);
    await using proxy = await FakeProxy.start(options);
    let got = '';
    const pack = new TcpPackClient({ onReceive: (_c, _id, body) => void (got += body) }, { proxy: proxy.url });
    await pack.start('localhost', port);
    pack.send('package');
    await until(() => got !== '');
    expect(got).toBe('package');
    await pack.stop();
    await using server = await echoServer();
    const pull = new TcpPullClient({ onReceive: (c, _id, length) => void (got = String(c.fetch(length))) }, {});
    await pull.start({ host, port: server.port, proxy: proxy.url });
    pull.send('pulled');
    await until(() => got === 'pulled');
    await pull.stop();
  });

  test('TLS, whose server may speak in one piece with the proxy [PXY-014]', async () => {
    const { authority, server: identity } = await commonCertificates();
    await using server = new SslServer({ onReceive: (s, id, data) => void s.send(id, data) }, { ssl: identity });
    const { port } = await server.start(host, 0);
    await using proxy = await FakeProxy.start({ ...options, isSlow: true });
    const log = new Log();
    const client = new SslClient(log.hooks(), { proxy: proxy.url, ssl: { ca: authority.ca, verifyMode: 1 } });
    await client.start('localhost', port);
    client.send('secret');
    await until(() => log.received === 'secret');
    expect(log.events.filter((event) => event !== 'onReceive')).toEqual([
      'onPrepareConnect',
      'onConnect',
      'onHandShake',
    ]);
    await client.stop();
  });

  test('an agent, and proxies of one connection', async () => {
    await using server = await echoServer();
    await using proxy = await FakeProxy.start(options);
    await using dead = await FakeProxy.start({ kind: 'http', head: 'HTTP/1.1 403 Forbidden\r\n\r\n' });
    let got = '';
    await using agent = new TcpAgent({ onReceive: (_a, _id, data) => void (got += data) }, { proxy: dead.url });
    await agent.start();
    expect((await failure(() => agent.connect(host, server.port))).code).toBe('EACCES');
    const id = await agent.connect(host, server.port, { proxy: proxy.url });
    agent.send(id, 'one');
    await until(() => got === 'one');
    const direct = await agent.connect({ host, port: server.port, proxy: null });
    expect([agent.connection(id)!.proxies.length, agent.connection(direct)!.proxies.length]).toEqual([1, 0]);
  });
});

describe('what is sent', () => {
  test('SOCKS5 without and with a login [PXY-007, PXY-008, PXY-009, PXY-010, EBUG-014]', async () => {
    await using server = await echoServer();
    const port = Buffer.from([server.port >> 8, server.port & 255]).toString('latin1');
    await using open = await FakeProxy.start({ kind: 'socks5' });
    await ask(open.url, 'host.example', server.port, 'x');
    expect(open.reads.slice(0, 2)).toEqual(['\x05\x01\x00', `\x05\x01\x00\x03\x0chost.example${port}`]);
    await ask(open.url, host, server.port, 'x');
    expect(open.reads.at(-1)).toBe(`\x05\x01\x00\x01\x7f\x00\x00\x01${port}`);
    await ask(open.url, '::1', server.port, 'x');
    expect(open.reads.at(-1)).toBe(`\x05\x01\x00\x04${'\0'.repeat(15)}\x01${port}`);
    await using locked = await FakeProxy.start({ kind: 'socks5', login: 'user:secret' });
    await ask(locked.url, 'host.example', server.port, 'x');
    expect(locked.reads.slice(0, 3)).toEqual([
      '\x05\x01\x02',
      '\x01\x04user\x06secret',
      `\x05\x01\x00\x03\x0chost.example${port}`,
    ]);
  });

  test('pipeline: greeting, login and request in one piece', async () => {
    await using server = await echoServer();
    for (const login of [undefined, 'user:secret']) {
      await using proxy = await FakeProxy.start({ kind: 'socks5', ...(login === undefined ? {} : { login }) });
      expect(await ask({ url: proxy.url, pipeline: true }, host, server.port, 'hello')).toBe('hello');
      expect(proxy.reads[0]!.length).toBe(login === undefined ? 13 : 26);
    }
  });

  test('CONNECT, with a login and fields of its own [PXY-005]', async () => {
    await using server = await echoServer();
    await using proxy = await FakeProxy.start({ kind: 'http', login: 'user:secret' });
    await ask({ url: proxy.url, headers: { 'User-Agent': 'test/1' } }, 'host.example', server.port, 'x');
    expect(proxy.reads[0]!.split('\r\n')).toEqual([
      `CONNECT host.example:${server.port} HTTP/1.1`,
      `Host: host.example:${server.port}`,
      'Proxy-Connection: Keep-Alive',
      `Proxy-Authorization: Basic ${Buffer.from('user:secret').toString('base64')}`,
      'User-Agent: test/1',
      '',
      '',
    ]);
    await ask(proxy.url, '::1', server.port, 'x');
    expect(proxy.asked.at(-1)).toBe(`::1:${server.port}`);
  });

  test('address^name dials the address, and keeps the name', async () => {
    await using server = await echoServer();
    await using proxy = await FakeProxy.start({ kind: 'socks5' });
    const client = new TcpClient({}, { proxy: proxy.url });
    await client.start(`${host}^host.example`, server.port);
    expect([client.getRemoteHost()?.host, proxy.asked[0]]).toEqual(['host.example', `${host}:${server.port}`]);
    await client.stop();
  });
});

describe('several proxies in a row [PXY-001]', () => {
  test('three, of both kinds, each asked for the next one', async () => {
    await using server = await echoServer();
    for (const order of ['shs', 'hsh', 'sss', 'hhh']) {
      const kindOf = (letter: string): FakeProxyOptions['kind'] => (letter === 's' ? 'socks5' : 'http');
      await using first = await FakeProxy.start({ kind: kindOf(order[0]!), isSlow: true });
      await using second = await FakeProxy.start({ kind: kindOf(order[1]!), login: 'a:b' });
      await using third = await FakeProxy.start({ kind: kindOf(order[2]!), behind: '>' });
      const chain = [first.url, new URL(second.url), { url: third.url }];
      expect(await ask(chain, host, server.port, 'hello', 1)).toBe('>hello');
      expect([first.asked[0], second.asked[0], third.asked[0]]).toEqual([
        `${host}:${second.port}`,
        `${host}:${third.port}`,
        `${host}:${server.port}`,
      ]);
    }
  });

  test('a failure names the proxy, and no password', async () => {
    await using first = await FakeProxy.start({ kind: 'socks5', login: 'me:hidden' });
    await using second = await FakeProxy.start({ kind: 'http', head: 'HTTP/1.0 502 Bad Gateway\r\n\r\n' });
    const client = new TcpClient({}, { proxy: [first.url, second.url] });
    const error = await failure(() => client.start('host.example', first.port));
    expect(error).toBeInstanceOf(SocketError);
    expect(error.message).toBe(
      `connecting to host.example:${first.port} failed: proxy 2 of 2 (http://127.0.0.1:${second.port}) did not connect to host.example:${first.port}: 502 Bad Gateway (the host cannot be reached)`,
    );
    expect([error.code, error.errno, error.operation]).toEqual(['EHOSTUNREACH', Errno.EHOSTUNREACH, 'connect']);
    expect(client.lastFailure).toBe(error);
    await client.wait();
    const gone = await failure(() =>
      client.start({ host, port: 1, proxy: ['http://u:hidden@127.0.0.1:1', second.url] }),
    );
    expect(gone.message).toMatch(/^connecting to proxy 1 of 2 \(http:\/\/127\.0\.0\.1:1\) failed: ECONNREFUSED/);
    expect(gone.code).toBe('ECONNREFUSED');
  });
});

describe('a proxy that does not connect [PXY-004]', () => {
  const socks = (reply: number): FakeProxyOptions => ({
    kind: 'socks5',
    instead: { reply: Buffer.from([5, reply, 0, 1, 0, 0, 0, 0, 0, 0]) },
  });
  test.each<[string, FakeProxyOptions, string, RegExp]>([
    ['SOCKS5 reply 1', socks(1), 'EIO', /it failed/],
    ['SOCKS5 reply 2', socks(2), 'EACCES', /its rules do not allow that/],
    ['SOCKS5 reply 3', socks(3), 'ENETUNREACH', /the network cannot be reached/],
    ['SOCKS5 reply 4', socks(4), 'EHOSTUNREACH', /the host cannot be reached/],
    ['SOCKS5 reply 5', socks(5), 'ECONNREFUSED', /the connection was refused/],
    ['SOCKS5 reply 6', socks(6), 'ETIMEDOUT', /time to live/],
    ['SOCKS5 reply 7', socks(7), 'EOPNOTSUPP', /does not know CONNECT/],
    ['SOCKS5 reply 8', socks(8), 'EAFNOSUPPORT', /addresses of this kind/],
    ['SOCKS5 reply 9', socks(9), 'EIO', /reply 9/],
    ['an answer of SOCKS4', { kind: 'socks5', instead: { method: '\0Z' } }, 'EPROTO', /is no SOCKS5 proxy/],
    ['an answer of HTTP', { kind: 'socks5', instead: { method: 'HTTP/1.1 400' } }, 'EPROTO', /is no SOCKS5 proxy/],
    ['a method nobody offered', { kind: 'socks5', instead: { method: '\x05\x01' } }, 'EPROTO', /chose method 1/],
    ['no method', { kind: 'socks5', instead: { method: '\x05\xff' } }, 'EACCES', /wants a login/],
    [
      'no method, with a login',
      { kind: 'socks5', login: 'a:b', instead: { method: '\x05\xff' } },
      'EACCES',
      /not take user/,
    ],
    ['a wrong login', { kind: 'socks5', login: 'a:b', instead: { login: '\x01\x01' } }, 'EACCES', /refused user and/],
    [
      'a broken login',
      { kind: 'socks5', login: 'a:b', instead: { login: '\x05\0' } },
      'EPROTO',
      /login with something/,
    ],
    ['a broken reply', { kind: 'socks5', instead: { reply: '\x04\0' } }, 'EPROTO', /request with something else/],
    ['a type of address', { kind: 'socks5', instead: { reply: '\x05\0\0\x02\0' } }, 'EPROTO', /address of type 2/],
    [
      '407',
      { kind: 'http', instead: { connect: 'HTTP/1.1 407 Log In\r\nA: b\r\n\r\n<p>' } },
      'EACCES',
      /407 Log In .*give user/,
    ],
    [
      '403 without a phrase',
      { kind: 'http', instead: { connect: 'HTTP/1.1 403\r\n\r\n' } },
      'EACCES',
      /: 403 \(its rules/,
    ],
    ['504', { kind: 'http', instead: { connect: 'HTTP/1.0 504 Late\r\n\r\n' } }, 'ETIMEDOUT', /504 Late/],
    [
      '302',
      { kind: 'http', instead: { connect: 'HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n' } },
      'ECONNREFUSED',
      /302 Found/,
    ],
    [
      '101',
      { kind: 'http', instead: { connect: 'HTTP/1.1 101 Switching\r\n\r\n' } },
      'EPROTO',
      /answered CONNECT with 101/,
    ],
    ['an answer of SOCKS', { kind: 'http', instead: { connect: '\x05\0' } }, 'EPROTO', /is no HTTP proxy/],
    [
      'a broken status line',
      { kind: 'http', instead: { connect: 'HTTP/1.1 2x0 OK\r\n\r\n' } },
      'EPROTO',
      /broken status/,
    ],
    ['HTTP/2', { kind: 'http', instead: { connect: 'HTTP/2 200\r\n\r\n' } }, 'EPROTO', /is no HTTP proxy/],
    [
      '17 KiB of head',
      { kind: 'http', instead: { connect: `HTTP/1.1 200 OK\r\nA: ${'x'.repeat(17_000)}` } },
      'EMSGSIZE',
      /more than 16384 bytes/,
    ],
    [
      'an end before the method',
      { kind: 'socks5', instead: { method: 'end' } },
      'ECONNABORTED',
      /choice of a method, of proxy/,
    ],
    [
      'an end before the login',
      { kind: 'socks5', login: 'a:b', instead: { login: 'end' } },
      'ECONNABORTED',
      /user and password/,
    ],
    ['an end before the reply', { kind: 'socks5', instead: { reply: 'end' } }, 'ECONNABORTED', /answer to the request/],
    ['an end before the answer', { kind: 'http', instead: { connect: 'end' } }, 'ECONNABORTED', /answer to CONNECT/],
    [
      'a reset before the reply',
      { kind: 'socks5', instead: { reply: 'reset' } },
      'ECONNRESET',
      /answer to the request, of proxy/,
    ],
    [
      'a reset before the answer',
      { kind: 'http', instead: { connect: 'reset' } },
      'ECONNRESET',
      /answer to CONNECT, of proxy/,
    ],
  ])('%s', async (_what, options, code, message) => {
    for (const isSlow of [false, true]) {
      if (isSlow && JSON.stringify(options).length > 10_000) continue;
      await using proxy = await FakeProxy.start({ ...options, isSlow });
      const log = new Log();
      const client = new TcpClient(log.hooks(), { proxy: proxy.url });
      const error = await failure(() => client.start('host.example', 443));
      expect([error.code, error.message]).toEqual([code, expect.stringMatching(message)]);
      expect(error.message).toContain(`${options.kind}://127.0.0.1:${proxy.port}`);
      expect(log.events).toEqual(['onPrepareConnect']);
      await client.wait();
    }
  });

  test.each<[string, FakeProxyOptions]>([
    ['its choice of a method', { kind: 'socks5', instead: { method: 'hang' } }],
    ['its answer to user and password', { kind: 'socks5', login: 'a:b', instead: { login: 'hang' } }],
    ['its answer to the request', { kind: 'socks5', instead: { reply: 'hang' } }],
    ['its answer to CONNECT', { kind: 'http', instead: { connect: 'hang' } }],
    ['half of its answer to CONNECT', { kind: 'http', instead: { connect: 'HTTP/1.1 200 OK\r\n' } }],
  ])('%s does not come in time [PXY-016]', async (what, options) => {
    await using proxy = await FakeProxy.start(options);
    const client = new TcpClient({}, { proxy: proxy.url, syncConnectTimeout: 30 });
    const error = await failure(() => client.start('host.example', 443));
    expect(error.code).toBe('ETIMEDOUT');
    expect(error.message).toContain(`30 ms (syncConnectTimeout), in which ${what.replace('half of ', '')}, of proxy (`);
    expect(client.stats().limits.handshakeTimeouts).toBe(1);
  });

  test('for asynchronous agents and clients, onClose gets the error [PXY-017, PXY-018, PXY-020]', async () => {
    await using proxy = await FakeProxy.start({ kind: 'http', instead: { connect: 'hang' } });
    const ends: [number, number, string | null][] = [];
    const onClose = (_s: unknown, _id: number, operation: SocketOperation, errno: number, info: CloseInfo): void =>
      void ends.push([operation, errno, info.code]);
    await using agent = new TcpAgent({ onClose }, { proxy: proxy.url, syncConnectTimeout: 20 });
    await agent.start({ asyncConnect: true });
    const id = await agent.connect('host.example', 443);
    expect(agent.isConnected(id)).toBe(false);
    const client = new TcpClient({ onClose }, { proxy: proxy.url, syncConnectTimeout: 20 });
    await client.start('host.example', 443, { asyncConnect: true });
    await until(() => ends.length === 2);
    expect(ends).toEqual(Array(2).fill([SocketOperation.Connect, Errno.ETIMEDOUT, 'ETIMEDOUT']));
  });

  test('a signal, a stop and a disconnect end the talk with a proxy', async () => {
    await using proxy = await FakeProxy.start({ kind: 'socks5', instead: { reply: 'hang' } });
    const aborting = new AbortController();
    const client = new TcpClient({}, { proxy: proxy.url });
    const started = failure(() => client.start({ host: 'a.example', port: 1, signal: aborting.signal }));
    await until(() => proxy.reads.length >= 2);
    aborting.abort();
    expect((await started).code).toBe('HP_ABORTED');
    await client.wait();
    const stopped = failure(() => client.start('a.example', 1));
    await until(() => proxy.reads.length >= 4);
    await client.stop();
    expect((await stopped).errno).toBe(Errno.ECANCELED);
    await using agent = new TcpAgent({}, { proxy: proxy.url });
    await agent.start();
    const connecting = failure(() => agent.connect('a.example', 1));
    await until(() => proxy.reads.length >= 6);
    agent.disconnect(agent.getAllConnectionIDs()[0]!);
    expect((await connecting).errno).toBe(Errno.ECANCELED);
  });
});

describe('answers to CONNECT', () => {
  test.each([
    ['2xx with a body that is none', 'HTTP/1.1 204 Fine\r\nContent-Length: 1000\r\nTransfer-Encoding: chunked\r\n\r\n'],
    ['HTTP/1.0', 'HTTP/1.0 200 Connection established\r\n\r\n'],
    ['no reason phrase', 'HTTP/1.1 200\r\n\r\n'],
    [
      'an interim answer in front',
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\n\r\n',
    ],
    ['bare LF', 'HTTP/1.1 200 OK\nA: b\n\n'],
  ])('%s [PXY-006]', async (_what, head) => {
    await using server = await echoServer();
    for (const isSlow of [false, true]) {
      await using proxy = await FakeProxy.start({ kind: 'http', head, isSlow });
      expect(await ask(proxy.url, host, server.port, 'hello')).toBe('hello');
    }
  });

  test.each([1, 3, 4] as const)('SOCKS5 with an address of type %i [PXY-011]', async (addressType) => {
    await using server = await echoServer();
    for (const isSlow of [false, true]) {
      await using proxy = await FakeProxy.start({ kind: 'socks5', addressType, isSlow, behind: '!' });
      expect(await ask(proxy.url, host, server.port, 'hello', 1)).toBe('!hello');
    }
  });
});

describe('HTTP and WebSockets through a proxy', () => {
  test('openUrl, in clear text and over TLS [PXY-013, HT-015, ECO-002]', async () => {
    const { authority, server: identity } = await commonCertificates();
    const hooks = {
      onRequest: (_s: unknown, _id: number, request: { respond(text: string): void }) => request.respond('hi'),
    };
    await using plain = new HttpServer(hooks as never);
    await using secure = new HttpsServer(hooks as never, { ssl: identity });
    await using proxy = await FakeProxy.start({ kind: 'socks5' });
    const { port } = await plain.start(host, 0);
    await using client = new HttpSyncClient({}, { proxy: proxy.url });
    expect((await client.openUrl('GET', `http://localhost:${port}/`)).text()).toBe('hi');
    const { port: securePort } = await secure.start(host, 0);
    await using secureClient = new HttpsSyncClient({}, { proxy: proxy.url, ssl: { ca: authority.ca, verifyMode: 1 } });
    expect((await secureClient.openUrl('GET', `https://localhost:${securePort}/`)).text()).toBe('hi');
    expect(proxy.asked).toEqual([`localhost:${port}`, `localhost:${securePort}`]);
  });

  test('a WebSocket', async () => {
    await using server = new WebSocketServer({ onMessage: (s, id, data) => void s.send(id, `echo ${data}`) });
    const { port } = await server.start(host, 0);
    await using proxy = await FakeProxy.start({ kind: 'http' });
    let got = '';
    const client = new WebSocketClient({ onMessage: (_c, _id, data) => void (got += data) });
    await client.open(`ws://localhost:${port}/`, { proxy: proxy.url });
    client.send('hello');
    await until(() => got !== '');
    expect([got, proxy.asked]).toEqual(['echo hello', [`localhost:${port}`]]);
    await client.stop();
  });
});

describe('the option proxy', () => {
  test.each([
    ['ftp://a', /proxy must begin with socks5:\/\/, http:\/\/ or https:\/\/, not with "ftp:"/],
    ['127.0.0.1:1080', /must (begin|be a URL)/],
    ['socks5://a/path', /without a path/],
    ['socks5://a:0', /the port of proxy must be 1 to 65535/],
    ['socks5://a:65536', /must be a URL such as/],
    ['socks5://only-user@a', /user and password of proxy must have 1 to 255 bytes each/],
    [`socks5://u:${'x'.repeat(256)}@a`, /1 to 255 bytes/],
    ['http://a%3Ab:c@d', /must not contain a colon/],
    [{ url: 'socks5://a', headers: { a: 'b' } }, /headers of proxy are for http/],
    [{ url: 'http://a', headers: { a: 'b\r\nc' } }, /headers of proxy: "a" is no field/],
    [{ url: 'http://a', pipeline: true }, /pipeline of proxy is for socks5/],
    [{ uri: 'http://a' }, /did you mean url/],
    [5, /proxy must be a URL/],
    [Array(17).fill('http://a'), /17 proxies in a row/],
  ])('refuses %j', (proxy, message) => {
    expect(() => new TcpClient({}, { proxy: proxy as never })).toThrow(message);
    let text = '';
    try {
      new TcpClient({}, { proxy: proxy as never });
    } catch (error) {
      text = (error as Error).message;
    }
    expect(text).not.toContain('xxxx');
  });

  test('targets that cannot be asked for', async () => {
    const client = new TcpClient({}, { proxy: 'http://127.0.0.1:1' });
    for (const name of ['a b', 'a\r\nHost: b', 'a/b', 'ä／b.example', 'ä .example', 'u@h', 'x'.repeat(256)])
      expect((await failure(() => client.start(name, 80))).code).toBe('HP_INVALID_PARAM');
    expect((await failure(() => client.start({ path: '/tmp/x.sock' }))).message).toMatch(/not reached through a proxy/);
    const mixed = await failure(() => client.start({ host: 'a.example', port: 1, localAddress: '::1' }));
    expect(mixed.code).toBe('EAFNOSUPPORT');
  });
});
