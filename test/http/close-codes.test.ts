import net from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import {
  HttpAgent,
  HttpParseResult,
  HttpServer,
  type HttpServerHooks,
  type HttpServerOptions,
} from '../../src/http.ts';
import type { CloseInfo } from '../../src/index.ts';

type Stoppable = { hasStarted: boolean; stop(): Promise<unknown> };
const running: Stoppable[] = [];
const sockets: net.Socket[] = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const component of running.splice(0)) if (component.hasStarted) await component.stop();
});

/** A body that begins and does not end. */
async function* endless(): AsyncGenerator<string> {
  yield 'half';
  await new Promise(() => {});
}

/** A server, and how its first connection ended. */
async function serve(
  hooks: HttpServerHooks<HttpServer>,
  options: HttpServerOptions = {},
): Promise<{ server: HttpServer; port: number; closed: Promise<CloseInfo> }> {
  let settle: (info: CloseInfo) => void = () => {};
  const closed = new Promise<CloseInfo>((resolve) => {
    settle = resolve;
  });
  const onClose = (_s: unknown, _id: number, _operation: number, _code: number, info: CloseInfo): void => settle(info);
  const server = new HttpServer({ onHookError: () => {}, ...hooks, onClose }, options);
  running.push(server);
  const { port } = await server.start('127.0.0.1', 0);
  return { server, port, closed };
}

function talk(port: number, text: string): void {
  const socket = net.connect(port, '127.0.0.1', () => socket.write(text, 'latin1'));
  socket.on('error', () => {});
  socket.on('data', () => {});
  sockets.push(socket);
}

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const POST = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n123456789';

describe('a connection of HTTP that is cut says why by its code', () => {
  const boom = new Error('boom');
  const rows: [string, string, string, HttpServerHooks<HttpServer>, HttpServerOptions?][] = [
    ['no HTTP', 'HP_BAD_MESSAGE', '\x16\x03\x01\r\n\r\n', {}],
    ['no Host', 'HP_BAD_MESSAGE', 'GET / HTTP/1.1\r\n\r\n', {}],
    [
      'chunked that is not the last coding',
      'HP_BAD_MESSAGE',
      'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n',
      {},
    ],
    [
      'a head that is too large',
      'HP_MESSAGE_TOO_LARGE',
      `${GET.slice(0, -2)}a: ${'b'.repeat(2000)}\r\n\r\n`,
      {},
      { maxHeadBytes: 1024 },
    ],
    [
      'a length that is too large',
      'HP_MESSAGE_TOO_LARGE',
      `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${2 ** 53}\r\n\r\n`,
      {},
    ],
    ['a body that is too large', 'HP_MESSAGE_TOO_LARGE', POST, { onRequest: () => {} }, { maxBodyBytes: 8 }],
    ['a head that comes too slowly', 'ETIMEDOUT', GET.slice(0, -2), {}, { headTimeoutMs: 50 }],
    ['a hook that answers Error', 'HP_HOOK_REFUSED', GET, { onHeadersComplete: () => HttpParseResult.Error }],
    ['the same later', 'HP_HOOK_REFUSED', GET, { onMessageComplete: () => Promise.resolve(HttpParseResult.Error) }],
    ['a hook that throws', 'HP_HOOK_FAILED', GET, { onHeadersComplete: () => Promise.reject(boom) }],
    [
      'a handler that fails in the middle of its answer',
      'HP_HOOK_FAILED',
      GET,
      {
        onRequest: async (_server, _id, request) => {
          void request.respond({ body: endless() });
          await turn();
          throw boom;
        },
      },
    ],
  ];
  it.each(rows)('%s: %s', async (_what, code, text, hooks, options) => {
    const { port, closed } = await serve(hooks, options);
    talk(port, text);
    const info = await closed;
    expect(info).toMatchObject({ code, endedBy: 'local' });
    if (code === 'HP_HOOK_FAILED') expect(info.error?.cause).toBe(boom);
  });

  it('bytes after a release: this side gave the connection up (REL-001)', async () => {
    const { server, port, closed } = await serve({
      onMessageComplete: (_s, id) => void server.release(id),
    });
    talk(port, GET + GET);
    expect(await closed).toMatchObject({ code: 'HP_ABORTED', errorCode: 125, endedBy: 'local' });
  });

  it.each([
    ['is aborted', 'HP_ABORTED', {}],
    ['is not answered in time', 'ETIMEDOUT', { responseTimeoutMs: 50 }],
  ])('a client whose request %s: %s', async (_what, code, options) => {
    const abort = new AbortController();
    const { port } = await serve({
      onRequest: () => {
        if (code === 'HP_ABORTED') abort.abort(boom);
      },
    });
    let settle: (info: CloseInfo) => void = () => {};
    const closed = new Promise<CloseInfo>((resolve) => {
      settle = resolve;
    });
    const agent = new HttpAgent({ onClose: (_s, _id, _operation, _code, info) => settle(info) }, options);
    running.push(agent);
    await agent.start();
    const failed = agent
      .request(`http://127.0.0.1:${port}/`, { signal: abort.signal })
      .catch((error: unknown) => error);
    expect(await failed).toMatchObject({ code });
    expect(await closed).toMatchObject({ code, endedBy: 'local' });
  });
});
