import { expect, test } from 'vitest';
import { Admission } from '../../src/connection/admission.ts';

test('a connection over the limit of its address uses up nothing of the rate that is for all', () => {
  const counters = { connections: 0, perAddress: 0, acceptRate: 0, blockedAddresses: 0 };
  const settings = {
    maxConnectionCount: 100,
    maxConnectionsPerAddress: 1,
    acceptsPerSecond: 5,
    allowList: null,
    blockList: null,
  };
  const admission = new Admission(settings, counters, { now: () => 0 });
  const key = admission.admit('192.0.2.1', 0);
  expect(key).not.toBeNull();
  for (let i = 0; i < 1000; i++) expect(admission.admit('192.0.2.1', 1)).toBeNull();
  expect(counters).toEqual({ connections: 0, perAddress: 1000, acceptRate: 0, blockedAddresses: 0 });
  // Four more may come in this second; a connection that the rate refuses holds no place.
  const others = Array.from({ length: 10 }, (_, i) => admission.admit(`198.51.100.${i}`, 1 + i));
  expect(others.filter((one) => one !== null)).toHaveLength(4);
  expect(counters).toMatchObject({ perAddress: 1000, acceptRate: 6 });
  admission.leave(key!);
  expect(admission.admit('192.0.2.1', 4)).toBeNull(); // the rate: no time has passed
  expect(counters).toMatchObject({ perAddress: 1000, acceptRate: 7 });
});
