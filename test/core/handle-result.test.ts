import { describe, expect, test } from 'vitest';
import {
  HandleResult,
  handleResultNumber,
  TcpClient,
  TcpServer,
  UdpArqClient,
  UdpArqServer,
  UdpClient,
  UdpServer,
} from '../../src/index.ts';

test('what a hook answers has HP-Socket’s numbers: everything but Ignore and Error is Ok', () => {
  expect(Object.values(HandleResult).map(handleResultNumber)).toEqual([0, 1, 2]);
  for (const value of [undefined, null, 0, 1, 2, true, 'Error', {}]) expect(handleResultNumber(value)).toBe(0);
});

test('two copies of the library understand each other', () => {
  expect(HandleResult.Error).toBe(Symbol.for('hp-socket.HandleResult.Error'));
});

const pairs = {
  TCP: (server: object, client: object) => ({ server: new TcpServer(server), client: new TcpClient(client) }),
  UDP: (server: object, client: object) => ({ server: new UdpServer(server), client: new UdpClient(client) }),
  ARQ: (server: object, client: object) => ({ server: new UdpArqServer(server), client: new UdpArqClient(client) }),
};

describe.each(Object.entries(pairs))('over %s a hook that ends in an expression', (_name, pair) => {
  test.each([2, 1, true, false, 'text', null, { ok: false }, Symbol('Error')])(
    'and so returns %o goes on',
    async (value) => {
      const answers: string[] = [];
      let answered = (): void => {};
      const all = { onConnect: () => value, onHandShake: () => value, onAccept: () => value, onSend: () => value };
      const { server, client } = pair(
        {
          ...all,
          onReceive(self: TcpServer, connId: number, data: Buffer) {
            self.send(connId, data);
            return value;
          },
        },
        {
          ...all,
          onReceive(_self: unknown, _connId: number, data: Buffer) {
            answers.push(String(data));
            answered();
            return value;
          },
        },
      );
      const { port } = await server.start('127.0.0.1', 0);
      await client.start('127.0.0.1', port);
      for (const word of ['once', 'and once more']) {
        const answer = new Promise<void>((resolve) => {
          answered = resolve;
        });
        expect(client.send(word)).toBe(true);
        await answer;
      }
      expect(answers).toEqual(['once', 'and once more']);
      expect(server.connectionCount).toBe(1);
      await client.stop();
      await server.stop();
    },
  );
});
