import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import {
  HttpAgent,
  HttpClient,
  type HttpClientHooks,
  type HttpClientOptions,
  HttpParseResult,
  HttpServer,
  type HttpServerHooks,
  HttpsAgent,
  HttpsClient,
  HttpsServer,
} from '../../../src/http.ts';
import { Authority } from '../../tools/certificates.ts';

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A server of ours. */
async function serve(listener: HttpServerHooks<HttpServer>): Promise<number> {
  const server = new HttpServer(listener);
  const { port } = await server.start('127.0.0.1', 0);
  cleanups.push(() => server.stop());
  return port;
}

/** A server that gets each connection as a socket. */
async function serveRaw(accept: (socket: net.Socket) => void): Promise<number> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    accept(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as net.AddressInfo).port;
}

/** A server that answers each request, whatever it is, with these bytes. */
const answering = (answer: string, thenEnd = false): Promise<number> =>
  serveRaw((socket) =>
    socket.on('data', () => {
      socket.write(answer, 'latin1');
      if (thenEnd) socket.end();
    }),
  );

async function connect(
  port: number,
  listener: HttpClientHooks<HttpClient> = {},
  options: HttpClientOptions = {},
): Promise<HttpClient> {
  const client = new HttpClient(listener, options);
  await client.start('127.0.0.1', port);
  cleanups.push(() => (client.hasStarted ? client.stop() : undefined));
  return client;
}

/** A client whose hooks write down what they are told, and a promise for the end of its first answer. */
async function recording(port: number): Promise<{ client: HttpClient; log: string[]; complete: Promise<void> }> {
  const log: string[] = [];
  let done!: () => void;
  const complete = new Promise<void>((resolve) => {
    done = resolve;
  });
  const client = await connect(port, {
    onMessageBegin: () => void log.push('begin'),
    onStatusLine: (_c, _id, status, reason) => void log.push(`${status} ${reason}`),
    onHeader: (_c, _id, name, value) => void log.push(`${name}=${value}`),
    onHeadersComplete: () => void log.push('head'),
    onBody: (_c, _id, data) => void log.push(`body ${data}`),
    onMessageComplete: () => {
      log.push('complete');
      done();
    },
  });
  return { client, log, complete };
}

