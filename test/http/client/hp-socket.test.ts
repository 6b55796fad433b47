import net from 'node:net';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { Component } from '../../../src/core/component.ts';
import { targetOf } from '../../../src/http/request-target.ts';
import { hostOf } from '../../../src/http/requester.ts';
import { HttpAgent, HttpClient, HttpServer, HttpsClient, HttpsServer, HttpVersion } from '../../../src/http.ts';
import { Authority } from '../../tools/certificates.ts';
import { afterTest, answerOf, deferred, eachRequest, makeAgent, serve, serveRaw, until } from './support.ts';

async function connected(url: string, listener = {}, options = {}): Promise<HttpClient> {
  const client = new HttpClient(listener, options);
  const { hostname, port } = new URL(url);
  await client.start(hostname, Number(port));
  afterTest(() => (client.hasStarted ? client.stop() : undefined));
  return client;
}

describe("HP-Socket's HTTP clients and agents", () => {
  it('leave out the default port of Host, and connect to it (HT-001, REQ-004)', () => {
    for (const [remoteHost, remotePort, isSecure, expected] of [
      ['h', 80, false, 'h'],
      ['h', 443, false, 'h:443'],
      ['h', 443, true, 'h'],
      ['h', 80, true, 'h:80'],
      ['::1', 8080, false, '[::1]:8080'],
    ] as const) {
      expect(hostOf({ remoteHost, remotePort } as never, isSecure)).toBe(expected);
    }
    const component = new HttpAgent({}) as Component;
    expect(targetOf(component, false, 'http://h', 'x')).toMatchObject({
      host: 'h',
      port: 80,
      authority: 'h',
      path: '/',
    });
    expect(targetOf(component, true, 'HTTPS://[::1]?q', 'x')).toMatchObject({
      host: '::1',
      port: 443,
      authority: '[::1]',
      path: '/?q',
    });
  });

  it('send the version that they are told to (HTTP-1-004, HTTP-1-005, HTTP-1-023, HT-002)', async () => {
    const seen: string[] = [];
    const url = await serveRaw((socket) =>
      eachRequest(socket, (request) => {
        seen.push(request.split('\r\n')[0]!);
        socket.write(answerOf(''));
      }),
    );
    const old = await connected(url, {}, { localVersion: HttpVersion.V1_0 });
    expect([old.localVersion, old.httpAutoStart]).toEqual([0x0001, true]);
    await old.request();
    await (await connected(url)).request();
    expect(seen).toEqual(['GET / HTTP/1.0', 'GET / HTTP/1.1']);
    expect(() => new HttpClient({}, { localVersion: 0x0200 as never })).toThrow(RangeError);
  });

  it('follow no redirects, repeat nothing and decode nothing (REQ-011, HP-045)', async () => {
    const body = gzipSync('text');
    let count = 0;
    const url = await serve({
      onRequest: (_s, _id, request) => {
        count++;
        void request.respond({ status: 302, headers: { Location: '/', 'Content-Encoding': 'gzip' }, body });
      },
    });
    const pieces: Buffer[] = [];
    const complete = deferred();
    const client = await connected(url, {
      onBody: (_c: unknown, _id: number, data: Buffer) => void pieces.push(data),
      onMessageComplete: () => complete.resolve(),
    });
    client.sendGet('/');
    await complete.promise;
    expect([client.getStatusCode(), Buffer.concat(pieces), count]).toEqual([302, body, 1]);
    expect((await client.request()).body).toEqual(body);
  });

  it('send chunks by the ID of a connection (HTTP-M-002, CHK-001 to CHK-003)', async () => {
    let received = '';
    const url = await serveRaw((socket) => {
      socket.setEncoding('latin1');
      socket.on('data', (text: string) => {
        received += text;
      });
    });
    const agent = await makeAgent();
    const { hostname, port } = new URL(url);
    const connId = await agent.connect(hostname, Number(port));
    agent.sendPost(connId, '/', { 'Transfer-Encoding': 'chunked' });
    expect(agent.sendChunkData(connId, 'x'.repeat(26), 'a=b')).toBe(true);
    expect(agent.sendChunkData(connId)).toBe(true);
    await until(() => received.endsWith('\r\n0\r\n\r\n'));
    expect(received).toContain(`\r\n\r\n1a ;a=b\r\n${'x'.repeat(26)}\r\n0\r\n\r\n`);
    expect(agent.sendChunkData(999, 'x')).toBe(false);
  });

  it('need HTTP to be started to send requests, agents and clients (REQ-009)', async () => {
    const url = await serveRaw(() => {});
    const { hostname, port } = new URL(url);
    const agent = await makeAgent({ httpAutoStart: false });
    const connId = await agent.connect(hostname, Number(port));
    expect(agent.sendGet(connId, '/')).toBe(false);
    expect(agent.lastFailure?.errnoName).toBe('EPERM');
    const client = await connected(url, {}, { httpAutoStart: false });
    expect(client.sendGet('/')).toBe(false);
  });

  it('talk to a proxy in clear text first, then TLS, then HTTP (HT-013, HT-015)', async () => {
    const authority = await Authority.make('test');
    const server = new HttpsServer({ onRequest: (_s, _id, request) => void request.respond(request.path) });
    server.setupSSLContext(await authority.sign());
    const { port } = await server.start('127.0.0.1', 0);
    afterTest(() => server.stop());
    const proxy = await serveRaw((socket) =>
      socket.once('data', () => {
        const upstream = net.connect(port, '127.0.0.1', () => {
          socket.write('HTTP/1.1 200 OK\r\n\r\n');
          socket.pipe(upstream).pipe(socket);
        });
        upstream.on('error', () => socket.destroy());
        socket.on('close', () => upstream.destroy());
      }),
    );
    const raw = deferred<string>();
    const shaken = deferred();
    let isSecure = false;
    const client = new HttpsClient(
      {
        onReceive: (_c, _id, data) => raw.resolve(String(data)),
        onHandShake: () => {
          if (isSecure) shaken.resolve();
        },
      },
      { httpAutoStart: false, sslAutoHandShake: false, ssl: { ca: authority.ca } },
    );
    await client.start('127.0.0.1', Number(new URL(proxy).port), { serverName: 'localhost' });
    afterTest(() => client.stop());
    client.send('CONNECT localhost:443 HTTP/1.1\r\nHost: localhost\r\n\r\n');
    expect(await raw.promise).toContain('200 OK');
    isSecure = true;
    expect(client.startSSLHandShake()).toBe(true);
    await shaken.promise;
    expect(client.startHttp()).toBe(true);
    expect((await client.request({ path: '/behind' })).text()).toBe('/behind');
  });
});

