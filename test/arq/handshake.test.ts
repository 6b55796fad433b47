import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  ArqHandshake,
  HANDSHAKE_BYTES,
  handshakePeerId,
  handshakeSelfId,
  isHandshake,
  isHandshakeComplete,
  nextConversationId,
  seedConversationIds,
  writeHandshake,
} from '../../src/arq/handshake.ts';
import { Errno } from '../../src/core/errno.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

function packet(selfId: number, peerId: number, isComplete = false): Buffer {
  const out = Buffer.alloc(HANDSHAKE_BYTES);
  writeHandshake(out, selfId, peerId, isComplete);
  return out;
}

/** What the machine sends at `now`, as `{self, peer, flag}` text, or ''. */
function poll(handshake: ArqHandshake, now: number): string {
  const out = Buffer.alloc(HANDSHAKE_BYTES);
  if (!handshake.poll(now, out)) return '';
  expect(isHandshake(out)).toBe(true);
  return `${handshakeSelfId(out)} ${handshakePeerId(out)} f${out[3]}`;
}

const C = 0x69010002;
const S = 0xf0000003;

describe('the packet', () => {
  test('AQ-006 AQ-007 AQ-008 AQ-009 AQ-010 AQ-011: bytes, little-endian', () => {
    // As recorded from an HP-Socket client.
    expect(packet(0x024b6901, 0)).toEqual(hex('4f bb 01 00 01 69 4b 02 00 00 00 00'));
    expect(packet(0xf1f2f3f4, 0x01020304, true)).toEqual(hex('4f bb 01 01 f4 f3 f2 f1 04 03 02 01'));
    const read = hex('4f bb 01 01 f4 f3 f2 f1 04 03 02 01');
    expect([handshakeSelfId(read), handshakePeerId(read), isHandshakeComplete(read)]).toEqual([
      0xf1f2f3f4,
      0x01020304,
      true,
    ]);
  });

  test('AQ-021: every other magic, command and flag is EBADMSG, in every state', () => {
    for (const [at, good] of [
      [0, [0x4f]],
      [1, [0xbb]],
      [2, [0x01]],
      [3, [0x00, 0x01]],
    ] as const) {
      for (let value = 0; value < 256; value++) {
        const datagram = packet(S, 0);
        datagram[at] = value;
        const isGood = (good as readonly number[]).includes(value);
        expect(isHandshake(datagram)).toBe(isGood);
        expect(new ArqHandshake(C, 0, 60, 5000).input(datagram, 0)).toBe(isGood ? 0 : Errno.EBADMSG);
        const ready = new ArqHandshake(C, 0, 60, 5000);
        ready.prove(S, true);
        expect(ready.input(datagram, 0)).toBe(isGood ? 0 : Errno.EBADMSG);
      }
    }
    for (let length = 0; length < 40; length++) {
      expect(isHandshake(Buffer.concat([packet(S, 0), Buffer.alloc(28)]).subarray(0, length))).toBe(length === 12);
    }
  });

  test('AQ-012: IDs count up from the clock, skip 0, and wrap around', () => {
    const first = nextConversationId(1000);
    expect([nextConversationId(), nextConversationId()]).toEqual([(first + 1) >>> 0, (first + 2) >>> 0]);
    seedConversationIds(0xfffffffe);
    expect([nextConversationId(), nextConversationId(), nextConversationId()]).toEqual([0xffffffff, 1, 2]);
  });
});

