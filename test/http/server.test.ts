import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import tls from 'node:tls';
import { request as undici } from 'undici';
import { afterEach, describe, expect, it } from 'vitest';
import { HandleResult } from '../../src/core/enums.ts';
import { llhttp } from '../../src/http/llhttp/llhttp.ts';
import {
  type AnswerInit,
  type HttpRequest,
  HttpServer,
  type HttpServerHooks,
  type HttpServerOptions,
  HttpsServer,
  HttpUpgradeType,
  HttpUrlField,
} from '../../src/http.ts';
import { Authority } from '../tools/certificates.ts';

const running: HttpServer[] = [];
const sockets: net.Socket[] = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const server of running.splice(0)) if (server.hasStarted) await server.stop();
});

async function start(
  listener: HttpServerHooks<HttpServer>,
  options?: HttpServerOptions,
): Promise<{ server: HttpServer; port: number; url: string }> {
  const server = new HttpServer(listener, options);
  running.push(server);
  const { port } = await server.start('127.0.0.1', 0);
  return { server, port, url: `http://127.0.0.1:${port}` };
}

/** Sends `text`, and everything that comes until the server ends, or `until` has been seen. */
async function talk(port: number, text: string, until?: RegExp): Promise<string> {
  const socket = net.connect(port, '127.0.0.1');
  sockets.push(socket);
  socket.write(text, 'latin1');
  let received = '';
  socket.setEncoding('latin1');
  for await (const piece of socket) {
    received += piece;
    if (until?.test(received)) break;
  }
  socket.destroy();
  return received;
}

const answering = (init: AnswerInit | string): HttpServerHooks<HttpServer> => ({
  onRequest: (_server, _id, request) => void request.respond(init),
});

describe('an idle connection', () => {
  it('keeps no parser, nor the head of a request that is answered and nobody else wanted', async () => {
    const before = llhttp().parserCount;
    for (const isAlone of [true, false]) {
      const server = new HttpServer({
        onRequest: (sender, connId, request) => {
          expect(sender.getHeader(connId, 'x-a')).toBe('b');
          void request.respond('ok');
        },
        ...(isAlone ? {} : { onMessageComplete: () => {} }),
      });
      const { port } = await server.start('127.0.0.1', 0);
      running.push(server);
      const socket = net.connect(port, '127.0.0.1');
      sockets.push(socket);
      for (const request of [
        'GET / HTTP/1.1\r\nHost: h\r\nX-A: b\r\n\r\n',
        'POST / HTTP/1.1\r\nHost: h\r\nX-A: b\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n',
      ]) {
        socket.write(request);
        await once(socket, 'data');
        const [connId] = server.getAllConnectionIDs();
        expect(server.getHeader(connId!, 'x-a')).toBe(isAlone ? null : 'b'); // HP-036
        expect(llhttp().parserCount).toBe(before);
      }
    }
  });
});

