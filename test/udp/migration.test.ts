import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { $link } from '../../src/core/internals.ts';
import {
  SocketOperation,
  UdpArqClient,
  type UdpArqClientOptions,
  UdpArqServer,
  type UdpArqServerOptions,
} from '../../src/index.ts';
import { Random } from '../tools/random.ts';
import { bound, Nat } from './nat.ts';
import { eventually, handshake, push, pushedIn, RawPeer, turns } from './tools.ts';

const host = '127.0.0.1';
const interactive = { preset: 'interactive', migration: true, handshakeTimeoutMs: 1_000 } as const;
const CLAIM = 0xa4;
const CHALLENGE = 0xa5;
const ANSWER = 0xa6;
const MOVED = 0xa7;
const isMark = (bytes: Buffer, mark: number): boolean => bytes.length >= 24 && bytes[4] === 84 && bytes[5] === mark;

interface Line extends AsyncDisposable {
  readonly server: UdpArqServer;
  readonly client: UdpArqClient;
  readonly nat: Nat;
  /** What the client got back. */
  readonly received: Buffer[];
  readonly events: string[];
}

/** A client behind a NAT, and a server that sends each message back. */
async function open(
  serverOptions: UdpArqServerOptions = {},
  clientOptions: UdpArqClientOptions = {},
  isMovable = true,
): Promise<Line> {
  const events: string[] = [];
  const received: Buffer[] = [];
  const server = new UdpArqServer(
    {
      onAccept: () => void events.push('accept'),
      onReceive: (self, connId, message) => void self.send(connId, message),
      onAddressChange: (_self, connId, address, before) => {
        events.push(`moved ${connId} ${before.port !== address.port}`);
      },
      onClose: (_self, _connId, operation, errorCode) => void events.push(`server close ${operation} ${errorCode}`),
    },
    { ...interactive, ...serverOptions },
  );
  const { port } = await server.start(host, 0);
  const nat = await Nat.open(port);
  const client = new UdpArqClient(
    {
      onReceive: (_self, _connId, message) => void received.push(message),
      onClose: (_self, _connId, operation, errorCode, info) =>
        void events.push(`client close ${operation} ${errorCode} ${info.error?.message ?? ''}`),
    },
    { ...interactive, ...clientOptions },
  );
  await client.start(host, nat.port);
  if (isMovable) await eventually(() => client.canMigrate);
  return {
    server,
    client,
    nat,
    received,
    events,
    async [Symbol.asyncDispose]() {
      if (client.hasStarted) await client.stop();
      await client.wait();
      await server.stop();
      await nat[Symbol.asyncDispose]();
    },
  };
}

/** Sends messages there and back, all of which must come back once and in order. */
async function transfer(line: Line, count: number, before: (index: number) => Promise<unknown> | void): Promise<void> {
  const { client, received } = line;
  const sent = Array.from({ length: count }, () => randomBytes(2_000));
  const first = received.length;
  for (const [index, message] of sent.entries()) {
    await before(index);
    expect(client.send(message)).toBe(true);
  }
  await eventually(() => received.length >= first + count || !client.isConnected);
  expect(received.length).toBe(first + count);
  expect(Buffer.concat(received.slice(first)).equals(Buffer.concat(sent))).toBe(true);
}