describe('the schedule', () => {
  test('AQ-013 AQ-014: the first packet at once, with peerID 0; then after min(interval * n, 2000) ms', () => {
    const handshake = new ArqHandshake(C, 100, 60, 20_000);
    const times: number[] = [];
    for (let now = 100; now < 20_000; now++) {
      const sent = poll(handshake, now);
      if (sent !== '') {
        expect(sent).toBe(`${C} 0 f0`);
        times.push(now - 100);
      }
    }
    const waits = times.slice(1).map((at, i) => at - times[i]!);
    expect(times[0]).toBe(0);
    expect(waits.slice(0, 5)).toEqual([60, 120, 180, 240, 300]);
    expect(waits).toEqual(waits.map((_, i) => Math.min(60 * (i + 1), 2000)));
    expect(waits.at(-1)).toBeLessThanOrEqual(2000);
  });

  test('AQ-014: nextDueMs is when poll has something', () => {
    const handshake = new ArqHandshake(C, 0, 10, 5000);
    let count = 0;
    for (let now = 0; !handshake.isTimedOut(now); now = handshake.nextDueMs) {
      if (poll(handshake, now) !== '') count++;
    }
    // 10 + 20 + ... + 310 = 4960
    expect(count).toBe(32);
  });

  test('AQ-015: the first packet of the peer resets the count and is answered at once', () => {
    const handshake = new ArqHandshake(C, 0, 60, 5000);
    poll(handshake, 0);
    poll(handshake, 60);
    expect(poll(handshake, 100)).toBe('');
    expect(handshake.input(packet(S, 0), 100)).toBe(0);
    expect([handshake.peerId, handshake.isReady]).toEqual([S, false]);
    expect(poll(handshake, 100)).toBe(`${C} ${S} f0`);
    expect(handshake.nextDueMs).toBe(160);
    expect(handshake.input(packet(S, 0), 101)).toBe(0);
    expect(poll(handshake, 101)).toBe('');
    expect(poll(handshake, 160)).toBe(`${C} ${S} f0`);
    expect(handshake.nextDueMs).toBe(280);
  });

  test('a clock that jumps back does not silence it, and starts the timeout anew', () => {
    const handshake = new ArqHandshake(C, 1e9, 60, 5000);
    poll(handshake, 1e9);
    expect(poll(handshake, 1000)).not.toBe('');
    expect(handshake.isTimedOut(6000)).toBe(false);
    expect(handshake.isTimedOut(6001)).toBe(true);
  });
});

describe('what decides', () => {
  test('AQ-014: a packet leaves up to the very end of the time, and one at a time however long the interval', () => {
    const handshake = new ArqHandshake(C, 1000, 2000, 5000);
    const sent = (now: number): boolean => poll(handshake, now) !== '';
    expect([1000, 1000, 2999, 3000, 4999, 5000, 5000].map(sent)).toEqual([
      true,
      false,
      false,
      true,
      false,
      true,
      false,
    ]);
    const slow = new ArqHandshake(C, 1000, 1000, 5000);
    expect([1000, 2000, 4000, 6000].map((now) => poll(slow, now) !== '')).toEqual([true, true, true, true]);
    expect([slow.isTimedOut(6000), slow.isTimedOut(6001)]).toEqual([false, true]);
  });

  test('AQ-018: how old a first packet may be counts from the beginning, whatever the clock says', () => {
    const ready = new ArqHandshake(C, 1_000_000, 60, 5000);
    ready.input(packet(S, C), 1_000_000);
    expect([ready.input(packet(S, 0), 1_010_000), ready.input(packet(S, 0), 1_010_001)]).toEqual([0, Errno.ECONNRESET]);
  });

  test('AQ-017: only a flag makes complete, and only our own packet with a flag ends the sending', () => {
    const handshake = new ArqHandshake(C, 0, 60, 5000);
    expect(poll(handshake, 0)).toBe(`${C} 0 f0`);
    handshake.input(packet(S, C), 1);
    handshake.input(packet(S, C), 2);
    expect([handshake.isReady, handshake.isComplete]).toEqual([true, false]);
    handshake.input(packet(S, C, true), 3);
    expect([handshake.isComplete, handshake.isSending]).toEqual([true, true]);
    expect(poll(handshake, 60)).toBe(`${C} ${S} f1`);
    expect(handshake.isSending).toBe(false);
  });

  test('AQ-016: the flag of a packet that does not name our ID counts', () => {
    const handshake = new ArqHandshake(C, 0, 60, 5000);
    handshake.input(packet(S, 0), 1);
    expect(handshake.isComplete).toBe(false);
    handshake.input(packet(S, 0, true), 2);
    expect([handshake.isReady, handshake.isComplete]).toEqual([false, true]);
    handshake.input(packet(S, C), 3);
    expect(poll(handshake, 3)).toBe(`${C} ${S} f1`);
    expect(handshake.isSending).toBe(false);
  });
});

