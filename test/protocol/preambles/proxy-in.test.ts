import { once } from 'node:events';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import tls from 'node:tls';
import { describe, expect, test } from 'vitest';
import { HttpServer } from '../../../src/http.ts';
import {
  HandleResult,
  lengthField,
  ProxyHeader,
  type ProxyProtocolOptions,
  SslServer,
  TcpPackServer,
  TcpPullServer,
  TcpServer,
  writeProxyHeader,
} from '../../../src/index.ts';
import { packHeader } from '../../../src/protocol/pack.ts';
import { WebSocketClient, WebSocketServer } from '../../../src/websocket.ts';
import { connectBare, host, Log, until } from '../../ssl/support.ts';
import { commonCertificates } from '../../tools/certificates.ts';

const proxyProtocol: ProxyProtocolOptions = { trustedProxies: ['127.0.0.0/8'] };
const v1 = 'PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n';
const client = { address: '192.0.2.7', port: 56_324 };
const v2 = writeProxyHeader({
  source: client,
  destination: { address: '198.51.100.1', port: 443 },
  tlvs: [{ type: 2, value: 'example.org' }],
});

function pack(text: string): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt32LE(packHeader(0, text.length));
  return Buffer.concat([head, Buffer.from(text)]);
}

/** A server that answers with what it got and the address of the client. */
function echo(seen: string[] = [], options: object = { proxyProtocol }) {
  return new TcpServer(
    {
      onAccept(s, id) {
        const { address, port } = s.connection(id)!.remoteAddress!;
        seen.push(`accept ${address}:${port}`);
      },
      onReceive(s, id, data) {
        s.send(id, data);
      },
      onClose(s, id) {
        seen.push(`close ${s.connection(id)!.remoteAddress!.address}`);
      },
    },
    options,
  );
}

/** What a socket reads until it is closed, by a reset too. */
function readToEnd(socket: net.Socket): Promise<string> {
  let text = '';
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
  });
  return new Promise((resolve) => socket.on('close', () => resolve(text)));
}

/** Sends bytes and an end, and gives what is answered until the end. */
async function talk(port: number, bytes: Buffer | string): Promise<string> {
  const socket = await connectBare(port);
  socket.end(bytes);
  return readToEnd(socket);
}