describe('an HTTP client by hooks', () => {
  it('fires the hooks of a response in order (EV-H, HTTP-1R-001, ORD-037)', async () => {
    const port = await answering('HTTP/1.1 200 Fine\r\nX: y\r\nContent-Length: 2\r\n\r\nhi');
    const { client, log, complete } = await recording(port);
    expect(client.getStatusCode()).toBe(0);
    expect(client.sendRequest('get', 'a')).toBe(true);
    await complete;
    expect(log).toEqual(['begin', '200 Fine', 'X=y', 'Content-Length=2', 'head', 'body hi', 'complete']);
  });

  it('sends what HP-Socket sends, by every shortcut (HTTP-1R-003 to HTTP-1R-011, REQ-001 to REQ-008, REQ-010)', async () => {
    let received = '';
    let isOver!: () => void;
    const over = new Promise<void>((resolve) => {
      isOver = resolve;
    });
    const port = await serveRaw((socket) => {
      socket.setEncoding('latin1');
      socket.on('data', (text: string) => {
        received += text;
        if (received.includes('CONNECT h:1 ')) isOver();
      });
    });
    const client = await connect(port);
    const host = `Host: 127.0.0.1:${port}\r\n\r\n`;
    const shortcuts: [id: string, isSent: boolean, bytes: string][] = [
      [
        'HTTP-1R-003',
        client.sendPost('/p', { A: 'b' }, 'xy'),
        `POST /p HTTP/1.1\r\nA: b\r\nContent-Length: 2\r\n${host}xy`,
      ],
      ['HTTP-1R-004', client.sendPut('u', null, Buffer.from('z')), `PUT /u HTTP/1.1\r\nContent-Length: 1\r\n${host}z`],
      ['HTTP-1R-005', client.sendPatch('/', null), `PATCH / HTTP/1.1\r\n${host}`],
      ['HTTP-1R-006', client.sendGet(''), `GET / HTTP/1.1\r\n${host}`],
      ['HTTP-1R-007', client.sendDelete('/d'), `DELETE /d HTTP/1.1\r\n${host}`],
      ['HTTP-1R-008', client.sendHead('/h'), `HEAD /h HTTP/1.1\r\n${host}`],
      ['HTTP-1R-009', client.sendTrace('/t'), `TRACE /t HTTP/1.1\r\n${host}`],
      ['HTTP-1R-010', client.sendOptions('*'), `OPTIONS /* HTTP/1.1\r\n${host}`],
      ['HTTP-1R-011', client.sendConnect('h:1'), 'CONNECT h:1 HTTP/1.1\r\n\r\n'],
    ];
    await over;
    expect(received).toBe(shortcuts.map(([, , bytes]) => bytes).join(''));
    for (const [id, isSent] of shortcuts) expect(isSent, id).toBe(true);
    expect(() => client.sendRequest('G T', '/')).toThrow(TypeError);
    expect(() => client.sendGet('/a b')).toThrow(TypeError);
    expect(() => client.sendGet('/', { A: 'b\r\nC: d' })).toThrow(TypeError);
  });

  it('answers with everything that HP-Socket tells about a response (HTTP-1-006 to HTTP-1-020, HTTP-1-024, HP-039)', async () => {
    const port = await answering(
      'HTTP/1.1 201 Made\r\nX-A: 1\r\nx-a: 2\r\nContent-Type: t/x\r\nContent-Encoding: br\r\n' +
        'Set-Cookie: k=v; Path=/\r\nset-cookie: l=w\r\nContent-Length: 3\r\n\r\nabc',
    );
    const { client, complete } = await recording(port);
    client.sendGet('/');
    await complete;
    expect({
      'HTTP-1-006': client.isUpgrade(),
      'HTTP-1-007': client.isKeepAlive(),
      'HTTP-1-008': client.getVersion(),
      'HTTP-1-009': client.getContentLength(),
      'HTTP-1-010': client.getContentType(),
      'HTTP-1-011': client.getContentEncoding(),
      'HTTP-1-012': client.getTransferEncoding(),
      'HTTP-1-013': client.getUpgradeType(),
      'HTTP-1-014': client.getParseErrorCode().code,
      'HTTP-1-015': [client.getHeader('x-A'), client.getHeader('none')],
      'HTTP-1-016': [client.getHeaders('X-A'), client.getHeaders('none')],
      'HTTP-1-017': client.getAllHeaders().slice(0, 3),
      'HTTP-1-018': client.getAllHeaderNames().slice(0, 3),
      'HTTP-1-019': [client.getCookie('k'), client.getCookie('K')],
      'HTTP-1-020': [...client.getAllCookies()],
      'HTTP-1-024': client.getStatusCode(),
    }).toEqual({
      'HTTP-1-006': false,
      'HTTP-1-007': true,
      'HTTP-1-008': 0x0101,
      'HTTP-1-009': 3,
      'HTTP-1-010': 't/x',
      'HTTP-1-011': 'br',
      'HTTP-1-012': null,
      'HTTP-1-013': 0,
      'HTTP-1-014': 0,
      'HTTP-1-015': ['1', null],
      'HTTP-1-016': [['1', '2'], []],
      'HTTP-1-017': [
        ['X-A', '1'],
        ['x-a', '2'],
        ['Content-Type', 't/x'],
      ],
      'HTTP-1-018': ['X-A', 'x-a', 'Content-Type'],
      'HTTP-1-019': ['v', null],
      'HTTP-1-020': [
        ['k', 'v'],
        ['l', 'w'],
      ],
      'HTTP-1-024': 201,
    });
  });

  it('tells what an older server answers, in chunks or until it closes (HTTP-1-007, HTTP-1-008, HTTP-1-012)', async () => {
    for (const [answer, isKept, version, coding] of [
      ['HTTP/1.0 200 OK\r\nConnection: close\r\n\r\n', false, 0x0001, null],
      ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', true, 0x0101, 'chunked'],
    ] as const) {
      const { client, complete } = await recording(await answering(answer, true));
      client.sendGet('/');
      await complete;
      expect([client.isKeepAlive(), client.getVersion(), client.getTransferEncoding()]).toEqual([
        isKept,
        version,
        coding,
      ]);
    }
  });

  it('sends chunks and files (HTTP-1-003, HTTP-1R-002, CHK-001)', async () => {
    const bodies: string[] = [];
    const port = await serve({
      onRequest: (_s, _id, request) => {
        bodies.push(request.body.toString());
        void request.respond('ok');
      },
    });
    const folder = mkdtempSync(join(tmpdir(), 'hp-http-client-'));
    cleanups.push(() => rmSync(folder, { recursive: true }));
    const file = join(folder, 'a');
    writeFileSync(file, 'x'.repeat(300_000));
    writeFileSync(join(folder, 'empty'), '');
    let isAnswered!: () => void;
    let count = 0;
    const answered = new Promise<void>((resolve) => {
      isAnswered = resolve;
    });
    const client = await connect(port, { onMessageComplete: () => void (++count === 2 && isAnswered()) });
    client.sendPost('/', { 'Transfer-Encoding': 'chunked' });
    client.sendChunkData('abc');
    client.sendChunkData(Buffer.from('def'));
    client.sendChunkData();
    expect(await client.sendLocalFile(file, 'put', '/f')).toBe(true);
    await answered;
    expect(bodies).toEqual(['abcdef', 'x'.repeat(300_000)]);
    expect(await client.sendLocalFile(join(folder, 'empty'), 'PUT', '/')).toBe(false);
    expect(client.lastFailure?.errnoName).toBe('ENODATA');
    expect(await client.sendLocalFile(join(folder, 'none'), 'PUT', '/')).toBe(false);
    expect(client.lastFailure?.errnoName).toBe('ENOENT');
  });

  it('speaks HTTP only from startHttp on, if told so (HTTP-1-002, HT-012, HT-013, HTTP-1-022)', async () => {
    const port = await serveRaw((socket) => {
      socket.once('data', () => {
        socket.write('raw');
        socket.once('data', () => socket.write('HTTP/1.1 204 \r\n\r\n'));
      });
    });
    let isRaw!: (text: string) => void;
    const raw = new Promise<string>((resolve) => {
      isRaw = resolve;
    });
    const client = await connect(port, { onReceive: (_c, _id, data) => isRaw(String(data)) }, { httpAutoStart: false });
    expect(client.sendGet('/')).toBe(false);
    client.send('hello');
    expect(await raw).toBe('raw');
    expect(client.startHttp()).toBe(true);
    expect(client.startHttp()).toBe(false);
    expect(client.lastFailure?.errnoName).toBe('EALREADY');
    expect((await client.request()).status).toBe(204);
  });

  it('says EPERM where there is no connection, and startHttp is not wanted', async () => {
    const client = new HttpClient({});
    expect([client.sendGet('/'), client.startHttp(), client.sendChunkData('a')]).toEqual([false, false, false]);
    expect(client.lastFailure?.errnoName).toBe('EPERM');
    const port = await answering('');
    const connected = await connect(port);
    expect(connected.startHttp()).toBe(false);
    expect(connected.lastFailure?.errnoName).toBe('EPERM');
  });

  it('takes the tunnel of CONNECT by the answer of a hook (UPG-004, UPG-005)', async () => {
    const port = await answering('HTTP/1.1 200 OK\r\n\r\nraw bytes');
    let isRaw!: (text: string) => void;
    const raw = new Promise<string>((resolve) => {
      isRaw = resolve;
    });
    const client = await connect(
      port,
      { onHeadersComplete: () => HttpParseResult.Upgrade, onReceive: (_c, _id, data) => isRaw(String(data)) },
      { httpPolicy: 'hp' },
    );
    client.sendConnect('h:443');
    expect(await raw).toBe('raw bytes');
    const agent = new HttpAgent({ onHeadersComplete: () => HttpParseResult.Upgrade });
    await agent.start();
    cleanups.push(() => agent.stop());
    const response = await agent.request(`http://127.0.0.1:${port}/`); // whole messages are told, too
    expect([response.status, agent.isConnected(response.connId), agent.poolStats().connections]).toEqual([
      200,
      true,
      0,
    ]);
  });
});

