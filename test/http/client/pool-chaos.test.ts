import type net from 'node:net';
import { describe, expect, it } from 'vitest';
import { Random } from '../../tools/random.ts';
import { seed } from '../../tools/seed.ts';
import { eachRequest, makeAgent, serveRaw, until } from './support.ts';

const count = process.env.HP_SOCKET_FULL === '1' ? 5000 : 600;

/** Writes `text` in pieces, each in a turn of its own. */
async function writeInPieces(socket: net.Socket, text: string, random: Random): Promise<void> {
  for (let at = 0; at < text.length; ) {
    const length = random.chance(0.5) ? text.length : random.int(1, 12);
    socket.write(text.slice(at, at + length), 'latin1');
    at += length;
    if (at < text.length) await new Promise(setImmediate);
  }
}

const lengthy = (path: string): string => `Content-Length: ${path.length}\r\n\r\n${path}`;
const chunked = (path: string): string =>
  `Transfer-Encoding: chunked\r\n\r\n${[...path].map((one) => `1\r\n${one}\r\n`).join('')}0\r\nX-T: ${path}\r\n\r\n`;

describe.each([
  { maxConnectionsPerOrigin: 1, pipelining: 1 },
  { maxConnectionsPerOrigin: 4, pipelining: 1 },
  { maxConnectionsPerOrigin: 3, pipelining: 4 },
])(
  'a pool of $maxConnectionsPerOrigin connections, $pipelining requests on each, and a server that does everything',
  (options) => {
    it('gives every request its own answer or an error, repeats only what may be, and loses nothing', async () => {
      const random = new Random(seed + options.pipelining);
      /** How often the server saw each path. */
      const seen = new Map<string, number>();
      const url = await serveRaw((socket) => {
        let turn = Promise.resolve();
        let isOver = false;
        const answer = async (request: string): Promise<void> => {
          const [method, path] = request.split(' ') as [string, string];
          if (isOver) return;
          seen.set(path, (seen.get(path) ?? 0) + 1);
          const interim = random.chance(0.1) ? 'HTTP/1.1 103 Early\r\nLink: x\r\n\r\n' : '';
          const whole = random.chance(0.5) ? lengthy(path) : chunked(path);
          const body = method === 'HEAD' ? whole.slice(0, whole.indexOf('\r\n\r\n') + 4) : whole;
          const kind = random.int(0, 19);
          if (random.chance(0.3)) await new Promise(setImmediate);
          if (kind === 0)
            socket.destroy(); // nothing of an answer
          else if (kind === 1) socket.end();
          else if (kind === 2) socket.resetAndDestroy();
          else if (kind === 3)
            socket.end(`${interim}HTTP/1.1 200 OK\r\n${lengthy(path)}`.slice(0, random.int(1, 30)), 'latin1');
          else if (kind === 4) socket.end(`${interim}HTTP/1.1 200 OK\r\nConnection: close\r\n${body}`, 'latin1');
          else if (kind === 5)
            socket.end(`HTTP/1.1 200 OK\r\n\r\n${method === 'HEAD' ? '' : path}`, 'latin1'); // until the end
          // With pipelining, an answer too many cannot be told from the next one.
          else if (kind === 6 && options.pipelining === 1)
            socket.write(`HTTP/1.1 200 OK\r\n${body}HTTP/1.1 200 OK\r\n${lengthy('/smuggled')}`, 'latin1');
          else if (kind === 7) socket.write('nonsense\r\n\r\n');
          else await writeInPieces(socket, `${interim}HTTP/1.1 200 OK\r\n${body}`, random);
          isOver = kind <= 7 && (kind !== 6 || options.pipelining === 1);
        };
        socket.on('end', () => socket.end());
        eachRequest(socket, (request) => {
          turn = turn.then(() => answer(request));
        });
      });
      const agent = await makeAgent({ ...options, maxQueuedRequests: count, queueTimeoutMs: 0, keepAliveTimeoutMs: 5 });
      let answered = 0;
      const ask = async (i: number): Promise<void> => {
        const method = ['GET', 'GET', 'POST', 'HEAD', 'PUT'][random.int(0, 4)]!;
        const controller = new AbortController();
        const isStreamed = random.chance(0.3);
        if (random.chance(0.05)) setImmediate(() => controller.abort());
        const path = `/${i}`;
        const init = { method, signal: controller.signal } as const;
        try {
          let text: string;
          if (isStreamed)
            text = await (await agent.request(url + path, { ...init, responseBody: 'stream' })).body.text();
          else text = (await agent.request(url + path, init)).text();
          expect([path, text]).toEqual([path, method === 'HEAD' ? '' : path]);
          answered++;
        } catch (error) {
          expect(error).toMatchObject({ name: 'SocketError' });
        }
        expect(seen.get(path) ?? 0).toBeLessThanOrEqual(method === 'POST' ? 1 : 2);
      };
      await Promise.all(
        Array.from({ length: 12 }, async (_, lane) => {
          for (let i = lane; i < count; i += 12) await ask(i);
        }),
      );
      expect(answered).toBeGreaterThan(count / 10); // most are, but how many is a matter of luck
      await until(() => agent.connectionCount === 0); // idle ones are closed
      expect(agent.poolStats()).toMatchObject({ origins: 0, connections: 0, connecting: 0, queued: 0, inFlight: 0 });
    });
  },
);