describe('a NAT that forgets', () => {
  test('at every moment of a transfer: every message arrives once and in order', async () => {
    let moments = 0;
    for (let moment = 0; moment < 40; moment++) {
      await using line = await open();
      let datagrams = 0;
      let change: Promise<unknown> | null = null;
      line.nat.seen = () => {
        if (datagrams++ === moment) change = line.nat.forget();
      };
      await transfer(line, 12, () => turns(1));
      await change;
      if (change !== null) moments++;
      // One that comes behind the last datagram is noticed by the next.
      line.nat.seen = () => {};
      await transfer(line, 1, () => {});
      expect(line.client.isConnected).toBe(true);
      expect(line.events.filter((event) => event === 'accept')).toHaveLength(1);
      expect(line.server.connectionCount).toBe(1);
      if (change !== null) expect(line.events).toContain('moved 1 true');
      expect(line.server.connection(1)!.remoteAddress!.port).toBe(line.nat.outsidePort);
    }
    expect(moments).toBeGreaterThan(20);
  }, 120_000);

  test.each([true, false])(
    'twice, and back again; cookies: %s',
    async (arqCookies) => {
      await using line = await open({ arqCookies });
      await transfer(line, 3, () => {});
      const first = await line.nat.forget();
      await transfer(line, 3, () => {});
      const second = await line.nat.forget();
      await transfer(line, 3, () => {});
      line.nat.use(first);
      await transfer(line, 3, () => {});
      second.close();
      expect(line.events.filter((event) => event.startsWith('moved'))).toEqual(Array(3).fill('moved 1 true'));
      expect(line.events.filter((event) => event.includes('client close'))).toEqual([]);
      expect(line.server.connection(1)!.remoteAddress!.port).toBe(line.nat.outsidePort);
      expect(line.server.stats().moves!.moved).toBe(3);
    },
    60_000,
  );

  test('and loses a third of what passes: all arrives nevertheless', async () => {
    await using line = await open({}, { handshakeTimeoutMs: 20_000 });
    const random = new Random(1);
    line.nat.drops = () => random.next() < 0.33;
    let moves = 0;
    await transfer(line, 30, async (index) => {
      if (index % 10 === 5) {
        moves++;
        await line.nat.forget();
      }
      await turns(2);
    });
    expect(moves).toBe(3);
    line.nat.drops = () => false;
    await transfer(line, 1, () => {});
  }, 60_000);

  test('of an idle client is noticed by its heartbeat', async () => {
    await using line = await open({}, { detectInterval: 1_000 });
    await line.nat.forget();
    await eventually(() => line.events.includes('moved 1 true'));
    await transfer(line, 2, () => {});
  }, 60_000);

  test('without migration at both ends: the connection ends as ever', async () => {
    for (const [server, client] of [
      [{ migration: false }, {}],
      [{}, { migration: false }],
    ]) {
      await using line = await open(server, client, false);
      await transfer(line, 2, () => {});
      expect(line.client.canMigrate).toBe(false);
      await line.nat.forget();
      line.client.send('anybody?');
      await line.client.wait();
      expect(line.events.find((event) => event.startsWith('client close'))).toMatch(
        /^client close 4 104 .*another address/,
      );
    }
  }, 60_000);

  test('a server that was restarted knows nothing of it: the client closes after handshakeTimeoutMs', async () => {
    await using line = await open();
    await transfer(line, 1, () => {});
    const { port } = line.server.getListenAddress()!;
    // Nothing of the goodbye reaches the client. It is on its way when the server has stopped.
    let dropped = 0;
    line.nat.drops = (from) => from === 'server' && ++dropped > 0;
    await line.server.stop();
    await line.server.start(host, port);
    await eventually(() => dropped > 0);
    for (let before = -1; before !== dropped; await new Promise((resolve) => setTimeout(resolve, 20))) before = dropped;
    line.nat.drops = () => false;
    line.client.send('still there?');
    await line.client.wait();
    expect(line.events.at(-1)).toMatch(/^client close 4 104 .*the server does not know this connection/);
    expect(line.server.stats().moves!.ignored).toBeGreaterThan(0);
  }, 60_000);

  test('a limit may keep it from the new address; the connection then ends on both sides', async () => {
    await using line = await open({ blockList: ['127.0.0.2'], detectAttempts: 1, detectInterval: 1_000 });
    await transfer(line, 1, () => {});
    await line.nat.forget('127.0.0.2');
    line.client.send('from elsewhere');
    await line.client.wait();
    expect(line.server.stats().moves).toMatchObject({ moved: 0 });
    expect(line.server.stats().moves!.refused).toBeGreaterThan(0);
    await eventually(() => line.server.connectionCount === 0);
  }, 60_000);

  test('connections are counted where they are', async () => {
    await using line = await open({ maxConnectionsPerAddress: 1 });
    await transfer(line, 1, () => {});
    await line.nat.forget('127.0.0.3');
    await transfer(line, 1, () => {});
    // The place at the old address is free again.
    const other = new UdpArqClient({}, interactive);
    await other.start(host, line.server.getListenAddress()!.port);
    await eventually(() => line.server.connectionCount === 2);
    await other.stop();
  }, 60_000);

  test('the connection that had the address before is closed', async () => {
    await using line = await open();
    await transfer(line, 1, () => {});
    const { port } = line.server.getListenAddress()!;
    const other = await RawPeer.open(port);
    await other.send(handshake(77, 0));
    const answer = await other.until(1);
    await other.send(handshake(77, answer.readUInt32LE(4), true));
    await eventually(() => line.server.connectionCount === 2);
    const taken = other.port;
    await other.close();
    await line.nat.forget(host, taken);
    await transfer(line, 2, () => {});
    expect(line.events).toContain('server close 4 104');
    expect(line.server.connectionCount).toBe(1);
  }, 60_000);
});

