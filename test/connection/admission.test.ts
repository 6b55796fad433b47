import { BlockList } from 'node:net';
import { describe, expect, test } from 'vitest';
import { Admission, type AdmissionCounters, type AdmissionSettings } from '../../src/connection/admission.ts';

function make(
  settings: Partial<AdmissionSettings>,
  haveAddresses = true,
): {
  admission: Admission;
  counters: AdmissionCounters;
  clock: { time: number; now(): number };
} {
  const counters = { connections: 0, perAddress: 0, acceptRate: 0, blockedAddresses: 0 };
  const clock = {
    time: 0,
    now() {
      return this.time;
    },
  };
  const all = {
    maxConnectionCount: 100,
    maxConnectionsPerAddress: 0,
    acceptsPerSecond: 0,
    allowList: null,
    blockList: null,
    ...settings,
  };
  return { admission: new Admission(all, counters, clock, haveAddresses), counters, clock };
}

describe('admission', () => {
  test('without limits everybody comes in, and nothing is kept', () => {
    const { admission, counters } = make({});
    expect(admission.admit('192.0.2.1', 99)).toBe('');
    admission.leave('');
    expect(counters).toEqual({ connections: 0, perAddress: 0, acceptRate: 0, blockedAddresses: 0 });
  });

  test('maxConnectionCount: the count of now decides', () => {
    const { admission, counters } = make({ maxConnectionCount: 2 });
    expect(admission.admit('192.0.2.1', 1)).toBe('');
    expect(admission.admit('192.0.2.1', 2)).toBeNull();
    expect(counters.connections).toBe(1);
  });

  test('a peer that moves from where there is no address, or to there, is counted where there is one', () => {
    const { admission, counters } = make({ maxConnectionsPerAddress: 1 });
    expect(admission.admit('', 0)).toBe('');
    expect(admission.admit('192.0.2.1', 1)).toBe('192.0.2.1');
    expect(admission.move('', '192.0.2.1')).toBeNull();
    expect(counters.perAddress).toBe(1);
    expect(admission.move('', '192.0.2.2')).toBe('192.0.2.2');
    expect(admission.admit('192.0.2.2', 2)).toBeNull();
    for (const key of ['192.0.2.1', '192.0.2.2']) expect(admission.move(key, '')).toBe('');
    expect(admission.admit('192.0.2.1', 2)).toBe('192.0.2.1');
    const unlimited = make({}).admission;
    expect(unlimited.move('', '192.0.2.1')).toBe('');
  });

  test('maxConnectionsPerAddress: an IPv4 address, or all of an IPv6 /64; each place is given back once', () => {
    const { admission, counters } = make({ maxConnectionsPerAddress: 2 });
    for (const [one, other, stranger] of [
      ['192.0.2.1', '192.0.2.1', '192.0.2.2'],
      ['2001:db8:0:1::1', '2001:db8:0:1:ffff:ffff:ffff:ffff', '2001:db8:0:2::1'],
      ['fe80::1%eth0', 'fe80::2%eth1', 'fe80:0:0:1::1'],
      ['::1', '0:0:0:0:5::', '1::1'],
    ] as const) {
      counters.perAddress = 0;
      const first = admission.admit(one, 0);
      const second = admission.admit(other, 1);
      expect(first).toBe(second);
      expect(admission.admit(one, 2)).toBeNull();
      expect(admission.admit(other, 2)).toBeNull();
      expect(counters.perAddress).toBe(2);
      expect(admission.admit(stranger, 2)).not.toBeNull();
      admission.leave(first!);
      expect(admission.admit(other, 2)).toBe(first);
      expect(admission.admit(other, 2)).toBeNull();
    }
  });

  test('acceptsPerSecond: that many at once, then the average; refused ones cost nothing', () => {
    const { admission, counters, clock } = make({ acceptsPerSecond: 10 });
    const tryMany = (count: number): number =>
      Array.from({ length: count }, () => admission.admit('192.0.2.1', 0)).filter((key) => key !== null).length;
    expect(tryMany(30)).toBe(10);
    clock.time = 500;
    expect(tryMany(30)).toBe(5);
    clock.time = 100_000;
    expect(tryMany(30)).toBe(10);
    expect(counters.acceptRate).toBe(90 - 25);
  });

  test('lists: blocked wins over allowed, and comes before all other limits', () => {
    const blockList = new BlockList();
    blockList.addAddress('10.0.0.5');
    const { admission, counters } = make({
      allowList: ['10.0.0.0/24', '2001:db8::/32'],
      blockList,
      acceptsPerSecond: 2,
      maxConnectionsPerAddress: 2,
    });
    for (let i = 0; i < 5; i++) {
      expect(admission.admit('10.0.0.5', 0)).toBeNull();
      expect(admission.admit('10.0.1.1', 0)).toBeNull();
      expect(admission.admit('2001:db9::1', 0)).toBeNull();
    }
    expect(admission.admit('10.0.0.6', 0)).not.toBeNull();
    expect(admission.admit('2001:db8::1', 0)).not.toBeNull();
    expect(counters).toMatchObject({ blockedAddresses: 15, acceptRate: 0, perAddress: 0 });
  });

  test('peers on Unix domain sockets, which have no address, are on no list and count for no address', () => {
    const { admission } = make({ allowList: ['10.0.0.0/8'], maxConnectionsPerAddress: 1 }, false);
    for (let i = 0; i < 3; i++) expect(admission.admit('', 0)).toBe('');
  });

  test('peers that were gone before they were accepted, and have no address any more, pass no list', () => {
    for (const lists of [{ allowList: ['10.0.0.0/8'] }, { blockList: ['10.0.0.0/8'] }]) {
      const { admission, counters } = make(lists);
      expect(admission.admit('', 0)).toBe(null);
      expect(counters.blockedAddresses).toBe(1);
    }
    expect(make({ maxConnectionsPerAddress: 1 }).admission.admit('', 0)).toBe('');
  });
});
