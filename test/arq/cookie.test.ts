import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { ArqCookies, CookieVerdict } from '../../src/arq/cookie.ts';
import {
  ArqHandshake,
  HANDSHAKE_BYTES,
  handshakePeerId,
  handshakeSelfId,
  writeHandshake,
} from '../../src/arq/handshake.ts';
import { SipHash } from '../../src/arq/siphash.ts';
import { Random } from '../tools/random.ts';

const SECRET = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex');

function packet(selfId: number, peerId: number, isComplete = false): Buffer {
  const out = Buffer.alloc(HANDSHAKE_BYTES);
  writeHandshake(out, selfId, peerId, isComplete);
  return out;
}

/** The ID that the server answers a first packet with. */
function issued(cookies: ArqCookies, address: string, port: number, id: number, now: number): number {
  expect(cookies.input(packet(id, 0), address, port, now)).toBe(CookieVerdict.Answer);
  expect(cookies.out).toHaveLength(HANDSHAKE_BYTES);
  expect([handshakePeerId(cookies.out), cookies.out[3]]).toEqual([id, 0]);
  return handshakeSelfId(cookies.out);
}

/** The ID by the book: the hash of what is said of the peer, and of the number of the window. */
function idOf(address: string, port: number, peerId: number, window: number): number {
  const bytes = Buffer.alloc(address.length + 18);
  let at = bytes.write(address, 'latin1');
  at = bytes.writeUInt16LE(port, at);
  at = bytes.writeUInt32LE(peerId, at);
  at = bytes.writeInt32LE(window, at);
  const sip = new SipHash(SECRET);
  sip.hash(bytes, at);
  return sip.low >>> 0;
}

describe('SipHash-2-4', () => {
  const hashOf = (key: Buffer, bytes: Uint8Array, length: number): string => {
    const sip = new SipHash(key);
    sip.hash(bytes, length);
    return [sip.high, sip.low].map((half) => (half >>> 0).toString(16).padStart(8, '0')).join('');
  };

  test("the authors' test vectors, whatever stands in the room behind the bytes", () => {
    for (const [length, expected] of [
      [0, '726fdb47dd0e0e31'],
      [1, '74f839c593dc67fd'],
      [8, '93f5f5799a932462'],
      [15, 'a129ca6149be45e5'],
    ] as const) {
      for (const room of [0, 0xff]) {
        const bytes = new Uint8Array(24).fill(room);
        for (let i = 0; i < length; i++) bytes[i] = i;
        expect(hashOf(SECRET, bytes, length)).toBe(expected);
      }
    }
  });

  test('lower halves that add up to 2^32 - 1, in each sum of the first round, carry nothing', () => {
    for (const [key, bytes, expected] of [
      ['0000000000000000e7f5e8e100000000', '0000000000000000', '7e49963e5b13556f'],
      ['000102030405060708090a0b0c0d0e0f', 'e5e0e6e000000000', 'a2e39238424aec61'],
      ['000102030405060708090a0b0c0d0e0f', '29217e720000e9a3', 'd60cf15b608caaf5'],
      ['000102030405060708090a0b0c0d0e0f', '9348fb0c00000000', 'b0eaae211fc86ba9'],
    ] as const) {
      const room = Buffer.concat([Buffer.from(bytes, 'hex'), Buffer.alloc(8)]);
      expect(hashOf(Buffer.from(key, 'hex'), room, 8)).toBe(expected);
    }
  });
});