describe('becoming ready', () => {
  test('AQ-016: a packet that names our ID makes ready, in one step or in two; its flag is ignored', () => {
    for (const flag of [false, true]) {
      const one = new ArqHandshake(C, 0, 60, 5000);
      expect(one.input(packet(S, C, flag), 5)).toBe(0);
      expect([one.isReady, one.isComplete, one.peerId]).toEqual([true, false, S]);
      expect(poll(one, 5)).toBe(`${C} ${S} f1`);
      const two = new ArqHandshake(C, 0, 60, 5000);
      two.input(packet(S, 0), 5);
      two.input(packet(S, C, flag), 6);
      expect([two.isReady, two.isComplete]).toEqual([true, false]);
    }
  });

  test('AQ-016: before that, another selfID, or a peerID that is neither 0 nor ours, is ECONNRESET', () => {
    const handshake = (): ArqHandshake => {
      const h = new ArqHandshake(C, 0, 60, 5000);
      h.input(packet(S, 0), 0);
      return h;
    };
    expect(handshake().input(packet(S + 1, 0), 1)).toBe(Errno.ECONNRESET);
    expect(handshake().input(packet(S + 1, C), 1)).toBe(Errno.ECONNRESET);
    expect(handshake().input(packet(S, C + 1), 1)).toBe(Errno.ECONNRESET);
    expect(handshake().input(packet(S, 0), 1)).toBe(0);
    expect(new ArqHandshake(C, 0, 60, 5000).input(packet(S, C + 1), 0)).toBe(Errno.ECONNRESET);
  });

  test('AQ-017: sends flag 1 when ready, until a flag 1 comes', () => {
    const handshake = new ArqHandshake(C, 0, 60, 5000);
    handshake.input(packet(S, C), 0);
    const sent: string[] = [];
    for (let now = 0; now < 400; now++) sent.push(poll(handshake, now));
    expect(sent.filter((s) => s !== '')).toEqual(Array(4).fill(`${C} ${S} f1`));
    expect(handshake.isSending).toBe(true);
    handshake.input(packet(S, C, true), 400);
    expect([handshake.isComplete, handshake.isSending, handshake.nextDueMs]).toEqual([true, false, Infinity]);
  });

  test('AQ-018: when ready', () => {
    const ready = (): ArqHandshake => {
      const h = new ArqHandshake(C, 0, 60, 5000);
      h.input(packet(S, C), 0);
      return h;
    };
    expect(ready().input(packet(S + 1, C), 1)).toBe(Errno.ECONNRESET);
    expect(ready().input(packet(S + 1, 0), 1)).toBe(Errno.ECONNRESET);
    expect(ready().input(packet(S, C + 1), 1)).toBe(Errno.ECONNRESET);
    // A late copy of the peer's first packet is ignored up to twice the timeout, and then the peer is a new one.
    expect(ready().input(packet(S, 0), 10_000)).toBe(0);
    expect(ready().input(packet(S, 0), 10_001)).toBe(Errno.ECONNRESET);
    expect(ready().input(packet(S, C), 1e9)).toBe(0);
    // A peer that has not seen our flag 1 asks for it with its own; it is answered when the schedule allows.
    const handshake = ready();
    expect(poll(handshake, 0)).toBe(`${C} ${S} f1`);
    handshake.input(packet(S, C, true), 30);
    expect(poll(handshake, 30)).toBe('');
    handshake.input(packet(S, C, true), 70);
    expect(poll(handshake, 70)).toBe(`${C} ${S} f1`);
    handshake.input(packet(S, C, true), 6000);
    expect(poll(handshake, 6000)).toBe('');
  });

  test('AQ-019: times out when not ready, and when ready without ever having seen flag 1', () => {
    const silent = new ArqHandshake(C, 1000, 60, 5000);
    expect([silent.isTimedOut(6000), silent.isTimedOut(6001)]).toEqual([false, true]);
    const half = new ArqHandshake(C, 1000, 60, 5000);
    half.input(packet(S, C), 1000);
    poll(half, 1000);
    expect([half.isTimedOut(6000), half.isTimedOut(6001)]).toEqual([false, true]);
    half.input(packet(S, C, true), 5999);
    expect(half.isTimedOut(1e9)).toBe(false);
  });
});

/** Two machines and a line: events are lists of what happens to the packets under way. */
class Exchange {
  readonly client = new ArqHandshake(C, 0, 60, 5000);
  readonly server = new ArqHandshake(S, 0, 60, 5000);
  readonly toServer: Buffer[] = [];
  readonly toClient: Buffer[] = [];
  readonly log: string[] = [];
  now = 0;

  tick(): void {
    this.emit(this.client, this.toServer, 'C');
    this.emit(this.server, this.toClient, 'S');
  }

  deliver(queue: Buffer[], at = 0): number {
    const [datagram] = queue.splice(at, 1);
    const side = queue === this.toServer ? this.server : this.client;
    const error = side.input(datagram!, this.now);
    this.tick();
    return error;
  }

  private emit(side: ArqHandshake, queue: Buffer[], name: string): void {
    const out = Buffer.alloc(HANDSHAKE_BYTES);
    if (!side.poll(this.now, out)) return;
    queue.push(out);
    const id = (value: number): string => (value === C ? 'c' : value === S ? 's' : '0');
    this.log.push(`${name}{${id(handshakeSelfId(out))},${id(handshakePeerId(out))},f${out[3]}}`);
  }
}

