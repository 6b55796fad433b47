import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import {
  enumHostIPAddresses,
  getHPSocketVersion,
  getIPAddress,
  getLastError,
  getLastErrorStr,
  getSocketErrorDesc,
  getSocketLocalAddress,
  getSocketRemoteAddress,
  getVersion,
  hToN64,
  isIPAddress,
  isLittleEndian,
  nToH64,
  ssoLinger,
  ssoNoDelay,
  ssoRecvBuffSize,
  ssoSendBuffSize,
  swapEndian16,
  swapEndian32,
} from '../../../src/helpers.ts';
import { Errno, IPAddrType, TcpAgent, TcpClient, TcpPullClient, TcpServer } from '../../../src/index.ts';

describe('versions and errors', () => {
  test('SYS-001: the version of HP-Socket, and of this package', () => {
    expect(getHPSocketVersion().toString(16)).toBe('5080302');
    const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'));
    expect(getVersion()).toBe(version);
  });

  test('SYS-002: HP-Socket’s text for a component error', () => {
    expect([getSocketErrorDesc(0), getSocketErrorDesc(99)]).toEqual(['SUCCESS', 'UNKNOWN ERROR']);
  });

  test('SYS-003 SYS-004: the last system error of a component, and its text', async () => {
    const client = new TcpClient({ onReceive() {} });
    expect([getLastError(client), getLastErrorStr(client)]).toEqual([0, 'success']);
    expect(client.send('x')).toBe(false);
    expect(getLastError(client)).toBe(client.lastSystemError);
    expect(getLastError(client)).not.toBe(0);
    expect(getLastErrorStr(111)).toBe('connection refused');
    expect(getLastErrorStr(54)).toBe('exchange full');
    expect(getLastErrorStr(9999)).toBe('errno 9999');
    const error = await client.start('no.such.host.invalid', 1).catch((thrown: unknown) => thrown as never);
    expect(getLastErrorStr(error!)).toBe('host is unreachable');
    for (const errno of Object.values(Errno)) expect(getLastErrorStr(errno)).not.toBe('');
  });
});

describe('addresses', () => {
  test.each([
    ['1.2.3.4', IPAddrType.IPv4],
    ['::1', IPAddrType.IPv6],
    ['fe80::1', IPAddrType.IPv6],
    ['::ffff:1.2.3.4', IPAddrType.IPv6],
    ['1.2.3', false],
    ['256.1.1.1', false],
    [' 1.2.3.4', false],
    ['1.2.3.4 ', false],
    ['abc', false],
    ['', false],
    ['[::1]', false],
    ['fe80::1%1', false],
    ['1.2.3.4.5', false],
    ['0x1.2.3.4', false],
  ])('SYS-018 ADR-001: isIPAddress(%j) is %j', (text, type) => {
    expect(isIPAddress(text)).toBe(type);
  });

  test('SYS-016 SYS-017 SYS-019: all addresses of a host, or the first', async () => {
    expect(await enumHostIPAddresses('127.0.0.1')).toEqual([{ type: IPAddrType.IPv4, address: '127.0.0.1' }]);
    expect(await enumHostIPAddresses('::1', IPAddrType.IPv6)).toEqual([{ type: IPAddrType.IPv6, address: '::1' }]);
    const all = await enumHostIPAddresses('localhost');
    expect(all.map(({ address }) => address).some((address) => address === '127.0.0.1' || address === '::1')).toBe(
      true,
    );
    expect(await getIPAddress('localhost')).toEqual(all[0]);
  });

  test.each([
    ['127.0.0.1', IPAddrType.IPv6],
    ['::1', IPAddrType.IPv4],
    ['no.such.host.invalid', IPAddrType.All],
    ['', IPAddrType.All],
  ])('SYS-016 SYS-019: no address of %j for type %i is EHOSTUNREACH', async (host, type) => {
    await expect(enumHostIPAddresses(host, type)).rejects.toMatchObject({ errnoName: 'EHOSTUNREACH' });
    if (type === IPAddrType.All) await expect(getIPAddress(host)).rejects.toMatchObject({ errno: 113 });
  });

  test('wrong arguments are errors', async () => {
    await expect(enumHostIPAddresses(5 as never)).rejects.toThrow(TypeError);
    await expect(enumHostIPAddresses('::1', 7 as never)).rejects.toThrow(RangeError);
  });
});

