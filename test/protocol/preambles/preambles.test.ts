import { once } from 'node:events';
import net from 'node:net';
import tls from 'node:tls';
import { describe, expect, test } from 'vitest';
import {
  conversation,
  Errno,
  lines,
  type PreambleFactory,
  type ProxyHeader,
  type ProxyHeaderOptions,
  SslClient,
  SslServer,
  TcpAgent,
  TcpClient,
  TcpPackClient,
  TcpPackServer,
  TcpServer,
} from '../../../src/index.ts';
import { WebSocketClient, WebSocketServer } from '../../../src/websocket.ts';
import { connectBare, failure, host, Log, until } from '../../ssl/support.ts';
import { commonCertificates } from '../../tools/certificates.ts';
import { FakeProxy } from '../../tools/fake-proxy.ts';

const trusting = { proxyProtocol: { trustedProxies: ['127.0.0.1'] } };

/** What a socket reads until it is closed. */
function readToEnd(socket: net.Socket): Promise<string> {
  let text = '';
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
  });
  return new Promise((resolve) => socket.on('close', () => resolve(text)));
}

/** Says a line, and expects one; with nothing but the interface. */
function lineFirst(mine: string, theirs: string): PreambleFactory {
  return (port) => ({
    awaits: 'the line of the peer',
    maxBytes: 20,
    begin: () => port.send(`${mine}\n`),
    receive(bytes) {
      const end = bytes.indexOf('\n');
      if (end < 0) return 0;
      if (bytes.toString('latin1', 0, end) === theirs) port.done();
      else port.fail('the peer said another line', Errno.EACCES);
      return end + 1;
    },
  });
}