describe("HP-Socket's HTTP servers", () => {
  it('leave 100 Continue to the listener, which may answer more than once (HP-031, RES-007)', async () => {
    let asked = 0;
    const server = new HttpServer({
      onHeadersComplete: (sender, connId) => {
        if (sender.getHeader(connId, 'expect') !== null) {
          asked++;
          sender.sendResponse(connId, 100);
        }
      },
      onMessageComplete: (sender, connId) => sender.sendResponse(connId, 200, null, null, 'done'),
    });
    const { port } = await server.start('127.0.0.1', 0);
    afterTest(() => server.stop());
    const agent = await makeAgent();
    const interim: number[] = [];
    const response = await agent.request(`http://127.0.0.1:${port}/`, {
      method: 'POST',
      body: 'x',
      expectContinue: 5000,
      onInterim: (status) => void interim.push(status),
    });
    expect([asked, interim, response.status, response.text()]).toEqual([1, [100], 200, 'done']);
  });

  it('take a POST without length as one without body (HP-029)', async () => {
    const url = await serve({
      onRequest: (_s, _id, request) => void request.respond(`${request.hasBody} ${request.body.length}`),
    });
    const client = await connected(url);
    const complete = deferred<string>();
    const hooks = await connected(url, {
      onBody: (_c: unknown, _id: number, data: Buffer) => complete.resolve(String(data)),
    });
    hooks.sendPost('/');
    expect(await complete.promise).toBe('false 0');
    expect((await client.request({ method: 'POST' })).text()).toBe('false 0');
  });

  it('say whether an answer was queued, and close released connections when they stop (RES-010, REL-006)', async () => {
    const ends: number[] = [];
    const server = new HttpServer(
      {
        onMessageComplete: (sender, connId) => {
          expect(sender.sendResponse(connId, 200)).toBe(true);
          expect(sender.sendResponse(999, 200)).toBe(false);
          expect(sender.release(connId)).toBe(true);
        },
        onClose: (_s, connId) => void ends.push(connId),
      },
      { releaseDelay: 60_000 },
    );
    const { port } = await server.start('127.0.0.1', 0);
    const client = await connected(`http://127.0.0.1:${port}`);
    expect((await client.request()).status).toBe(200);
    await server.stop();
    expect(ends).toHaveLength(1);
  });
});