describe('addresses of components', () => {
  test('ADR-002: a name that does not resolve is EHOSTUNREACH, for clients and agents', async () => {
    const client = new TcpClient({ onReceive() {} });
    await expect(client.start('no.such.host.invalid', 1)).rejects.toMatchObject({ errnoName: 'EHOSTUNREACH' });
    await using agent = new TcpAgent({ onReceive() {} });
    await agent.start();
    await expect(agent.connect('no.such.host.invalid', 1)).rejects.toMatchObject({ errnoName: 'EHOSTUNREACH' });
  });

  test('ADR-004 ADR-005: the address to bind is a literal of the family of the remote one', async () => {
    await using server = new TcpServer({ onReceive() {} });
    const { port, address } = await server.start('', 0);
    expect(address).toBe('0.0.0.0');
    const client = new TcpClient({ onReceive() {} });
    await expect(client.start({ host: '127.0.0.1', port, localAddress: '::1' })).rejects.toMatchObject({
      errnoName: 'EAFNOSUPPORT',
    });
    await expect(client.start({ host: '127.0.0.1', port, localAddress: 'localhost' })).rejects.toThrow();
  });

  test('ADR-006: of addr^name the address is dialled, and the name is returned', async () => {
    await using server = new TcpServer({ onReceive() {} });
    const { port } = await server.start('127.0.0.1', 0);
    await using client = new TcpPullClient({ onReceive() {} });
    await client.start('127.0.0.1^example.com', port);
    expect(client.getRemoteHost()).toMatchObject({ host: 'example.com', port });
  });
});

describe('sockets of Node', () => {
  async function pair(): Promise<{ client: Socket; peer: Socket; close(): void }> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
    const [peer] = (await once(server, 'connection')) as [Socket];
    if (client.connecting) await once(client, 'connect');
    const close = (): void => {
      client.destroy();
      peer.destroy();
      server.close();
    };
    return { client, peer, close };
  }

  test('SYS-015 SYS-009: addresses, and no delay', async () => {
    const { client, peer, close } = await pair();
    expect(getSocketLocalAddress(client)).toEqual(getSocketRemoteAddress(peer));
    expect(getSocketRemoteAddress(client)).toEqual(getSocketLocalAddress(peer));
    expect(getSocketLocalAddress(client)?.address).toBe('127.0.0.1');
    ssoNoDelay(client);
    ssoNoDelay(client, false);
    close();
    expect([getSocketLocalAddress(client), getSocketRemoteAddress(client)]).toEqual([null, null]);
  });

  test('SYS-011: linger with 0 seconds resets; nothing else is possible', async () => {
    const { client, peer, close } = await pair();
    const ended = once(peer, 'error');
    expect(() => ssoLinger(client, true, 5)).toThrow(expect.objectContaining({ code: 'EOPNOTSUPP' }));
    expect(() => ssoLinger(client, false, 0)).toThrow(expect.objectContaining({ code: 'EOPNOTSUPP' }));
    ssoLinger(client, true, 0);
    peer.resume();
    expect((await ended)[0]).toMatchObject({ code: 'ECONNRESET' });
    close();
  });

  test('SYS-012: buffers of datagram sockets', async () => {
    const socket = createSocket('udp4').bind(0, '127.0.0.1');
    await once(socket, 'listening');
    ssoRecvBuffSize(socket, 65_536);
    ssoSendBuffSize(socket, 65_536);
    // Linux reports twice as much, for its own book-keeping.
    expect([65_536, 131_072]).toContain(socket.getRecvBufferSize());
    expect([65_536, 131_072]).toContain(socket.getSendBufferSize());
    socket.close();
  });
});

describe('byte order', () => {
  test('SYS-020 SYS-021 SYS-022: swapped where it has to be', () => {
    expect(swapEndian16(0x1234)).toBe(0x3412);
    expect(swapEndian32(0x12345678)).toBe(0x78563412);
    expect(swapEndian32(0x000000ff)).toBe(0xff000000);
    const expected = isLittleEndian() ? 0xefcdab8967452301n : 0x0123456789abcdefn;
    expect(hToN64(0x0123456789abcdefn)).toBe(expected);
    expect(nToH64(expected)).toBe(0x0123456789abcdefn);
    expect(isLittleEndian()).toBe(new Uint8Array(Uint16Array.of(1).buffer)[0] === 1);
  });
});

describe('socket options of components', () => {
  test('OPT-002 OPT-003 OPT-004: defaults and ranges', () => {
    const server = new TcpServer({ onReceive() {} });
    expect([server.reuseAddressPolicy, server.keepAliveTime, server.keepAliveInterval]).toEqual([1, 60_000, 20_000]);
    expect(server.noDelay).toBe(true);
    expect(() => {
      server.keepAliveTime = 999;
    }).toThrow(RangeError);
    server.keepAliveTime = 0;
    server.keepAliveInterval = 0;
    expect([server.keepAliveTime, server.keepAliveInterval]).toEqual([0, 0]);
  });
});
