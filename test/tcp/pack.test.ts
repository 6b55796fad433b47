import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { Errno, SocketOperation, TcpPackAgent, TcpPackClient, TcpPackServer } from '../../src/index.ts';
import { deferred, until } from '../compliance/family.ts';

const host = '127.0.0.1';

interface Recorded {
  connection: number;
  from: 'client' | 'server';
  hex: string;
}

/** Payload of message number `i` in the recordings. */
function payload(i: number, length: number): Buffer {
  const data = Buffer.alloc(length);
  for (let k = 4; k < length; k++) data[k] = (k * 7 + (k >> 8) + i * 31) & 255;
  data.writeUInt32LE(i);
  return data;
}

describe.each([
  { file: 'pack-flag1008.json', flag: 1008, count: 5, length: 40 },
  { file: 'pack-flag0.json', flag: 0, count: 3, length: 300 },
])('the recording of a C++ peer in $file', ({ file, flag, count, length }) => {
  const records = JSON.parse(readFileSync(new URL(`../vectors/${file}`, import.meta.url), 'utf8')) as Recorded[];
  const bytesFrom = (side: string): Buffer =>
    Buffer.concat(records.filter(({ from }) => from === side).map(({ hex }) => Buffer.from(hex, 'hex')));

  test('our server answers the client as the C++ server did: PK-001, PK-002, PK-008', async () => {
    await using server = new TcpPackServer(
      { onReceive: (server, connId, packet) => void server.send(connId, packet) },
      { packHeaderFlag: flag },
    );
    const { port } = await server.start(host, 0);
    for (const isByteByByte of [false, true]) {
      const socket = connect(port, host).setNoDelay();
      const chunks: Buffer[] = [];
      socket.on('data', (chunk) => chunks.push(chunk));
      const request = bytesFrom('client');
      if (isByteByByte) for (const byte of request) socket.write(Uint8Array.of(byte));
      else socket.write(request);
      socket.end(); // half-closed peers still get their answer
      await once(socket, 'close');
      expect(Buffer.concat(chunks).toString('hex')).toBe(bytesFrom('server').toString('hex'));
    }
  });

  test.each(['client', 'agent'])(
    'our %s sends what the C++ client sent, and takes what the C++ server answered',
    async (role) => {
      const received: Buffer[] = [];
      const peer = createServer((socket) => {
        socket.on('data', (chunk) => {
          received.push(chunk);
          if (Buffer.concat(received).length === bytesFrom('client').length) socket.write(bytesFrom('server'));
        });
        socket.on('error', () => {});
      }).listen(0, host);
      await once(peer, 'listening');
      const { port } = peer.address() as { port: number };
      const answers: Buffer[] = [];
      const hooks = { onReceive: (_sender: unknown, _connId: number, packet: Buffer) => void answers.push(packet) };
      if (role === 'client') {
        await using client = new TcpPackClient(hooks, { packHeaderFlag: flag });
        await client.start(host, port);
        for (let i = 0; i < count; i++) expect(client.send(payload(i, length))).toBe(true);
        await until(() => answers.length === count);
      } else {
        await using agent = new TcpPackAgent(hooks, { packHeaderFlag: flag });
        await agent.start();
        const connId = await agent.connect(host, port);
        for (let i = 0; i < count; i++) expect(agent.send(connId, payload(i, length))).toBe(true);
        await until(() => answers.length === count);
      }
      expect(Buffer.concat(received).toString('hex')).toBe(bytesFrom('client').toString('hex'));
      expect(answers.map((answer) => answer.toString('hex'))).toEqual(
        Array.from({ length: count }, (_, i) => payload(i, length).toString('hex')),
      );
      peer.close();
    },
  );
});

/** A bare socket that is connected to a pack server, and how its connection ended there. */
async function closeOf(options: object, hex: string): Promise<{ ending: unknown[]; delivered: number; peer: Socket }> {
  const ending = deferred<unknown[]>();
  let delivered = 0;
  const server = new TcpPackServer(
    {
      onReceive: () => void delivered++,
      onClose: (_server, _connId, operation, code, info) => ending.resolve([operation, code, info.error?.message]),
    },
    options,
  );
  const { port } = await server.start(host, 0);
  const peer = connect(port, host);
  peer.on('error', () => {});
  peer.write(Buffer.from(hex, 'hex'));
  const result = await ending.promise;
  await server.stop();
  return { ending: result, delivered, peer };
}

