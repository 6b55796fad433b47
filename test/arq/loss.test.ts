import { describe, expect, test } from 'vitest';
import { bulk, interactive, type KcpOptions } from '../../src/arq/settings.ts';
import { seed } from '../tools/seed.ts';
import { type Driver, type EchoResult, echoUnderLoss, type Line } from './echo-under-loss.ts';
import { SimulatedPair, transfer } from './simulation.ts';

const seeds = Array.from({ length: 50 }, (_, i) => i + 1);
const bad: Line = { delayMs: 5, jitterMs: 115, duplicateRate: 0.05 };
const fast: KcpOptions = { noDelay: true, turnoffCongestCtrl: true, resendByAcks: 2, flushInterval: 10 };
const congested: KcpOptions = { noDelay: true, flushInterval: 10 };

function mean(driver: Driver, options: KcpOptions, line: Line, serverDriver = driver): EchoResult {
  const sum: EchoResult = { took: 0, datagrams: 0, bytes: 0, copies: 0 };
  for (const one of seeds) {
    const result = echoUnderLoss(driver, one, options, line, serverDriver);
    for (const key of Object.keys(sum) as Array<keyof EchoResult>) sum[key] += result[key] / seeds.length;
  }
  return sum;
}

describe('200 messages of 300 bytes echoed, 16 in flight, 5 to 120 ms each way, 5 % duplicates, mean of 50 seeds', () => {
  // Measured with these seeds, HP-Socket's driver and ours: 7.1 and 5.3 s, 33.6 and 14.5 s, 3.4 and 3.1 s.
  for (const { name, options, lossRate, longestMs } of [
    { name: '30 % loss, nodelay, nc, resend 2', options: fast, lossRate: 0.3, longestMs: 7_000 },
    { name: '30 % loss, nodelay, congestion control', options: congested, lossRate: 0.3, longestMs: 32_000 },
    { name: '10 % loss, nodelay, nc, resend 2', options: fast, lossRate: 0.1, longestMs: 3_900 },
  ]) {
    test(`${name}: at most ${longestMs} ms, faster than HP-Socket's driver, with fewer datagrams`, () => {
      const theirs = mean('hp-socket', options, { ...bad, lossRate });
      const ours = mean('ours', options, { ...bad, lossRate });
      expect(ours.took).toBeLessThanOrEqual(longestMs);
      expect(ours.took).toBeLessThan(theirs.took);
      expect(ours.datagrams).toBeLessThan(theirs.datagrams * 0.7);
      expect(ours.bytes).toBeLessThan(theirs.bytes * 1.25);
      expect(ours.copies).toBeGreaterThan(0);
    });

    test(`${name}: one end driven as HP-Socket does, either one: no slower than both`, () => {
      const theirs = mean('hp-socket', options, { ...bad, lossRate });
      expect(mean('ours', options, { ...bad, lossRate }, 'hp-socket').took).toBeLessThan(theirs.took * 1.02);
      expect(mean('hp-socket', options, { ...bad, lossRate }, 'ours').took).toBeLessThan(theirs.took * 1.02);
    });
  }

  test('without loss, nothing is repeated, and datagrams are as few as those of plain gathering', () => {
    for (const options of [fast, congested, {}]) {
      const line = { delayMs: 30 };
      const plain = mean('gathering', options, line);
      const ours = mean('ours', options, line);
      expect(ours.copies).toBe(0);
      expect(ours.datagrams).toBeLessThanOrEqual(plain.datagrams);
      expect(ours.bytes).toBeLessThanOrEqual(plain.bytes);
      expect(ours.took).toBeLessThanOrEqual(plain.took);
    }
  });

  test('a slow and disorderly line that loses nothing is not taken for a lossy one', () => {
    const plain = mean('gathering', fast, bad);
    const ours = mean('ours', fast, bad);
    expect(ours.datagrams).toBeLessThan(plain.datagrams * 1.03);
    expect(ours.bytes).toBeLessThan(plain.bytes * 1.03);
  });

  test("KC-024: with congestion control the window opens as fast as with HP-Socket's datagrams, in clean lines and slow ones", () => {
    for (const line of [{ delayMs: 30 }, { delayMs: 30, bytesPerSecond: 20_000, queueBytes: 4_000 }]) {
      expect(mean('ours', congested, line).took).toBeLessThan(mean('hp-socket', congested, line).took);
    }
  });
});

describe('one way', () => {
  for (const [name, options] of Object.entries({ interactive, bulk, 'HP-Socket defaults': {} } satisfies Record<
    string,
    KcpOptions
  >)) {
    test(`KC-026: ${name}: 10,000 messages at 10 and 30 % loss arrive in order, with no more datagrams than without`, () => {
      for (const lossRate of [0.1, 0.3]) {
        const line = { delayMs: 20, jitterMs: 10, duplicateRate: 0.02, lossRate };
        const plain = new SimulatedPair(seed, options, line);
        transfer(plain, 10_000, 512, () => 200);
        const ours = new SimulatedPair(seed, { ...options, isGathered: true }, line);
        transfer(ours, 10_000, 512, () => 200);
        const sent = (pair: SimulatedPair): number => pair.a.kcp.stats().datagramsOut + pair.b.kcp.stats().datagramsOut;
        expect(sent(ours)).toBeLessThan(sent(plain) * 1.1);
      }
    });
  }
});

describe('what the wire sees', () => {
  test('KC-001 KC-005 KC-006: datagrams within the MTU; copies as the original; only what came is acknowledged, never from the future', () => {
    const received = [new Set<number>(), new Set<number>()];
    const payloads = [new Map<number, string>(), new Map<number, string>()];
    let repeatedAcks = 0;
    let repeatedPushes = 0;
    const acked = [new Set<number>(), new Set<number>()];
    const line: Line = { ...bad, lossRate: 0.3 };
    line.onSent = (from, datagram, now) => {
      expect(datagram.length).toBeLessThanOrEqual(1432);
      for (let at = 0; at < datagram.length; at += 24 + datagram.readUInt32LE(at + 20)) {
        const sn = datagram.readUInt32LE(at + 12);
        expect(datagram.readUInt32LE(at)).toBe(from + 1);
        expect(datagram.readInt32LE(at + 8)).toBeLessThanOrEqual(now);
        if (datagram[at + 4] === 82) {
          expect(received[from]).toContain(sn);
          if (acked[from]!.has(sn)) repeatedAcks++;
          acked[from]!.add(sn);
          continue;
        }
        const content = datagram.toString('hex', at + 24, at + 24 + datagram.readUInt32LE(at + 20));
        if (payloads[from]!.has(sn)) repeatedPushes++;
        expect(payloads[from]!.get(sn) ?? content).toBe(content);
        payloads[from]!.set(sn, content);
      }
    };
    line.onDelivered = (to, datagram) => {
      for (let at = 0; at < datagram.length; at += 24 + datagram.readUInt32LE(at + 20)) {
        if (datagram[at + 4] === 81) received[to]!.add(datagram.readUInt32LE(at + 12));
      }
    };
    const { copies } = echoUnderLoss('ours', seed, fast, line);
    expect(copies).toBeGreaterThan(0);
    expect(repeatedPushes).toBeGreaterThan(copies);
    expect(repeatedAcks).toBeGreaterThan(0);
  });
});
