/** What a server holds for its clients is bounded, and a pause holds back what is behind it. */
import { once } from 'node:events';
import net from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { HttpServer, type HttpServerOptions } from '../../src/http.ts';
import { serverPort } from './support.ts';

const sockets: net.Socket[] = [];
let server: HttpServer;

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  if (server?.hasStarted) await server.stop();
});

async function connect(port: number): Promise<net.Socket & { text: string }> {
  const socket = Object.assign(net.connect(port, '127.0.0.1'), { text: '' });
  sockets.push(socket);
  socket.on('error', () => {});
  socket.on('data', (data) => {
    socket.text += data.toString('latin1');
  });
  await once(socket, 'connect');
  return socket;
}

const post = (length: number): string => `POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ${length}\r\n\r\n`;

describe('maxCollectedBytes', () => {
  async function start(options: HttpServerOptions): Promise<{ port: number; answers: (() => void)[] }> {
    const answers: (() => void)[] = [];
    server = new HttpServer(
      {
        async onRequest(_s, _id, request) {
          const { length } = await request.bytes();
          answers.push(() => void request.respond(`${length}`));
        },
      },
      options,
    );
    const { port } = await server.start('127.0.0.1', 0);
    return { port: port!, answers };
  }

  describe.each(['collect', 'stream'] as const)('requestBody: %s', (requestBody) => {
    it('a body beyond it is refused with 503, those before it are answered, and then there is room again', async () => {
      const { port, answers } = await start({ requestBody, maxCollectedBytes: 1000 });
      const first = await connect(port);
      first.write(post(600) + 'x'.repeat(600));
      await expect.poll(() => answers.length).toBe(1);
      expect(server.httpStats().collectedBytes).toBe(600);
      const second = await connect(port);
      second.write(post(600) + 'x'.repeat(300));
      await expect.poll(() => server.httpStats().collectedBytes).toBe(900);
      second.write('x'.repeat(300));
      await expect.poll(() => second.text).toMatch(/^HTTP\/1\.1 503 /);
      expect(server.httpStats()).toMatchObject({ collectedBytesFull: 1, collectedBytes: 600 });
      answers.pop()!();
      await expect.poll(() => first.text).toMatch(/\r\n\r\n600$/);
      expect(server.httpStats().collectedBytes).toBe(0);
      const third = await connect(port);
      third.write(post(900) + 'x'.repeat(900));
      await expect.poll(() => answers.length).toBe(1);
      answers.pop()!();
      await expect.poll(() => third.text).toMatch(/\r\n\r\n900$/);
    });

    it('a body alone may be longer', async () => {
      const { port, answers } = await start({ requestBody, maxCollectedBytes: 10 });
      const socket = await connect(port);
      socket.write(post(1000) + 'x'.repeat(1000));
      await expect.poll(() => answers.length).toBe(1);
      answers.pop()!();
      await expect.poll(() => socket.text).toMatch(/\r\n\r\n1000$/);
    });

    it.each(['in the middle of the body', 'before the answer'])('nothing is held behind a reset %s', async (when) => {
      const { port } = await start({ requestBody });
      const socket = await connect(port);
      const length = when === 'before the answer' ? 500 : 501;
      socket.write(post(length) + 'x'.repeat(500));
      await expect.poll(() => server.httpStats().collectedBytes).toBe(500);
      socket.resetAndDestroy();
      await expect.poll(() => server.httpStats().collectedBytes).toBe(0);
    });
  });

  it('pipelined requests count, and nothing is held when the client ends in the middle of one', async () => {
    const { port, answers } = await start({});
    const socket = await connect(port);
    socket.write(`${post(10)}0123456789`.repeat(3));
    await expect.poll(() => answers.length).toBe(3);
    expect(server.httpStats().collectedBytes).toBe(30);
    socket.write(`${post(10)}01234`);
    await expect.poll(() => server.httpStats().collectedBytes).toBe(35);
    socket.write(`56789${post(10)}0123`);
    await expect.poll(() => server.httpStats().collectedBytes).toBe(44);
    const ended = once(socket, 'close');
    socket.end();
    await ended;
    await expect.poll(() => server.httpStats().collectedBytes).toBe(0);
  });

  it('0 is no limit', async () => {
    const { port, answers } = await start({ maxCollectedBytes: 0 });
    for (let i = 0; i < 5; i++) (await connect(port)).write(post(1000) + 'x'.repeat(1000));
    await expect.poll(() => answers.length).toBe(5);
    expect(server.httpStats()).toMatchObject({ collectedBytes: 5000, collectedBytesFull: 0 });
  });
});

