import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { HandleResult, SocketErrorCode } from '../../../src/core/enums.ts';
import {
  HttpParseResult,
  HttpServer,
  type HttpServerHooks,
  type HttpServerOptions,
  HttpSyncClient,
  type HttpSyncClientOptions,
  HttpsServer,
  HttpsSyncClient,
} from '../../../src/http.ts';
import { Authority } from '../../tools/certificates.ts';

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function serve(listener: HttpServerHooks<HttpServer>, options: HttpServerOptions = {}): Promise<string> {
  const server = new HttpServer(listener, options);
  const { port } = await server.start('127.0.0.1', 0);
  cleanups.push(() => server.stop());
  return `http://127.0.0.1:${port}`;
}

async function serveRaw(accept: (socket: net.Socket) => void): Promise<string> {
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
  return `http://127.0.0.1:${(server.address() as net.AddressInfo).port}`;
}

/** A server that answers each request with these bytes, and counts connections and requests. */
async function answering(answer: string): Promise<{ url: string; connections: () => number; requests: string[] }> {
  let connections = 0;
  const requests: string[] = [];
  const url = await serveRaw((socket) => {
    connections++;
    socket.on('data', (data) => {
      requests.push(String(data));
      socket.write(answer, 'latin1');
    });
  });
  return { url, connections: () => connections, requests };
}

function make(options: HttpSyncClientOptions = {}): HttpSyncClient {
  const client = new HttpSyncClient({}, options);
  cleanups.push(async () => {
    if (client.hasStarted) await client.stop();
  });
  return client;
}