describe('a PROXY header in front of', () => {
  for (const [name, header] of [
    ['version 1', Buffer.from(v1)],
    ['version 2', v2],
  ] as const) {
    test(`push, ${name}, at every split`, async () => {
      const seen: string[] = [];
      await using server = echo(seen);
      const { port } = await server.start(host, 0);
      const bytes = Buffer.concat([header, Buffer.from('hello')]);
      for (let cut = 1; cut < bytes.length; cut++) {
        seen.length = 0;
        const socket = await connectBare(port);
        socket.setNoDelay(true);
        socket.write(bytes.subarray(0, cut));
        await new Promise((resolve) => setImmediate(resolve));
        socket.end(bytes.subarray(cut));
        expect(await readToEnd(socket)).toBe('hello');
        await until(() => seen.length === 2);
        expect(seen).toEqual(['accept 192.0.2.7:56324', 'close 192.0.2.7']);
      }
      expect(server.stats()).toMatchObject({ refused: 0, opened: bytes.length - 1, bytesIn: 5 * (bytes.length - 1) });
    });

    test(`pack, ${name}, byte by byte`, async () => {
      const bodies: string[] = [];
      await using server = new TcpPackServer(
        {
          onReceive(s, id, body) {
            bodies.push(`${s.connection(id)!.proxyHeader!.source!.address} ${body}`);
            s.send(id, body);
          },
        },
        { proxyProtocol },
      );
      const { port } = await server.start(host, 0);
      const socket = await connectBare(port);
      socket.setNoDelay(true);
      for (const byte of Buffer.concat([header, pack('one'), pack('two')])) {
        socket.write(Buffer.from([byte]));
        await new Promise((resolve) => setImmediate(resolve));
      }
      socket.end();
      expect(await readToEnd(socket)).toBe(Buffer.concat([pack('one'), pack('two')]).toString('latin1'));
      expect(bodies).toEqual(['192.0.2.7 one', '192.0.2.7 two']);
    });

    test(`TLS, ${name}: the bytes behind it are the handshake, at every split`, async () => {
      const { authority, server: identity } = await commonCertificates();
      const seen: string[] = [];
      await using server = new SslServer(
        {
          onAccept: (s, id) => void seen.push(s.connection(id)!.remoteAddress!.address),
          onHandShake: () => void seen.push('handshake'),
          onReceive: (s, id, data) => void s.send(id, data),
        },
        { ssl: identity, proxyProtocol },
      );
      const { port } = await server.start(host, 0);
      for (let cut = 1; cut < header.length + 8; cut += 3) {
        seen.length = 0;
        const socket = await connectBare(port);
        socket.setNoDelay(true);
        let isFirst = true;
        const wire = new Duplex({
          read() {},
          write(chunk: Buffer, _encoding, done) {
            if (!isFirst) return void socket.write(chunk, () => done());
            isFirst = false;
            const bytes = Buffer.concat([header, chunk]);
            socket.write(bytes.subarray(0, cut));
            setImmediate(() => socket.write(bytes.subarray(cut), () => done()));
          },
        });
        socket.on('data', (data) => wire.push(data));
        socket.on('close', () => wire.push(null));
        const secure = tls.connect({ socket: wire, ca: authority.ca as string, servername: 'localhost' });
        await once(secure, 'secureConnect');
        secure.write('secret');
        const [answer] = (await once(secure, 'data')) as [Buffer];
        expect(answer.toString()).toBe('secret');
        expect(seen).toEqual(['192.0.2.7', 'handshake']);
        secure.destroy();
        socket.destroy();
      }
    });
  }

  test('pull', async () => {
    await using server = new TcpPullServer(
      { onReceive: (s, id, length) => void s.send(id, s.fetch(id, length)!) },
      { proxyProtocol },
    );
    const { port } = await server.start(host, 0);
    expect(await talk(port, `${v1}pulled`)).toBe('pulled');
  });

  test('a framing', async () => {
    await using server = new TcpServer(
      { onReceive: (s, id, body) => void s.send(id, body) },
      { proxyProtocol, framing: lengthField({ width: 1 }) },
    );
    const { port } = await server.start(host, 0);
    expect(await talk(port, `${v1}\x02hi`)).toBe('\x02hi');
  });

  test('HTTP', async () => {
    await using server = new HttpServer(
      {
        onRequest(s, id, request) {
          const { remoteAddress, proxyHeader } = s.connection(id)!;
          request.respond(`${remoteAddress!.address} ${proxyHeader?.authority}`);
        },
      },
      { proxyProtocol },
    );
    const { port } = await server.start(host, 0);
    const request = Buffer.concat([v2, Buffer.from('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')]);
    expect(await talk(port, request)).toMatch(/\r\n\r\n192\.0\.2\.7 example\.org$/);
  });

  test('a WebSocket', async () => {
    await using server = new WebSocketServer(
      { onMessage: (s, id, data) => void s.send(id, `${s.connection(id)!.remoteAddress!.address} said ${data}`) },
      { proxyProtocol },
    );
    const { port } = await server.start(host, 0);
    // A balancer: it puts a header in front of what its client says.
    const balancer = net.createServer((socket) => {
      const upstream = net.connect(port, host);
      upstream.write(v2);
      socket.pipe(upstream).pipe(socket);
      socket.on('error', () => {});
      upstream.on('error', () => {});
    });
    balancer.listen(0, host);
    await once(balancer, 'listening');
    let got = '';
    const socket = new WebSocketClient({ onMessage: (_s, _id, data) => void (got += data) });
    await socket.open(`ws://${host}:${(balancer.address() as net.AddressInfo).port}/`);
    socket.send('hello');
    await until(() => got !== '');
    expect(got).toBe('192.0.2.7 said hello');
    await socket.stop();
    balancer.close();
  });
});