describe('pauseReceive in a hook', () => {
  const text =
    'POST /a HTTP/1.1\r\nHost: h\r\nX: 1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: 1\r\n\r\n' +
    'GET /b HTTP/1.1\r\nHost: h\r\n\r\n';
  const hooks = [
    'onMessageBegin',
    'onRequestLine',
    'onHeader',
    'onHeadersComplete',
    'onBody',
    'onChunkHeader',
    'onChunkComplete',
    'onMessageComplete',
  ] as const;

  it.each(hooks)('%s: nothing fires until the connection goes on', (pausing) => {
    const log: string[] = [];
    const listener: Record<string, (...args: unknown[]) => void> = {};
    for (const hook of hooks)
      listener[hook] = (...args) => {
        log.push(`${hook} ${args.slice(2).join(' ')}`);
        if (hook === pausing) port.isPaused = mayPause;
      };
    let mayPause = true;
    const { port } = serverPort({ listener });
    port.receive(text);
    let pauses = 0;
    while (port.isPaused) {
      pauses++;
      expect(log.filter((entry) => entry.startsWith(`${pausing} `))).toHaveLength(pauses);
      expect(log.at(-1)).toMatch(new RegExp(`^${pausing} `));
      port.isPaused = false;
      port.resume();
    }
    expect(pauses).toBe(log.filter((entry) => entry.startsWith(`${pausing} `)).length);
    const paused = log.splice(0);
    mayPause = false;
    port.receive(text);
    expect(log.filter((entry) => entry.startsWith('onMessageBegin'))).toHaveLength(2);
    expect(paused).toEqual(log);
  });

  it('on a server: requests behind it wait, and come when it goes on', async () => {
    const paths: string[] = [];
    server = new HttpServer({
      onRequest: (s, id, request) => {
        paths.push(request.path);
        if (request.path === '/1') s.pauseReceive(id, true);
        request.respond('ok');
      },
    });
    const { port } = await server.start('127.0.0.1', 0);
    const socket = await connect(port!);
    socket.write([1, 2, 3].map((i) => `GET /${i} HTTP/1.1\r\nHost: h\r\n\r\n`).join(''));
    await expect.poll(() => socket.text).toMatch(/ok$/);
    expect(paths).toEqual(['/1']);
    const [id] = server.getAllConnectionIDs();
    server.pauseReceive(id!, false);
    await expect.poll(() => paths).toEqual(['/1', '/2', '/3']);
  });
});