describe('an HTTP sync client', () => {
  it('opens URLs, and shows the answer until the next call (HTTP-SY-001, HTTP-SY-002, HTTP-SY-007, SYN-007, SYN-008)', async () => {
    const url = await serve({
      onRequest: (_s, _id, request) =>
        void request.respond({
          status: 201,
          headers: { 'X-Path': request.url, 'Set-Cookie': 'a=b' },
          body: `${request.method} ${request.body}`,
        }),
    });
    const client = make();
    const response = await client.openUrl('post', `${url}/a?b#c`, { body: 'text' });
    expect([response.status, response.text(), response.url]).toEqual([201, 'POST text', `${url}/a?b#c`]);
    expect([client.getStatusCode(), client.getHeader('x-path'), client.getCookie('a')]).toEqual([201, '/a?b', 'b']);
    expect(client.getResponseBody().toString()).toBe('POST text');
    expect(client.cleanupRequestResult()).toBe(true);
    expect([client.getResponseBody().length, client.getHeader('x-path'), client.getAllCookies().size]).toEqual([
      0,
      null,
      0,
    ]);
    expect(client.getStatusCode()).toBe(201);
    expect((await client.request({ path: '/r' })).header('x-path')).toBe('/r');
    expect(client.getHeader('x-path')).toBe('/r');
  });

  it('uses a connection to the same host again, unless told not to (SYN-009, SYN-013)', async () => {
    const { url, connections } = await answering('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
    const other = await answering('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
    const client = make();
    await Promise.all([client.openUrl('GET', url), client.openUrl('HEAD', url), client.openUrl('GET', `${url}/x`)]);
    expect(connections()).toBe(1);
    await client.openUrl('GET', url, { forceReconnect: true });
    expect(connections()).toBe(2);
    await client.openUrl('GET', other.url);
    await client.openUrl('GET', url);
    expect([connections(), other.connections()]).toEqual([3, 1]);
  });

  it('believes the hint of the server, and takes a new connection behind close', async () => {
    const short = await answering('HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1\r\nContent-Length: 0\r\n\r\n');
    const long = await answering('HTTP/1.1 200 OK\r\nKeep-Alive: timeout=60, max=9\r\nContent-Length: 0\r\n\r\n');
    const closing = await answering('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
    const client = make();
    for (const { url } of [short, short, long, long, closing, closing]) await client.openUrl('GET', url);
    expect([short.connections(), long.connections(), closing.connections()]).toEqual([2, 1, 2]);
  });

  it('asks once more if a used connection closes before the answer, only with methods that may be repeated', async () => {
    let connections = 0;
    const seen: string[] = [];
    const url = await serveRaw((socket) => {
      connections++;
      let requests = 0;
      socket.on('data', (data) => {
        seen.push(String(data).split(' ')[0]!);
        if (++requests === 1) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
        else socket.destroy();
      });
    });
    const client = make();
    await client.openUrl('GET', url);
    expect((await client.openUrl('PUT', url, { body: 'x' })).status).toBe(200);
    expect(connections).toBe(2);
    await expect(client.openUrl('POST', url, { body: 'x' })).rejects.toMatchObject({ errnoName: 'ECONNABORTED' });
    expect(seen).toEqual(['GET', 'PUT', 'PUT', 'POST']);
  });

  it("fails with HP-Socket's results (SYN-001 to SYN-003, SYN-005, SYN-011, SYN-012, HTTP-SY-005)", async () => {
    const client = make({ requestTimeout: 20 });
    const error = (url: string): Promise<unknown> => client.openUrl('GET', url).catch((thrown: unknown) => thrown);
    for (const url of [
      'ftp://h/',
      '/path',
      'http://',
      'http://-h/',
      'http://u:p@h/',
      'http://h:/',
      'http://h:99999/',
    ]) {
      expect(await error(url)).toMatchObject({
        socketError: SocketErrorCode.ConnectServer,
        errnoName: 'EADDRNOTAVAIL',
      });
    }
    expect(await error('HTTPS://h/')).toMatchObject({
      socketError: SocketErrorCode.ConnectServer,
      errnoName: 'EPROTO',
    });
    await expect(client.request()).rejects.toMatchObject({ errnoName: 'EPERM' });
    const manual = make({ httpAutoStart: false }); // SYN-002
    await expect(manual.openUrl('GET', 'http://h/')).rejects.toMatchObject({ errnoName: 'EPERM' });
    const closed = net.createServer().listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const { port } = closed.address() as net.AddressInfo;
    closed.close();
    await once(closed, 'close');
    expect(await error(`http://127.0.0.1:${port}`)).toMatchObject({ errnoName: 'ECONNREFUSED' });
    expect(await error((await answering('')).url)).toMatchObject({ errnoName: 'ETIMEDOUT' });
    await client.wait();
    expect(client.hasStarted).toBe(false);
    expect(await error((await answering('garbage\r\n\r\n')).url)).toMatchObject({ errnoName: 'EBADMSG' });
    expect(await error(await serveRaw((socket) => socket.destroy()))).toMatchObject({ name: 'SocketError' });
    const upgraded = await answering('HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n');
    expect(await error(upgraded.url)).toMatchObject({ errnoName: 'EBADMSG' }); // UPG-011
    const aborted = client.openUrl('GET', upgraded.url, { signal: AbortSignal.abort() });
    await expect(aborted).rejects.toMatchObject({ errnoName: 'ECANCELED' });
    expect(() => client.openUrl('GET', 'http://h', { maxRedirect: 1 } as never)).toThrow('did you mean maxRedirects?');
  });

  it('gives up connecting after connectTimeout, TLS included, and is stopped then (SYN-001, HTTP-SY-003)', async () => {
    const url = await serveRaw(() => {}); // where nobody shakes hands
    const client = new HttpsSyncClient({}, { connectTimeout: 30, requestTimeout: 0, ssl: { verifyServer: false } });
    await expect(client.openUrl('GET', url.replace('http:', 'https:'))).rejects.toMatchObject({
      socketError: SocketErrorCode.ConnectServer,
      errnoName: 'ETIMEDOUT',
    });
    await client.wait();
    expect(client.hasStarted).toBe(false);
  });

  it('takes an answer until the end of the connection as complete (SYN-004)', async () => {
    const url = await serveRaw((socket) => socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\n\r\nall')));
    expect((await make().openUrl('GET', url)).text()).toBe('all');
  });

  it('reads text in the charset of its Content-Type, JSON in UTF-8 (SYN2-003)', async () => {
    const bodies: Record<string, [string, Buffer]> = {
      '/latin1': ['text/plain; charset=ISO-8859-1', Buffer.from('\u00e9t\u00e9', 'latin1')],
      '/gbk': ['text/html;CHARSET="gbk"', Buffer.from('c4e3bac3', 'hex')],
      '/utf8': ['text/plain; charset=utf-8', Buffer.from('\u00e9')],
      '/none': ['text/plain', Buffer.from('\u4f60')],
      '/unknown': ['text/plain; charset=klingon', Buffer.from('\u4f60')],
    };
    const url = await serve({
      onRequest: (_s, _id, request) => {
        const [type, body] = bodies[request.path] ?? ['application/json; charset=latin1', Buffer.from('"\u00e9"')];
        void request.respond({ headers: { 'Content-Type': type }, body });
      },
    });
    const client = make();
    const texts: string[] = [];
    for (const path of Object.keys(bodies)) {
      texts.push((await client.openUrl('GET', url + path)).text());
      const streamed = await client.openUrl('GET', url + path, { responseBody: 'stream' });
      expect(await streamed.body.text()).toBe(texts.at(-1));
    }
    expect(texts).toEqual(['\u00e9t\u00e9', '\u4f60\u597d', '\u00e9', '\u4f60', '\u4f60']);
    expect((await client.openUrl('GET', `${url}/json`)).json()).toBe('\u00e9');
    expect(await (await client.openUrl('GET', `${url}/json`, { responseBody: 'stream' })).body.json()).toBe('\u00e9');
  });

  it('ends its calls when it is stopped: the one that is on its way is not repeated, those that wait are not made', async () => {
    let requests = 0;
    const url = await serveRaw((socket) => {
      socket.on('data', (data) => {
        requests++;
        if (String(data).startsWith('GET /first')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      });
    });
    const client = make();
    await client.openUrl('GET', `${url}/first`);
    const calls = [client.openUrl('GET', `${url}/a`), client.openUrl('GET', `${url}/b`)];
    await expect.poll(() => requests).toBe(2);
    await client.stop();
    for (const call of calls) await expect(call).rejects.toMatchObject({ errnoName: 'ECANCELED' });
    expect([requests, client.hasStarted]).toEqual([2, false]);
    // What is asked afterwards is asked.
    expect((await client.openUrl('GET', `${url}/first`)).text()).toBe('ok');
  });

  it('takes timeoutMs for one call in the place of requestTimeout', async () => {
    const url = await serveRaw(() => {});
    const client = make({ requestTimeout: 0 });
    await expect(client.openUrl('GET', url, { timeoutMs: 20 })).rejects.toMatchObject({ errnoName: 'ETIMEDOUT' });
  });

  it('decodes gzip, deflate and br, up to a limit (EZ-004, SYN2-003, EBUG-011)', async () => {
    const text = 'hello '.repeat(1000);
    const bodies: Record<string, [string, Buffer]> = {
      '/gzip': ['gzip', gzipSync(text)],
      '/deflate': ['deflate', deflateSync(text)],
      '/raw': ['deflate', deflateRawSync(text)],
      '/br': ['br', brotliCompressSync(text)],
      '/twice': ['gzip, br', brotliCompressSync(gzipSync(text))],
      '/unknown': ['secret', Buffer.from(text)],
      '/bad': ['gzip', Buffer.from('no gzip')],
      '/deep': ['gzip, gzip, gzip, gzip', Buffer.from('x')],
    };
    const accepted = new Set<string | undefined>();
    const url = await serve({
      onRequest: (_s, _id, request) => {
        accepted.add(request.header('accept-encoding'));
        const [coding, body] = bodies[request.path]!;
        void request.respond({ headers: { 'Content-Encoding': coding }, body });
      },
    });
    const client = make();
    for (const path of ['/gzip', '/deflate', '/raw', '/br', '/twice', '/unknown']) {
      expect([path, (await client.openUrl('GET', url + path)).text()]).toEqual([path, text]);
    }
    expect((await client.openUrl('HEAD', `${url}/gzip`)).body.length).toBe(0);
    expect([...accepted]).toEqual(['gzip, deflate, br']);
    const plain = await client.openUrl('GET', `${url}/gzip`, { decompress: false });
    expect(plain.body).toEqual(gzipSync(text));
    for (const path of ['/bad', '/deep']) {
      await expect(client.openUrl('GET', url + path)).rejects.toMatchObject({ errnoName: 'EBADMSG' });
    }
    const small = make({ maxDecodedBytes: 100 });
    await expect(small.openUrl('GET', `${url}/gzip`)).rejects.toMatchObject({ errnoName: 'EMSGSIZE' });
  });
});

describe('what an HTTP sync client has beside', () => {
  const upgrade = { Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==' };
  const mask = Buffer.from([1, 2, 3, 4]);

  /** A server that upgrades, and answers each frame with what `answer` makes of its payload. */
  async function frames(answer: (text: string) => Buffer | null): Promise<string> {
    let opcode = 0;
    const pieces: Buffer[] = [];
    return serve({
      onUpgrade: (server, connId) =>
        void server.sendResponse(connId, 101, null, { Connection: 'Upgrade', Upgrade: 'WebSocket' }),
      onWSMessageHeader: (_s, _id, _isFinal, _reserved, code) => {
        opcode = code;
        pieces.length = 0;
      },
      onWSMessageBody: (_s, _id, data) => void pieces.push(data),
      onWSMessageComplete: (server, connId) => {
        const body = answer(String(Buffer.concat(pieces)));
        if (body === null) server.disconnect(connId);
        else if (body.length > 0) server.sendWSMessage(connId, true, 0, opcode, body);
      },
    });
  }

  it('sends a WebSocket frame and waits for one (SYN-006, NHT-007)', async () => {
    const url = await frames((text) => (text === 'end' ? null : Buffer.from(text === 'silence' ? '' : `${text}!`)));
    const log: string[] = [];
    const client = new HttpSyncClient({ onWSMessageBody: (_c, _id, data) => void log.push(String(data)) });
    cleanups.push(() => (client.hasStarted ? client.stop() : undefined));
    await expect(client.requestWSMessage(true, 0, 1, mask, 'x')).rejects.toMatchObject({ errnoName: 'EPERM' });
    const response = await client.openUrl('GET', url, { headers: upgrade });
    expect([response.status, response.isUpgrade]).toEqual([101, true]);
    const frame = await client.requestWSMessage(true, 0, 1, mask, 'hello');
    expect(frame).toMatchObject({
      isFinal: true,
      opcode: 1,
      bodyLength: 6,
      bodyRemain: 0,
      body: Buffer.from('hello!'),
    });
    expect([String(client.getResponseBody()), client.getWSMessageState()?.bodyLength, log]).toEqual([
      'hello!',
      6,
      ['hello!'],
    ]);
    const first = client.requestWSMessage(true, 0, 2, mask, 'a');
    await expect(client.requestWSMessage(true, 0, 2, mask, 'b')).rejects.toMatchObject({ errnoName: 'EBUSY' });
    expect(String((await first).body)).toBe('a!');
    await expect(client.requestWSMessage(true, 0, 1, mask, 'end')).rejects.toMatchObject({ errnoName: 'ECONNABORTED' });
    client.requestTimeout = 30;
    await client.openUrl('GET', url, { headers: upgrade });
    await expect(client.requestWSMessage(true, 0, 1, mask, 'silence')).rejects.toMatchObject({
      errnoName: 'ETIMEDOUT',
    });
    await client.wait();
    client.maxBodyBytes = 10;
    await client.openUrl('GET', url, { headers: upgrade });
    const long = client.requestWSMessage(true, 0, 1, mask, 'x'.repeat(10));
    await expect(long).rejects.toMatchObject({ errnoName: 'EMSGSIZE' });
  });

  it('tells a listener everything, and honours its refusals (SYN-010)', async () => {
    const url = await serve({ onRequest: (_s, _id, request) => void request.respond(request.path) });
    const log: string[] = [];
    let refuses = '';
    const client = new HttpSyncClient({
      onConnect: () => void log.push('connect'),
      onHandShake: () => void log.push('handshake'),
      onHeadersComplete: (sender) => {
        log.push(`head ${sender === client}`);
        return refuses === 'head' ? HttpParseResult.Error : undefined;
      },
      onBody: (_c, _id, data) => void log.push(`body ${data}`),
      onMessageComplete: () => {
        log.push('complete');
        return refuses === 'complete' ? HandleResult.Error : undefined;
      },
      onParseError: (_c, _id, code) => void log.push(`error ${code}`),
      onClose: () => void log.push('close'),
    });
    cleanups.push(() => (client.hasStarted ? client.stop() : undefined));
    expect((await client.openUrl('GET', `${url}/a`)).text()).toBe('/a');
    expect(log.splice(0)).toEqual(['connect', 'handshake', 'head true', 'body /a', 'complete']);
    for (const [hook, code] of [
      ['head', 17],
      ['complete', 18],
    ] as const) {
      refuses = hook;
      await expect(client.openUrl('GET', `${url}/b`)).rejects.toMatchObject({ errnoName: 'EBADMSG' });
      await client.wait();
      expect(log).toContain(`error ${code}`);
    }
  });

  it('sends a file for a body, of any length, also once more and behind redirects (SYN-014)', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'hp-sync-'));
    cleanups.push(() => rmSync(folder, { recursive: true }));
    const name = join(folder, 'file');
    writeFileSync(name, 'x'.repeat(5_000_000)); // HP-Socket takes up to 4 MiB
    const listener: HttpServerHooks<HttpServer> = {
      onRequest: async (_s, _id, request) => {
        let length = 0;
        for await (const piece of request) length += piece.length;
        const location = request.path === '/moved' ? { Location: '/end' } : {};
        void request.respond({
          status: request.path === '/moved' ? 307 : 200,
          headers: { ...location, 'X-Length': request.header('content-length') ?? '-' },
          body: String(length),
        });
      },
    };
    const url = await serve(listener, { requestBody: 'stream' });
    const client = make();
    const response = await client.openUrl('PUT', `${url}/moved`, { bodyFile: name, maxRedirects: 1 });
    expect([response.text(), response.header('x-length'), response.redirectCount]).toEqual(['5000000', '5000000', 1]);
    writeFileSync(name, '');
    expect((await client.openUrl('POST', url, { bodyFile: pathToFileURL(name) })).text()).toBe('0');
    for (const [file, errnoName] of [
      [join(folder, 'none'), 'ENOENT'],
      [folder, 'EISDIR'],
    ] as const) {
      await expect(client.openUrl('PUT', url, { bodyFile: file })).rejects.toMatchObject({ errnoName });
    }
    await expect(client.openUrl('PUT', url, { bodyFile: name, body: 'x' })).rejects.toThrow(TypeError);
    expect(() => client.openUrl('PUT', url, { bodyFile: 5 as never })).toThrow(TypeError);
  });

  it('has the time-outs of HP-Socket (HT-006, HTTP-SY-003, HTTP-SY-004, HTTP-SY-005, HTTP-SY-006)', () => {
    const client = new HttpSyncClient();
    expect([client.connectTimeout, client.requestTimeout]).toEqual([5000, 10_000]);
    client.connectTimeout = 0; // none
    client.requestTimeout = 1;
    expect([client.connectTimeout, client.requestTimeout]).toEqual([0, 1]);
    expect(() => {
      client.connectTimeout = -1;
    }).toThrow(RangeError);
  });
});

describe('redirects of an HTTP sync client', () => {
  it('are not followed unless allowed, and only so many (SYN-015)', async () => {
    const url = await serve({
      onRequest: (_s, _id, request) => {
        const n = Number(request.path.slice(1));
        if (n === 0) return void request.respond('end');
        void request.respond({ status: 302, headers: { Location: `/${n - 1}` } });
      },
    });
    const client = make();
    expect((await client.openUrl('GET', `${url}/3`)).status).toBe(302);
    const response = await client.openUrl('GET', `${url}/3`, { maxRedirects: 3 });
    expect([response.text(), response.url, response.redirectCount]).toEqual(['end', `${url}/0`, 3]);
    await expect(client.openUrl('GET', `${url}/3`, { maxRedirects: 2 })).rejects.toMatchObject({ errnoName: 'ELOOP' });
  });

  it('keep or change the method and the body as RFC 9110 15.4 says', async () => {
    const seen: string[] = [];
    const url = await serve({
      onRequest: (_s, _id, request) => {
        const status = Number(request.path.slice(1));
        if (status > 0) return void request.respond({ status, headers: { Location: 'end' } });
        seen.push(`${request.method} ${request.body} ${request.header('content-type') ?? '-'}`);
        void request.respond('');
      },
    });
    const client = make();
    const options = { maxRedirects: 1, body: 'b', headers: { 'Content-Type': 't/x' } };
    for (const status of [301, 302, 303, 307, 308]) await client.openUrl('POST', `${url}/${status}`, options);
    await client.openUrl('PUT', `${url}/302`, options);
    await client.openUrl('HEAD', `${url}/303`, { maxRedirects: 1 });
    expect(seen).toEqual(['GET  -', 'GET  -', 'GET  -', 'POST b t/x', 'POST b t/x', 'PUT b t/x', 'HEAD  -']);
    const streamed = client.openUrl('POST', `${url}/307`, { maxRedirects: 1, body: ['a'] });
    await expect(streamed).rejects.toMatchObject({ errnoName: 'EPROTO' });
  });

  it('drop credentials when the origin changes, and refuse other schemes', async () => {
    const seen: string[][] = [];
    const handler: HttpServerHooks<HttpServer> = {
      onRequest: (_s, _id, request) => {
        const names = ['authorization', 'cookie', 'proxy-authorization', 'x-other'];
        seen.push(names.filter((name) => request.headers.has(name)));
        if (request.path === '/end') return void request.respond('');
        const [to] = request.query.getAll('to');
        void request.respond({ status: 307, headers: { Location: to! } });
      },
    };
    const [first, second] = [await serve(handler), await serve(handler)];
    const headers = { Authorization: 'a', Cookie: 'b=c', 'Proxy-Authorization': 'd', 'X-Other': 'e' };
    const client = make();
    await client.openUrl('GET', `${first}/?to=/end`, { headers, maxRedirects: 1 });
    await client.openUrl('GET', `${first}/?to=${second}/end`, { headers, maxRedirects: 1 });
    const all = ['authorization', 'cookie', 'proxy-authorization', 'x-other'];
    expect(seen).toEqual([all, all, all, ['x-other']]);
    for (const to of ['https://127.0.0.1/', 'http://u:p@127.0.0.1/', 'file:///etc/passwd', 'http://[']) {
      const refused = client.openUrl('GET', `${first}/?to=${encodeURIComponent(to)}`, { maxRedirects: 1 });
      await expect(refused).rejects.toMatchObject({ name: 'SocketError', socketError: SocketErrorCode.ConnectServer });
    }
  });
});

describe('an HTTPS sync client', () => {
  it('opens https: URLs only', async () => {
    const authority = await Authority.make('test');
    const server = new HttpsServer({ onRequest: (_s, _id, request) => void request.respond(request.path) });
    server.setupSSLContext(await authority.sign());
    const { port } = await server.start('127.0.0.1', 0);
    cleanups.push(() => server.stop());
    const client = new HttpsSyncClient({}, { ssl: { ca: authority.ca } });
    cleanups.push(() => client.stop());
    const response = await client.openUrl('GET', `https://localhost:${port}/x`);
    expect(response.text()).toBe('/x');
    await expect(client.openUrl('GET', 'http://localhost/')).rejects.toMatchObject({ errnoName: 'EPROTO' });
  });
});