describe('a peer that is not the client', () => {
  test('cannot claim its session: no answer, nothing moves', async () => {
    await using line = await open();
    await transfer(line, 1, () => {});
    await line.nat.forget();
    await transfer(line, 1, () => {});
    const { passed } = line.nat;
    const claim = passed.find(({ bytes }) => isMark(bytes, CLAIM))!.bytes;
    const answer = passed.find(({ bytes }) => isMark(bytes, ANSWER))!.bytes;
    const before = line.server.stats().moves!;
    const attacker = await RawPeer.open(line.server.getListenAddress()!.port);
    const forged: Buffer[] = [claim, answer]; // copies come too late
    for (const packet of [claim, answer]) {
      for (let at = 0; at < packet.length; at++) {
        const changed = Buffer.from(packet);
        changed[at]! ^= 1;
        forged.push(changed);
      }
      const later = Buffer.from(packet);
      later.writeUInt32LE(later.readUInt32LE(12) + 1, 12);
      forged.push(later);
      const stranger = Buffer.from(packet);
      randomBytes(24).copy(stranger, 24);
      forged.push(stranger);
    }
    // Some of the changed ones are segments of a stranger, who is asked for proof with 12 bytes, or handshake packets.
    for (const packet of forged) await attacker.send(packet);
    await eventually(() => line.server.stats().moves!.ignored >= before.ignored + 2 * 24);
    await turns();
    expect(attacker.received.filter((bytes) => bytes.length > 12)).toEqual([]);
    expect(line.server.stats().moves!.moved).toBe(before.moved);
    expect(line.server.connection(1)!.remoteAddress!.port).toBe(line.nat.outsidePort);
    await transfer(line, 3, () => {});
    await attacker.close();
  }, 60_000);

  test('gets one answer that is no longer for a stolen claim, and can do nothing with it', async () => {
    await using line = await open();
    await transfer(line, 1, () => {});
    const { port } = line.server.getListenAddress()!;
    const attacker = await RawPeer.open(port);
    let stolen: Buffer | null = null;
    line.nat.drops = (from, bytes) => {
      if (from !== 'client' || !isMark(bytes, CLAIM) || stolen !== null) return false;
      stolen = bytes;
      return true;
    };
    await line.nat.forget();
    line.client.send('hello');
    await eventually(() => stolen !== null);
    await attacker.send(stolen!);
    const challenge = await attacker.until(1);
    expect(isMark(challenge, CHALLENGE)).toBe(true);
    expect(challenge.length).toBeLessThanOrEqual(stolen!.length);
    // The answer of the client is good for the address that it was asked at, and for no other.
    const answered = new Promise<Buffer>((resolve) => {
      const { drops } = line.nat;
      line.nat.drops = (from, bytes) => {
        if (from !== 'client' || !isMark(bytes, ANSWER)) return drops(from, bytes);
        resolve(bytes);
        return true;
      };
    });
    const answer = await answered;
    await attacker.send(answer);
    await eventually(() => line.server.stats().moves!.ignored > 0);
    expect(line.server.stats().moves!.moved).toBe(0);
    line.nat.drops = () => false;
    await transfer({ ...line, received: line.received } as Line, 2, () => {}).catch(() => {});
    await eventually(() => line.server.stats().moves!.moved === 1);
    expect(line.server.connection(1)!.remoteAddress!.port).toBe(line.nat.outsidePort);
    expect(attacker.received).toHaveLength(1);
    await attacker.close();
  }, 60_000);

  test('makes a client claim, at most, by a false reset, and no more than once a second', async () => {
    const raw = await RawPeer.open(0);
    const server = await RawPeer.open(0);
    await using line = await open();
    await transfer(line, 1, () => {});
    // The NAT lets everybody in.
    const outside = await bound();
    for (let i = 0; i < 20; i++) outside.send(handshake(4242 + i, 0), line.nat.outsidePort, host);
    await eventually(() => line.nat.passed.filter(({ bytes }) => isMark(bytes, MOVED)).length === 1);
    for (let i = 0; i < 20; i++) outside.send(handshake(5252 + i, 0), line.nat.outsidePort, host);
    await transfer(line, 3, () => {});
    expect(line.nat.passed.filter(({ bytes }) => isMark(bytes, CLAIM))).toHaveLength(1);
    expect(line.events).toEqual(['accept']);
    outside.close();
    await raw.close();
    await server.close();
  }, 60_000);
});

