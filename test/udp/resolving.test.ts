import { expect, test, vi } from 'vitest';
import { ServiceState, UdpClient, UdpNode } from '../../src/index.ts';
import { Recorder, turns } from './tools.ts';

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

test('NODE-003: what a node sends to one host name keeps its order, however its resolver answers', async () => {
  const answers: Array<(address: string) => void> = [];
  lookup.mockImplementation(() => new Promise((resolve) => answers.push((address) => resolve({ address, family: 4 }))));
  const recorder = new Recorder();
  const receiver = new UdpNode(recorder.hooks as never);
  const { port } = await receiver.start('127.0.0.1', 0);
  const node = new UdpNode({}, { maxQueuedDatagrams: 3 });
  await node.start('127.0.0.1', 0);
  for (const text of ['1', '2', '3']) expect(node.send('slow.example', port, text)).toBe(true);
  expect([node.send('slow.example', port, '4'), node.lastSystemError]).toEqual([false, 105]);
  for (const answer of answers.reverse()) {
    answer('127.0.0.1');
    await turns(1);
  }
  await recorder.until('onReceive', 3);
  expect(recorder.of('onReceive').map((event) => event[3])).toEqual(['31', '32', '33']);
  expect(node.send('slow.example', port, '5')).toBe(true); // there is room again, and it is resolved anew
  answers.at(-1)!('127.0.0.1');
  await recorder.until('onReceive', 4);
  await node.stop();
  await receiver.stop();
});

test('a node that is stopped while a host name is resolved sends and tells nothing', async () => {
  let answer = (_error: Error): void => {};
  lookup.mockImplementation(() => new Promise((_resolve, reject) => (answer = reject)));
  const recorder = new Recorder();
  const node = new UdpNode(recorder.hooks as never);
  await node.start('127.0.0.1', 0);
  expect(node.send('slow.example', 9, 'x')).toBe(true);
  await node.stop();
  answer(new Error('no such host'));
  await turns();
  expect(recorder.names()).toEqual(['onPrepareListen', 'onShutdown']);
});