describe('a preamble of your own', () => {
  test('in front of pack, on both sides, and nothing of it is a message', async () => {
    const log = new Log();
    await using server = new TcpPackServer(
      { onReceive: (s, id, body) => void s.send(id, body), onSend: () => {} },
      { preamble: lineFirst('server', 'client') },
    );
    const { port } = await server.start(host, 0);
    const client = new TcpPackClient(log.hooks({ onSend: () => {} }), { preamble: lineFirst('client', 'server') });
    await client.start(host, port);
    expect(log.events).toEqual(['onPrepareConnect', 'onConnect', 'onHandShake']);
    client.send('package');
    await until(() => log.received === 'package');
    expect(client.stats()).toMatchObject({ messagesIn: 1, bytesIn: 11 });
    await client.stop();
  });

  test('in front of TLS, behind a proxy and a PROXY header', async () => {
    const { authority, server: identity } = await commonCertificates();
    const seen: string[] = [];
    await using server = new SslServer(
      {
        onAccept: (s, id) => void seen.push(`${s.connection(id)!.proxyHeader!.source!.address}`),
        onReceive: (s, id, data) => void s.send(id, data),
      },
      { ...trusting, ssl: identity, preamble: lineFirst('server', 'client') },
    );
    const { port } = await server.start(host, 0);
    await using proxy = await FakeProxy.start({ kind: 'socks5', isSlow: true });
    const log = new Log();
    const client = new SslClient(log.hooks(), {
      proxy: proxy.url,
      proxyHeader: { source: { address: '192.0.2.7', port: 1 } },
      preamble: lineFirst('client', 'server'),
      ssl: { ca: authority.ca, verifyMode: 1 },
    });
    await client.start(`${host}^localhost`, port);
    client.send('secret');
    await until(() => log.received === 'secret');
    expect(seen).toEqual(['192.0.2.7']);
    await client.stop();
  });

  test('TLS that is started by hand has clear text behind it', async () => {
    const { server: identity } = await commonCertificates();
    await using server = new SslServer(
      {
        onReceive(s, id, data) {
          if (data.toString() !== 'STARTTLS') return void s.send(id, data);
          s.send(id, 'GO');
          s.startSSLHandShake(id);
        },
      },
      { ssl: identity, sslAutoHandShake: false, preamble: lineFirst('server', 'client') },
    );
    const { port } = await server.start(host, 0);
    const socket = await connectBare(port);
    socket.write('client\nSTARTTLS');
    let text = '';
    while (!text.includes('GO')) text += ((await once(socket, 'data')) as [Buffer])[0];
    expect(text).toBe('server\nGO');
    const secure = tls.connect({ socket, rejectUnauthorized: false });
    await once(secure, 'secureConnect');
    secure.write('secret');
    expect(String(((await once(secure, 'data')) as [Buffer])[0])).toBe('secret');
    secure.destroy();
  });

  test.each<[string, string, string]>([
    ['another line', 'nobody\n', 'EACCES'],
    ['no end of a line', 'x'.repeat(21), 'EMSGSIZE'],
  ])('%s ends the connection, by hook neither here nor there', async (_what, text, code) => {
    await using server = new TcpServer({ onAccept: () => expect.unreachable() }, { preamble: lineFirst('', 'client') });
    const { port } = await server.start(host, 0);
    const socket = await connectBare(port);
    socket.write(text);
    expect(await readToEnd(socket)).toBe('\n');
    expect(server.stats()).toMatchObject({ refused: 1, limits: { preambles: 1 } });
    const answering = net.createServer((peer) => {
      peer.on('error', () => {});
      peer.write(text);
    });
    answering.listen(0, host);
    await once(answering, 'listening');
    const client = new TcpClient({}, { preamble: lineFirst('', 'client') });
    const error = await failure(() => client.start(host, (answering.address() as net.AddressInfo).port));
    expect(error.code).toBe(code);
    await client.wait();
    answering.close();
  });

  test.each<[string, PreambleFactory]>([
    ['the factory', () => raise()],
    ['begin', () => ({ begin: () => raise(), receive: () => 0 })],
    ['receive', () => ({ receive: () => raise() })],
    ['an answer of receive that makes no sense', () => ({ receive: (bytes) => bytes.length + 1 })],
  ])('what %s throws goes to onHookError', async (_what, preamble) => {
    const errors: unknown[] = [];
    const onHookError = (_s: unknown, hook: string, error: unknown): void => void errors.push(`${hook} ${error}`);
    await using server = new TcpServer({ onHookError } as never, { preamble });
    const { port } = await server.start(host, 0);
    const socket = await connectBare(port);
    socket.write('x');
    expect(await readToEnd(socket)).toBe('');
    expect(errors).toEqual([expect.stringMatching(/^preamble (Error: on purpose|RangeError: receive of)/)]);
  });

  test('an exception ends connecting, with it as the cause', async () => {
    await using server = new TcpServer({});
    const { port } = await server.start(host, 0);
    const client = new TcpClient({}, { preamble: () => raise() });
    const error = await failure(() => client.start(host, port));
    expect([error.code, (error.cause as Error).message]).toEqual(['HP_HOOK_FAILED', 'on purpose']);
    await client.wait();
  });

  test('is a function', () => {
    expect(() => new TcpServer({}, { preamble: {} as never })).toThrow(/preamble must be a function/);
    expect(() => conversation('x' as never)).toThrow(/conversation needs a function/);
  });
});

function raise(): never {
  throw new Error('on purpose');
}