describe('bytes that are no packages', () => {
  test('a wrong flag closes with EBADMSG: CLS-007, PK-005, PK-006, PACK-S-003, PACK-S-004', async () => {
    const { ending, delivered } = await closeOf({ packHeaderFlag: 0x169 }, '0500405b6162636465');
    expect(ending).toEqual([SocketOperation.Receive, Errno.EBADMSG, expect.stringContaining('packHeaderFlag')]);
    expect(delivered).toBe(0);
  });

  test('length 0, and one above maxPackSize, close with EMSGSIZE: CLS-008, PK-005, PACK-S-001, PACK-S-002', async () => {
    for (const hex of ['00000000', '0b000000']) {
      const { ending, delivered } = await closeOf({ maxPackSize: 10 }, hex);
      expect(ending).toEqual([SocketOperation.Receive, Errno.EMSGSIZE, expect.stringContaining('maxPackSize')]);
      expect(delivered).toBe(0);
    }
  });

  test('a client is as strict as a server: CLS-007, PACK-C-003', async () => {
    const ending = deferred<number[]>();
    const peer = createServer((socket) => socket.end(Buffer.from('0100004062', 'hex'))).listen(0, host);
    await once(peer, 'listening');
    const client = new TcpPackClient(
      { onClose: (_client, _connId, operation, code) => ending.resolve([operation, code]) },
      { packHeaderFlag: 0x169 },
    );
    await client.start(host, (peer.address() as { port: number }).port);
    expect(await ending.promise).toEqual([SocketOperation.Receive, Errno.EBADMSG]);
    await client.wait();
    peer.close();
  });
});

test('pause inside onReceive stops after the package, resume goes on with the next: PK-009', async () => {
  const got: string[] = [];
  await using server = new TcpPackServer({
    onReceive(server, connId, packet) {
      got.push(packet.toString());
      server.pauseReceive(connId);
    },
  });
  const { port } = await server.start(host, 0);
  await using client = new TcpPackClient({});
  await client.start(host, port);
  for (const text of ['one', 'two', 'three']) client.send(text);
  for (let n = 1; n <= 3; n++) {
    await until(() => got.length === n);
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(got).toHaveLength(n);
    server.pauseReceive(1, false);
  }
  expect(got).toEqual(['one', 'two', 'three']);
});

test('sizes that cannot be sent are refused with EMSGSIZE and nothing leaves: PK-003, PK-010, PACK-C-001, PACK-C-002', async () => {
  let got = 0;
  await using server = new TcpPackServer({ onReceive: () => void got++ }, { maxPackSize: 100 });
  const { port } = await server.start(host, 0);
  await using client = new TcpPackClient({}, { maxPackSize: 100 });
  await client.start(host, port);
  for (const wrong of ['', 'x'.repeat(101)]) {
    expect(client.send(wrong)).toBe(false);
    expect(client.lastSystemError).toBe(Errno.EMSGSIZE);
  }
  expect(client.sendPackets(['x'.repeat(50), 'x'.repeat(51)])).toBe(false);
  expect(client.sendPackets(['', ''])).toBe(false);
  expect(client.pendingDataLength).toBe(0);
  expect(client.send('x'.repeat(100))).toBe(true);
  await until(() => got === 1);
});

test('sendPackets makes one package: CS-003, PK-010', async () => {
  const got: string[] = [];
  await using server = new TcpPackServer({ onReceive: (_server, _connId, packet) => void got.push(packet.toString()) });
  const { port } = await server.start(host, 0);
  await using client = new TcpPackClient({});
  await client.start(host, port);
  client.sendPackets(['a', 'b', Buffer.from('c')]);
  await until(() => got.length === 1);
  expect(got).toEqual(['abc']);
});

test('onSend counts the header: PK-011', async () => {
  let sent = 0;
  let got = 0;
  await using server = new TcpPackServer({ onReceive: () => void got++ });
  const { port } = await server.start(host, 0);
  await using client = new TcpPackClient({ onSend: (_client, _connId, data) => void (sent += data.length) });
  await client.start(host, port);
  client.send('abcde');
  await until(() => got === 1 && sent > 0);
  expect(sent).toBe(9);
});

test('properties of pack components: PACK-S-001, PACK-S-002, PACK-S-003, PACK-S-004, PACK-C-001, PACK-C-002, PACK-C-003, PACK-C-004, PK-004', () => {
  for (const component of [new TcpPackServer({}), new TcpPackAgent({}), new TcpPackClient({})]) {
    expect(component.maxPackSize).toBe(0x40000);
    expect(component.packHeaderFlag).toBe(0);
    component.maxPackSize = 0x3fffff;
    component.packHeaderFlag = 1023;
    expect(() => {
      component.maxPackSize = 0x400000;
    }).toThrow(RangeError);
    expect(() => {
      component.maxPackSize = 0;
    }).toThrow(RangeError);
    expect(() => {
      component.packHeaderFlag = 1024;
    }).toThrow(RangeError);
  }
});