describe('stateless answers', () => {
  test('AQ-009 AQ-010 AQ-016: one 12-byte {own ID, peer ID} for one 12-byte {ID, 0}; its echo proves the peer', () => {
    const cookies = new ArqCookies(5000, SECRET);
    const id = issued(cookies, '192.0.2.1', 5555, 0x01020304, 1000);
    expect(id).not.toBe(0);
    expect(issued(cookies, '192.0.2.1', 5555, 0x01020304, 1500)).toBe(id);
    expect(cookies.input(packet(0x01020304, id, true), '192.0.2.1', 5555, 1600)).toBe(CookieVerdict.Proved);
    expect([cookies.selfId, cookies.peerId, cookies.isPeerComplete]).toEqual([id, 0x01020304, true]);
    expect(cookies.input(packet(0x01020304, id), '192.0.2.1', 5555, 1600)).toBe(CookieVerdict.Proved);
    expect(cookies.isPeerComplete).toBe(false);
    expect([cookies.answered, cookies.proved, cookies.ignored]).toEqual([2, 2, 0]);
  });

  test('a cookie is good for one session: copies of what proved it, and first packets again, get an ID that proves nothing', () => {
    const cookies = new ArqCookies(5000, SECRET);
    const id = issued(cookies, '192.0.2.1', 5555, 7, 29_000);
    const proof = packet(7, id, true);
    expect(cookies.input(proof, '192.0.2.1', 5555, 29_100)).toBe(CookieVerdict.Proved);
    // Refused for now: the same cookie is good later.
    expect(cookies.input(proof, '192.0.2.1', 5555, 29_200)).toBe(CookieVerdict.Proved);
    cookies.spend(29_200);
    // A window has 30 s, and a cookie is accepted in the next one too. First packets get a new cookie there.
    for (const [datagram, now] of [
      [proof, 29_300],
      [packet(7, 0), 29_300],
      [packet(7, 0), 30_000],
      [proof, 30_000],
      [proof, 59_999],
    ] as const) {
      expect(cookies.input(datagram, '192.0.2.1', 5555, now)).toBe(CookieVerdict.Spent);
      const reset = handshakeSelfId(cookies.out);
      expect([reset === id, handshakePeerId(cookies.out)]).toEqual([false, 7]);
      expect(cookies.input(packet(7, reset, true), '192.0.2.1', 5555, now)).toBe(CookieVerdict.Ignore);
    }
    expect(cookies.input(proof, '192.0.2.1', 5555, 60_000)).toBe(CookieVerdict.Ignore);
    const other = issued(cookies, '192.0.2.1', 5555, 8, 60_000);
    expect(cookies.input(packet(8, other), '192.0.2.1', 5555, 60_000)).toBe(CookieVerdict.Proved);
  });

  test('another address, port, ID or secret, or a changed bit, proves nothing and is not answered', () => {
    const cookies = new ArqCookies(5000, SECRET);
    const id = issued(cookies, '192.0.2.1', 5555, 7, 0);
    const proves = (address: string, port: number, peer: number, echo: number, at = cookies): boolean =>
      at.input(packet(peer, echo), address, port, 0) === CookieVerdict.Proved;
    expect(proves('192.0.2.1', 5555, 7, id)).toBe(true);
    expect(proves('192.0.2.2', 5555, 7, id)).toBe(false);
    expect(proves('192.0.2.11', 5555, 7, id)).toBe(false);
    expect(proves('192.0.2.1', 5556, 7, id)).toBe(false);
    expect(proves('192.0.2.1', 5555 ^ 0x100, 7, id)).toBe(false);
    expect(proves('192.0.2.1', 5555, 8, id)).toBe(false);
    expect(proves('192.0.2.1', 5555, 7, id, new ArqCookies(5000))).toBe(false);
    for (let bit = 0; bit < 32; bit++) expect(proves('192.0.2.1', 5555, 7, (id ^ (1 << bit)) >>> 0)).toBe(false);
  });

  test('anything but a valid handshake packet with an ID is ignored', () => {
    const cookies = new ArqCookies(5000, SECRET);
    const good = packet(7, 0);
    for (let length = 0; length < 64; length++) {
      const datagram = Buffer.concat([good, Buffer.alloc(60)]).subarray(0, length);
      if (length !== 12) expect(cookies.input(datagram, '192.0.2.1', 1, 0)).toBe(CookieVerdict.Ignore);
    }
    for (let at = 0; at < 4; at++) {
      const bad = Buffer.from(good);
      bad[at]! ^= 0x80;
      expect(cookies.input(bad, '192.0.2.1', 1, 0)).toBe(CookieVerdict.Ignore);
    }
    expect(cookies.input(packet(0, 0), '192.0.2.1', 1, 0)).toBe(CookieVerdict.Ignore);
  });

  test('a cookie is good in its window and the next, and not later', () => {
    const cookies = new ArqCookies(5000, SECRET);
    const id = issued(cookies, '2001:db8::1%eth0', 9, 7, 31_000);
    const verdict = (now: number): CookieVerdict => cookies.input(packet(7, id, true), '2001:db8::1%eth0', 9, now);
    expect([31_000, 59_999, 60_000, 89_999].map(verdict)).toEqual(Array(4).fill(CookieVerdict.Proved));
    expect([90_000, 120_000, 29_999].map(verdict)).toEqual(Array(3).fill(CookieVerdict.Ignore));
    expect(issued(cookies, '2001:db8::1%eth0', 9, 7, 95_000)).not.toBe(id);
  });

  test('a client that asks again across the end of a window gets the same ID: it would take another for a reset', () => {
    const cookies = new ArqCookies(5000, SECRET);
    for (let window = 1; window < 50; window++) {
      const end = window * 30_000;
      const early = issued(cookies, '192.0.2.1', 5555, window, end - 4_000);
      expect(issued(cookies, '192.0.2.1', 5555, window, end + 900)).toBe(early);
      expect(cookies.input(packet(window, early, true), '192.0.2.1', 5555, end + 5_900)).toBe(CookieVerdict.Proved);
      // Who is new in this window gets one of this window, good for all of the next one.
      const fresh = issued(cookies, '192.0.2.2', 5555, window, end + 900);
      expect(cookies.input(packet(window, fresh), '192.0.2.2', 5555, end + 59_000)).toBe(CookieVerdict.Proved);
    }
  });

  test('a client as in HP-Socket gets ready on the one answer, and the proof that it sends is complete', () => {
    const cookies = new ArqCookies(5000, SECRET);
    const client = new ArqHandshake(99, 0, 60, 5000);
    const out = Buffer.alloc(HANDSHAKE_BYTES);
    client.poll(0, out);
    expect(cookies.input(out, '192.0.2.1', 5, 0)).toBe(CookieVerdict.Answer);
    expect(client.input(cookies.out, 40)).toBe(0);
    expect(client.isReady).toBe(true);
    expect(client.poll(40, out)).toBe(true);
    expect(cookies.input(out, '192.0.2.1', 5, 80)).toBe(CookieVerdict.Proved);
    const server = new ArqHandshake(cookies.selfId, 80, 60, 5000);
    server.prove(cookies.peerId, cookies.isPeerComplete);
    expect([server.isReady, server.isSending]).toEqual([true, true]);
    expect(server.poll(80, out)).toBe(true);
    expect(server.isSending).toBe(false);
    expect(client.input(out, 120)).toBe(0);
    expect([client.isComplete, client.isSending]).toEqual([true, false]);
  });

  test('AQ-017: if that flag 1 is lost, the client asks again and is answered', () => {
    const server = new ArqHandshake(5, 0, 60, 5000);
    const out = Buffer.alloc(HANDSHAKE_BYTES);
    server.prove(99, true);
    expect(server.poll(0, out)).toBe(true);
    expect(server.input(packet(99, 5, true), 60)).toBe(0);
    expect(server.poll(60, out)).toBe(true);
  });

  test('100,000 spoofed first packets leave the heap flat', () => {
    const cookies = new ArqCookies();
    const random = new Random(1);
    const flood = (count: number): void => {
      for (let i = 0; i < count; i++) {
        const address = `10.${random.int(0, 255)}.${random.int(0, 255)}.${random.int(0, 255)}`;
        const verdict = cookies.input(packet(random.uint32(), 0), address, random.int(1, 65_535), i);
        if (verdict !== CookieVerdict.Answer && verdict !== CookieVerdict.Ignore) throw new Error('proved by chance');
      }
    };
    flood(20_000);
    const live = settledHeap();
    flood(100_000);
    // One small object per packet would be some 10 MB.
    expect(settledHeap() - live).toBeLessThan(500_000);
    expect(cookies.answered).toBeGreaterThan(119_000);
    const id = issued(cookies, '192.0.2.1', 5555, 7, 100_000);
    expect(cookies.input(packet(7, id), '192.0.2.1', 5555, 100_001)).toBe(CookieVerdict.Proved);
  });

  test('IDs are spread evenly and do not collide more than chance has it', () => {
    const cookies = new ArqCookies(5000, SECRET);
    const ids = new Set<number>();
    const buckets = new Array<number>(16).fill(0);
    for (let i = 0; i < 50_000; i++) {
      cookies.input(packet(7, 0), `10.0.${i >> 8}.${i & 255}`, 1000, 0);
      const id = handshakeSelfId(cookies.out);
      ids.add(id);
      buckets[id >>> 28]!++;
    }
    expect(cookies.answered).toBe(50_000);
    expect(ids.size).toBeGreaterThan(50_000 - 10);
    for (const count of buckets) expect(Math.abs(count - 3125)).toBeLessThan(300);
  });

  test('a secret of another length is refused', () => {
    for (const length of [0, 8, 15, 17, 32]) {
      expect(() => new ArqCookies(5000, Buffer.alloc(length))).toThrow(`must have 16 bytes, not ${length}`);
    }
  });
});

