/** What the .NET port has for HTTP, its easy components and shortcuts, as far as it is the same here; and defects of theirs that ours has not. */
import net from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import {
  HttpAgent,
  HttpClient,
  HttpServer,
  type HttpServerHooks,
  HttpSyncClient,
  HttpsServer,
  HttpsSyncClient,
  HttpUrlField,
} from '../../src/http.ts';
import { commonCertificates } from '../tools/certificates.ts';

const running: { stop(): Promise<unknown>; hasStarted: boolean }[] = [];

afterEach(async () => {
  for (const component of running.splice(0).reverse()) if (component.hasStarted) await component.stop();
});

async function serve(...args: ConstructorParameters<typeof HttpServer>): Promise<{ server: HttpServer; port: number }> {
  const server = new HttpServer(...args);
  running.push(server);
  const { port } = await server.start('127.0.0.1', 0);
  return { server, port };
}

/** Sends `text`; what came when the server has closed. */
async function talk(port: number, text: string): Promise<string> {
  const socket = net.connect(port, '127.0.0.1', () => socket.write(text, 'latin1'));
  let received = '';
  socket.setEncoding('latin1');
  for await (const piece of socket) received += piece;
  return received;
}

describe('whole messages', () => {
  it('come complete to onRequest, also empty ones, and all accessors tell about them (ECO-005, EZ-001, EZ-005)', async () => {
    const seen: unknown[] = [];
    const { port } = await serve({
      onRequest: (server, id, request) => {
        seen.push([
          ...[request.method, request.body.toString(), server.getMethod(id), server.getHeader(id, 'x-a')],
          ...[server.getUrlField(id, HttpUrlField.QueryString), server.getCookie(id, 'k'), server.getHost(id)],
        ]);
        void request.respond({ status: 201, body: `got ${request.body.length}` });
      },
    });
    const fields = 'Host: h\r\nX-A: y\r\nCookie: k=v\r\n';
    const answer = await talk(
      port,
      `POST /1?q HTTP/1.1\r\n${fields}Content-Length: 5\r\n\r\nhello` +
        `PUT /2?r HTTP/1.1\r\n${fields}Transfer-Encoding: chunked\r\n\r\n2\r\nin\r\n7\r\n pieces\r\n0\r\n\r\n` +
        `GET /3?s HTTP/1.1\r\n${fields}Connection: close\r\n\r\n`,
    );
    expect(seen).toEqual([
      ['POST', 'hello', 'POST', 'y', 'q', 'v', 'h'],
      ['PUT', 'in pieces', 'PUT', 'y', 'r', 'v', 'h'],
      ['GET', '', 'GET', 'y', 's', 'v', 'h'],
    ]);
    expect(answer.match(/got \d+/g)).toEqual(['got 5', 'got 9', 'got 0']);
  });

  it('and their pieces may both be had: neither disturbs the other (EZ-008, EBUG-010)', async () => {
    const log: string[] = [];
    const pieces: HttpServerHooks<HttpServer> = {
      onChunkHeader: (_s, _id, length) => void log.push(`chunk ${length}`),
      onBody: (_s, _id, data) => void log.push(`body ${data}`),
      onChunkComplete: () => void log.push('chunk end'),
      onMessageComplete: () => void log.push('complete'),
      onParseError: (_s, _id, code) => void log.push(`error ${code}`),
    };
    const chunked =
      'POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n';
    const whole = 'POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 5\r\n\r\nabcde';
    const { port: alone } = await serve({
      ...pieces,
      onMessageComplete: (server, id) => {
        log.push('complete');
        server.sendResponse(id, 204);
      },
    });
    const { port: both } = await serve({
      ...pieces,
      onRequest: (_s, _id, request) => {
        log.push(`whole ${request.body}`);
        void request.respond('ok');
      },
    });
    const chunks = ['chunk 3', 'body abc', 'chunk end', 'chunk 2', 'body de', 'chunk end', 'chunk 0', 'chunk end'];
    expect(await talk(alone, chunked)).toMatch(/^HTTP\/1\.1 204 /);
    expect(log.splice(0)).toEqual([...chunks, 'complete']);
    expect(await talk(alone, whole)).toMatch(/^HTTP\/1\.1 204 /);
    expect(log.splice(0)).toEqual(['body abcde', 'complete']);
    for (const request of [chunked, whole]) {
      expect(await talk(both, request)).toMatch(/^HTTP\/1\.1 200 .*ok$/s);
      const pieces = request === chunked ? ['body abc', 'body de'] : ['body abcde'];
      expect(log.filter((entry) => !entry.startsWith('chunk'))).toEqual([...pieces, 'complete', 'whole abcde']);
      log.length = 0;
    }
  });

  it('have a limit, whatever length was announced (EZ-006)', async () => {
    let calls = 0;
    const { port } = await serve(
      {
        onRequest: (_s, _id, request) => {
          calls++;
          void request.respond('ok');
        },
      },
      { maxBodyBytes: 10 },
    );
    const answer = await talk(port, 'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1099511627776\r\n\r\nx');
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
    const chunks = '5\r\nabcde\r\n'.repeat(3);
    expect(
      await talk(port, `POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`),
    ).toMatch(/^HTTP\/1\.1 413 /);
    expect(calls).toBe(0);
  });

  it('are the same over TLS (EZ-007)', async () => {
    const { authority, server: ssl } = await commonCertificates();
    const server = new HttpsServer(
      { onRequest: (self, id, request) => void request.respond(`${self.getMethod(id)} ${request.body}`) },
      { ssl },
    );
    running.push(server);
    const { port } = await server.start('127.0.0.1', 0);
    const client = new HttpsSyncClient({}, { ssl: { ca: authority.ca } });
    running.push(client);
    const response = await client.openUrl('PUT', `https://localhost:${port}/`, { body: 'secret' });
    expect(response.text()).toBe('PUT secret');
  });

  it('of agents and clients too, as what request resolves to (EZ-001)', async () => {
    const { port } = await serve({
      onRequest: (_s, _id, request) =>
        void request.respond(
          request.path === '/empty' ? { status: 204 } : { body: [Buffer.from('in '), Buffer.from('chunks')] },
        ),
    });
    const client = new HttpClient({});
    const agent = new HttpAgent({});
    running.push(client, agent);
    await client.start('127.0.0.1', port);
    await agent.start();
    const id = await agent.connect('127.0.0.1', port);
    for (const path of ['/', '/empty']) {
      const answers = [await client.request({ path }), await agent.request(id, { path })];
      expect(answers.map((answer) => answer.text())).toEqual(Array(2).fill(path === '/' ? 'in chunks' : ''));
    }
  });
});