describe('an HTTP server by hooks', () => {
  it('answers with everything that HP-Socket tells about a request (HTTP-RS-002, HTTP-M-005 to HTTP-M-019, HT-010)', async () => {
    const seen: Record<string, unknown>[] = [];
    const { url, server, port } = await start({
      onMessageComplete(self, id) {
        seen.push({
          'HTTP-M-005': self.isUpgrade(id),
          'HTTP-M-006': self.isKeepAlive(id),
          'HTTP-M-007': self.getVersion(id),
          'HTTP-M-008': self.getContentLength(id),
          'HTTP-M-009': self.getContentType(id),
          'HTTP-M-010': self.getContentEncoding(id),
          'HTTP-M-011': self.getTransferEncoding(id),
          'HTTP-M-012': self.getUpgradeType(id),
          'HTTP-M-013': self.getParseErrorCode(id).code,
          'HTTP-M-014': [self.getHeader(id, 'x-a'), self.getHeader(id, 'none')],
          'HTTP-M-015': [self.getHeaders(id, 'X-A'), self.getHeaders(id, 'none')],
          'HTTP-M-016': self.getAllHeaders(id).filter(([name]) => /^(host|x-)/i.test(name)),
          'HTTP-M-017': self.getAllHeaderNames(id).filter((name) => /^(host|x-)/i.test(name)),
          'HTTP-M-018': [self.getCookie(id, 'k'), self.getCookie(id, 'K')],
          'HTTP-M-019': [...self.getAllCookies(id)],
          'HTTP-RS-005': self.getHost(id),
          'HTTP-RS-008': self.getUrlFieldSet(id),
          'HTTP-RS-009': [
            self.getUrlField(id, HttpUrlField.Path),
            self.getUrlField(id, HttpUrlField.QueryString),
            self.getUrlField(id, HttpUrlField.Fragment),
            self.getUrlField(id, 7 as HttpUrlField),
          ],
          'HTTP-RS-010': self.getMethod(id),
        });
        self.sendResponse(id, 200, null, { 'X-B': 'c' }, 'hello');
      },
    });
    const { statusCode, headers, body } = await undici(`${url}/a/b?c=d`, {
      method: 'POST',
      headers: [
        ...['Host', 'h:1', 'X-A', '1', 'x-a', '2', 'Cookie', 'k=v; l=w', 'Content-Type', 't/x'],
        ...['Content-Encoding', 'br'],
      ],
      body: 'abc',
    });
    expect([statusCode, headers['x-b'], await body.text()]).toEqual([200, 'c', 'hello']);
    const asked = {
      'HTTP-M-005': false,
      'HTTP-M-006': true,
      'HTTP-M-007': 0x0101,
      'HTTP-M-008': 3,
      'HTTP-M-009': 't/x',
      'HTTP-M-010': 'br',
      'HTTP-M-011': null,
      'HTTP-M-012': 0,
      'HTTP-M-013': 0,
      'HTTP-M-014': ['1', null],
      'HTTP-M-015': [['1', '2'], []],
      'HTTP-M-016': [
        ['host', 'h:1'], // as undici spells it
        ['X-A', '1'],
        ['x-a', '2'],
      ],
      'HTTP-M-017': ['host', 'X-A', 'x-a'],
      'HTTP-M-018': ['v', null],
      'HTTP-M-019': [
        ['k', 'v'],
        ['l', 'w'],
      ],
      'HTTP-RS-005': 'h:1',
      'HTTP-RS-008': 0x18,
      'HTTP-RS-009': ['/a/b', 'c=d', '', null],
      'HTTP-RS-010': 'POST',
    };
    expect(seen).toEqual([asked]);
    expect(server.httpStats().messages).toBe(1);
    expect(server.sendResponse(999, 200)).toBe(false);
    expect(server.getHeader(999, 'a')).toBeNull();
    await talk(
      port,
      'PUT /p HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n',
    );
    expect(seen[1]).toMatchObject({ 'HTTP-M-006': false, 'HTTP-M-011': 'chunked', 'HTTP-RS-010': 'PUT' });
  });

  it('tells which upgrade was asked for, and what was wrong (HTTP-M-005, HTTP-M-012, HTTP-M-013)', async () => {
    const upgrades: unknown[] = [];
    const errors: unknown[] = [];
    const { port } = await start({
      onUpgrade: (self, id) => {
        upgrades.push([self.isUpgrade(id), self.getUpgradeType(id)]);
        self.sendResponse(id, 403, null, { Connection: 'close' });
        self.disconnect(id, { drain: true });
      },
      onParseError: (self, id) => void errors.push(self.getParseErrorCode(id)),
    });
    await talk(port, 'GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n');
    await talk(port, 'GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n');
    await talk(port, 'CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n');
    await talk(port, 'GET / HTTP/1.1\r\nA b: c\r\n\r\n');
    expect(upgrades).toEqual([
      [true, HttpUpgradeType.WebSocket],
      [true, HttpUpgradeType.Unknown],
      [true, HttpUpgradeType.HttpTunnel],
    ]);
    expect(errors).toEqual([{ code: 10, description: expect.stringMatching(/./) }]);
  });

  it('answers one request behind the other with bodies that are sent piece by piece (RES-009)', async () => {
    const { url, server } = await start({
      onHeadersComplete: (self, id) =>
        void self.sendResponse(id, 200, null, { 'Content-Length': String(self.getContentLength(id)) }),
      onBody: (self, id, data) => void self.send(id, data),
    });
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const body = Buffer.alloc(100_000, 'x');
    for (let i = 0; i < 100; i++) {
      const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
        const request = http.request(
          url,
          { agent, method: 'POST', headers: { 'Content-Length': body.length } },
          resolve,
        );
        request.on('error', reject);
        request.end(body);
      });
      let length = 0;
      for await (const piece of response) length += (piece as Buffer).length;
      expect(length).toBe(body.length);
    }
    agent.destroy();
    expect(server.httpStats().pipelineFull).toBe(0);
    expect(await server.stop({ drainTimeoutMs: 5_000 })).toMatchObject({ forced: 0 });
  });

  it('calls onParseError and onClose for a refusal, and answers it (CLS-010)', async () => {
    const log: unknown[] = [];
    const closed = new Promise<void>((resolve) => {
      void start({
        onParseError: (_s, _id, code) => void log.push(code),
        onClose: (_s, _id, operation, code) => {
          log.push(operation, code);
          resolve();
        },
      }).then(async ({ port }) => {
        log.push((await talk(port, 'GET / HTTP/1.1\r\n\r\n')).slice(0, 24));
      });
    });
    await closed;
    await turn();
    expect(log.filter((entry) => typeof entry === 'number')).toEqual([10, 4, 125]);
  });

  it('hands an upgrade over to raw bytes', async () => {
    const { port } = await start({
      onUpgrade: (server, id) => void server.sendResponse(id, 101, null, { Connection: 'Upgrade', Upgrade: 'echo' }),
      onReceive: (server, id, data) => void server.send(id, data),
    });
    const received = await talk(
      port,
      'GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nping',
      /ping/,
    );
    expect(received).toMatch(/^HTTP\/1\.1 101 [\s\S]*\r\n\r\nping$/);
  });

  it('speaks HTTP from startHttp on (HTTP-M-001, HTTP-M-021, HTTP-M-022, HT-003, HT-012, STB-003)', async () => {
    const { port, server } = await start(
      {
        onReceive(self, id, data) {
          expect(data.toString()).toBe('start');
          expect(self.startHttp(id)).toBe(true);
          expect(self.startHttp(id)).toBe(false);
          self.send(id, 'ok');
        },
        onMessageComplete: (self, id) => void self.sendResponse(id, 200, null, null, 'done'),
      },
      { httpAutoStart: false },
    );
    const socket = net.connect(port, '127.0.0.1');
    sockets.push(socket);
    socket.write('start');
    await once(socket, 'data');
    socket.write('GET / HTTP/1.1\r\nHost: h\r\n\r\n');
    const [data] = (await once(socket, 'data')) as [Buffer];
    expect(data.toString()).toMatch(/done$/);
    expect(server.startHttp(12345)).toBe(false);
    const auto = await start({});
    const client = net.connect(auto.port, '127.0.0.1');
    sockets.push(client);
    await once(client, 'connect');
    while (auto.server.connectionCount === 0) await turn();
    expect(auto.server.startHttp(auto.server.getAllConnectionIDs()[0]!)).toBe(false);
  });

  it('calls onHandShake when the connection opens, and a refusal there ends it, started by hand or not (HT-014)', async () => {
    for (const httpAutoStart of [true, false]) {
      const log: string[] = [];
      const { port, server } = await start(
        {
          onAccept: () => void log.push('accept'),
          onHandShake: () => {
            log.push('handshake');
            return HandleResult.Error;
          },
          onReceive: () => void log.push('received'),
          onMessageBegin: () => void log.push('begin'),
        },
        { httpAutoStart },
      );
      const socket = net.connect(port, '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\nHost: h\r\n\r\n'));
      sockets.push(socket);
      socket.on('error', () => {});
      await once(socket, 'close');
      expect(log).toEqual(['accept', 'handshake']);
      expect(server.connectionCount).toBe(0);
    }
  });

  it('is strict unless told otherwise, as a whole or by a rule (NHT-003)', async () => {
    const hooks = answering('ok');
    const bareLf = 'GET / HTTP/1.1\r\nHost: h\nConnection: close\r\n\r\n';
    const twoHosts = 'GET / HTTP/1.1\r\nHost: h\r\nHost: i\r\nConnection: close\r\n\r\n';
    const statuses: [options: HttpServerOptions, forBareLf: string, forTwoHosts: string][] = [
      [{}, '400', '400'],
      [{ httpPolicy: 'strict' }, '400', '400'],
      [{ httpPolicy: 'hp', httpRules: { closing: true } }, '200', '200'],
      [{ httpRules: { bareLf: false } }, '200', '400'],
      [{ httpPolicy: 'hp', httpRules: { host: true, closing: true, answersErrors: true } }, '200', '400'],
    ];
    for (const [options, ...expected] of statuses) {
      const { port, server } = await start(hooks, options);
      expect(server.httpPolicy).toBe(options.httpPolicy ?? 'strict');
      const seen = [await talk(port, bareLf), await talk(port, twoHosts)].map((answer) => answer.slice(9, 12));
      expect([options, ...seen]).toEqual([options, ...expected]);
    }
  });

  it('releases a connection: after the delay, or with the next byte (REL-001 to REL-004, HT-005, HTTP-RS-004, HTTP-RS-006, HTTP-RS-007)', async () => {
    const codes: number[] = [];
    const listener: HttpServerHooks<HttpServer> = {
      onMessageComplete(server, id) {
        server.sendResponse(id, 200);
        expect(server.release(id)).toBe(true);
        expect(server.release(id)).toBe(false);
      },
      onClose: (_s, _id, _operation, code) => void codes.push(code),
    };
    const { port, server } = await start(listener, { releaseDelay: 100 });
    await talk(port, 'GET / HTTP/1.1\r\nHost: h\r\n\r\n');
    while (codes.length < 1) await turn();
    expect(codes).toEqual([0]);
    await talk(port, 'GET / HTTP/1.1\r\nHost: h\r\n\r\nx').catch(() => ''); // it may be cut off by a reset
    while (codes.length < 2) await turn();
    expect(codes).toEqual([0, 125]);
    expect(server.release(99)).toBe(false);
  });

  it('refuses a hook that it does not know, and properties that make no sense', () => {
    expect(() => new HttpServer({ onRequests: () => {} } as never)).toThrow(/unknown hook/);
    expect(() => new HttpServer({ onRequest: 1 } as never)).toThrow(TypeError);
    expect(() => new HttpServer({}, { httpRules: { hosts: true } as never })).toThrow(/unknown rule/);
    expect(() => new HttpServer({}, { releaseDelay: 99 })).toThrow(RangeError);
    expect(() => new HttpServer({}, { localVersion: 2 as never })).toThrow(RangeError);
  });
});