describe('conversation', () => {
  /** A login by a line, with time to think. */
  const login = conversation(async (peer) => {
    peer.send('who?\n');
    const name = await peer.readLine();
    await new Promise((resolve) => setImmediate(resolve));
    if (name === 'eve') peer.fail('eve is not let in', Errno.EACCES);
    if (name === 'bug') raise();
    const length = (await peer.read(1))[0]!;
    const token = await peer.read(length);
    const rest = await peer.readUntil(';', 10);
    peer.extra = { name, token: token.toString(), rest: rest.toString() };
    peer.send(`hello ${name}\n`);
  });
  const greeting = 'ann\r\n\x03abcxyz;';

  test('at every split; extra is there in onAccept, and bytes behind it are messages', async () => {
    const seen: unknown[] = [];
    await using server = new TcpServer<unknown, string, string>(
      {
        onAccept: (s, id) => void seen.push(s.getConnectionExtra(id)),
        onReceive: (s, id, line) => void s.send(id, line),
      },
      { preamble: login, framing: lines({ encoding: 'utf8' }) },
    );
    const { port } = await server.start(host, 0);
    const bytes = Buffer.from(`${greeting}first\nsecond\n`);
    for (let cut = 1; cut <= bytes.length; cut++) {
      seen.length = 0;
      const socket = await connectBare(port);
      socket.setNoDelay(true);
      socket.write(bytes.subarray(0, cut));
      await new Promise((resolve) => setImmediate(resolve));
      socket.end(bytes.subarray(cut));
      expect(await readToEnd(socket)).toBe('who?\nhello ann\nfirst\nsecond\n');
      expect(seen).toEqual([{ name: 'ann', token: 'abc', rest: 'xyz;' }]);
    }
  });

  test('what was sent before fail arrives', async () => {
    const preamble = conversation(async (peer) => {
      await peer.readLine();
      peer.send('no, because');
      peer.send(Buffer.alloc(20_000, 33));
      peer.fail('no');
    });
    await using server = new TcpServer({}, { preamble });
    const { port } = await server.start(host, 0);
    const socket = await connectBare(port);
    socket.write('please\n');
    expect(await readToEnd(socket)).toBe(`no, because${'!'.repeat(20_000)}`);
    expect(server.stats().limits.preambles).toBe(1);
  });

  test('fail is quiet, an exception is not', async () => {
    const errors: string[] = [];
    await using server = new TcpServer(
      { onHookError: (_s: unknown, hook: string, error: unknown) => void errors.push(`${hook} ${error}`) } as never,
      { preamble: login },
    );
    const { port } = await server.start(host, 0);
    for (const name of ['eve', 'bug']) {
      const socket = await connectBare(port);
      socket.write(`${name}\n`);
      expect(await readToEnd(socket)).toBe('who?\n');
    }
    expect(errors).toEqual(['preamble Error: on purpose']);
    expect(server.stats()).toMatchObject({ refused: 2, limits: { preambles: 1 } });
  });

  test('a peer that goes, or a time that is over, ends its reads', async () => {
    const errors: string[] = [];
    const preamble = conversation(async (peer) => {
      await peer.readLine().catch((error: Error) => {
        errors.push(error.message);
        throw error;
      });
    });
    await using server = new TcpServer({}, { preamble, preambleTimeoutMs: 30 });
    const { port } = await server.start(host, 0);
    const going = await connectBare(port);
    going.end('half');
    await readToEnd(going);
    const silent = await connectBare(port);
    await readToEnd(silent);
    await until(() => errors.length === 2);
    expect(errors).toEqual(Array(2).fill('the connection was closed, or the preamble is over'));
    expect(server.stats().limits.preambles).toBe(2);
  });

  test('while it thinks nothing is read, however much comes', async () => {
    let goOn = (): void => {};
    const preamble = conversation(async (peer) => {
      await peer.readLine();
      await new Promise<void>((resolve) => (goOn = resolve));
    });
    let received = 0;
    await using server = new TcpServer({ onReceive: (_s, _id, data) => void (received += data.length) }, { preamble });
    const { port } = await server.start(host, 0);
    const socket = await connectBare(port);
    const bytes = 8 * 1024 * 1024;
    socket.end(Buffer.concat([Buffer.from('line\n'), Buffer.alloc(bytes, 1)]));
    await until(() => server.connectionCount === 1);
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect([received, server.stats().bytesIn]).toEqual([0, 0]);
    goOn();
    await until(() => received === bytes);
  });

  describe.each([
    ['fast path', true],
    ['documented path', false],
  ])('%s', (_path, fastPath) => {
    test.each([
      ['', 'while it thinks'],
      ['HELLO', 'behind the first message, while it thinks'],
    ])('a peer that says %j and ends %s gets its answers', async (message) => {
      const log = new Log();
      let thinks = (): void => {};
      let goOn = (): void => {};
      const thinking = new Promise<void>((resolve) => (thinks = resolve));
      const thought = new Promise<void>((resolve) => (goOn = resolve));
      await using server = new TcpServer(
        log.hooks({ onReceive: (s: TcpServer, id: number, data: Buffer) => s.send(id, data) }),
        {
          fastPath,
          preamble: conversation(async (peer) => {
            await peer.readLine();
            thinks();
            await thought;
            peer.send('OK\n');
          }),
        },
      );
      const { port } = await server.start(host, 0);
      const socket = await connectBare(port);
      const text = readToEnd(socket);
      socket.write(`LOGIN\n${message}`);
      await thinking;
      await new Promise<void>((resolve) => socket.end(() => resolve()));
      await new Promise((resolve) => setTimeout(resolve, 20)); // so that the FIN is there, where it is read at all
      goOn();
      expect(await text).toBe(`OK\n${message}`);
      await until(() => log.closes.length === 1);
      expect(log.closes[0]).toMatchObject({ operation: 5, errorCode: 0 });
      expect(server.stats().limits.preambles).toBe(0);
    });

    test('a peer that ends before it has said all is no client', async () => {
      const log = new Log();
      await using server = new TcpServer(log.hooks(), {
        fastPath,
        preamble: conversation(async (peer) => {
          await peer.readLine();
          await new Promise((resolve) => setTimeout(resolve, 20));
          await peer.readLine();
        }),
      });
      const { port } = await server.start(host, 0);
      const socket = await connectBare(port);
      const text = readToEnd(socket);
      socket.end('one\ntw');
      expect(await text).toBe('');
      await until(() => server.connectionCount === 0);
      expect([log.count('onAccept'), server.stats().limits.preambles]).toEqual([0, 1]);
    });

    test('a reset before the last answer is written closes the connection at once', async () => {
      let begun = 0;
      await using server = new TcpServer(
        {},
        {
          fastPath,
          preambleTimeoutMs: 0,
          preamble: conversation(async (peer) => {
            begun++;
            await peer.readLine();
            peer.send('OK\n');
          }),
        },
      );
      const { port } = await server.start(host, 0);
      for (let i = 0; i < 5; i++) {
        const socket = await connectBare(port);
        socket.write('LOGIN\nHELLO');
        socket.resetAndDestroy();
      }
      await until(() => begun === 5 && server.connectionCount === 0);
    });
  });

  test('a read that is not awaited yet, when the peer goes, is no unhandled rejection', async () => {
    await using server = new TcpServer(
      {},
      {
        preamble: conversation(async (peer) => {
          const line = peer.readLine(); // begun before something else is awaited
          await new Promise((resolve) => setTimeout(resolve, 50));
          await line;
        }),
      },
    );
    const { port } = await server.start(host, 0);
    const unhandled: unknown[] = [];
    const note = (reason: unknown): number => unhandled.push(reason);
    process.on('unhandledRejection', note);
    const socket = await connectBare(port);
    socket.end();
    await until(() => server.connectionCount === 0);
    await new Promise((resolve) => setTimeout(resolve, 5));
    process.off('unhandledRejection', note);
    expect(unhandled).toEqual([]);
  });

  test('a client logs in', async () => {
    await using server = new TcpServer({ onReceive: (s, id, data) => void s.send(id, data) }, { preamble: login });
    const { port } = await server.start(host, 0);
    const log = new Log();
    const client = new TcpClient(log.hooks(), {
      preamble: conversation(async (peer) => {
        expect(await peer.readLine()).toBe('who?');
        peer.send(greeting);
        if ((await peer.readLine()) !== 'hello ann') peer.fail('not let in');
      }),
    });
    await client.start(host, port);
    client.send('x');
    await until(() => log.received === 'x');
    await client.stop();
  });

  test('wrong reads are errors of the caller', async () => {
    const errors: string[] = [];
    const preamble = conversation(async (peer) => {
      for (const act of [() => peer.read(0), () => peer.readUntil(''), () => peer.read('1' as never)]) {
        try {
          await act();
        } catch (error) {
          errors.push((error as Error).message);
        }
      }
      const first = peer.read(1);
      expect(() => peer.read(1)).toThrow(/one read at a time/);
      await first;
    });
    await using server = new TcpServer({ onReceive: (s, id, data) => void s.send(id, data) }, { preamble });
    const { port } = await server.start(host, 0);
    const socket = await connectBare(port);
    socket.end('12');
    expect(await readToEnd(socket)).toBe('2');
    expect(errors).toEqual([
      'length must be a whole number, 1 to 1048576, not 0',
      'mark must have 1 byte at least',
      'length must be a number, not "1"',
    ]);
  });
});

