import { once } from 'node:events';
import net from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { compress } from 'hono/compress';
import { stream, streamSSE } from 'hono/streaming';
import { afterEach, describe, expect, it } from 'vitest';
import {
  type FetchHandler,
  HttpServer,
  LightResponse,
  overrideGlobalObjects,
  type ServeOptions,
  serve,
} from '../../src/http.ts';

const running: HttpServer[] = [];
const sockets: net.Socket[] = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const server of running.splice(0)) if (server.hasStarted) await server.stop();
});

async function open(
  handler: FetchHandler | { fetch: FetchHandler },
  options: ServeOptions = {},
): Promise<{ url: string; server: HttpServer; port: number }> {
  const server = await serve(handler, { host: '127.0.0.1', ...options });
  running.push(server);
  const { port } = server.getListenAddress()!;
  return { server, port, url: `http://127.0.0.1:${port}` };
}

async function raw(port: number, text: string): Promise<string> {
  const socket = net.connect(port, '127.0.0.1');
  sockets.push(socket);
  socket.write(text);
  let received = '';
  for await (const piece of socket) received += piece;
  return received;
}

function canParse(url: string): boolean {
  try {
    new URL(url);
    return true;
  } catch {
    return false;
  }
}

describe('a fetch handler', () => {
  it('gets what was asked, as a Request', async () => {
    const { url } = await open(async (request, info) => {
      expect(request).toBeInstanceOf(Request);
      expect(info.connId).toBeGreaterThan(0);
      expect(info.request.path).toBe('/a');
      return Response.json({
        url: request.url,
        method: request.method,
        header: request.headers.get('x-a'),
        body: await request.text(),
        used: request.bodyUsed,
      });
    });
    const response = await fetch(`${url}/a?b=c`, {
      method: 'POST',
      body: 'text',
      headers: [
        ['X-A', '1'],
        ['X-A', '2'],
      ],
    });
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(await response.json()).toEqual({
      url: `${url}/a?b=c`,
      method: 'POST',
      header: '1, 2',
      body: 'text',
      used: true,
    });
  });

  it('reads bodies in every way that a Request has', async () => {
    const { url } = await open(async (request) => {
      const path = new URL(request.url).pathname;
      if (path === '/json') return Response.json(await request.json());
      if (path === '/bytes') return new Response(await request.arrayBuffer());
      if (path === '/blob') return new Response(await request.blob());
      if (path === '/form') return new Response((await request.formData()).get('k') as string);
      if (path === '/clone') return new Response((await request.clone().text()) + (await request.text()));
      if (path === '/new')
        return new Response(
          await new Request(url, { method: 'POST', body: request.body, duplex: 'half' } as RequestInit).text(),
        );
      if (path === '/twice') {
        await request.text();
        return new Response(await request.text().catch((error: Error) => error.constructor.name));
      }
      return new Response(request.body);
    });
    const post = async (path: string, body: BodyInit): Promise<string> =>
      (await fetch(url + path, { method: 'POST', body })).text();
    expect(await post('/json', '{"a":1}')).toBe('{"a":1}');
    expect(await post('/bytes', 'bytes')).toBe('bytes');
    expect(await post('/blob', 'blob')).toBe('blob');
    expect(await post('/form', new URLSearchParams({ k: 'v' }))).toBe('v');
    expect(await post('/clone', 'x')).toBe('xx');
    expect(await post('/new', 'new')).toBe('new');
    expect(await post('/twice', 'x')).toBe('TypeError');
    const large = 'y'.repeat(3_000_000);
    expect(await post('/stream', large)).toBe(large);
  });

  type BodyInit = NonNullable<RequestInit['body']>;

  it('answers with everything that a Response can be', async () => {
    const answers: Record<string, () => Response> = {
      '/light': () => new LightResponse('light', { status: 201, headers: { 'x-a': 'b' } }) as unknown as Response,
      '/bytes': () => new LightResponse(new Uint8Array([104, 105])) as unknown as Response,
      '/cookies': () => {
        const response = new Response('c');
        response.headers.append('set-cookie', 'a=b');
        response.headers.append('set-cookie', 'c=d');
        return response;
      },
      '/empty': () => new Response(null, { status: 204 }),
      '/redirect': () => Response.redirect('http://example.org/', 307),
      '/reason': () => new Response('r', { statusText: 'Fine' }),
      '/json': () => LightResponse.json({ a: 1 }),
      '/framed': () => new Response('f', { headers: { 'Transfer-Encoding': 'chunked', 'content-length': '1' } }),
    };
    const { url } = await open((request) => answers[new URL(request.url).pathname]!());
    const get = async (path: string): Promise<[number, string | null, string]> => {
      const response = await fetch(url + path, { redirect: 'manual' });
      return [response.status, response.headers.get('content-type'), await response.text()];
    };
    expect(await get('/light')).toEqual([201, 'text/plain;charset=UTF-8', 'light']);
    expect(await get('/bytes')).toEqual([200, null, 'hi']);
    expect((await fetch(`${url}/cookies`)).headers.getSetCookie()).toEqual(['a=b', 'c=d']);
    expect(await get('/empty')).toEqual([204, null, '']);
    expect((await fetch(`${url}/redirect`, { redirect: 'manual' })).headers.get('location')).toBe(
      'http://example.org/',
    );
    expect((await fetch(`${url}/reason`)).statusText).toBe('Fine');
    expect(await get('/json')).toEqual([200, 'application/json', '{"a":1}']);
    expect(await get('/framed')).toEqual([200, 'text/plain;charset=UTF-8', 'f']);
  });

  it('cancels the stream of an answer when its client goes, before its first piece too', async () => {
    for (const pieces of [0, 1]) {
      let cancelled = (): void => {};
      const isCancelled = new Promise<void>((resolve) => {
        cancelled = resolve;
      });
      let asked = (): void => {};
      const isAsked = new Promise<void>((resolve) => {
        asked = resolve;
      });
      const { port } = await open(() => {
        asked();
        return new Response(
          new ReadableStream<Uint8Array>({
            start: (controller) => (pieces === 1 ? controller.enqueue(Buffer.from('piece')) : undefined),
            cancel: () => cancelled(),
          }),
        );
      });
      const socket = net.connect(port, '127.0.0.1');
      socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
      await isAsked;
      if (pieces === 1) await once(socket, 'data');
      socket.resetAndDestroy();
      await isCancelled;
    }
  });

  it('streams both ways at once', async () => {
    const { url } = await open(
      (request) =>
        new Response(
          request.body!.pipeThrough(new TextDecoderStream()).pipeThrough(
            new TransformStream<string, Uint8Array>({
              transform: (text, out) => out.enqueue(new TextEncoder().encode(text.toUpperCase())),
            }),
          ),
        ),
    );
    let release = (): void => {};
    async function* pieces(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('one ');
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      yield Buffer.from('two');
    }
    const response = await fetch(url, {
      method: 'POST',
      body: ReadableStream.from(pieces()),
      duplex: 'half',
    } as unknown as RequestInit);
    const reader = response.body!.getReader();
    expect(Buffer.from((await reader.read()).value!).toString()).toBe('ONE ');
    release();
    expect(Buffer.from((await reader.read()).value!).toString()).toBe('TWO');
    expect((await reader.read()).done).toBe(true);
  });

  it('is aborted when its client goes, and so is the source of its answer', async () => {
    let aborted = (): void => {};
    const isAborted = new Promise<void>((resolve) => {
      aborted = resolve;
    });
    let cancelled = (): void => {};
    const isCancelled = new Promise<void>((resolve) => {
      cancelled = resolve;
    });
    const { port } = await open((request) => {
      request.signal.addEventListener('abort', aborted);
      let count = 0;
      return new Response(
        new ReadableStream({
          async pull(controller) {
            if (count++ < 2) controller.enqueue(Buffer.from('x'));
            else await new Promise(() => {});
          },
          cancel: cancelled,
        }),
      );
    });
    const socket = net.connect(port, '127.0.0.1');
    sockets.push(socket);
    socket.write('GET / HTTP/1.1\r\nHost: h\r\n\r\n');
    await once(socket, 'data');
    socket.resetAndDestroy();
    await isAborted;
    await isCancelled;
  });

  it('becomes 500 when it throws, rejects, or returns something else, and is reported', async () => {
    const errors: string[] = [];
    const { url } = await open(
      (request) => {
        const path = new URL(request.url).pathname;
        if (path === '/throw') throw new Error('thrown');
        if (path === '/reject') return Promise.reject(new Error('rejected'));
        if (path === '/error') return Response.error();
        return 'text' as unknown as Response;
      },
      { onError: (error) => void errors.push((error as Error).message) },
    );
    for (const path of ['/throw', '/reject', '/error', '/text']) expect((await fetch(url + path)).status).toBe(500);
    expect(errors).toEqual([
      'thrown',
      'rejected',
      'the fetch handler returned Response.error()',
      'the fetch handler did not return a Response',
    ]);
  });

  it('gets URLs as the platform writes them, and no request without one', async () => {
    const seen: string[] = [];
    const failures: unknown[] = [];
    const { port } = await open(
      (request) => {
        seen.push(request.url);
        return new Response('x');
      },
      { onError: (error) => void failures.push(error) },
    );
    const ask = (target: string, host: string): Promise<string> =>
      raw(port, `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    for (const [target, host] of [
      ['/a/../b', 'h'],
      ['/%2e%2e/c', 'h'],
      ['/d', 'H:80'],
      ['//e', 'h:8080'],
      ['http://other/f', 'h'],
      ['/{}|"', 'h'],
      ['/g?h=%20', '127.0.0.1:1'],
    ] as const) {
      await ask(target, host);
      const url = target.startsWith('http') ? target : `http://${host}${target}`;
      expect(seen.pop(), target).toBe(new URL(url).href);
    }
    expect(await ask('/', 'a:')).toMatch(/^HTTP\/1\.1 200/);
    // It is the client's fault, of which no handler is told.
    seen.length = 0;
    for (const host of ['256.256.256.256', '1.2.3.4.5', 'a.0x1', '99999999999']) {
      expect(await ask('/', host), host).toMatch(/^HTTP\/1\.1 400/);
    }
    // Nodes differ in what they take for Punycode.
    for (const host of ['xn--0', 'a.xn--0']) {
      expect(await ask('/', host), host).toMatch(canParse(`http://${host}/`) ? /^HTTP\/1\.1 200/ : /^HTTP\/1\.1 400/);
    }
    for (const url of seen.splice(0)) expect(url).toBe(new URL(url).href);
    expect(await ask('http://256.256.256.256/', 'h')).toMatch(/^HTTP\/1\.1 400/);
    expect(seen).toEqual([]);
    expect(failures).toEqual([]);
    expect(await ask('/', '[::1]:80')).toMatch(/^HTTP\/1\.1 200/);
    expect(await ask('/', '12345')).toMatch(/^HTTP\/1\.1 200/);
    expect(await ask('/', '3com.x-y.a1:81')).toMatch(/^HTTP\/1\.1 200/);
    expect(seen).toEqual(['http://[::1]/', 'http://0.0.48.57/', 'http://3com.x-y.a1:81/']);
  });

  it('has its work behind the answer awaited by a draining stop', async () => {
    let finish = (): void => {};
    const log: string[] = [];
    const { url, server } = await open((_request, info) => {
      info.waitUntil(
        new Promise<void>((resolve) => {
          finish = resolve;
        }).then(() => void log.push('work')),
      );
      return new Response('x');
    });
    await (await fetch(url, { headers: { connection: 'close' } })).text();
    const stopping = server.stop({ drainTimeoutMs: 20_000 }).then(() => log.push('stopped'));
    for (let i = 0; i < 20; i++) await turn();
    expect(log).toEqual([]);
    finish();
    await stopping;
    expect(log).toEqual(['work', 'stopped']);
  });

  it('has its work awaited however long it may take, if the stop says so', async () => {
    const warnings: Error[] = [];
    const note = (warning: Error): void => void warnings.push(warning);
    process.on('warning', note);
    const log: string[] = [];
    const { url, server } = await open((_request, info) => {
      info.waitUntil(new Promise((resolve) => setTimeout(resolve, 50)).then(() => void log.push('work')));
      return new Response('x');
    });
    await (await fetch(url, { headers: { connection: 'close' } })).text();
    await server.stop({ drainTimeoutMs: Number.POSITIVE_INFINITY });
    log.push('stopped');
    process.off('warning', note);
    expect([log, warnings]).toEqual([['work', 'stopped'], []]);
  });

  it('a draining stop that is refused leaves no timer behind', async () => {
    const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const server = new HttpServer({ fetch: () => new Response('x') });
    const before = timers();
    await expect(server.stop({ drainTimeoutMs: 20_000 })).rejects.toMatchObject({ code: 'HP_ILLEGAL_STATE' });
    expect(timers()).toBe(before);
  });

  it('is checked with its options', async () => {
    expect(() => new HttpServer({ fetch: 1 as never })).not.toThrow();
    await expect(new HttpServer({ fetch: 1 as never }).start('127.0.0.1', 0)).rejects.toThrow(TypeError);
    for (const none of [undefined, null, {}, { fetch: 1 }, 'app'])
      await expect(serve(none as never)).rejects.toThrow(
        'serve needs a fetch handler, a function or an object that has one',
      );
    await expect(serve(() => new Response(), { overrideGlobalObjects: 1 as never })).rejects.toThrow(TypeError);
    await expect(serve(() => new Response(), { maxBodyByte: 1 } as never)).rejects.toThrow(/did you mean/);
  });
});

