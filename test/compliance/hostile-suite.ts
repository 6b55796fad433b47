import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Component } from '../../src/index.ts';
import { hostile, Judge } from '../tools/hostile.ts';
import { type PublicMember, publicMembers } from '../tools/public-members.ts';

type Maker = new (listener: unknown, options?: unknown) => Component & Record<string, unknown>;

/** A server and a client of it, connected, and what else there is to attack. */
export interface HostilePair {
  server: Component;
  client: Component;
  /** Objects of the run, such as a connection. */
  others?: object[];
}

export interface HostileFamily {
  /** Module of `src/` that exports the components, and its name. */
  api: object;
  entry: string;
  /** Names of the components. */
  components: RegExp;
  /** Arguments in front of a hostile one, for methods that need more than the ID of a connection. */
  valid?: (method: string) => readonly unknown[] | undefined;
  /** Starts and connects both ends. */
  pairs: Record<string, () => Promise<HostilePair>>;
  /** Methods that end the run, or the connection that other methods need. */
  ending: RegExp;
  /** Whether each method gets a pair of its own, because most of them use the connection up. */
  isFresh?: boolean;
}

/** No message shows bytes, or more than 80 characters of a value, whatever the arguments are; and nothing but an `Error` is thrown. */
export function hostileSuite(family: HostileFamily): void {
  const makers = Object.fromEntries(
    Object.entries(family.api).filter(([name]) => family.components.test(name)),
  ) as Record<string, Maker>;
  const running: Component[] = [];
  const rejections: unknown[] = [];
  const onRejection = (reason: unknown): void => void rejections.push(reason);
  let members: PublicMember[] = [];

  beforeAll(() => {
    members = publicMembers(() => true, family.entry);
    process.on('unhandledRejection', onRejection);
  }, 120_000);

  afterAll(async () => {
    for (const component of running.splice(0)) await component[Symbol.asyncDispose]();
    process.off('unhandledRejection', onRejection);
    expect(rejections).toEqual([]);
  });

  const methodsOf = (className: string): string[] =>
    members.filter((one) => one.className === className && one.isMethod).map(({ name }) => name);

  /** Ends what an attack may have started. */
  async function calm(component: Component): Promise<void> {
    if (component.hasStarted) await component.stop();
    await component.wait(5000);
  }

  describe('no message shows bytes, or more than 80 characters of a value', () => {
    test('there are methods to attack', () => {
      expect(Object.keys(makers).length).toBeGreaterThan(2);
      for (const className of Object.keys(makers)) expect(methodsOf(className).length).toBeGreaterThan(5);
    });

    test.each(Object.keys(makers))('%s, while it is stopped', { timeout: 120_000 }, async (className) => {
      const judge = new Judge();
      for (const name of methodsOf(className)) {
        const component = new makers[className]!({});
        const isStart = name === 'start' || name === 'connect';
        const valid = family.valid?.(name) ?? (isStart ? ['127.0.0.1', 1] : [1]);
        await judge.attack(component, className, name, valid);
        await calm(component);
      }
      expect(judge.faults).toEqual([]);
    });

    test.each(Object.keys(makers))('options and properties of %s', (className) => {
      const judge = new Judge();
      const Maker = makers[className]!;
      const component = new Maker({}) as Record<string, unknown>;
      for (const value of hostile) {
        judge.try('listener', () => new Maker(value));
        judge.try('hook', () => new Maker({ onReceive: value }));
        judge.try('options', () => new Maker({}, value));
        for (const { name } of members.filter((one) => one.className === className && !one.isMethod)) {
          judge.try(name, () => {
            component[name] = value;
          });
        }
      }
      expect(judge.faults).toEqual([]);
    });
  });

  describe('the same while they run and are connected', () => {
    test.each(Object.entries(family.pairs))('%s', { timeout: 120_000 }, async (_name, make) => {
      const judge = new Judge();
      const first = await make();
      running.push(first.client, first.server);
      for (const index of [first.server, first.client, ...(first.others ?? [])].keys()) {
        const className = [first.server, first.client, ...(first.others ?? [])][index]!.constructor.name;
        for (const name of methodsOf(className)) {
          if (family.ending.test(name)) continue;
          const pair = family.isFresh === true ? await make() : first;
          const target = [pair.server, pair.client, ...(pair.others ?? [])][index]!;
          await judge.attack(target, className, name, family.valid?.(name) ?? (index === 0 ? [1] : []));
          if (pair === first) continue;
          await calm(pair.client);
          await calm(pair.server);
        }
      }
      expect(judge.faults).toEqual([]);
      expect(first.client.hasStarted && first.server.hasStarted).toBe(true);
    });
  });
}
