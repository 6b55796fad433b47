import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, describe, expect, test } from 'vitest';
import {
  UdpArqClient,
  type UdpArqClientOptions,
  UdpArqServer,
  type UdpArqServerOptions,
  writeProxyHeader,
} from '../../src/index.ts';
import { Nat } from './nat.ts';
import { CLOSE_NOTIFY, eventually, handshake, push, pushedIn } from './tools.ts';

const host = '127.0.0.1';
const interactive = { preset: 'interactive', handshakeTimeoutMs: 2_000 } as const;
const proxyProtocol = { trustedProxies: [host] };
const EMPTY = Buffer.alloc(0);
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** What a proxy says of a client with the last number `last`. */
function header(last: number, port = 1000 + last, tlv = `client ${last}`): Buffer {
  return writeProxyHeader({
    source: { address: `192.0.2.${last}`, port },
    destination: { address: '198.51.100.1', port: 53 },
    transport: 'datagram',
    tlvs: [{ type: 0xe0, value: tlv }],
  });
}

async function open(options: UdpArqServerOptions = {}) {
  const seen: string[] = [];
  const server = new UdpArqServer(
    {
      onAccept: (_s, id, { address, port }) => void seen.push(`accept ${id} ${address}:${port}`),
      onHandShake: (_s, id) => void seen.push(`ready ${id}`),
      onReceive(s, id, data) {
        const { proxyHeader, remoteAddress } = s.connection(id)!;
        seen.push(`${id} ${data.subarray(0, 20)}`);
        s.send(id, `${data} of ${proxyHeader?.tlv(0xe0) ?? remoteAddress!.address}`);
      },
      onAddressChange: (_s, id, to, from) =>
        void seen.push(`moved ${id} ${from.address}:${from.port} ${to.address}:${to.port}`),
      onClose: (_s, id) => void seen.push(`close ${id}`),
    },
    { ...interactive, proxyProtocol, ...options },
  );
  const { port } = await server.start(host, 0);
  cleanups.push(() => server.hasStarted && server.stop());
  return { server, seen, port };
}

/** A client behind a proxy that puts `header` in front of its datagrams. */
async function behind(serverPort: number, put: Buffer, options: UdpArqClientOptions = {}) {
  const proxy = await Nat.open(serverPort);
  proxy.header = put;
  cleanups.push(() => proxy[Symbol.asyncDispose]());
  const got: string[] = [];
  const ends: string[] = [];
  const client = new UdpArqClient(
    {
      onReceive: (_c, _id, data) => void got.push(String(data)),
      onClose: (_c, _id, operation, errno) => void ends.push(`${operation} ${errno}`),
    },
    { ...interactive, ...options },
  );
  cleanups.push(async () => {
    if (client.hasStarted) await client.stop();
    await client.wait();
  });
  return { proxy, client, got, ends };
}

/** A proxy that is told byte by byte what to send. */
async function bare(port: number) {
  const socket = createSocket('udp4');
  const got: Buffer[] = [];
  socket.on('message', (bytes) => got.push(bytes));
  socket.connect(port, host);
  await once(socket, 'connect');
  cleanups.push(() => socket.close());
  return { socket, got, send: (...parts: Uint8Array[]): void => socket.send(Buffer.concat(parts)) };
}

