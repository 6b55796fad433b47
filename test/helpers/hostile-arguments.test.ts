import { expect, test } from 'vitest';
import * as api from '../../src/helpers.ts';
import { hostile, Judge } from '../tools/hostile.ts';
import { publicMembers } from '../tools/public-members.ts';
import { makePool } from './thread-pool/support.ts';

const functions = Object.entries(api as Record<string, unknown>)
  .filter(([name, value]) => typeof value === 'function' && /^[a-z]/.test(name))
  .map(([name]) => name);
test('there are functions to attack', () => {
  expect(functions.length).toBeGreaterThan(40);
});

test.each(functions)('%s shows no more than 80 characters of a value', async (name) => {
  const judge = new Judge();
  await judge.attack(api, 'helpers', name);
  await judge.attack(api, 'helpers', name, ['abc', 'abc']);
  expect(judge.faults).toEqual([]);
});

test.each([
  ['createBrotliCompressor', api.createBrotliCompressor],
  ['createGZipCompressor', api.createGZipCompressor],
  ['createZLibCompressor', api.createZLibCompressor],
  ['createBrotliDecompressor', api.createBrotliDecompressor],
  ['createGZipDecompressor', api.createGZipDecompressor],
  ['createZLibDecompressor', api.createZLibDecompressor],
] as const)('what %s makes', async (name, make) => {
  const judge = new Judge();
  await judge.attack(
    make(() => {}),
    name,
    'process',
  );
  expect(judge.faults).toEqual([]);
});

test('ThreadPool: options, properties, and its methods while it is stopped and while it runs', async () => {
  const judge = new Judge();
  const members = publicMembers((name) => name === 'ThreadPool', 'helpers.ts');
  expect(members.length).toBeGreaterThan(5);
  const Maker = api.ThreadPool as unknown as new (...args: unknown[]) => Record<string, unknown>;
  for (const value of hostile) {
    judge.try('listener', () => new Maker(value));
    judge.try('hook', () => new Maker({ onShutdown: value }));
    judge.try('options', () => new Maker({}, value));
    const pool = new Maker();
    for (const { name } of members.filter(({ isMethod }) => !isMethod)) {
      judge.try(name, () => {
        pool[name] = value;
      });
    }
  }
  for (const isRunning of [false, true]) {
    for (const { name } of members.filter(({ isMethod }) => isMethod)) {
      const pool = makePool();
      if (isRunning) await pool.start(1);
      // A pool that is started with a hostile count has so many threads.
      if (!isRunning || !/^(start|stop|wait)$/.test(name)) {
        await judge.attack(pool, 'ThreadPool', name, name === 'start' ? [1] : []);
      }
      if (pool.hasStarted) await pool.stop();
    }
  }
  expect(judge.faults).toEqual([]);
});