describe('the client that a header names', () => {
  test.each([
    ['v2 LOCAL', writeProxyHeader({ command: 'local' }), 'local'],
    ['v1 UNKNOWN', Buffer.from('PROXY UNKNOWN 1.2.3.4 5.6.7.8 1 2\r\n'), 'proxy'],
    ['v2 UNSPEC', writeProxyHeader({}), 'proxy'],
  ])('%s keeps the address of the socket', async (_what, header, command) => {
    const headers: (ProxyHeader | null)[] = [];
    const seen: string[] = [];
    await using server = new TcpServer(
      {
        onAccept(s, id) {
          headers.push(s.connection(id)!.proxyHeader);
          seen.push(s.connection(id)!.remoteAddress!.address);
        },
        onReceive: (s, id, data) => void s.send(id, data),
      },
      { proxyProtocol },
    );
    const { port } = await server.start(host, 0);
    expect(await talk(port, Buffer.concat([header, Buffer.from('x')]))).toBe('x');
    expect(seen).toEqual([host]);
    expect(headers[0]).toBeInstanceOf(ProxyHeader);
    expect(headers[0]).toMatchObject({ command, source: null });
  });

  test('a client of a Unix domain socket has its path for an address, and lists of addresses do not let it in', async () => {
    const header = writeProxyHeader({
      source: { address: '/run/a:b.sock', port: 0 },
      destination: { address: '/run/server.sock', port: 0 },
    });
    const seen: string[] = [];
    await using server = echo(seen, { proxyProtocol, maxConnectionsPerAddress: 1 });
    const { port } = await server.start(host, 0);
    expect(await talk(port, Buffer.concat([header, Buffer.from('x')]))).toBe('x');
    expect(seen[0]).toBe('accept /run/a:b.sock:0');
    await server.stop();
    server.allowList = ['0.0.0.0/0', '::/0'];
    const again = await server.start(host, 0);
    expect(await talk(again.port, Buffer.concat([header, Buffer.from('x')]))).toBe('');
    expect(server.stats().limits.blockedAddresses).toBe(1);
  });

  test('block lists look at the client, not at the proxy', async () => {
    const seen: string[] = [];
    await using server = echo(seen, { proxyProtocol, blockList: ['192.0.2.0/24', '127.0.0.1'] });
    const { port } = await server.start(host, 0);
    expect(await talk(port, `${v1}x`)).toBe('');
    expect(await talk(port, 'PROXY TCP4 203.0.113.1 198.51.100.1 1 2\r\nx')).toBe('x');
    expect(await talk(port, 'PROXY UNKNOWN\r\nx')).toBe('');
    expect(server.stats()).toMatchObject({ refused: 2, opened: 1, limits: { blockedAddresses: 2, preambles: 0 } });
    expect(seen[0]).toBe('accept 203.0.113.1:1');
  });

  test('limits per address count clients, not the proxy', async () => {
    await using server = echo([], { proxyProtocol, maxConnectionsPerAddress: 1 });
    const { port } = await server.start(host, 0);
    const line = (last: number): string => `PROXY TCP4 192.0.2.${last} 198.51.100.1 1 2\r\n`;
    const sockets: net.Socket[] = [];
    for (const last of [1, 2, 3]) {
      const socket = await connectBare(port);
      socket.write(line(last));
      sockets.push(socket);
    }
    await until(() => server.stats().opened === 3);
    expect(await talk(port, `${line(2)}x`)).toBe('');
    expect(server.stats().limits).toMatchObject({ perAddress: 1, preambles: 0 });
    sockets[1]!.destroy();
    await until(() => server.connectionCount === 2);
    expect(await talk(port, `${line(2)}x`)).toBe('x');
    for (const socket of sockets) socket.destroy();
  });

  test('connections whose header is not there yet count against maxConnectionCount', async () => {
    await using server = echo([], { proxyProtocol, maxConnectionCount: 2 });
    const { port } = await server.start(host, 0);
    const silent = [await connectBare(port), await connectBare(port)];
    await until(() => server.connectionCount === 2);
    expect(server.getAllConnectionIDs().map((id) => server.isConnected(id))).toEqual([false, false]);
    expect(server.send(server.getAllConnectionIDs()[0]!, 'x')).toBe(false);
    expect(server.lastFailure?.message).toMatch(/still connecting/);
    expect(await talk(port, `${v1}x`)).toBe('');
    expect(server.stats().limits.connections).toBe(1);
    silent[0]!.end(`${v1}x`);
    expect(await readToEnd(silent[0]!)).toBe('x');
    silent[1]!.destroy();
  });

  test('a second header belongs to what comes behind the first', async () => {
    await using server = echo();
    const { port } = await server.start(host, 0);
    expect(await talk(port, v1 + v1)).toBe(v1);
    const log = new Log();
    await using packs = new TcpPackServer(log.hooks(), { proxyProtocol, packHeaderFlag: 5 });
    const { port: packPort } = await packs.start(host, 0);
    expect(await talk(packPort, v1 + v1)).toBe('');
    expect(log.closes[0]?.error?.code).toBe('HP_BAD_MESSAGE');
  });

  test('a hook that refuses sees the client', async () => {
    const seen: string[] = [];
    await using server = new TcpServer(
      {
        onAccept(s, id) {
          seen.push(s.getRemoteAddress(id)!.address);
          return HandleResult.Error;
        },
        onClose: () => void seen.push('close'),
      },
      { proxyProtocol },
    );
    const { port } = await server.start(host, 0);
    expect(await talk(port, `${v1}x`)).toBe('');
    await until(() => server.connectionCount === 0);
    expect(seen).toEqual(['192.0.2.7']);
  });

  test('what comes while onAccept thinks is kept', async () => {
    let goOn = (): void => {};
    await using server = new TcpServer(
      {
        onAccept: () => new Promise<void>((resolve) => (goOn = resolve)),
        onReceive: (s, id, data) => void s.send(id, data),
      },
      { proxyProtocol },
    );
    const { port } = await server.start(host, 0);
    const socket = await connectBare(port);
    socket.end(`${v1}one`);
    await until(() => server.getAllConnectionIDs().some((id) => server.isConnected(id)));
    goOn();
    expect(await readToEnd(socket)).toBe('one');
  });

  test('the header is there inside onClose, and a connection without one has none', async () => {
    const seen: unknown[] = [];
    await using server = new TcpServer(
      { onClose: (s, id) => void seen.push(s.connection(id)!.proxyHeader?.authority) },
      { proxyProtocol },
    );
    const { port } = await server.start(host, 0);
    await talk(port, v2);
    await server.stop();
    server.proxyProtocol = null;
    const again = await server.start(host, 0);
    await talk(again.port, 'x');
    await until(() => seen.length === 2);
    expect(seen).toEqual(['example.org', undefined]);
  });
});