describe.each([
  ['cookies', {}],
  ['no cookies', { arqCookies: false }],
  ['plain KCP', { checkConv: true }],
] as const)('an ARQ server behind a proxy, with %s', (_what, options) => {
  const peers = 'checkConv' in options ? { checkConv: true } : {};

  test('gets the address of the client in front of every datagram, and answers the proxy', async () => {
    const { server, seen, port } = await open(options);
    const one = await behind(port, header(1), peers);
    const two = await behind(port, header(2), peers);
    await one.client.start(host, one.proxy.port);
    one.client.send('a');
    await eventually(() => one.got.length === 1);
    await two.client.start(host, two.proxy.port);
    two.client.send('b');
    one.client.send('c'.repeat(4000));
    await eventually(() => one.got.length === 2 && two.got.length === 1);
    expect([one.got[0], one.got[1]!.slice(3999), two.got[0]]).toEqual([
      'a of client 1',
      'c of client 1',
      'b of client 2',
    ]);
    expect(seen.filter((each) => !each.includes('ccc'))).toEqual([
      'accept 1 192.0.2.1:1001',
      'ready 1',
      '1 a',
      'accept 2 192.0.2.2:1002',
      'ready 2',
      '2 b',
    ]);
    expect(server.getRemoteAddress(2)).toEqual({ address: '192.0.2.2', port: 1002 });
    expect(server.stats().limits).toMatchObject({ preambles: 0, untrustedProxies: 0 });
    await one.client.stop();
    await eventually(() => seen.includes('close 1'));
    server.disconnect(2);
    await eventually(() => two.ends.length === 1);
  });

  test('one client by two ports of a proxy is two connections, and clients may have the same port', async () => {
    const { server, port } = await open(options);
    const all = [
      await behind(port, header(1, 7), peers),
      await behind(port, header(1, 7), peers),
      await behind(port, header(2, 7), peers),
    ];
    for (const { client, proxy } of all) await client.start(host, proxy.port);
    for (const [index, { client }] of all.entries()) client.send(`m${index}`);
    await eventually(() => all.every(({ got }) => got.length === 1));
    expect(all.map(({ got }) => got[0])).toEqual(['m0 of client 1', 'm1 of client 1', 'm2 of client 2']);
    expect(server.connectionCount).toBe(3);
  });

  test('ignores and counts what has no header, half of one, one of version 1; a second one belongs to ARQ', async () => {
    const { server, seen, port } = await open(options);
    const { send, got } = await bare(port);
    const first = 'checkConv' in options ? push(7, 0, Buffer.from('hi')) : handshake(7, 0);
    const whole = header(1);
    send(first);
    send(EMPTY);
    send(Buffer.from('PROXY UDP4 1.2.3.4 1.2.3.5 1 2\r\n'), first);
    send(writeProxyHeader({ version: 1 }), first);
    for (let length = 1; length < whole.length; length++) send(whole.subarray(0, length));
    await eventually(() => server.stats().limits.preambles === whole.length + 3);
    expect([seen, got, server.connectionCount]).toEqual([[], [], 0]);
    if ('arqCookies' in options) return; // any first datagram makes a connection there, as in HP-Socket
    send(whole, header(2), first);
    await eventually(() => server.stats().drops.unknownPeer === 1);
    expect([seen, got, server.connectionCount]).toEqual([[], [], 0]);
  });

  test('lists and limits look at the client', async () => {
    const { server, port } = await open({
      ...options,
      blockList: ['192.0.2.9', host],
      maxConnectionsPerAddress: 1,
    });
    const blocked = await behind(port, header(9), { ...peers, handshakeTimeoutMs: 200 });
    // With cookies, or plain KCP, a client does not see that nobody is to talk to it.
    await blocked.client.start(host, blocked.proxy.port).catch(() => {});
    blocked.client.send('x');
    await eventually(() => server.stats().limits.blockedAddresses > 0);
    const one = await behind(port, header(1, 1), peers);
    await one.client.start(host, one.proxy.port);
    one.client.send('a');
    await eventually(() => one.got.length === 1);
    const other = await behind(port, header(1, 2), peers);
    await other.client.start(host, other.proxy.port).catch(() => {});
    other.client.send('b');
    await eventually(
      () => server.stats().limits.perAddress > 0 && other.ends.length + Number(!other.client.hasStarted) > 0,
    );
    expect(server.connectionCount).toBe(1);
  });

  test('LOCAL and UNSPEC keep the address of the socket', async () => {
    const { seen, port } = await open(options);
    for (const put of [writeProxyHeader({ command: 'local' }), writeProxyHeader({})]) {
      seen.length = 0;
      const { client, proxy, got } = await behind(port, put, peers);
      await client.start(host, proxy.port);
      client.send('a');
      await eventually(() => got.length === 1);
      expect(seen[0]).toMatch(new RegExp(`^accept \\d+ ${host}:${proxy.outsidePort}$`));
      await client.stop();
      await eventually(() => seen.at(-1)!.startsWith('close'));
    }
  });
});