describe('shortcuts of the sync client', () => {
  it('are openUrl with a method: each is sent as what it is, without fields too (SYN2-002, EBUG-012)', async () => {
    const asked: string[] = [];
    const { port } = await serve({
      onRequest: (_s, _id, request) => {
        asked.push(`${request.method} ${request.path} ${request.body}`);
        void request.respond(request.method === 'DELETE' ? { status: 204 } : `to ${request.method}`);
      },
    });
    const url = `http://127.0.0.1:${port}`;
    const client = new HttpSyncClient();
    running.push(client);
    const bodies = [
      (await client.openUrl('GET', `${url}/g`)).text(),
      (await client.openUrl('POST', `${url}/p`, { body: 'a' })).text(),
      (await client.openUrl('PUT', `${url}/u`, { body: Buffer.from('b'), headers: null })).text(),
      (await client.openUrl('DELETE', `${url}/d`, { forceReconnect: true, headers: {} })).text(),
    ];
    expect(asked).toEqual(['GET /g ', 'POST /p a', 'PUT /u b', 'DELETE /d ']);
    expect(bodies).toEqual(['to GET', 'to POST', 'to PUT', '']);
    expect(client.getResponseBody()).toHaveLength(0);
  });

  it('show the fields of each answer, and take fields for each request (ECO-007, SYN2-001)', async () => {
    const { port } = await serve({
      onRequest: (_s, _id, request) =>
        void request.respond({ headers: { 'X-Got': request.header('x-a') ?? 'none' }, body: 'grün' }),
    });
    const client = new HttpSyncClient();
    running.push(client);
    const url = `http://127.0.0.1:${port}/`;
    const answer = await client.openUrl('GET', url, { headers: { 'X-A': '1' } });
    expect([answer.header('x-got'), answer.text()]).toEqual(['1', 'grün']);
    expect(client.getHeader('X-Got')).toBe('1');
    expect((await client.openUrl('GET', url)).header('x-got')).toBe('none');
    expect(client.getAllHeaders()).toContainEqual(['X-Got', 'none']);
  });
});