describe('client.rebind', () => {
  test('goes on with another socket; what is on its way arrives', async () => {
    await using line = await open();
    const ports = new Set([line.client.getLocalAddress()!.port]);
    await transfer(line, 20, async (index) => {
      if (index % 6 !== 3) return;
      await line.client.rebind();
      ports.add(line.client.getLocalAddress()!.port);
    });
    expect(ports.size).toBe(4);
    expect(line.events.filter((event) => event.includes('close'))).toEqual([]);
  }, 60_000);

  test('without a NAT the server sees it: another address, and onAddressChange is called with it', async () => {
    const moves: unknown[] = [];
    const server = new UdpArqServer(
      {
        onReceive: (self, connId, message) => void self.send(connId, message),
        onAddressChange: (_self, connId, address, before) => void moves.push([connId, address, before]),
      },
      interactive,
    );
    const { port } = await server.start(host, 0);
    const client = new UdpArqClient({}, interactive);
    await client.start(host, port);
    await eventually(() => client.canMigrate);
    const before = client.getLocalAddress();
    await client.rebind({ localAddress: '127.0.0.9' });
    const after = client.getLocalAddress();
    expect(after!.address).toBe('127.0.0.9');
    expect(moves).toEqual([[1, after, { address: host, port: before!.port }]]);
    expect(server.connection(1)!.remoteAddress).toEqual(after);
    await client.stop();
    await server.stop();
  });

  test('is refused where it cannot be, and changes nothing then', async () => {
    await expect(new UdpArqClient({}, interactive).rebind()).rejects.toMatchObject({ code: 'HP_ILLEGAL_STATE' });
    await using line = await open({ migration: false }, {}, false);
    const before = line.client.getLocalAddress();
    await expect(line.client.rebind()).rejects.toThrow('set the option migration at both ends');
    await expect(line.client.rebind({ localAddress: 'here' })).rejects.toThrow(
      'localAddress must be an IP address, not "here"',
    );
    await expect(line.client.rebind({ localPort: 70_000 })).rejects.toThrow('localPort must be a whole number');
    await expect(line.client.rebind({ adress: host } as never)).rejects.toThrow('unknown option "adress" of rebind');
    expect(line.client.getLocalAddress()).toEqual(before);
    await transfer(line, 2, () => {});
  }, 60_000);

  test('from an address that is not this machine’s rejects, and the connection goes on', async () => {
    await using line = await open();
    await expect(line.client.rebind({ localAddress: '192.0.2.1' })).rejects.toMatchObject({ code: 'EADDRNOTAVAIL' });
    await transfer(line, 2, () => {});
  }, 60_000);

  test('of a server that is gone rejects, and the connection ends', async () => {
    await using line = await open();
    line.nat.drops = () => true;
    const error = await line.client.rebind().catch((reason: unknown) => reason);
    expect(error).toMatchObject({ errno: 104, operation: 'receive' });
    await line.client.wait();
  }, 60_000);

  test('happens by itself when the system says that nothing leads anywhere from the old address', async () => {
    await using line = await open();
    const { port } = line.client.getLocalAddress()!;
    const ENETUNREACH = 101;
    line.client[$link]!.systemFailed(ENETUNREACH, SocketOperation.Send, undefined);
    await eventually(() => line.client.getLocalAddress()?.port !== port);
    await transfer(line, 3, () => {});
    expect(line.events.filter((event) => event.includes('close'))).toEqual([]);
  }, 60_000);
});