test('headers from elsewhere are ignored and counted; with direct, strangers are clients of their own, whatever they send', async () => {
  const strict = await open({ proxyProtocol: { trustedProxies: ['192.0.2.1'] } });
  const { send, got } = await bare(strict.port);
  send(header(1), handshake(7, 0));
  send(handshake(7, 0));
  await eventually(() => strict.server.stats().limits.untrustedProxies === 2);
  expect([strict.seen, got]).toEqual([[], []]);
  const direct = await open({ proxyProtocol: { trustedProxies: ['192.0.2.1'], untrusted: 'direct' } });
  const plain = await behind(direct.port, EMPTY);
  await plain.client.start(host, plain.proxy.port);
  plain.client.send('a');
  await eventually(() => plain.got.length === 1);
  expect(plain.got).toEqual([`a of ${host}`]);
  const liar = await bare(direct.port);
  liar.send(header(1), handshake(7, 0));
  await eventually(() => direct.server.stats().drops.unknownPeer > 0);
  expect(liar.got).toEqual([]);
});

test('optional lets clients with and without a header in side by side', async () => {
  const { seen, port } = await open({ proxyProtocol: { ...proxyProtocol, optional: true } });
  const plain = await behind(port, EMPTY);
  const told = await behind(port, header(1));
  for (const { client, proxy } of [plain, told]) await client.start(host, proxy.port);
  plain.client.send('a');
  told.client.send('b');
  await eventually(() => plain.got.length === 1 && told.got.length === 1);
  expect([plain.got[0], told.got[0]]).toEqual([`a of ${host}`, 'b of client 1']);
  expect(seen.filter((each) => each.startsWith('accept'))).toEqual([
    `accept 1 ${host}:${plain.proxy.outsidePort}`,
    'accept 2 192.0.2.1:1001',
  ]);
});

test('a cookie proves one client behind one port of a proxy, and no other', async () => {
  const { server, seen, port } = await open();
  const { send, got } = await bare(port);
  const other = await bare(port);
  send(header(1), handshake(7, 0));
  await eventually(() => got.length === 1);
  const cookie = got[0]!.readUInt32LE(4);
  expect(got[0]!.length).toBe(12);
  // As another client, from another port of the proxy, and without a client.
  send(header(2), handshake(7, cookie, true));
  other.send(header(1), handshake(7, cookie, true));
  send(header(1, 1002), handshake(7, cookie, true));
  send(writeProxyHeader({ command: 'local' }), handshake(7, cookie, true));
  await eventually(() => server.stats().drops.unknownPeer === 4);
  expect(seen).toEqual([]);
  send(header(1), handshake(7, cookie, true));
  await eventually(() => seen.length > 0);
  expect(seen[0]).toBe('accept 1 192.0.2.1:1001');
});

test('long addresses are compared to their end: by cookies, too', async () => {
  const { server, seen, port } = await open();
  const { send, got } = await bare(port);
  const path = `/tmp/${'x'.repeat(90)}`;
  const of = (name: string): Buffer =>
    writeProxyHeader({
      source: { address: `${path}${name}`, port: 0 },
      destination: { address: '/server', port: 0 },
      transport: 'datagram',
    });
  send(of('1'), handshake(7, 0));
  await eventually(() => got.length === 1);
  const cookie = got[0]!.readUInt32LE(4);
  send(of('2'), handshake(7, cookie, true));
  await eventually(() => server.stats().drops.unknownPeer === 1);
  expect(seen).toEqual([]);
  send(of('1'), handshake(7, cookie, true));
  await eventually(() => seen.length > 0);
  expect(seen[0]).toBe(`accept 1 ${path}1:0`);
});

test('a header alone is an empty datagram: the heartbeat of a client that is unknown is answered by way of the proxy', async () => {
  const { server, seen, port } = await open();
  const { send, got } = await bare(port);
  send(header(1));
  await eventually(() => got.length === 1);
  expect([got[0]!.length, server.stats().cookies!.disowned, server.stats().drops.unknownPeer]).toEqual([12, 1, 1]);
  expect(seen).toEqual([]);
  // One that goes on with its handshake is not disowned.
  const { client, proxy } = await behind(port, header(2));
  await client.start(host, proxy.port);
  expect(client.isConnected).toBe(true);
});