describe('what a server refuses', () => {
  test.each([
    ['no header where one is due', 'GET / HTTP/1.1\r\n\r\n'],
    ['a header that is broken', 'PROXY TCP4 1.2.3.4\r\nx'],
    ['108 bytes without an end', `PROXY UNKNOWN ${'x'.repeat(94)}`],
    ['half a header and the end', 'PROXY TCP4 1.2'],
    ['nothing but the end', ''],
    ['a TLV that is cut short', Buffer.concat([v2.subarray(0, 15), Buffer.from([16]), v2.subarray(16, 32)])],
    ['a header of 65 KiB', Buffer.concat([v2.subarray(0, 14), Buffer.from([0xff, 0xff]), v2.subarray(16)])],
  ])('%s: closed without a hook, and counted', async (_what, bytes) => {
    const seen: string[] = [];
    await using server = echo(seen);
    const { port } = await server.start(host, 0);
    expect(await talk(port, bytes)).toBe('');
    await until(() => server.connectionCount === 0);
    expect(seen).toEqual([]);
    expect(server.stats()).toMatchObject({ refused: 1, opened: 0, limits: { preambles: 1 } });
  });

  test('a header that is late', async () => {
    const seen: string[] = [];
    await using server = echo(seen, { proxyProtocol, preambleTimeoutMs: 20 });
    const { port } = await server.start(host, 0);
    const socket = await connectBare(port);
    socket.write('PROXY TCP4');
    expect(await readToEnd(socket)).toBe('');
    expect(seen).toEqual([]);
    expect(server.stats().limits.preambles).toBe(1);
  });

  test('a reset in the middle of a header', async () => {
    await using server = echo();
    const { port } = await server.start(host, 0);
    const socket = await connectBare(port);
    socket.write('PROXY TCP4');
    await until(() => server.connectionCount === 1);
    socket.resetAndDestroy();
    await until(() => server.connectionCount === 0);
    expect(server.stats()).toMatchObject({ refused: 1, limits: { preambles: 1 } });
  });

  test('whoever is no trusted proxy, header or not', async () => {
    await using server = echo([], { proxyProtocol: { trustedProxies: ['192.0.2.1', '2001:db8::/32'] } });
    const { port } = await server.start(host, 0);
    expect(await talk(port, `${v1}x`)).toBe('');
    expect(await talk(port, 'x')).toBe('');
    expect(server.stats()).toMatchObject({ refused: 2, limits: { untrustedProxies: 2 } });
  });

  test('untrusted: direct takes them for clients, whose header is no header', async () => {
    const seen: string[] = [];
    await using server = echo(seen, { proxyProtocol: { trustedProxies: ['192.0.2.1'], untrusted: 'direct' } });
    const { port } = await server.start(host, 0);
    expect(await talk(port, `${v1}x`)).toBe(`${v1}x`);
    expect(seen[0]).toMatch(/^accept 127\.0\.0\.1:/);
  });

  test('optional: a trusted proxy may come without a header, and its bytes are not lost', async () => {
    const seen: string[] = [];
    await using server = echo(seen, { proxyProtocol: { ...proxyProtocol, optional: true } });
    const { port } = await server.start(host, 0);
    expect(await talk(port, 'PROX hello')).toBe('PROX hello');
    expect(seen[0]).toMatch(/^accept 127\.0\.0\.1:/);
    expect(await talk(port, `${v1}x`)).toBe('x');
    expect(await talk(port, 'PROXY TCP4 x\r\n')).toBe('');
  });

  test('optional: a client that waits for the server is let in when the time is over, half a header is not', async () => {
    const seen: string[] = [];
    await using server = new TcpServer(
      { onAccept: (s, id) => void s.send(id, 'welcome') },
      { proxyProtocol: { ...proxyProtocol, optional: true }, preambleTimeoutMs: 20 },
    );
    const { port } = await server.start(host, 0);
    const silent = await connectBare(port);
    const [greeting] = (await once(silent, 'data')) as [Buffer];
    expect(greeting.toString()).toBe('welcome');
    silent.destroy();
    const half = await connectBare(port);
    half.write('PROXY ');
    expect(await readToEnd(half)).toBe('');
    expect(seen).toEqual([]);
  });

  test('a stop closes connections whose header is still to come, draining or not', async () => {
    for (const drainTimeoutMs of [0, 5000]) {
      const seen: string[] = [];
      const server = echo(seen);
      const { port } = await server.start(host, 0);
      const socket = await connectBare(port);
      socket.write('PROXY');
      await until(() => server.connectionCount === 1);
      await server.stop({ drainTimeoutMs });
      await readToEnd(socket);
      expect(seen).toEqual([]);
    }
  });

  test.each([
    [{}, /proxyProtocol needs trustedProxies/],
    [{ trustedProxies: [] }, /is empty/],
    [{ trustedProxies: ['10.0.0.0/33'] }, /trustedProxies of proxyProtocol: "10.0.0.0\/33" is no IP address/],
    [{ trustedProxies: '10.0.0.1' }, /must be an array of addresses/],
    [{ trustedProxies: ['::1'], untrusted: 'use' }, /untrusted must be one of refuse, direct/],
    [{ trustedProxies: ['::1'], optional: 1 }, /optional must be true or false/],
    [{ trustedProxies: ['::1'], maxHeaderBytes: 16 }, /maxHeaderBytes must be a whole number, 107 to 65551/],
    [{ trusted: ['::1'] }, /it is called trustedProxies here/],
    [true, /must be an object, not true/],
  ])('refuses the option %j', (option, message) => {
    expect(() => new TcpServer({}, { proxyProtocol: option as never })).toThrow(message);
  });
});

test.skipIf(process.platform === 'win32')('a proxy that connects by a Unix domain socket', async () => {
  const path = join(tmpdir(), `hp-proxy-${process.pid}.sock`);
  const seen: string[] = [];
  await using server = echo(seen, { proxyProtocol: { trustedProxies: ['unix'] }, blockList: ['203.0.113.1'] });
  await server.start({ path });
  const ask = async (bytes: string): Promise<string> => {
    const socket = net.connect(path);
    socket.on('error', () => {});
    socket.end(bytes);
    return readToEnd(socket);
  };
  expect(await ask(`${v1}x`)).toBe('x');
  expect(seen[0]).toBe('accept 192.0.2.7:56324');
  expect(await ask('PROXY TCP4 203.0.113.1 198.51.100.1 1 2\r\nx')).toBe('');
  await server.stop();
  server.proxyProtocol = proxyProtocol;
  await server.start({ path });
  expect(await ask(`${v1}x`)).toBe('');
  expect(server.stats().limits.untrustedProxies).toBe(1);
});