describe('what an ID is made of', () => {
  test('address, port, ID and window, the numbers little-endian', () => {
    const cookies = new ArqCookies(5000, SECRET);
    expect([cookies.selfId, cookies.peerId, cookies.isPeerComplete]).toEqual([0, 0, false]);
    for (const [address, port, id, window] of [
      ['192.0.2.1', 0x1234, 0x89abcdef, 0],
      ['2001:db8::1%eth0', 0xfedc, 1, 0x01020304],
      ['x', 1, 0xffffffff, 7],
    ] as const) {
      expect(issued(cookies, address, port, id, window * 30_000 + 6_000)).toBe(idOf(address, port, id, window));
    }
  });

  test('the first 256 characters of an address; what follows them does not crowd out port, ID and window', () => {
    const cookies = new ArqCookies(5000, SECRET);
    const long = `${'a'.repeat(255)}b`;
    const id = issued(cookies, long, 5555, 7, 6_000);
    expect(id).toBe(idOf(long, 5555, 7, 0));
    expect(issued(cookies, `${long}c`, 5555, 7, 6_000)).toBe(id);
    expect(issued(cookies, `${'a'.repeat(256)}`, 5555, 7, 6_000)).not.toBe(id);
    expect(issued(cookies, long, 5556, 7, 6_000)).toBe(idOf(long, 5556, 7, 0));
    expect(issued(cookies, long, 5555, 8, 6_000)).toBe(idOf(long, 5555, 8, 0));
    expect(issued(cookies, long, 5555, 7, 36_000)).toBe(idOf(long, 5555, 7, 1));
  });

  test('the ID that a peer without one would have proves nothing', () => {
    const cookies = new ArqCookies(5000, SECRET);
    expect(cookies.input(packet(0, idOf('192.0.2.1', 5, 0, 0)), '192.0.2.1', 5, 0)).toBe(CookieVerdict.Ignore);
    expect([cookies.answered, cookies.proved, cookies.ignored]).toEqual([0, 0, 1]);
  });
});