describe('the option proxyHeader', () => {
  /** A server that collects the headers of its connections. */
  async function collecting() {
    const headers: ProxyHeader[] = [];
    const server = new TcpServer(
      {
        onAccept: (s, id) => void headers.push(s.connection(id)!.proxyHeader!),
        onReceive: (s, id, data) => void s.send(id, data),
      },
      trusting,
    );
    const { port } = await server.start(host, 0);
    return { server, port, headers };
  }

  test.each([1, 2] as const)('version %i, with the addresses of the connection', async (version) => {
    const { server, port, headers } = await collecting();
    const log = new Log();
    const client = new TcpClient(log.hooks({ onSend: () => {} }), { proxyHeader: version });
    await client.start(host, port);
    expect(log.count('onSend')).toBe(0);
    client.send('hello');
    await until(() => log.received === 'hello');
    expect(headers[0]).toMatchObject({
      version,
      source: { address: host, port: client.getLocalAddress()!.port },
      destination: { address: host, port },
    });
    expect(log.count('onSend')).toBe(1);
    await client.stop();
    await server.stop();
  });

  test.each<[string, ProxyHeaderOptions, object]>([
    ['TLVs', { tlvs: [{ type: 5, value: 'id-1' }], crc32c: true }, { tlvs: [{ type: 5 }, { type: 3 }] }],
    ['a client', { source: { address: '2001:db8::9', port: 9 } }, { source: { address: '2001:db8::9', port: 9 } }],
    ['local', { command: 'local' }, { command: 'local', source: null }],
    [
      'a client with a path, which has nothing to do with the address that is connected to',
      { source: { address: '/run/client.sock', port: 0 }, tlvs: [{ type: 5, value: 'id-1' }] },
      { command: 'proxy', family: 'unspec', source: null, destination: null, tlvs: [{ type: 5 }] },
    ],
  ])('%s', async (_what, proxyHeader, expected) => {
    const { server, port, headers } = await collecting();
    await using agent = new TcpAgent({}, { proxyHeader: 1 });
    await agent.start();
    await agent.connect(host, port, { proxyHeader });
    await until(() => headers.length === 1);
    expect(headers[0]).toMatchObject(expected);
    await server.stop();
  });

  test('through a proxy that resolves the name, the header has no addresses', async () => {
    const { server, port, headers } = await collecting();
    await using proxy = await FakeProxy.start({ kind: 'http' });
    const client = new TcpClient({}, { proxyHeader: 2, proxy: proxy.url });
    await client.start('localhost', port);
    await until(() => headers.length === 1);
    expect(headers[0]).toMatchObject({ family: 'unspec', command: 'proxy' });
    await client.stop();
    await server.stop();
  });

  test('a WebSocket', async () => {
    const seen: string[] = [];
    await using server = new WebSocketServer(
      { onOpen: (s, id) => void seen.push(s.connection(id)!.remoteAddress!.address) },
      trusting,
    );
    const { port } = await server.start(host, 0);
    const client = new WebSocketClient({});
    await client.open(`ws://${host}:${port}/`, {
      proxyHeader: { source: { address: '192.0.2.9', port: 1 }, destination: { address: '192.0.2.1', port: 80 } },
    });
    await until(() => seen.length === 1);
    expect(seen).toEqual(['192.0.2.9']);
    await client.stop();
  });

  test('refuses what is none', async () => {
    expect(() => new TcpClient({}, { proxyHeader: 3 as never })).toThrow(/proxyHeader must be an object, not 3/);
    expect(() => new TcpClient({}, { proxyHeader: { version: 3 as never } })).toThrow(/version of proxyHeader/);
    const client = new TcpClient({});
    await expect(client.start(host, 1, { proxyHeader: { tlv: [] } as never })).rejects.toThrow(/did you mean tlvs/);
  });
});