test('a client that was restarted behind the same port of its proxy takes the place of the one before', async () => {
  const { server, seen, port } = await open();
  const { send, got } = await bare(port);
  for (const [self, tlv] of [
    [7, 'before'],
    [8, 'after'],
  ] as const) {
    got.length = 0;
    send(header(1, 7, tlv), handshake(self, 0));
    await eventually(() => got.some((each) => each.length === 12 && each.readUInt32LE(8) === self));
    const cookie = got.find((each) => each.length === 12 && each.readUInt32LE(8) === self)!.readUInt32LE(4);
    send(header(1, 7, tlv), handshake(self, cookie, true));
    send(header(1, 7, tlv), push(self, 0, Buffer.from('hi\0')));
    await eventually(() => got.some((each) => pushedIn(each).length > 0));
    expect(got.flatMap(pushedIn).join()).toContain(`of ${tlv}`);
  }
  expect(seen.filter((each) => /^(accept|close)/.test(each))).toEqual([
    'accept 1 192.0.2.1:7',
    'close 1',
    expect.stringMatching(/^accept \d+ 192\.0\.2\.1:7$/),
  ]);
  expect(server.connectionCount).toBe(1);
});

test('maxDatagramSize counts what is behind the header; a goodbye has one as well', async () => {
  const { server, seen, port } = await open({ maxDatagramSize: 200 });
  const { client, proxy, got } = await behind(port, header(1), { maxDatagramSize: 200 });
  await client.start(host, proxy.port);
  client.send('x'.repeat(1_000));
  await eventually(() => got.length === 1);
  expect(Math.max(...proxy.passed.map(({ bytes }) => bytes.length))).toBeGreaterThan(190);
  const { send } = await bare(port);
  const before = server.stats().drops.unknownPeer;
  send(header(2), Buffer.alloc(201));
  send(header(2), CLOSE_NOTIFY);
  await eventually(() => server.stats().drops.oversize === 1 && server.stats().drops.unknownPeer === before + 1);
  await server.stop();
  await eventually(() => !client.isConnected);
  expect(seen.at(-1)).toBe('close 1');
});

test('without the option a header is no ARQ', async () => {
  const { server, seen, port } = await open({ proxyProtocol: null });
  const { send, got } = await bare(port);
  send(header(1), handshake(7, 0));
  await eventually(() => server.stats().drops.unknownPeer === 1);
  expect([seen, got]).toEqual([[], []]);
});

test('the option is checked as that of every server', () => {
  const wrong = (value: unknown) => () => new UdpArqServer({}, { proxyProtocol: value as never });
  expect(wrong({})).toThrow(/needs trustedProxies/);
  expect(wrong({ trustedProxies: [] })).toThrow(/is empty/);
  expect(wrong({ trustedProxies: ['nonsense'] })).toThrow(/trustedProxies/);
  expect(wrong({ trustedProxy: [host] })).toThrow(/did you mean trustedProxies/);
  expect(wrong({ trustedProxies: [host], untrusted: 'maybe' })).toThrow(/untrusted must be one of refuse, direct/);
  expect(wrong({ trustedProxies: [host], maxHeaderBytes: 1 })).toThrow(/maxHeaderBytes/);
  const server = new UdpArqServer({}, { proxyProtocol });
  expect(server.proxyProtocol).toBe(proxyProtocol);
  expect(new UdpArqServer({}).proxyProtocol).toBeNull();
});

