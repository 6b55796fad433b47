import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as api from '../../src/index.ts';
import { type PublicMember, publicMembers } from '../tools/public-members.ts';

/** What must not be seen in any message: neither as text, nor as the numbers of its bytes. */
const word = 'SECRET';
const secret = word.repeat(5000);
const wordBytes = [...Buffer.from(word)].join(',');

class Holder {
  password = secret;
  toString(): string {
    return secret;
  }
}

const hostile: readonly unknown[] = [
  Buffer.from(secret),
  new Uint8Array(Buffer.from(secret)),
  secret,
  { password: secret },
  { [secret]: 1 },
  new Holder(),
  [secret],
  [{ password: secret }],
  Symbol(secret),
  () => secret,
  10n ** 3000n,
  new Error(secret),
  Number.NaN,
  -1,
  null,
  undefined,
];

/** A part of `text` that shows more than 80 characters of a value, or '' if there is none. */
function leak(text: string): string {
  if (text.includes(word.repeat(14))) return 'a long text';
  if (text.includes(wordBytes)) return 'the numbers of bytes';
  return text.length > 1000 ? `a message of ${text.length} characters` : '';
}

const makers: Record<string, new (listener: object) => api.Component> = Object.fromEntries(
  Object.entries(api).filter(([name]) => /^(Tcp|Ssl|Udp).*(Server|Agent|Client|Cast|Node)$/.test(name)),
) as never;

let members: PublicMember[] = [];
const running: api.Component[] = [];

beforeAll(() => {
  members = publicMembers((name) => Object.hasOwn(makers, name));
}, 120_000);

afterAll(async () => {
  for (const component of running.splice(0)) await component[Symbol.asyncDispose]();
});

/** Calls `method` with each hostile value in each place, valid values before it; collects what is wrong with messages. */
async function attack(component: api.Component, method: string, valid: readonly unknown[]): Promise<string[]> {
  const faults: string[] = [];
  const judge = (what: string, thrown: unknown): void => {
    if (!(thrown instanceof Error)) faults.push(`${what} threw what is no error`);
    else if (leak(thrown.message) !== '')
      faults.push(`${what} shows ${leak(thrown.message)}: ${thrown.message.slice(0, 200)}`);
  };
  const call = (component as unknown as Record<string, (...args: unknown[]) => unknown>)[method]!;
  for (let at = 0; at < 4; at++) {
    for (const value of hostile) {
      const args = [...valid.slice(0, at), ...new Array(Math.max(at - valid.length, 0)).fill(undefined), value];
      const what = `${component.constructor.name}.${method}, argument ${at + 1}`;
      try {
        const result = await call.apply(component, args);
        (result as { destroy?(): void } | null)?.destroy?.();
      } catch (thrown) {
        judge(what, thrown);
      }
      if (component.lastFailure !== null) judge(`${what}, lastFailure`, component.lastFailure);
    }
  }
  return faults;
}

/** Ends what an attack may have started. */
async function calm(component: api.Component): Promise<void> {
  if (component.hasStarted) await component.stop();
  await component.wait(5000);
}

describe('no message shows bytes, or more than 80 characters of a value', () => {
  test('there are methods to attack', () => {
    expect(Object.keys(makers).length).toBeGreaterThanOrEqual(24);
    expect(members.filter(({ name }) => name === 'start')).toHaveLength(Object.keys(makers).length);
    expect(members.some(({ className, name }) => className === 'TcpPullServer' && name === 'fetch')).toBe(true);
  });

  test.each(Object.keys(makers))('%s, while it is stopped', { timeout: 120_000 }, async (className) => {
    const faults: string[] = [];
    for (const { name } of members.filter((one) => one.className === className && one.isMethod)) {
      const component = new makers[className]!({});
      faults.push(...(await attack(component, name, name === 'start' || name === 'connect' ? ['127.0.0.1', 1] : [1])));
      await calm(component);
    }
    expect(faults).toEqual([]);
  });

  test.each(Object.keys(makers))('options and properties of %s', (className) => {
    const faults: string[] = [];
    const Maker = makers[className] as unknown as new (listener: unknown, options?: unknown) => Record<string, unknown>;
    const judge = (what: string, act: () => unknown): void => {
      try {
        act();
      } catch (thrown) {
        const shown = leak((thrown as Error).message);
        if (shown !== '') faults.push(`${what} shows ${shown}`);
      }
    };
    const component = new Maker({});
    for (const value of hostile) {
      judge('listener', () => new Maker(value));
      judge('hook', () => new Maker({ onReceive: value }));
      judge('options', () => new Maker({}, value));
      for (const { name } of members.filter((one) => one.className === className && !one.isMethod)) {
        judge(name, () => {
          component[name] = value;
        });
      }
    }
    expect(faults).toEqual([]);
  });
});

describe('the same while they run and are connected', () => {
  const pairs: Record<string, [server: api.Component, client: api.Component]> = {
    TCP: [new api.TcpServer({}), new api.TcpClient({})],
    pull: [new api.TcpPullServer({}), new api.TcpPullClient({})],
    pack: [new api.TcpPackServer({}), new api.TcpPackClient({})],
    UDP: [new api.UdpServer({}), new api.UdpClient({})],
    ARQ: [new api.UdpArqServer({}), new api.UdpArqClient({})],
  };

  test.each(Object.entries(pairs))('%s', { timeout: 120_000 }, async (_name, [server, client]) => {
    running.push(client, server);
    const { port } = await (server as api.TcpServer).start('127.0.0.1', 0);
    await (client as api.TcpClient).start('127.0.0.1', port);
    const faults: string[] = [];
    for (const component of [server, client]) {
      const className = component.constructor.name;
      const valid = component === server ? [1] : [];
      for (const { name } of members.filter((one) => one.className === className && one.isMethod)) {
        // These end the run, or the connection that the other methods need.
        if (/^(start|stop|wait|disconnect.*|createStream|messages)$/.test(name)) continue;
        faults.push(...(await attack(component, name, valid)));
      }
    }
    expect(faults).toEqual([]);
    expect(client.state).toBe(api.ServiceState.Started);
  });
});