describe('both sides', () => {
  test("AQ-022: the typical exchange: the server comes into being with the client's first packet", () => {
    const x = new Exchange();
    x.tick();
    expect(x.log).toEqual(['C{c,0,f0}', 'S{s,0,f0}']);
    x.deliver(x.toServer);
    x.deliver(x.toClient, 1);
    expect(x.client.isReady).toBe(true);
    expect(x.log.slice(2)).toEqual(['S{s,c,f0}', 'C{c,s,f1}']);
    x.deliver(x.toServer);
    expect(x.server.isReady).toBe(true);
    x.now = 60;
    x.tick();
    expect(x.log.slice(4)).toEqual(['C{c,s,f1}', 'S{s,c,f1}']);
    while (x.toClient.length > 0) expect(x.deliver(x.toClient)).toBe(0);
    while (x.toServer.length > 0) expect(x.deliver(x.toServer)).toBe(0);
    expect([x.client.isComplete, x.server.isComplete]).toEqual([true, true]);
  });

  test('AQ-015 AQ-016: packets that cross', () => {
    const x = new Exchange();
    x.tick();
    expect(x.log).toEqual(['C{c,0,f0}', 'S{s,0,f0}']);
    x.deliver(x.toServer);
    x.deliver(x.toClient);
    expect(x.log.slice(2)).toEqual(['S{s,c,f0}', 'C{c,s,f0}']);
    x.deliver(x.toServer);
    x.deliver(x.toClient);
    expect([x.client.isReady, x.server.isReady]).toEqual([true, true]);
    x.now = 60;
    x.tick();
    x.deliver(x.toServer);
    x.deliver(x.toClient);
    expect([x.client.isComplete, x.server.isComplete]).toEqual([true, true]);
    expect([x.client.nextDueMs, x.server.nextDueMs]).toEqual([Infinity, Infinity]);
  });

  test('AQ-018: replays of all packets of the exchange, in any order, change nothing', () => {
    const seen = [packet(C, 0), packet(C, S), packet(C, S, true)];
    const server = new ArqHandshake(S, 0, 60, 5000);
    for (const datagram of seen) server.input(datagram, 0);
    fc.assert(
      fc.property(fc.array(fc.nat(2)), (order) => {
        for (const i of order) expect(server.input(seen[i]!, 9_999)).toBe(0);
        expect([server.isReady, server.isComplete, server.peerId]).toEqual([true, true, C]);
      }),
    );
  });

  test('two peers with the same ID as ours, or as each other, do not confuse it', () => {
    const a = new ArqHandshake(7, 0, 60, 5000);
    const b = new ArqHandshake(7, 0, 60, 5000);
    const out = Buffer.alloc(HANDSHAKE_BYTES);
    for (let now = 0; now < 300 && !(a.isComplete && b.isComplete); now++) {
      if (a.poll(now, out)) expect(b.input(Buffer.from(out), now)).toBe(0);
      if (b.poll(now, out)) expect(a.input(Buffer.from(out), now)).toBe(0);
    }
    expect([a.isComplete, b.isComplete]).toEqual([true, true]);
  });

  test('AQ-014 AQ-017: whatever is lost, repeated or reordered: both get complete while anything still arrives', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(fc.constantFrom('client', 'server'), fc.constantFrom('deliver', 'drop', 'repeat'), fc.nat(3)),
        ),
        fc.integer({ min: 1, max: 400 }),
        (events, step) => {
          const x = new Exchange();
          x.tick();
          for (const [to, what, at] of events) {
            const queue = to === 'client' ? x.toClient : x.toServer;
            if (queue.length > 0) {
              const i = at % queue.length;
              if (what === 'repeat') queue.push(Buffer.from(queue[i]!));
              if (what === 'drop') queue.splice(i, 1);
              else expect(x.deliver(queue, i)).toBe(0);
            }
            x.now = Math.min(x.now + step / 10, 1000);
            x.tick();
          }
          // Then the line is good.
          const until = x.now + 3000;
          while (x.now < until) {
            while (x.toServer.length > 0) expect(x.deliver(x.toServer)).toBe(0);
            while (x.toClient.length > 0) expect(x.deliver(x.toClient)).toBe(0);
            x.now += 10;
            x.tick();
          }
          expect([x.client.isComplete, x.server.isComplete]).toEqual([true, true]);
          expect([x.client.isSending, x.server.isSending]).toEqual([false, false]);
        },
      ),
      { numRuns: 300 },
    );
  });
});