describe('a light Response', () => {
  const make = (...args: ConstructorParameters<typeof LightResponse>): Response =>
    new LightResponse(...args) as unknown as Response;

  it('is what the real one is, to everybody who asks', async () => {
    const cases: ConstructorParameters<typeof LightResponse>[] = [
      [],
      ['text'],
      ['text', { status: 404, headers: { A: 'b' } }],
      [null, { status: 204 }],
      [
        new Uint8Array([1, 2]),
        {
          headers: [
            ['a', 'b'],
            ['a', 'c'],
          ],
        },
      ],
      ['x', { statusText: 'Fine' }],
      [
        new ReadableStream({
          start: (c) => {
            c.enqueue(new Uint8Array([65]));
            c.close();
          },
        }),
      ],
      [new URLSearchParams('a=b')],
    ];
    for (const args of cases) {
      const light = make(...args);
      const isStream = args[0] instanceof ReadableStream;
      const real = new Response(isStream ? 'A' : args[0], args[1]);
      if (isStream) real.headers.delete('content-type');
      expect(light).toBeInstanceOf(Response);
      expect([light.status, light.ok, light.statusText, light.type, [...light.headers], light.bodyUsed]).toEqual([
        real.status,
        real.ok,
        real.statusText,
        real.type,
        [...real.headers],
        false,
      ]);
      expect(await light.clone().text()).toBe(await real.clone().text());
      expect(await light.text()).toBe(await real.text());
      expect(light.bodyUsed).toBe(real.bodyUsed);
    }
    for (const args of [
      ['x', { status: 199 }],
      ['x', { status: 204 }],
      ['x', { headers: { 'a b': 'c' } }],
    ] as const) {
      expect(() => make(...(args as [string, ResponseInit])).headers).toThrow();
    }
  });

  it('takes changed headers along', async () => {
    const light = make('x', { headers: { a: '1' } });
    light.headers.set('b', '2');
    light.headers.delete('a');
    expect([...light.headers]).toEqual([
      ['b', '2'],
      ['content-type', 'text/plain;charset=UTF-8'],
    ]);
    expect([...light.clone().headers]).toEqual([
      ['b', '2'],
      ['content-type', 'text/plain;charset=UTF-8'],
    ]);
  });

  it('takes the place of the global one only when asked to', async () => {
    const before = { Response, Request };
    try {
      overrideGlobalObjects();
      expect(new Response('x')).toBeInstanceOf(before.Response);
      expect(new before.Response('x')).toBeInstanceOf(Response);
      const { url } = await open(async (request) => new Response(await new Request(request).text()));
      expect(
        await fetch(url, { method: 'POST', body: 'unwrapped' }).then((response) => {
          expect(response).toBeInstanceOf(Response);
          return response.text();
        }),
      ).toBe('unwrapped');
    } finally {
      Object.assign(globalThis, before);
    }
    expect(Response).toBe(before.Response);
  });
});