describe('whole messages of a client', () => {
  it('are requests of any body, and answers with everything in them', async () => {
    const port = await serve({
      onRequest: (_s, _id, request) =>
        void request.respond({
          headers: [
            ['X-Method', request.method],
            ['X-Path', request.url],
            ['Set-Cookie', 'a=b; Path=/'],
          ],
          body: request.body,
        }),
    });
    const client = await connect(port);
    const plain = await client.request({ method: 'post', path: '/a?b', body: 'text' });
    expect([plain.status, plain.isOk, plain.statusText, plain.text()]).toEqual([200, true, 'OK', 'text']);
    expect([plain.header('x-method'), plain.headers.get('X-Path'), plain.cookies.get('a')]).toEqual([
      'POST',
      '/a?b',
      'b',
    ]);
    const json = await client.request({ method: 'PUT', body: Buffer.from('{"a":1}') });
    expect(json.json()).toEqual({ a: 1 });
    async function* pieces() {
      for (let i = 0; i < 100; i++) yield i % 2 ? 'x'.repeat(10_000) : Buffer.alloc(10_000, 'y');
    }
    const streamed = await client.request({ method: 'POST', body: pieces() });
    expect(streamed.body.length).toBe(1_000_000);
    const sized = await client.request({ method: 'POST', body: ['ab', 'cd'], headers: { 'content-length': '4' } });
    expect(sized.text()).toBe('abcd');
    const empty = await client.request({ method: 'POST' });
    expect(empty.body.length).toBe(0);
    const head = await client.request({ method: 'HEAD' });
    expect([head.status, head.body.length, head.isKeepAlive]).toEqual([200, 0, true]);
  });

  it('wait for each other on one connection, and get their own answers (HP-042)', async () => {
    let isBusy = false;
    const port = await serve({
      onRequest: async (_s, _id, request) => {
        expect(isBusy).toBe(false);
        isBusy = true;
        await new Promise(setImmediate);
        isBusy = false;
        void request.respond(request.path);
      },
    });
    const client = await connect(port);
    const paths = Array.from({ length: 20 }, (_, i) => `/${i}`);
    const answers = await Promise.all(
      paths.map((path, i) => client.request({ path, method: i % 3 === 0 ? 'HEAD' : 'GET' })),
    );
    expect(answers.map((answer) => answer.text())).toEqual(paths.map((path, i) => (i % 3 === 0 ? '' : path)));
  });

  it('are understood however they arrive: lengths, chunks with trailers, until the end (HP-040, HP-046)', async () => {
    const answers = [
      'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n2\r\ndy\r\n0\r\nX-T: u\r\n\r\n',
      'HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.0 200 OK\r\n\r\nbody',
    ];
    const interim: number[] = [];
    const agent = new HttpAgent({});
    await agent.start();
    cleanups.push(() => agent.stop());
    const port = await serveRaw((socket) => {
      socket.setNoDelay(true);
      socket.once('data', (request) => {
        const [, which, cut] = /\/(\d+)\/(\d+) /.exec(String(request))!;
        const answer = answers[Number(which)]!;
        const rest = (): unknown => socket.end(answer.slice(Number(cut)), 'latin1');
        socket.write(answer.slice(0, Number(cut)), 'latin1', () => setImmediate(rest));
      });
    });
    for (const [which, answer] of answers.entries()) {
      const cuts = Array.from({ length: answer.length - 1 }, (_, i) => i + 1);
      const ask = async (cut: number): Promise<unknown[]> => {
        const path = `/${which}/${cut}`;
        const connId = await agent.connect('127.0.0.1', port);
        const response = await agent.request(connId, { path, onInterim: (status) => void interim.push(status) });
        return [cut, response.status, response.text(), response.trailers.get('x-t')];
      };
      const trailer = answer.includes('X-T') ? 'u' : undefined;
      expect(await Promise.all(cuts.map(ask))).toEqual(cuts.map((cut) => [cut, 200, 'body', trailer]));
    }
    expect(interim).toEqual(Array(answers[2]!.length - 1).fill(103));
  });

  it('reject when the connection ends at any byte of the answer, by a reset too', async () => {
    const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody';
    const agent = new HttpAgent({});
    await agent.start();
    cleanups.push(() => agent.stop());
    const port = await serveRaw((socket) => {
      socket.once('data', (request) => {
        const [, isReset, length] = /\/(\w+)\/(\d+) /.exec(String(request))!;
        const end = (): unknown => (isReset === 'true' ? socket.resetAndDestroy() : socket.end());
        if (length === '0') end();
        else socket.write(answer.slice(0, Number(length)), end);
      });
    });
    for (const isReset of [false, true]) {
      const lengths = Array.from({ length: answer.length }, (_, i) => i);
      const errors = lengths.map(async (length) => {
        const connId = await agent.connect('127.0.0.1', port);
        return agent.request(connId, { path: `/${isReset}/${length}` }).catch((thrown: unknown) => thrown);
      });
      for (const error of await Promise.all(errors)) {
        expect(error).toMatchObject({ name: 'SocketError', errnoName: 'ECONNABORTED', operation: 'request' });
      }
    }
  });

  it('reject what is no HTTP, is too long, takes too long, or is aborted', async () => {
    const garbage = await connect(await answering('nonsense\r\n\r\n'));
    await expect(garbage.request()).rejects.toMatchObject({ errnoName: 'EBADMSG' });
    const long = await connect(
      await answering('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n'),
      {},
      { maxBodyBytes: 8 },
    );
    await expect(long.request()).rejects.toMatchObject({ errnoName: 'EMSGSIZE' });
    const endless = await connect(
      await answering('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n123456789\r\n'),
      {},
      { maxBodyBytes: 8 },
    );
    await expect(endless.request()).rejects.toMatchObject({ errnoName: 'EMSGSIZE' });
    expect(endless.httpStats().bodyTooLarge).toBe(1);
    const silent = await connect(await answering(''));
    await expect(silent.request({ timeoutMs: 5 })).rejects.toMatchObject({ errnoName: 'ETIMEDOUT' });
    await silent.wait();
    const late = await connect(await answering(''), {}, { responseTimeoutMs: 5 });
    await expect(late.request()).rejects.toMatchObject({ errnoName: 'ETIMEDOUT' });
    const aborted = await connect(await answering(''));
    const controller = new AbortController();
    const [running, waiting] = [aborted.request({ signal: controller.signal }), aborted.request()];
    controller.abort(new Error('mine'));
    await expect(running).rejects.toMatchObject({ errnoName: 'ECANCELED', cause: { message: 'mine' } });
    await expect(waiting).rejects.toMatchObject({ errnoName: 'ECONNABORTED' });
    await expect(aborted.request({ signal: controller.signal })).rejects.toMatchObject({ errnoName: 'ECANCELED' });
    await expect(aborted.request({ pth: '/' } as never)).rejects.toThrow('did you mean path?');
    await expect(new HttpClient({}).request()).rejects.toMatchObject({ errnoName: 'EPERM' });
  });

  it('end the connection when the answer comes before the request was sent', async () => {
    const port = await answering('HTTP/1.1 413 \r\nContent-Length: 0\r\n\r\n');
    const client = await connect(port);
    async function* endless() {
      for (;;) {
        yield 'x';
        await new Promise(setImmediate);
      }
    }
    expect((await client.request({ method: 'POST', body: endless() })).status).toBe(413);
    await client.wait();
  });

  it('reject when the body fails in the middle, so that it does not look whole', async () => {
    const client = await connect(await answering(''));
    async function* failing() {
      yield 'x';
      throw new Error('disk');
    }
    await expect(client.request({ method: 'POST', body: failing() })).rejects.toMatchObject({
      errnoName: 'ECANCELED',
      cause: { message: 'disk' },
    });
    await client.wait();
  });

  it('work with node:http on the other side, keep-alive and close', async () => {
    const server = http.createServer((request, response) => {
      if (request.url === '/close') response.setHeader('Connection', 'close');
      request.pipe(response);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    cleanups.push(() => server.close());
    const client = await connect((server.address() as net.AddressInfo).port);
    for (const body of ['one', 'two', 'x'.repeat(100_000)]) {
      expect((await client.request({ method: 'POST', body })).text()).toBe(body);
    }
    const last = await client.request({ method: 'POST', path: '/close', body: 'last' });
    expect([last.text(), last.isKeepAlive]).toEqual(['last', false]);
    await client.wait();
  });
});

describe('an HTTP agent', () => {
  it('has hooks and accessors for each connection (HTTP-RQ-002 to HTTP-RQ-013)', async () => {
    const asked: string[] = [];
    const port = await serve({
      onRequest: (_s, _id, request) => {
        asked.push(`${request.method} ${request.path} ${request.headers.get('x-a')} ${request.body}`);
        void request.respond({ status: 201, headers: { 'Set-Cookie': 'c=d' }, body: 'made' });
      },
    });
    const folder = mkdtempSync(join(tmpdir(), 'hp-http-agent-'));
    cleanups.push(() => rmSync(folder, { recursive: true }));
    const file = join(folder, 'a');
    writeFileSync(file, 'of a file');
    const seen: unknown[] = [];
    let isDone!: () => void;
    const done = new Promise<void>((resolve) => {
      isDone = resolve;
    });
    const agent = new HttpAgent({
      onMessageComplete: (self, id) => {
        seen.push([self.getStatusCode(id), self.getCookie(id, 'c'), self.isKeepAlive(id)]);
        if (seen.length === 9) isDone();
      },
    });
    await agent.start();
    cleanups.push(() => agent.stop());
    const connId = await agent.connect('127.0.0.1', port);
    expect(agent.getStatusCode(connId)).toBe(0);
    const own = { 'X-A': 'y' };
    expect({
      'HTTP-RQ-002': agent.sendRequest(connId, 'report', '/', own, '2'),
      'HTTP-RQ-003': await agent.sendLocalFile(connId, file, 'put', '/f', own),
      'HTTP-RQ-004': agent.sendPost(connId, '/', own, '4'),
      'HTTP-RQ-005': agent.sendPut(connId, '/', own, '5'),
      'HTTP-RQ-006': agent.sendPatch(connId, '/', own, '6'),
      'HTTP-RQ-007': agent.sendGet(connId, '/g', own),
      'HTTP-RQ-008': agent.sendDelete(connId, '/d', own),
      'HTTP-RQ-009': agent.sendHead(connId, '/h', own),
      'HTTP-RQ-011': agent.sendOptions(connId, '/o', own),
    }).toEqual(
      Object.fromEntries([2, 3, 4, 5, 6, 7, 8, 9, 11].map((n) => [`HTTP-RQ-${String(n).padStart(3, '0')}`, true])),
    );
    await done;
    expect(asked).toEqual([
      ...['REPORT / y 2', 'PUT /f y of a file', 'POST / y 4', 'PUT / y 5', 'PATCH / y 6'],
      ...['GET /g y ', 'DELETE /d y ', 'HEAD /h y ', 'OPTIONS /o y '],
    ]);
    expect(seen).toEqual(Array(9).fill([201, 'd', true])); // HTTP-RQ-013
    const response = await agent.request(connId, { method: 'POST', body: 'z' });
    expect([response.connId, response.text()]).toEqual([connId, 'made']);
    expect(agent.sendGet(999, '/')).toBe(false);
    await expect(agent.request(999)).rejects.toMatchObject({ errnoName: 'EPERM' });
    await expect(agent.sendLocalFile(999, 'x', 'PUT', '/')).resolves.toBe(false);
  });

  it('sends TRACE and CONNECT as they are asked for (HTTP-RQ-010, HTTP-RQ-012)', async () => {
    let received = '';
    let isOver!: () => void;
    const over = new Promise<void>((resolve) => {
      isOver = resolve;
    });
    const port = await serveRaw((socket) => {
      socket.on('data', (data) => {
        received += String(data);
        if (received.includes('CONNECT')) isOver();
      });
    });
    const agent = new HttpAgent({});
    await agent.start();
    cleanups.push(() => agent.stop());
    const connId = await agent.connect('127.0.0.1', port);
    expect(agent.sendTrace(connId, '/t', { A: 'b' })).toBe(true);
    expect(agent.sendConnect(connId, 'h:1', { A: 'b' })).toBe(true);
    await over;
    expect(received).toBe(
      `TRACE /t HTTP/1.1\r\nA: b\r\nHost: 127.0.0.1:${port}\r\n\r\nCONNECT h:1 HTTP/1.1\r\nA: b\r\n\r\n`,
    );
  });
});

describe('an answer to HEAD', () => {
  it('has no body, whatever its fields say, and the next answer is understood (HP-040)', async () => {
    const port = await answering('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
    const client = await connect(port);
    for (let i = 0; i < 3; i++) {
      const answer = await client.request({ method: 'HEAD' });
      expect([answer.status, answer.body.length, answer.isKeepAlive]).toEqual([200, 0, true]);
    }
  });
});

describe('over TLS', () => {
  it('clients and agents do the same', async () => {
    const authority = await Authority.make('test');
    const { key, cert } = await authority.sign();
    const server = new HttpsServer({ onRequest: (_s, _id, request) => void request.respond(request.path) });
    server.setupSSLContext({ key, cert });
    const { port } = await server.start('127.0.0.1', 0);
    cleanups.push(() => server.stop());
    const ssl = { ca: authority.ca };
    const client = new HttpsClient({}, { ssl });
    await client.start('127.0.0.1', port, { serverName: 'localhost' });
    cleanups.push(() => client.stop());
    expect((await client.request({ path: '/c' })).text()).toBe('/c');
    const agent = new HttpsAgent({}, { ssl });
    await agent.start();
    cleanups.push(() => agent.stop());
    const connId = await agent.connect('127.0.0.1', port, { serverName: 'localhost' });
    expect((await agent.request(connId, { path: '/a' })).text()).toBe('/a');
  });
});
