import { describe, expect, test } from 'vitest';
import { HandleResult, SocketErrorCode, SocketOperation } from '../../src/index.ts';
import { withoutRejections } from './chaos-users.ts';
import type { AnyDatagramHooks, DatagramFamily } from './datagram-family.ts';
import { deferred, until } from './family.ts';

const host = '127.0.0.1';

/** Async hooks of datagram components, which use their connection before and after what they wait for. */
export function datagramHandlerSuite(family: DatagramFamily): void {
  /** A server with `hooks` that notes how its connections end, and a client that notes what it gets. */
  async function pair(hooks: AnyDatagramHooks) {
    const closes: unknown[][] = [];
    const errors: string[] = [];
    const got: string[] = [];
    const server = family.server({
      ...hooks,
      onClose: (_self, _connId, operation, errorCode) => void closes.push([operation, errorCode]),
      onHookError: (_self, name, error: Error) => void errors.push(`${name}: ${error.message}`),
    });
    const { port } = await server.start(host, 0);
    const client = family.client({ onReceive: (_self, _connId, data: Buffer) => void got.push(data.toString()) });
    await client.start(host, port);
    return { server, client, closes, errors, got };
  }

  /** The same, with an `onReceive` that has been called and awaits `answer`. */
  async function thinking() {
    const answer = deferred<typeof HandleResult.Error>();
    const called = deferred();
    const both = await pair({
      onReceive: () => {
        called.resolve();
        return answer.promise;
      },
    });
    both.client.send('news');
    await called.promise;
    return { ...both, answer };
  }

  describe(`an async hook of ${family.name}`, () => {
    test.each(['onAccept', 'onHandShake'])('%s: what comes while its promise is pending waits', async (hook) => {
      const answer = deferred();
      const called = deferred();
      const order: string[] = [];
      const server = family.server({
        async [hook]() {
          called.resolve();
          await answer.promise;
          order.push(hook);
        },
        onReceive: (self, connId, data: Buffer) => {
          order.push(data.toString());
          self.send(connId, data);
        },
      });
      const { port } = await server.start(host, 0);
      const got: string[] = [];
      const client = family.client({ onReceive: (_self, _connId, data: Buffer) => void got.push(data.toString()) });
      const started = client.start(host, port);
      // Over ARQ there is no sending before the server has let the client in.
      const isEarly = !family.isReliable || hook === 'onHandShake';
      const send = (): void => {
        for (const text of ['one', 'two', 'three']) expect(client.send(text)).toBe(true);
      };
      if (isEarly) {
        await started;
        send();
      }
      await called.promise;
      if (isEarly) await until(() => server.stats().datagramsIn >= (family.isReliable ? 3 : 4));
      expect(order).toEqual([]);
      answer.resolve();
      if (!isEarly) {
        await started;
        send();
      }
      await until(() => got.length === 3);
      expect(order).toEqual([hook, 'one', 'two', 'three']);
      expect(got).toEqual(['one', 'two', 'three']);
      await client.stop();
      await server.stop();
    });

    test('onReceive: sends before and after what it waits for, in the order of its calls', async () => {
      const { server, client, closes, errors, got } = await pair({
        async onReceive(self, connId, data: Buffer) {
          self.send(connId, `${data} begins`);
          await new Promise((resolve) => setImmediate(resolve));
          self.send(connId, `${data} ends`);
        },
      });
      client.send('one');
      client.send('two');
      await until(() => got.length === 4);
      expect(got).toEqual(['one begins', 'one ends', 'two begins', 'two ends']);
      await client.stop();
      await until(() => closes.length === 1);
      expect(closes).toEqual([[SocketOperation.Close, 0]]);
      await server.stop();
      expect(errors).toEqual([]);
    });

    test.each([
      ['fails', SocketErrorCode.DataProc, ['onReceive: the handler failed']],
      ['answers Error', 125, []],
    ] as const)('ends its connection when it %s later: CLS-006, EV-S-04', async (what, code, told) => {
      const { answer, server, client, closes, errors } = await thinking();
      if (what === 'fails') answer.reject(new Error('the handler failed'));
      else answer.resolve(HandleResult.Error);
      await until(() => closes.length === 1);
      expect(closes).toEqual([[SocketOperation.Receive, code]]);
      await client.wait();
      expect(errors).toEqual(told);
      await server.stop();
    });

    test('that fails when its connection is gone ends nothing twice: EXO-001', () =>
      withoutRejections(async () => {
        const { answer, server, client, closes, errors } = await thinking();
        await server.stop();
        expect(closes).toEqual([[SocketOperation.Close, 0]]);
        answer.reject(new Error('too late'));
        await until(() => errors.length > 0);
        expect(errors).toEqual(['onReceive: too late']);
        expect(closes).toHaveLength(1);
        await client.wait();
      }));
  });
}