describe('whole requests', () => {
  it('are collected and answered, whoever asks', async () => {
    const { url, port } = await start({
      async onRequest(_server, _id, request) {
        await request.respond({
          headers: { 'Content-Type': 'text/plain', 'Set-Cookie': ['a=b', 'c=d'] },
          body: `${request.method} ${request.path} ${request.query.get('q')} ${await request.text()}`,
        });
      },
    });
    const response = await undici(`${url}/p?q=1`, { method: 'PUT', body: 'x'.repeat(100_000) });
    expect(await response.body.text()).toBe(`PUT /p 1 ${'x'.repeat(100_000)}`);
    expect(response.headers['set-cookie']).toEqual(['a=b', 'c=d']);
    expect(response.headers.date).toMatch(/GMT$/);
    const fetched = await fetch(`${url}/f?q=2`, { method: 'POST', body: 'body' });
    expect(await fetched.text()).toBe('POST /f 2 body');
    const old = await talk(port, 'POST /o?q=3 HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi');
    expect(old).toMatch(/Connection: close\r\n\r\nPOST \/o 3 hi$/);
  });

  it('are answered in their order, whatever order the answers are made in', async () => {
    const requests: HttpRequest[] = [];
    const { port } = await start({ onRequest: (_s, _id, request) => void requests.push(request) });
    const talking = talk(port, [1, 2, 3].map((n) => `GET /${n} HTTP/1.1\r\nHost: h\r\n\r\n`).join(''), /three$/);
    while (requests.length < 3) await turn();
    requests[2]!.respond('three');
    async function* pieces(): AsyncGenerator<string> {
      yield 'tw';
      await turn();
      yield 'o';
    }
    const second = requests[1]!.respond({ body: pieces() });
    requests[0]!.respond('one');
    expect(await second).toBe(true);
    expect(requests[0]!.respond('again')).toBe(false);
    const bodies = (await talking).split('\r\n\r\n');
    expect(bodies[1]).toMatch(/^one/);
    expect(bodies[2]).toBe('2\r\ntw\r\n1\r\no\r\n0');
    expect(bodies[4]).toBe('three');
  });

  it('get 413 if they are too long, by their head or in the end', async () => {
    const { port, server } = await start(answering('ok'), { maxBodyBytes: 10 });
    const post = 'POST / HTTP/1.1\r\nHost: h\r\n';
    expect(await talk(port, `${post}Content-Length: 11\r\n\r\n12345678901`)).toMatch(/^HTTP\/1\.1 413 /);
    expect(await talk(port, `${post}Transfer-Encoding: chunked\r\n\r\nb\r\n12345678901\r\n`)).toMatch(
      /^HTTP\/1\.1 413 /,
    );
    expect(await talk(port, `${post}Connection: close\r\nContent-Length: 10\r\n\r\n1234567890`)).toMatch(
      /^HTTP\/1\.1 200 /,
    );
    expect(server.httpStats().bodyTooLarge).toBe(2);
  });

  it('get 100 Continue when their body is wanted, and only then', async () => {
    const post = 'POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n';
    const collected = await start(answering('ok'));
    expect(await talk(collected.port, post, /Continue\r\n\r\n/)).toBe('HTTP/1.1 100 Continue\r\n\r\n');
    const streamed = await start(answering({ status: 403, headers: { Connection: 'close' } }), {
      requestBody: 'stream',
    });
    expect(await talk(streamed.port, post)).toMatch(/^HTTP\/1\.1 403 /);
    const tooLong = await start(answering('ok'), { maxBodyBytes: 1 });
    expect(await talk(tooLong.port, post)).toMatch(/^HTTP\/1\.1 413 /);
  });

  it('can be read as they arrive, without reading ahead', async () => {
    let resume = (): void => {};
    const seen: number[] = [];
    const { port, server } = await start(
      {
        async onRequest(_server, _id, request) {
          let length = 0;
          for await (const piece of request) {
            length += piece.length;
            seen.push(length);
            if (seen.length === 1)
              await new Promise<void>((resolve) => {
                resume = resolve;
              });
          }
          request.respond(String(length));
        },
      },
      { requestBody: 'stream' },
    );
    const size = 40_000_000;
    const socket = net.connect(port, '127.0.0.1');
    sockets.push(socket);
    socket.write(`POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ${size}\r\n\r\n`);
    const isTaken = new Promise<void>((resolve) => socket.write(Buffer.alloc(size), () => resolve()));
    while (seen.length === 0) await turn();
    for (let i = 0; i < 50; i++) await turn();
    expect(server.stats().bytesIn).toBeLessThan(1_000_000);
    resume();
    await isTaken;
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toMatch(new RegExp(`${size}$`));
  });

  it('get no body behind HEAD, 204 and 304, whatever the handler gives', async () => {
    const { port } = await start({
      onRequest: (_s, _id, request) => void request.respond({ status: Number(request.path.slice(1)), body: 'body' }),
    });
    const received = await talk(
      port,
      'HEAD /200 HTTP/1.1\r\nHost: h\r\n\r\nGET /204 HTTP/1.1\r\nHost: h\r\n\r\nGET /304 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n',
    );
    expect(received).not.toContain('body');
    expect(received.match(/Content-Length: \d+/g)).toEqual(['Content-Length: 4', 'Content-Length: 4']);
  });

  it('become 500 if the handler throws or rejects, and are reported', async () => {
    const errors: unknown[] = [];
    const { port } = await start({
      onRequest(_s, _id, request) {
        if (request.path === '/throw') throw new Error('thrown');
        return Promise.reject(new Error('rejected'));
      },
      onHookError: (_s, hook, error) => void errors.push(`${hook} ${(error as Error).message}`),
    });
    const received = await talk(
      port,
      'GET /throw HTTP/1.1\r\nHost: h\r\n\r\nGET /reject HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n',
    );
    expect(received.match(/HTTP\/1\.1 500/g)).toHaveLength(2);
    expect(errors).toEqual(['onRequest thrown', 'onRequest rejected']);
  });

  it('give up the source of a body that is not sent: to HEAD, to clients that went, now or while it waits', async () => {
    const sources: Readable[] = [];
    let answered: Promise<unknown> = Promise.resolve();
    const { port } = await start({
      onRequest(server, connId, request) {
        const body = new Readable({ read() {} });
        body.push('piece');
        sources.push(body);
        if (request.path === '/gone') server.disconnect(connId);
        answered = Promise.resolve(request.respond({ body }));
      },
    });
    await talk(port, 'HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    expect([await answered, sources[0]!.destroyed]).toEqual([true, true]);
    await talk(port, 'GET /gone HTTP/1.1\r\nHost: x\r\n\r\n');
    expect([await answered, sources[1]!.destroyed]).toEqual([false, true]);
    const socket = net.connect(port, '127.0.0.1');
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await once(socket, 'data');
    socket.resetAndDestroy();
    expect([await answered, sources[2]!.destroyed]).toEqual([false, true]);
  });

  it('leaves an iterator that brings nothing more when the client has gone', async () => {
    let returned = 0;
    let pieces = 0;
    const body: AsyncIterable<string> = {
      [Symbol.asyncIterator]: () => ({
        next: () => (pieces++ === 0 ? Promise.resolve({ value: 'piece', done: false }) : new Promise(() => {})),
        return: () => {
          returned++;
          return new Promise(() => {}); // as an async generator does whose next() is pending
        },
      }),
    };
    let answered: Promise<unknown> = Promise.resolve();
    const { port } = await start({
      onRequest(_server, _connId, request) {
        answered = Promise.resolve(request.respond({ body }));
      },
    });
    const socket = net.connect(port, '127.0.0.1');
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await once(socket, 'data');
    socket.resetAndDestroy();
    expect(await answered).toBe(false);
    expect(returned).toBe(1);
  });

  it('throw at once for what cannot be sent, with a streamed body too, so that the request gets 500', async () => {
    const failures: string[] = [];
    const wrong = [
      { body: 5 },
      { body: {} },
      { headers: { 'X-A': 'b\r\nX-B: c' }, body: Readable.from(['piece']) },
      { status: 99, body: ['piece'] },
      { headers: { 'Transfer-Encoding': 'chunked' }, body: ['piece'] },
    ];
    const { port } = await start({
      onRequest: (_s, _id, request) => void request.respond(wrong[Number(request.path.slice(1))] as never),
      onHookError: (_s, hook) => void failures.push(hook),
    });
    for (let i = 0; i < wrong.length; i++) {
      expect(await talk(port, `GET /${i} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)).toMatch(
        /^HTTP\/1\.1 500 /,
      );
    }
    expect(failures).toEqual(wrong.map(() => 'onRequest'));
  });

  it('do not look whole if a streamed answer fails in the middle', async () => {
    const errors: unknown[] = [];
    async function* failing(): AsyncGenerator<string> {
      yield 'begin';
      throw new Error('failed');
    }
    const { port } = await start({
      onRequest: (_s, _id, request) =>
        request.respond(
          request.path === '/length' ? { headers: { 'Content-Length': '3' }, body: ['12'] } : { body: failing() },
        ),
      onHookError: (_s, _hook, error) => void errors.push((error as Error).message),
    });
    for (const path of ['/chunks', '/length']) {
      const received = await talk(port, `GET ${path} HTTP/1.1\r\nHost: h\r\n\r\n`).catch(
        (error: Error) => error.message,
      );
      expect(received).not.toContain('0\r\n\r\n');
    }
    expect(errors).toEqual(['failed', 'the body is shorter than its Content-Length']);
  });

  it('are aborted when their client goes, and an answer goes nowhere then', async () => {
    let taken: HttpRequest | null = null;
    const { port } = await start({ onRequest: (_s, _id, request) => void (taken = request) });
    const socket = net.connect(port, '127.0.0.1');
    sockets.push(socket);
    socket.write('GET / HTTP/1.1\r\nHost: h\r\n\r\n');
    while (taken === null) await turn();
    const request = taken as HttpRequest;
    const aborted = once(request.signal, 'abort');
    socket.resetAndDestroy();
    await aborted;
    expect(request.isAnswerable).toBe(false);
    expect(request.respond('late')).toBe(false);
  });

  it('refuse to send what would split an answer', async () => {
    const errors: unknown[] = [];
    const { port } = await start({
      onRequest(_s, _id, request) {
        for (const init of [
          { headers: { A: 'b\r\nC: d' } },
          { headers: { 'A\r\n': 'b' } },
          { reason: 'a\nb' },
          { status: 100 },
          { headers: { 'Transfer-Encoding': 'chunked' } },
          { headers: { 'Content-Length': '5' }, body: 'abc' },
        ]) {
          try {
            request.respond(init as AnswerInit);
          } catch (error) {
            errors.push((error as Error).constructor.name);
          }
        }
        request.respond('fine');
      },
    });
    expect(await talk(port, 'GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n')).toMatch(/fine$/);
    expect(errors).toEqual(['TypeError', 'TypeError', 'TypeError', 'RangeError', 'TypeError', 'TypeError']);
  });

  it('send trailers both ways', async () => {
    let came = '';
    const { port } = await start({
      onRequest(_s, _id, request) {
        came = request.trailers.get('x-sum') ?? '';
        void request.respond({ body: ['a', 'b'], trailers: () => ({ 'X-Sum': 'ab' }) });
      },
    });
    const received = await talk(
      port,
      'POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-Sum: x\r\n\r\n',
    );
    expect(came).toBe('x');
    expect(received).toMatch(/1\r\na\r\n1\r\nb\r\n0\r\nX-Sum: ab\r\n\r\n$/);
  });

  it('wait for a peer that reads slowly instead of filling memory', async () => {
    let made = 0;
    const total = 400;
    async function* pieces(): AsyncGenerator<Buffer> {
      for (; made < total; made++) yield Buffer.alloc(100_000, 'x');
    }
    const { port } = await start({ onRequest: (_s, _id, request) => request.respond({ body: pieces() }) });
    const socket = net.connect(port, '127.0.0.1');
    sockets.push(socket);
    socket.write('GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n');
    let before = -1;
    while (made === 0 || made !== before) {
      before = made;
      for (let i = 0; i < 20; i++) await turn();
    }
    expect(made).toBeLessThan(total);
    let length = 0;
    for await (const piece of socket) length += (piece as Buffer).length;
    expect(length).toBeGreaterThan(total * 100_000);
  });

  it('are all answered by a stop that drains, and idle connections end at once', async () => {
    let taken: HttpRequest | null = null;
    const { port, server } = await start({
      onRequest(_s, _id, request) {
        if (request.path === '/slow') taken = request;
        else request.respond('fast');
      },
    });
    const idle = talk(port, 'GET /fast HTTP/1.1\r\nHost: h\r\n\r\n');
    const busy = talk(port, 'GET /slow HTTP/1.1\r\nHost: h\r\n\r\n');
    while (taken === null) await turn();
    const stopping = server.stop({ drainTimeoutMs: 10_000 });
    expect(await idle).toMatch(/fast$/);
    (taken as HttpRequest).respond('slow');
    expect(await busy).toMatch(/Connection: close\r\n\r\nslow$/);
    expect(await stopping).toMatchObject({ connections: expect.any(Number), forced: 0, failed: 0 });
  });

  it('come from node:http on one connection', async () => {
    const { port, server } = await start(answering('ok'));
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    for (let i = 0; i < 5; i++) {
      const response = await new Promise<http.IncomingMessage>((resolve) => {
        http.get({ port, host: '127.0.0.1', agent, path: `/${i}` }, resolve);
      });
      let body = '';
      for await (const piece of response) body += piece;
      expect(body).toBe('ok');
    }
    expect(server.stats().opened).toBe(1);
    agent.destroy();
  });
});

describe('files', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hp-socket-http-'));
  const name = join(folder, 'file');
  const content = Buffer.from(Array.from({ length: 1_500_000 }, (_, i) => (i * 7) % 251));
  writeFileSync(name, content);
  writeFileSync(join(folder, 'empty'), '');
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

  it('are streamed, whole or in a range, larger than HP-Socket allows (HTTP-RS-003, RES-008)', async () => {
    const reports: unknown[] = [];
    const { url } = await start({
      async onMessageComplete(server, id) {
        reports.push(
          await server.sendLocalFile(
            id,
            server.getUrlField(id, HttpUrlField.Path) === '/empty' ? join(folder, 'empty') : name,
            { headers: { 'Content-Type': 'x/y' } },
          ),
        );
      },
    });
    const get = async (path: string, headers: Record<string, string> = {}, method = 'GET') => {
      const response = await fetch(`${url}${path}`, { headers, method });
      return { status: response.status, headers: response.headers, body: Buffer.from(await response.arrayBuffer()) };
    };
    const whole = await get('/');
    expect(whole.body.equals(content)).toBe(true);
    expect([whole.status, whole.headers.get('content-type'), whole.headers.get('accept-ranges')]).toEqual([
      200,
      'x/y',
      'bytes',
    ]);
    const etag = whole.headers.get('etag')!;
    const part = await get('/', { Range: 'bytes=10-19' });
    expect([part.status, part.headers.get('content-range'), part.body.equals(content.subarray(10, 20))]).toEqual([
      206,
      `bytes 10-19/${content.length}`,
      true,
    ]);
    expect((await get('/', { Range: 'bytes=-5' })).body.equals(content.subarray(-5))).toBe(true);
    expect((await get('/', { Range: `bytes=${content.length}-` })).status).toBe(416);
    expect((await get('/', { Range: 'bytes=1-2, 4-5' })).status).toBe(200);
    expect((await get('/', { Range: 'bytes=1-2', 'If-Range': '"other"' })).status).toBe(200);
    expect((await get('/', { 'If-None-Match': etag })).status).toBe(304);
    expect((await get('/', { 'If-Modified-Since': whole.headers.get('last-modified')! })).status).toBe(304);
    const head = await get('/', {}, 'HEAD');
    expect([head.headers.get('content-length'), head.body.length]).toEqual([String(content.length), 0]);
    expect((await get('/empty')).body.length).toBe(0);
    expect(reports[0]).toEqual({ status: 200, bytes: content.length });
  });

  it('that are not there set lastError (HT-007)', async () => {
    const results: unknown[] = [];
    const { url, server } = await start({
      async onMessageComplete(self, id) {
        results.push(
          await self.sendLocalFile(id, join(folder, 'none')),
          self.lastSystemError,
          await self.sendLocalFile(id, folder),
          self.lastSystemError,
        );
        self.sendResponse(id, 404);
      },
    });
    expect((await fetch(url)).status).toBe(404);
    expect(results).toEqual([false, 2, false, 21]);
    expect(await server.sendLocalFile(99, name)).toBe(false);
  });
});

describe('an HTTPS server', () => {
  it('is the HTTP server over TLS', async () => {
    const { key, cert } = await (await Authority.make('test')).sign();
    const server = new HttpsServer({ onRequest: (_s, _id, request) => void request.respond(`secure ${request.path}`) });
    running.push(server);
    server.setupSSLContext({ key, cert });
    const { port } = await server.start('127.0.0.1', 0);
    const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
      https.get({ port, host: '127.0.0.1', path: '/x', rejectUnauthorized: false }, resolve).on('error', reject);
    });
    let body = '';
    for await (const piece of response) body += piece;
    expect(body).toBe('secure /x');
    const socket = tls.connect({
      port,
      host: '127.0.0.1',
      rejectUnauthorized: false,
      ALPNProtocols: ['h2', 'http/1.1'],
    });
    await once(socket, 'secureConnect');
    expect(socket.alpnProtocol).toBe('http/1.1');
    socket.destroy();
  });
});
