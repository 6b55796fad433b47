import { brotliCompressSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { type HttpServer, type HttpServerHooks, HttpsAgent, HttpsServer } from '../../../src/http.ts';
import { Authority } from '../../tools/certificates.ts';
import { afterTest, makeAgent, serve } from './support.ts';

describe('redirects of an agent that asks URLs', () => {
  const counting: HttpServerHooks<HttpServer> = {
    onRequest: (_s, _id, request) => {
      const n = Number(request.path.slice(1));
      if (n === 0) void request.respond('end');
      else void request.respond({ status: 302, headers: { Location: `/${n - 1}` }, body: 'go on' });
    },
  };

  it('are not followed unless allowed, and only so many', async () => {
    const url = await serve(counting);
    const agent = await makeAgent();
    const unfollowed = await agent.request(`${url}/3`);
    expect([unfollowed.status, unfollowed.url, unfollowed.redirectCount]).toEqual([302, `${url}/3`, 0]);
    const response = await agent.request(`${url}/3`, { maxRedirects: 3 });
    expect([response.text(), response.url, response.redirectCount]).toEqual(['end', `${url}/0`, 3]);
    const streamed = await agent.request(`${url}/2`, { maxRedirects: 3, responseBody: 'stream' });
    expect([await streamed.body.text(), streamed.url, streamed.redirectCount]).toEqual(['end', `${url}/0`, 2]);
    await expect(agent.request(`${url}/3`, { maxRedirects: 2 })).rejects.toMatchObject({
      errnoName: 'ELOOP',
      operation: 'request',
    });
    expect(agent.poolStats()).toMatchObject({ connected: 1, inFlight: 0 });
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
    const agent = await makeAgent();
    const options = { method: 'post', maxRedirects: 1, body: 'b', headers: { 'Content-Type': 't/x' } };
    for (const status of [301, 302, 303, 307, 308]) await agent.request(`${url}/${status}`, options);
    await agent.request(`${url}/303`, { method: 'HEAD', maxRedirects: 1 });
    expect(seen).toEqual(['GET  -', 'GET  -', 'GET  -', 'POST b t/x', 'POST b t/x', 'HEAD  -']);
    const streamed = agent.request(`${url}/307`, { ...options, body: ['a'] });
    await expect(streamed).rejects.toMatchObject({ errnoName: 'EPROTO' });
  });

  it('drop credentials when the origin changes, and refuse other schemes', async () => {
    const seen: string[][] = [];
    const handler: HttpServerHooks<HttpServer> = {
      onRequest: (_s, _id, request) => {
        const names = ['authorization', 'cookie', 'proxy-authorization', 'x-other'];
        seen.push(names.filter((name) => request.headers.has(name)));
        if (request.path === '/end') return void request.respond('');
        void request.respond({ status: 307, headers: { Location: request.query.get('to')! } });
      },
    };
    const [first, second] = [await serve(handler), await serve(handler)];
    const headers = new Map(
      Object.entries({ Authorization: 'a', Cookie: 'b=c', 'Proxy-Authorization': 'd', 'X-Other': 'e' }),
    ).entries(); // can be read once only
    const agent = await makeAgent({ maxConnectionCount: 1 });
    await agent.request(`${first}/?to=${encodeURIComponent(`${first}/?to=${second}/end`)}`, {
      headers,
      maxRedirects: 2,
    });
    const all = ['authorization', 'cookie', 'proxy-authorization', 'x-other'];
    expect(seen).toEqual([all, all, ['x-other']]);
    for (const to of ['https://127.0.0.1/', 'http://u:p@127.0.0.1/', 'file:///etc/passwd', 'http://[']) {
      const refused = agent.request(`${first}/?to=${encodeURIComponent(to)}`, { maxRedirects: 1 });
      await expect(refused).rejects.toMatchObject({ name: 'SocketError', operation: 'request' });
    }
  });

  it('share the time that there is for all of it', async () => {
    const url = await serve({
      onRequest: async (_s, _id, request) => {
        const n = Number(request.path.slice(1));
        await new Promise((resolve) => setTimeout(resolve, 30));
        request.respond({ status: 302, headers: { Location: `/${n + 1}` } });
      },
    });
    const agent = await makeAgent();
    const late = agent.request(`${url}/0`, { maxRedirects: 100, timeoutMs: 200 });
    await expect(late).rejects.toMatchObject({ errnoName: 'ETIMEDOUT' });
    expect(agent.httpStats().messages).toBeLessThan(20);
  });

  it('end when the signal is aborted', async () => {
    const controller = new AbortController();
    let count = 0;
    const url = await serve({
      onRequest: (_s, _id, request) => {
        if (++count === 3) controller.abort();
        request.respond({ status: 302, headers: { Location: '/' } });
      },
    });
    const agent = await makeAgent();
    const aborted = agent.request(url, { maxRedirects: 100, signal: controller.signal });
    await expect(aborted).rejects.toMatchObject({ errnoName: 'ECANCELED' });
    expect(count).toBe(3);
  });

  it('go without serverName to another origin', async () => {
    const authority = await Authority.make('test');
    const certificate = await authority.sign();
    const ports: number[] = [];
    for (let n = 0; n < 2; n++) {
      const server = new HttpsServer({
        onRequest: (_s, _id, request) => {
          const location = request.path === '/' ? `https://127.0.0.1:${ports[0]}/same` : undefined;
          if (location === undefined) request.respond(request.path);
          else request.respond({ status: 302, headers: { Location: n === 0 ? location : `${location}/other` } });
        },
      });
      server.setupSSLContext(certificate);
      ports.push((await server.start('127.0.0.1', 0)).port!);
      afterTest(() => server.stop());
    }
    const agent = new HttpsAgent({}, { ssl: { ca: authority.ca } });
    await agent.start();
    afterTest(() => agent.stop());
    const options = { serverName: 'localhost', maxRedirects: 1 };
    expect((await agent.request(`https://127.0.0.1:${ports[0]}/`, options)).text()).toBe('/same');
    expect(agent.poolStats().connected).toBe(1);
    await agent.request(`https://127.0.0.1:${ports[1]}/`, options).catch(() => {});
    // Another connection than the one by that name.
    expect(agent.poolStats().origins).toBeGreaterThan(1);
  });
});

describe('an agent that asks URLs', () => {
  const text = 'a text, '.repeat(1000);
  const bodies: Record<string, [coding: string, body: Buffer]> = {
    '/gzip': ['gzip', gzipSync(text)],
    '/br': ['br', brotliCompressSync(text)],
    '/bad': ['gzip', Buffer.from('no gzip')],
  };
  const accepted: (string | undefined)[] = [];
  const coded: HttpServerHooks<HttpServer> = {
    onRequest: (_s, _id, request) => {
      accepted.push(request.header('accept-encoding'));
      const [coding, body] = bodies[request.path]!;
      void request.respond({ headers: { 'Content-Encoding': coding }, body });
    },
  };

  it('decodes bodies if told to, up to a limit', async () => {
    const url = await serve(coded);
    const agent = await makeAgent();
    expect((await agent.request(`${url}/gzip`)).body).toEqual(bodies['/gzip']![1]);
    for (const path of ['/gzip', '/br']) {
      const response = await agent.request(url + path, { decompress: true });
      expect([response.text(), response.url, response.redirectCount]).toEqual([text, url + path, 0]);
      const streamed = await agent.request(url + path, { decompress: true, responseBody: 'stream' });
      expect(await streamed.body.text()).toBe(text);
    }
    const own = await agent.request(`${url}/br`, { decompress: true, headers: { 'Accept-Encoding': 'br' } });
    expect(own.text()).toBe(text);
    const asked = 'gzip, deflate, br';
    expect(accepted.splice(0)).toEqual([undefined, asked, asked, asked, asked, 'br']);
    const bad = agent.request(`${url}/bad`, { decompress: true });
    await expect(bad).rejects.toMatchObject({ errnoName: 'EBADMSG', operation: 'request' });
    const small = await makeAgent({ maxDecodedBytes: 100 });
    const long = small.request(`${url}/gzip`, { decompress: true });
    await expect(long).rejects.toMatchObject({ errnoName: 'EMSGSIZE' });
    const longStream = await small.request(`${url}/gzip`, { decompress: true, responseBody: 'stream' });
    await expect(longStream.body.bytes()).rejects.toMatchObject({ errnoName: 'EMSGSIZE' });
  });

  it('rejects options that make no sense', async () => {
    const agent = await makeAgent();
    const url = 'http://127.0.0.1:1';
    await expect(agent.request(url, { maxRedirects: -1 })).rejects.toThrow(RangeError);
    await expect(agent.request(url, { decompress: 1 as never })).rejects.toThrow(TypeError);
    await expect(agent.request(url, { decode: true } as never)).rejects.toThrow('decode');
    await expect(agent.request(1, { maxRedirects: 1 } as never)).rejects.toThrow('maxRedirects');
  });
});