describe('a Hono application', () => {
  it('runs unchanged, with its middleware for limits, compression, streams and SSE', async () => {
    const app = new Hono();
    app.use('/zip', compress({ threshold: 0 }));
    app.use('/limit', bodyLimit({ maxSize: 10, onError: (c) => c.text('too large', 413) }));
    app.get('/hello/:name', (c) => c.text(`Hello ${c.req.param('name')} ${c.req.query('q')}`, 200, { 'X-A': 'b' }));
    app.get('/zip', (c) => c.text('z'.repeat(2000)));
    app.post('/limit', async (c) => c.text(await c.req.text()));
    app.post('/json', async (c) => c.json(await c.req.json()));
    app.get('/stream', (c) =>
      stream(c, async (out) => {
        for (const word of ['a', 'b', 'c']) {
          await out.write(word);
          await turn();
        }
      }),
    );
    app.get('/sse', (c) =>
      streamSSE(c, async (out) => {
        await out.writeSSE({ data: 'one', event: 'e', id: '1' });
        await out.writeSSE({ data: 'two' });
      }),
    );
    app.get('/fail', () => {
      throw new Error('x');
    });
    app.onError((error, c) => c.text(`caught ${error.message}`, 500));
    const { url } = await open(app as unknown as { fetch: FetchHandler });
    const text = async (path: string, init?: RequestInit): Promise<[number, string]> => {
      const response = await fetch(url + path, init);
      return [response.status, await response.text()];
    };
    expect(await text('/hello/you?q=1')).toEqual([200, 'Hello you 1']);
    const zipped = await fetch(`${url}/zip`);
    expect([zipped.headers.get('content-encoding'), await zipped.text()]).toEqual(['gzip', 'z'.repeat(2000)]);
    expect(await text('/limit', { method: 'POST', body: 'short' })).toEqual([200, 'short']);
    expect(await text('/limit', { method: 'POST', body: 'x'.repeat(11) })).toEqual([413, 'too large']);
    expect(await text('/json', { method: 'POST', body: '{"a":[1]}' })).toEqual([200, '{"a":[1]}']);
    expect(await text('/stream')).toEqual([200, 'abc']);
    expect(await text('/sse')).toEqual([200, 'event: e\ndata: one\nid: 1\n\ndata: two\n\n']);
    expect(await text('/none')).toEqual([404, '404 Not Found']);
    expect(await text('/fail')).toEqual([500, 'caught x']);
  });

  it('ends its stream when the client goes', async () => {
    const app = new Hono();
    let aborted = (): void => {};
    const isAborted = new Promise<void>((resolve) => {
      aborted = resolve;
    });
    app.get('/', (c) =>
      streamSSE(c, async (out) => {
        out.onAbort(aborted);
        await out.writeSSE({ data: 'x' });
        await isAborted;
      }),
    );
    const { port } = await open(app as unknown as { fetch: FetchHandler });
    const socket = net.connect(port, '127.0.0.1');
    sockets.push(socket);
    socket.write('GET / HTTP/1.1\r\nHost: h\r\n\r\n');
    await once(socket, 'data');
    socket.resetAndDestroy();
    await isAborted;
  });
});