describe('windows', () => {
  test('have four handshake timeouts, but not less than 30 s', () => {
    for (const [timeoutMs, windowMs] of [
      [1_000, 30_000],
      [7_500, 30_000],
      [10_000, 40_000],
    ] as const) {
      const cookies = new ArqCookies(timeoutMs, SECRET);
      const proof = packet(7, issued(cookies, '192.0.2.1', 5, 7, 0));
      expect(cookies.input(proof, '192.0.2.1', 5, 2 * windowMs - 1)).toBe(CookieVerdict.Proved);
      expect(cookies.input(proof, '192.0.2.1', 5, 2 * windowMs)).toBe(CookieVerdict.Ignore);
    }
  });

  test('an ID is kept from one timeout before the end of its window to one after it, for each peer that got it there', () => {
    const cookies = new ArqCookies(5000, SECRET);
    const before = [1, 2, 3].map((id, i) => issued(cookies, '192.0.2.1', 5, id, [24_999, 25_000, 29_999][i]!));
    const after = (now: number): boolean[] =>
      [1, 2, 3].map((id, i) => issued(cookies, '192.0.2.1', 5, id, now) === before[i]);
    expect(after(30_000)).toEqual([false, true, true]);
    expect(after(34_999)).toEqual([false, true, true]);
    expect(after(35_000)).toEqual([false, false, false]);
  });

  test('a peer that was answered at the end of an earlier window is not taken for one of the last', () => {
    const cookies = new ArqCookies(5000, SECRET);
    const isFresh = (window: number): boolean =>
      Array.from({ length: 200 }, (_, id) => id + 1).every(
        (id) => issued(cookies, '10.0.0.1', 6, id, window * 30_000) === idOf('10.0.0.1', 6, id, window),
      );
    for (let id = 1; id <= 3_000; id++) cookies.input(packet(id, 0), '192.0.2.1', 5, 59_000);
    expect(isFresh(3)).toBe(true);
    issued(cookies, '192.0.2.1', 5, 1, 119_000);
    expect(isFresh(4)).toBe(true);
  });
});