describe('a client that changes its address behind a proxy', () => {
  const migration = { migration: true } as const;

  test.each([
    ['itself', 3, false],
    ["its proxy's port", 1, true],
    ['both', 3, true],
    ['to one of which nothing is told', 0, true],
  ] as const)('%s: the session goes on', async (_what, who, changesPort) => {
    const put = who === 0 ? writeProxyHeader({ command: 'local' }) : who === 3 ? header(3, 33) : header(1);
    const { server, seen, port } = await open(migration);
    const { client, proxy, got, ends } = await behind(port, header(1), migration);
    await client.start(host, proxy.port);
    await eventually(() => client.canMigrate);
    client.send('before');
    await eventually(() => got.length === 1);
    proxy.header = put;
    if (changesPort) await proxy.forget();
    client.send('after');
    await eventually(() => got.length === 2);
    // Where it is told to be has not changed when only its proxy sends from elsewhere.
    const to = { 3: '192.0.2.3:33', 1: null, 0: `${host}:${proxy.outsidePort}` }[who];
    expect(seen.filter((each) => !/^\d/.test(each))).toEqual([
      'accept 1 192.0.2.1:1001',
      'ready 1',
      ...(to === null ? [] : [`moved 1 192.0.2.1:1001 ${to}`]),
    ]);
    expect(got[1]).toBe(`after of ${who === 0 ? host : `client ${who}`}`);
    expect([server.connectionCount, server.stats().moves?.moved, ends]).toEqual([1, 1, []]);
    // Where it was before is free, and where it is now is found.
    proxy.header = header(1);
    if (changesPort) await proxy.forget();
    client.send('back');
    await eventually(() => got.length === 3);
    server.disconnect(1);
    await eventually(() => ends.length === 1);
  });

  test('limits count at the new address; without migration the connection ends', async () => {
    const { server, port } = await open({ ...migration, blockList: ['192.0.2.9'] });
    const moving = await behind(port, header(1), { ...migration, handshakeTimeoutMs: 300 });
    await moving.client.start(host, moving.proxy.port);
    await eventually(() => moving.client.canMigrate);
    moving.proxy.header = header(9);
    moving.client.send('x');
    await eventually(() => moving.ends.length === 1);
    expect(server.stats().moves).toMatchObject({ moved: 0 });
    expect(server.stats().moves!.refused).toBeGreaterThan(0);
    const fixed = await open();
    const still = await behind(fixed.port, header(1));
    await still.client.start(host, still.proxy.port);
    still.proxy.header = header(3);
    still.client.send('x');
    await eventually(() => still.ends.length === 1);
  });

  test('from a path to an address it is counted there, and given back at its end', async () => {
    const path = writeProxyHeader({
      source: { address: '/run/client', port: 0 },
      destination: { address: '/run/server', port: 0 },
      transport: 'datagram',
    });
    const { server, port } = await open({ ...migration, maxConnectionsPerAddress: 1 });
    const moving = await behind(port, path, migration);
    await moving.client.start(host, moving.proxy.port);
    await eventually(() => moving.client.canMigrate);
    moving.proxy.header = header(1);
    moving.client.send('x');
    await eventually(() => moving.got.length === 1);
    const second = await behind(port, header(1, 7), { handshakeTimeoutMs: 300 });
    await second.client.start(host, second.proxy.port);
    await eventually(() => second.ends.length === 1);
    expect(server.stats().limits.perAddress).toBeGreaterThan(0);
    await moving.client.stop();
    await eventually(() => server.connectionCount === 0);
    const third = await behind(port, header(1, 8));
    await third.client.start(host, third.proxy.port);
    third.client.send('y');
    await eventually(() => third.got.length === 1);
  });

  test('an answer that was asked for behind one client moves nothing as another', async () => {
    const { server, port } = await open(migration);
    const { client, proxy } = await behind(port, header(1), migration);
    await client.start(host, proxy.port);
    await eventually(() => client.canMigrate);
    const ANSWER = 0xa6;
    proxy.header = header(3);
    // Answers come as of yet another client: as if somebody had stolen them on their way.
    proxy.seen = (from, bytes) => {
      if (from === 'client' && bytes.length >= 24 && bytes[4] === 84)
        proxy.header = header(bytes[5] === ANSWER ? 4 : 3);
    };
    client.send('x');
    await eventually(() => server.stats().moves!.ignored > 0);
    expect(server.stats().moves!.moved).toBe(0);
    expect(server.getRemoteAddress(1)).toEqual({ address: '192.0.2.1', port: 1001 });
  });
});