describe('many slow clients', () => {
  /** `count` connections that have sent `text`, and a client that asks 20 times meanwhile and is answered each time. */
  async function besides(
    count: number,
    text: string,
    options: HttpServerOptions,
  ): Promise<(net.Socket & { text: string })[]> {
    const piece = Buffer.alloc(64 * 1024, 'x');
    server = new HttpServer(
      {
        async onRequest(_s, _id, request) {
          if (request.path !== '/endless') return void request.respond('ok');
          async function* endless(): AsyncGenerator<Buffer> {
            for (;;) yield piece;
          }
          await request.respond({ body: endless() });
        },
      },
      options,
    );
    const { port } = await server.start('127.0.0.1', 0);
    const slow = await Promise.all(Array.from({ length: count }, () => connect(port!)));
    for (const socket of slow) socket.write(text);
    const probe = await connect(port!);
    for (let i = 1; i <= 20; i++) {
      probe.write('GET /probe HTTP/1.1\r\nHost: h\r\n\r\n');
      await expect.poll(() => probe.text.split('\r\n\r\nok').length - 1, { interval: 1, timeout: 20_000 }).toBe(i);
    }
    // On a busy machine the first deadlines may have passed.
    if (options.headTimeoutMs === undefined) expect(server.connectionCount).toBe(count + 1);
    return slow;
  }

  it('1,000 heads that do not end', async () => {
    const slow = await besides(1000, 'GET / HTTP/1.1\r\nHost: h\r\nX: ', { headTimeoutMs: 3000 });
    await expect.poll(() => slow.every(({ text }) => text.startsWith('HTTP/1.1 408 ')), { timeout: 20_000 }).toBe(true);
    expect(server.httpStats().headTimeouts).toBe(1000);
  });

  it.each([
    ['bodies', post(100)],
    ['chunks', 'POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n'],
    ['trailers', 'POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX'],
  ])('1,000 %s that do not end', async (_what, text) => {
    await besides(1000, text, {});
    expect(server.httpStats().messages).toBe(1020);
  });

  it('100 clients that do not read', async () => {
    const slow = await besides(0, '', {});
    for (let i = 0; i < 100; i++) {
      const socket = await connect(server.getListenAddress()!.port);
      socket.pause();
      socket.write('GET /endless HTTP/1.1\r\nHost: h\r\n\r\n');
      slow.push(socket);
    }
    await expect.poll(() => server.httpStats().messages).toBe(120);
    const probe = await connect(server.getListenAddress()!.port);
    for (let i = 1; i <= 20; i++) {
      probe.write('GET /probe HTTP/1.1\r\nHost: h\r\n\r\n');
      await expect.poll(() => probe.text.split('\r\n\r\nok').length - 1, { interval: 1, timeout: 20_000 }).toBe(i);
    }
    for (const id of server.getAllConnectionIDs())
      expect(server.getPendingDataLength(id) ?? 0).toBeLessThan(1024 * 1024);
  });
});

describe('messages without an end', () => {
  const chunked = 'POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n';
  it.each([
    ['one field', 'GET / HTTP/1.1\r\nHost: h\r\nX: ', 'x', 431, 'headTooLarge'],
    ['fields', 'GET / HTTP/1.1\r\nHost: h\r\n', 'x: y\r\n', 431, 'tooManyFields'],
    ['a name', 'GET / HTTP/1.1\r\n', 'x', 431, 'headTooLarge'],
    ['a target', 'GET /', 'x', 414, 'targetTooLong'],
    ['a trailer', `${chunked}0\r\nX: `, 'x', 431, 'trailersTooLarge'],
    ['trailers', `${chunked}0\r\n`, 'x: y\r\n', 431, 'trailersTooLarge'],
    ['a chunk extension', `${chunked}1;`, 'x', 400, 'chunkExtensionsTooLong'],
    ['chunk extensions', chunked, '1;abcdefgh\r\nx\r\n', 400, 'chunkExtensionsTooLong'],
    ['a body', chunked, '10\r\n0123456789abcdef\r\n', 413, 'bodyTooLarge'],
  ] as const)('%s', async (_what, start, more, status, counter) => {
    server = new HttpServer({ onRequest: (_s, _id, request) => void request.respond('ok') });
    const { port } = await server.start('127.0.0.1', 0);
    const socket = await connect(port!);
    socket.write(start);
    const bytes = more.repeat(Math.ceil(16_384 / more.length));
    const ended = new Promise((resolve) => socket.on('end', resolve));
    for (let i = 0; i < 1000 && socket.text === ''; i++) {
      socket.write(bytes);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await ended;
    expect(socket.text).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(server.httpStats()[counter]).toBe(1);
    expect(server.httpStats().collectedBytes).toBe(0);
  });
});