describe('spent cookies', () => {
  const SPENT_LIMIT = 65_536;

  /** Makes a session of a peer at time 0. Returns what proved it. */
  function spend(cookies: ArqCookies, peerId: number): Buffer {
    const proof = packet(peerId, issued(cookies, '192.0.2.1', 5, peerId, 0));
    expect(cookies.input(proof, '192.0.2.1', 5, 0)).toBe(CookieVerdict.Proved);
    cookies.spend(0);
    return proof;
  }

  function spendNumber(cookies: ArqCookies, id: number, now: number): void {
    cookies.selfId = id;
    cookies.spend(now);
  }

  test('the reset that a copy gets has no flag, and counts as ignored', () => {
    const cookies = new ArqCookies(5000, SECRET);
    const proof = spend(cookies, 7);
    expect(cookies.input(proof, '192.0.2.1', 5, 0)).toBe(CookieVerdict.Spent);
    expect(cookies.out[3]).toBe(0);
    expect([cookies.answered, cookies.proved, cookies.ignored]).toEqual([1, 1, 1]);
  });

  test('65,536 of one window are remembered, and then the oldest is forgotten', () => {
    const cookies = new ArqCookies(5000, SECRET);
    const verdict = (proof: Buffer, now: number): CookieVerdict => cookies.input(proof, '192.0.2.1', 5, now);
    const [first, second] = [spend(cookies, 7), spend(cookies, 8)];
    for (let id = 3; id <= SPENT_LIMIT; id++) spendNumber(cookies, id, 1);
    expect([verdict(first, 1), verdict(second, 1)]).toEqual([CookieVerdict.Spent, CookieVerdict.Spent]);
    spendNumber(cookies, 1, 1);
    expect([verdict(first, 1), verdict(second, 1)]).toEqual([CookieVerdict.Proved, CookieVerdict.Spent]);
    // Those of the next window are counted for themselves.
    spendNumber(cookies, 2, 30_000);
    expect(verdict(second, 30_000)).toBe(CookieVerdict.Spent);
  });

  test('an ID that was spent two windows ago is as good as any other', () => {
    const cookies = new ArqCookies(5000, SECRET);
    const id = idOf('192.0.2.9', 5, 7, 2);
    spendNumber(cookies, id, 0);
    expect(issued(cookies, '192.0.2.9', 5, 7, 60_000)).toBe(id);
    expect(cookies.input(packet(7, id), '192.0.2.9', 5, 60_000)).toBe(CookieVerdict.Proved);
  });
});

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Live bytes of the heap and beside it. */
function settledHeap(): number {
  collect();
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
