import { once } from 'node:events';
import { createServer } from 'node:http';
import type net from 'node:net';
import { Readable } from 'node:stream';
import { brotliCompressSync, deflateRawSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { HttpClient, HttpStreamResponse, HttpSyncClient, type HttpUrlOptions, HttpVersion } from '../../../src/http.ts';
import { afterTest, answerOf, deferred, eachRequest, makeAgent, serve, serveRaw, until } from './support.ts';

const stream = { responseBody: 'stream' } as const;

function makeSync(options: ConstructorParameters<typeof HttpSyncClient>[1] = {}): HttpSyncClient {
  const client = new HttpSyncClient({}, options);
  afterTest(() => (client.hasStarted ? client.stop() : undefined));
  return client;
}

describe('a streamed answer', () => {
  it('is there with its head, and its body is read as it arrives: agents, clients, sync clients', async () => {
    for (const kind of ['agent', 'client', 'sync']) {
      const go = deferred();
      const url = await serve({
        onRequest: (_s, _id, request) => {
          async function* pieces() {
            yield 'first';
            await go.promise;
            yield 'second';
          }
          void request.respond({ headers: { 'X-A': 'b' }, body: pieces() });
        },
      });
      let response: HttpStreamResponse;
      if (kind === 'agent') response = await (await makeAgent()).request(url, stream);
      else if (kind === 'sync') response = await makeSync().openUrl('GET', url, stream);
      else {
        const client = new HttpClient({});
        const { hostname, port } = new URL(url);
        await client.start(hostname, Number(port));
        afterTest(() => client.stop());
        response = await client.request({ path: '/', ...stream });
      }
      expect(response).toBeInstanceOf(HttpStreamResponse);
      expect([response.status, response.header('x-a'), response.body.isComplete]).toEqual([200, 'b', false]);
      const iterator = response.body[Symbol.asyncIterator]();
      expect(String((await iterator.next()).value)).toBe('first');
      go.resolve();
      expect(String((await iterator.next()).value)).toBe('second');
      expect((await iterator.next()).done).toBe(true);
      expect(response.body.isComplete).toBe(true);
    }
  });

  it('is collected on demand, up to maxBodyBytes, and has trailers at its end', async () => {
    const url = await serveRaw((socket) =>
      eachRequest(socket, () =>
        socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7\r\n{"a":1}\r\n0\r\nX-T: u\r\n\r\n'),
      ),
    );
    const agent = await makeAgent();
    const json = await agent.request(url, stream);
    expect(await json.body.json()).toEqual({ a: 1 });
    expect(json.trailers.get('x-t')).toBe('u');
    const text = await agent.request(url, stream);
    expect(await text.body.text()).toBe('{"a":1}');
    await expect(text.body.text()).rejects.toThrow('once');
    expect(agent.poolStats().connected).toBe(1);
    const small = await makeAgent({ maxBodyBytes: 6 });
    await expect((await small.request(url, stream)).body.bytes()).rejects.toMatchObject({ errnoName: 'EMSGSIZE' });
    expect(small.httpStats().bodyTooLarge).toBe(1);
    const whole = await small.request(url, stream);
    let length = 0;
    for await (const piece of whole.body) length += piece.length; // a loop has no limit
    expect(length).toBe(7);
  });

  it('is not read faster than its reader takes it', async () => {
    const total = 32 * 1024 * 1024;
    let written = 0;
    const url = await serveRaw((socket) =>
      eachRequest(socket, () => {
        const piece = Buffer.alloc(64 * 1024);
        const write = (): void => {
          while (written < total) {
            written += piece.length;
            if (!socket.write(piece)) return void socket.once('drain', write);
          }
        };
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${total}\r\n\r\n`);
        write();
      }),
    );
    const agent = await makeAgent();
    const response = await agent.request(url, stream);
    let before = -1;
    while (before !== written) {
      before = written;
      for (let i = 0; i < 20; i++) await new Promise(setImmediate);
    }
    expect(written).toBeLessThan(total);
    let length = 0;
    for await (const piece of response.body) length += piece.length;
    expect(length).toBe(total);
    expect(agent.poolStats().idle).toBe(1);
  });

  it('closes its connection when it is left before its end, by a loop or by cancel', async () => {
    const gone: number[] = [];
    const url = await serveRaw((socket, index) => {
      socket.on('end', () => void gone.push(index));
      eachRequest(socket, () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegin'));
    });
    const agent = await makeAgent();
    for await (const piece of (await agent.request(url, stream)).body) {
      expect(String(piece)).toBe('begin');
      break;
    }
    await until(() => gone.length === 1);
    (await agent.request(url, stream)).body.cancel();
    await until(() => gone.length === 2);
    expect(agent.poolStats()).toMatchObject({ inFlight: 0, connections: 0 });
  });

  it('closes its connection when it is given up before its first piece', async () => {
    const url = await serve({
      onRequest: (_s, _id, request) => {
        async function* endless() {
          for (;;) {
            yield 'x';
            await new Promise(setImmediate);
          }
        }
        void request.respond({ body: endless() });
      },
    });
    const agent = await makeAgent();
    const { body } = await agent.request(url, stream);
    await body[Symbol.asyncIterator]().return?.();
    await until(() => agent.connectionCount === 0);
    const other = await agent.request(url, stream);
    const iterator = other.body[Symbol.asyncIterator]();
    const two = [iterator.next(), iterator.next()];
    expect((await Promise.all(two)).map((one) => one.done)).toEqual([false, false]);
    other.body.cancel();
    await expect(iterator.next()).rejects.toMatchObject({ errnoName: 'ECANCELED' });
  });

  it('throws at any byte that the connection ends at, by a reset too, behind what arrived', async () => {
    const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody';
    const begin = answer.indexOf('body');
    const agent = await makeAgent();
    for (const isReset of [false, true]) {
      const url = await serveRaw((socket) =>
        eachRequest(socket, (request) => {
          const length = Number(/\/(\d+) /.exec(request)![1]);
          socket.write(answer.slice(0, length), () => (isReset ? socket.resetAndDestroy() : socket.end()));
        }),
      );
      for (let length = begin; length < answer.length; length++) {
        const response = await agent.request(`${url}/${length}`, stream).catch((thrown: unknown) => thrown);
        if (isReset && !(response instanceof HttpStreamResponse)) continue; // a reset may overtake the head
        await expect((response as HttpStreamResponse).body.text()).rejects.toMatchObject({ errnoName: 'ECONNABORTED' });
      }
    }
  });

  it('ends by its signal and by timeoutMs, which go on behind the head', async () => {
    const url = await serveRaw((socket) =>
      eachRequest(socket, () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx')),
    );
    const agent = await makeAgent();
    const controller = new AbortController();
    const aborted = await agent.request(url, { ...stream, signal: controller.signal });
    const text = aborted.body.text();
    controller.abort();
    await expect(text).rejects.toMatchObject({ errnoName: 'ECANCELED' });
    const late = await agent.request(url, { ...stream, timeoutMs: 1000 });
    await expect(late.body.text()).rejects.toMatchObject({ errnoName: 'ETIMEDOUT' });
  });

  it('holds the next call of a sync client until it is read', async () => {
    const url = await serve({ onRequest: (_s, _id, request) => void request.respond(request.path) });
    const client = makeSync();
    const first = await client.openUrl('GET', `${url}/1`, stream);
    let isSecondDone = false;
    const second = client.openUrl('GET', `${url}/2`).then((response) => {
      isSecondDone = true;
      return response.text();
    });
    expect([client.getStatusCode(), client.getResponseBody().length]).toEqual([200, 0]);
    expect([await first.body.text(), isSecondDone, await second]).toEqual(['/1', false, '/2']);
  });

  it('is decoded by a sync client, up to a limit, at every split', async () => {
    const text = 'hello '.repeat(50);
    const codings: [string, Buffer][] = [
      ['gzip', gzipSync(text)],
      ['deflate', deflateRawSync(text)],
      ['br', brotliCompressSync(text)],
      ['gzip, br', brotliCompressSync(gzipSync(text))],
    ];
    const url = await serveRaw((socket) =>
      eachRequest(socket, (request) => {
        const [, which, cut] = /\/(\d)\/(\d+)/.exec(request)!;
        const [coding, body] = codings[Number(which)]!;
        socket.write(`HTTP/1.1 200 OK\r\nContent-Encoding: ${coding}\r\nContent-Length: ${body.length}\r\n\r\n`);
        socket.write(body.subarray(0, Number(cut)), () => setImmediate(() => socket.write(body.subarray(Number(cut)))));
      }),
    );
    const client = makeSync();
    for (const [which, [, body]] of codings.entries()) {
      for (let cut = 0; cut < body.length; cut += 3) {
        const response = await client.openUrl('GET', `${url}/${which}/${cut}`, stream);
        expect([which, cut, await response.body.text()]).toEqual([which, cut, text]);
      }
    }
    const raw = await client.openUrl('GET', `${url}/0/1`, { ...stream, decompress: false });
    expect(await raw.body.bytes()).toEqual(gzipSync(text));
    const small = makeSync({ maxDecodedBytes: 100 });
    const long = await small.openUrl('GET', `${url}/0/1`, stream);
    await expect(long.body.text()).rejects.toMatchObject({ errnoName: 'EMSGSIZE' });
    const bad = await serveRaw((socket) =>
      eachRequest(socket, () => socket.write(answerOf('no gzip', 'Content-Encoding: gzip\r\n'))),
    );
    const wrong = await client.openUrl('GET', bad, stream);
    await expect(wrong.body.text()).rejects.toMatchObject({ errnoName: 'EBADMSG' });
  });

  it('follows redirects of a sync client', async () => {
    const url = await serve({
      onRequest: (_s, _id, request) =>
        request.path === '/'
          ? void request.respond({ status: 302, headers: { Location: '/end' }, body: 'go there' })
          : void request.respond('end'),
    });
    const response = await makeSync().openUrl('GET', url, { ...stream, maxRedirects: 1 });
    expect([await response.body.text(), response.url, response.redirectCount]).toEqual(['end', `${url}/end`, 1]);
  });

  it('goes through a Node stream, and back as the body of a request', async () => {
    const url = await serve({
      onRequest: (_s, _id, request) =>
        void request.respond(request.method === 'GET' ? 'x'.repeat(300_000) : request.body),
    });
    const agent = await makeAgent();
    const source = await agent.request(url, stream);
    const echoed = await agent.request(url, { method: 'POST', body: source.body });
    expect(echoed.text()).toBe('x'.repeat(300_000));
    const readable = Readable.from((await agent.request(url, stream)).body);
    let length = 0;
    readable.on('data', (piece: Buffer) => {
      length += piece.length;
    });
    await once(readable, 'end');
    expect(length).toBe(300_000);
  });
});

describe('a request whose body is made piece by piece', () => {
  it('is as long as its Content-Length says, or its connection closes', async () => {
    let received = '';
    const gone = [deferred(), deferred()];
    const url = await serveRaw((socket, index) => {
      socket.setEncoding('latin1');
      socket.on('data', (text: string) => {
        received += text;
      });
      socket.on('close', () => gone[index]?.resolve());
      socket.on('end', () => socket.end());
    });
    const agent = await makeAgent();
    const ask = (length: string): Promise<unknown> =>
      agent.request(url, { method: 'POST', headers: { 'Content-Length': length }, body: ['GET / ', 'smuggled'] });
    await expect(ask('6')).rejects.toMatchObject({ errnoName: 'ECANCELED' });
    await gone[0]!.promise;
    expect(received).not.toContain('smuggled');
    await expect(ask('99')).rejects.toMatchObject({ errnoName: 'ECANCELED' });
    await gone[1]!.promise;
    await expect(ask('6, 6')).rejects.toThrow(TypeError);
    const old = await makeAgent({ localVersion: HttpVersion.V1_0 });
    await expect(old.request(url, { method: 'POST', body: ['x'] })).rejects.toThrow('HTTP/1.0 has no chunks');
  });

  it('fails with what its source throws', async () => {
    const url = await serveRaw((socket) => void socket.resume());
    const agent = await makeAgent();
    async function* broken() {
      yield 'x';
      throw new Error('the source broke');
    }
    await expect(agent.request(url, { method: 'POST', body: broken() })).rejects.toMatchObject({
      errnoName: 'ECANCELED',
      cause: new Error('the source broke'),
    });
    const wrong = agent.request(url, { method: 'POST', body: [5 as never] });
    await expect(wrong).rejects.toMatchObject({ cause: expect.any(TypeError) });
  });
});

describe('the source of a body', () => {
  /** Sources, and how to see that they were given up. */
  const sources: Record<string, () => { body: Readable | ReadableStream<Uint8Array>; isDropped: () => boolean }> = {
    'a Node stream': () => {
      const body = new Readable({ read() {} });
      body.push('piece');
      return { body, isDropped: () => body.destroyed };
    },
    'a web stream': () => {
      let isCancelled = false;
      const body = new ReadableStream<Uint8Array>({
        start: (controller) => controller.enqueue(Buffer.from('piece')),
        cancel: () => {
          isCancelled = true;
        },
      });
      return { body, isDropped: () => isCancelled };
    },
  };

  it.each(Object.keys(sources))(
    'is given up when the request fails, was never sent, or is answered early: %s',
    async (of) => {
      const agent = await makeAgent({ maxConnectionsPerOrigin: 1 });
      const make = sources[of]!;
      const refused = make();
      await expect(agent.request('http://127.0.0.1:1/', { method: 'POST', body: refused.body })).rejects.toMatchObject({
        code: 'ECONNREFUSED',
      });
      await until(refused.isDropped);
      const url = await serveRaw((socket) => {
        socket.on('data', (data) => {
          if (String(data).startsWith('PUT')) socket.write(answerOf('early'));
        });
      });
      const controller = new AbortController();
      const [sent, queued] = [make(), make()];
      const requests = [sent, queued].map(({ body }) =>
        agent.request(url, { method: 'POST', body, signal: controller.signal }),
      );
      await until(() => agent.poolStats().inFlight === 1);
      controller.abort();
      for (const request of requests) await expect(request).rejects.toMatchObject({ errnoName: 'ECANCELED' });
      await until(() => sent.isDropped() && queued.isDropped());
      const early = make();
      expect((await agent.request(url, { method: 'PUT', body: early.body })).text()).toBe('early');
      await until(early.isDropped);
    },
  );

  it('is left as it is when all of it was sent, and if it is a request that node:http received', async () => {
    const url = await serve({ onRequest: (_s, _id, request) => void request.respond(String(request.body)) });
    const agent = await makeAgent();
    let isCancelled = false;
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(Buffer.from('text'));
        controller.close();
      },
      cancel() {
        isCancelled = true;
      },
    });
    expect((await agent.request(url, { method: 'POST', body })).text()).toBe('text');
    expect(isCancelled).toBe(false);
    // A proxy whose target is not there still has to answer.
    const proxy = createServer((request, response) => {
      agent.request('http://127.0.0.1:1/', { method: 'POST', body: request }).catch((error: Error) => {
        response.statusCode = 502;
        response.end((error as { code?: string }).code);
      });
    });
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    afterTest(() => proxy.close());
    const { port } = proxy.address() as net.AddressInfo;
    const answer = await agent.request(`http://127.0.0.1:${port}/`, { method: 'POST', body: 'text' });
    expect([answer.status, answer.text()]).toEqual([502, 'ECONNREFUSED']);
  });
});

describe('a request that expects 100-continue', () => {
  const body = 'the body';
  /** What the server got when it had the head, and in all. */
  async function ask(
    answerHead: string | null,
    options: { expectContinue: boolean | number; body?: unknown },
    answer = answerOf('done'),
  ): Promise<{ atHead: string; all: () => string; result: Promise<unknown> }> {
    let all = '';
    const head = deferred<string>();
    const url = await serveRaw((socket) => {
      let isAnswered = false;
      socket.setEncoding('latin1');
      socket.on('data', (piece: string) => {
        const isFirst = all === '';
        all += piece;
        if (isFirst) {
          head.resolve(piece);
          if (answerHead !== null) setImmediate(() => socket.write(answerHead));
        }
        if (!isAnswered && all.includes(body)) {
          isAnswered = true;
          socket.write(answer);
        }
      });
    });
    const agent = await makeAgent();
    const result = agent.request(url, { method: 'POST', body, ...(options as HttpUrlOptions) }).then(
      (response) => [response.status, response.text()],
      (thrown: unknown) => thrown,
    );
    return { atHead: await head.promise, all: () => all, result };
  }

  it('sends its body when the server says so', async () => {
    async function* pieces() {
      yield 'the ';
      yield 'body';
    }
    for (const [given, end] of [
      [body, `\r\n\r\n${body}`],
      [pieces(), '\r\n\r\n4\r\nthe \r\n4\r\nbody\r\n0\r\n\r\n'],
    ] as const) {
      const isPieces = typeof given !== 'string';
      const { atHead, all, result } = await ask(
        'HTTP/1.1 100 Continue\r\n\r\n',
        { expectContinue: true, body: given },
        isPieces ? '' : undefined,
      );
      expect(atHead).toContain('\r\nExpect: 100-continue\r\n');
      expect(atHead.endsWith('\r\n\r\n')).toBe(true);
      await until(() => all().endsWith(end));
      if (!isPieces) expect(await result).toEqual([200, 'done']);
    }
  });

  it('sends its body anyway when nothing comes', async () => {
    const { atHead, result } = await ask(null, { expectContinue: 20 });
    expect(atHead).not.toContain(body);
    expect(await result).toEqual([200, 'done']);
  });

  it('does not send its body when it is answered before', async () => {
    const refusal = 'HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno';
    const { all, result } = await ask(refusal, { expectContinue: 5000 });
    expect(await result).toEqual([413, 'no']);
    expect(all()).not.toContain(body);
  });

  it('is understood by a server of ours, which asks for the body when it is wanted', async () => {
    const url = await serve(
      {
        onRequest: async (_s, _id, request) => {
          if (request.path === '/no') return void request.respond({ status: 417 });
          void request.respond(`${await request.text()}`);
        },
      },
      { requestBody: 'stream' },
    );
    const agent = await makeAgent();
    const interim: number[] = [];
    const options = {
      method: 'PUT',
      body,
      expectContinue: 5000,
      onInterim: (status: number) => void interim.push(status),
    };
    expect((await agent.request(url, options)).text()).toBe(body);
    expect((await agent.request(`${url}/no`, options)).status).toBe(417);
    expect(interim).toEqual([100]);
    expect((await agent.request(url, { method: 'POST', expectContinue: true })).text()).toBe(''); // no body, nothing to wait for
  });
});
