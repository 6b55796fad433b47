import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, expect, test } from 'vitest';
import { UdpServer, type UdpServerOptions, writeProxyHeader } from '../../src/udp.ts';
import { CLOSE_NOTIFY, eventually } from './tools.ts';

const host = '127.0.0.1';
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** What a proxy says of a client with the last number `last`. */
function header(last: number, port = 1000 + last): Buffer {
  return writeProxyHeader({
    source: { address: `192.0.2.${last}`, port },
    destination: { address: '198.51.100.1', port: 53 },
    transport: 'datagram',
    tlvs: [{ type: 0xe0, value: `client ${last}` }],
  });
}

/** A proxy: a socket that sends what it is told. */
async function openProxy(
  port: number,
): Promise<{ send(...parts: (Buffer | string)[]): void; got: string[]; socket: Socket }> {
  const socket = createSocket('udp4');
  const got: string[] = [];
  socket.on('message', (bytes) => got.push(bytes.equals(CLOSE_NOTIFY) ? 'bye' : bytes.toString()));
  socket.connect(port, host);
  await once(socket, 'connect');
  cleanups.push(() => socket.close());
  const send = (...parts: (Buffer | string)[]): void =>
    socket.send(Buffer.concat(parts.map((part) => Buffer.from(part as string))));
  return { send, got, socket };
}

async function open(options: UdpServerOptions = {}) {
  const seen: string[] = [];
  const server = new UdpServer(
    {
      onAccept: (_s, id, { address, port }) => void seen.push(`accept ${id} ${address}:${port}`),
      onReceive(s, id, data) {
        const { proxyHeader, remoteAddress } = s.connection(id)!;
        seen.push(`${id} ${data}`);
        s.send(id, `${data} of ${proxyHeader?.tlv(0xe0) ?? remoteAddress!.address}`);
      },
      onClose: (_s, id) => void seen.push(`close ${id}`),
    },
    { proxyProtocol: { trustedProxies: [host] }, ...options },
  );
  const { port } = await server.start(host, 0);
  cleanups.push(() => server.hasStarted && server.stop());
  return { server, seen, ...(await openProxy(port)), port };
}

test('every datagram has a header: clients of one proxy are connections of their own, answers go to the proxy', async () => {
  const { server, seen, send, got } = await open();
  send(header(1), 'a');
  send(header(2), 'b');
  send(header(1), 'c');
  await eventually(() => got.length === 3);
  expect(got).toEqual(['a of client 1', 'b of client 2', 'c of client 1']);
  expect(seen).toEqual(['accept 1 192.0.2.1:1001', '1 a', 'accept 2 192.0.2.2:1002', '2 b', '1 c']);
  expect(server.getRemoteAddress(2)).toEqual({ address: '192.0.2.2', port: 1002 });
});

test('one client by two proxies is two connections, and clients may share a port', async () => {
  const { server, port, send, got } = await open();
  const other = await openProxy(port);
  send(header(1, 7), 'a');
  send(header(2, 7), 'b');
  other.send(header(1, 7), 'c');
  await eventually(() => got.length === 2 && other.got.length === 1);
  expect(server.connectionCount).toBe(3);
  expect(other.got).toEqual(['c of client 1']);
});

test('a goodbye and a heartbeat behind a header are of that client', async () => {
  const { server, seen, send, got } = await open();
  send(header(1), 'a');
  send(header(2), 'b');
  send(header(2));
  send(header(1), CLOSE_NOTIFY);
  await eventually(() => seen.includes('close 1') && got.length === 3);
  expect([server.connectionCount, got.at(-1)]).toEqual([1, '']);
  await server.stop();
  await eventually(() => got.at(-1) === 'bye');
});

test('lists and limits look at the client', async () => {
  const { server, send, got } = await open({ blockList: ['192.0.2.9', host], maxConnectionsPerAddress: 1 });
  send(header(9), 'blocked');
  send(header(1, 1), 'a');
  send(header(1, 2), 'too many');
  send(header(2), 'b');
  await eventually(() => got.length === 3);
  expect(got).toEqual(['a of client 1', 'bye', 'b of client 2']);
  expect(server.stats().limits).toMatchObject({ blockedAddresses: 1, perAddress: 1 });
});

test('LOCAL and UNSPEC keep the address of the socket', async () => {
  const { send, seen, socket } = await open();
  send(writeProxyHeader({ command: 'local' }), 'a');
  send(writeProxyHeader({}), 'b');
  await eventually(() => seen.length === 3);
  expect(seen).toEqual([`accept 1 ${host}:${socket.address().port}`, '1 a', '1 b']);
});

test('datagrams without a header, with a broken one, or one of version 1 are ignored and counted', async () => {
  const { server, seen, send } = await open();
  const whole = header(1);
  send('plain');
  send('');
  send(writeProxyHeader({ version: 1 }), 'x');
  for (let length = 1; length < whole.length; length++) send(whole.subarray(0, length));
  send(header(1), 'last');
  await eventually(() => seen.includes('1 last'));
  expect(seen.length).toBe(2);
  expect(server.stats().limits.preambles).toBe(whole.length + 2);
});

test('strangers are ignored, or, with direct, clients of their own; optional takes what has no header', async () => {
  const strict = await open({ proxyProtocol: { trustedProxies: ['192.0.2.1'] } });
  strict.send(header(1), 'x');
  await eventually(() => strict.server.stats().limits.untrustedProxies === 1);
  expect(strict.seen).toEqual([]);
  const direct = await open({ proxyProtocol: { trustedProxies: ['192.0.2.1'], untrusted: 'direct' } });
  direct.send('plain');
  await eventually(() => direct.got.length === 1);
  expect(direct.got).toEqual([`plain of ${host}`]);
  const optional = await open({ proxyProtocol: { trustedProxies: [host], optional: true } });
  optional.send('plain');
  optional.send(header(1), 'x');
  optional.send('');
  await eventually(() => optional.got.length === 3);
  expect(optional.got).toEqual([`plain of ${host}`, 'x of client 1', '']);
});

test('maxDatagramSize counts what is behind the header', async () => {
  const { seen, send } = await open({ maxDatagramSize: 4 });
  send(header(1), '1234');
  send(header(2), '12345');
  send(header(3), '6789');
  await eventually(() => seen.length === 4);
  expect(seen).toEqual(['accept 1 192.0.2.1:1001', '1 1234', 'accept 2 192.0.2.3:1003', '2 6789']);
});

test('a server without the option gets headers as data', async () => {
  const { seen, send } = await open({ proxyProtocol: null });
  send(writeProxyHeader({ version: 1 }));
  await eventually(() => seen.length === 2);
  expect(seen[1]).toBe('1 PROXY UNKNOWN\r\n');
  expect(() => new UdpServer({}, { proxyProtocol: {} as never })).toThrow(/needs trustedProxies/);
});