describe('a C++ peer', () => {
  test('of a server with migration gets the same bytes as of one without', async () => {
    const seen: Buffer[][] = [];
    for (const migration of [false, true]) {
      const server = new UdpArqServer(
        { onReceive: (self, connId, message) => void self.send(connId, message) },
        { preset: 'interactive', migration },
      );
      const { port } = await server.start(host, 0);
      const peer = await RawPeer.open(port);
      await peer.send(handshake(7, 0));
      const serverId = (await peer.until(1)).readUInt32LE(4);
      await peer.send(handshake(7, serverId, true));
      await peer.until(2);
      await peer.send(push(7, 0, Buffer.from('hello')));
      await eventually(() => peer.received.flatMap(pushedIn).length > 0);
      await peer.send(push(7, 1, Buffer.from('once more')));
      await eventually(() => peer.received.flatMap(pushedIn).includes('once more'));
      // The server's own ID, its window and the times are free; the kinds of what it sends are not.
      seen.push(peer.received.filter((bytes) => bytes.length >= 24));
      await server.stop();
      await peer.close();
    }
    for (const datagrams of seen) {
      for (const bytes of datagrams) {
        for (let at = 0; at < bytes.length; at += 24 + bytes.readUInt32LE(at + 20)) {
          expect([81, 82]).toContain(bytes[at + 4]);
          expect(bytes[at + 5]).toBe(0);
        }
      }
    }
  });

  test('as a server gets at most five tells that it skips, of a client with migration', async () => {
    await using line = await open({ migration: false }, {}, false);
    await transfer(line, 5, () => {});
    await eventually(() => line.nat.passed.filter(({ bytes }) => isMark(bytes, 0xa3)).length === 5);
    for (const { bytes } of line.nat.passed.filter(({ bytes: each }) => isMark(each, 0xa3))) {
      expect([bytes.length, bytes.readUInt32LE(20)]).toEqual([64, 40]);
    }
    await transfer(line, 5, () => {});
    expect(
      line.nat.passed.filter(
        ({ from, bytes }) => from === 'server' && bytes.length >= 24 && bytes[5] !== 0 && bytes[4] !== 81,
      ),
    ).toEqual([]);
  }, 60_000);

  test('is the default: without the option no bit differs', async () => {
    expect([new UdpArqServer({}).migration, new UdpArqClient({}).migration]).toEqual([false, false]);
    await using line = await open({ migration: false }, { migration: false }, false);
    await transfer(line, 3, () => {});
    expect(line.nat.passed.filter(({ bytes }) => bytes.length >= 24 && bytes[4] === 84 && bytes[5] !== 0)).toEqual([]);
  }, 60_000);
});
