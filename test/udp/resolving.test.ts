import { expect, test, vi } from 'vitest';
import { ServiceState, UdpClient } from '../../src/index.ts';

const lookup = vi.hoisted(() => vi.fn());
vi.mock('node:dns/promises', () => ({ lookup, default: { lookup } }));

test('a resolver that does not answer holds up neither stop nor a signal', async () => {
  lookup.mockImplementation(() => new Promise(() => {}));
  const client = new UdpClient({});
  const controller = new AbortController();
  const aborted = client.start('slow.example', 9, { signal: controller.signal });
  controller.abort();
  await expect(aborted).rejects.toMatchObject({ errnoName: 'ECANCELED' });
  expect(client.state).toBe(ServiceState.Stopped);
  const cancelled = client.start('slow.example', 9);
  const stopped = client.stop();
  await expect(cancelled).rejects.toMatchObject({ errnoName: 'ECANCELED' });
  await stopped;
  expect(client.state).toBe(ServiceState.Stopped);
});

test('a resolver that fails after the start was given up is no unhandled rejection', async () => {
  let fail = (_error: Error): void => {};
  lookup.mockImplementation(() => new Promise((_resolve, reject) => (fail = reject)));
  const client = new UdpClient({});
  const cancelled = client.start('slow.example', 9);
  await client.stop();
  await expect(cancelled).rejects.toMatchObject({ errnoName: 'ECANCELED' });
  fail(new Error('too late'));
});
