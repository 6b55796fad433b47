import { describe, expect, it } from 'vitest';
import {
  CookieManager,
  HttpAgent,
  HttpClient,
  HttpSyncClient,
  HttpsServer,
  HttpsSyncClient,
  sharedCookies,
} from '../../../src/http.ts';
import { Authority } from '../../tools/certificates.ts';
import { afterTest, answerOf, deferred, eachRequest, makeAgent, serve, serveRaw } from './support.ts';

/** A server that answers with the `Cookie` that came, and sets what the query says. */
const echoing = (): Promise<string> =>
  serve({
    onRequest: (_s, _id, request) =>
      void request.respond({
        headers: request.query.getAll('set').map((value) => ['Set-Cookie', value] as const),
        body: request.header('cookie') ?? '-',
      }),
  });

const set = (...values: string[]): string => `?${values.map((value) => `set=${encodeURIComponent(value)}`).join('&')}`;

async function connected(url: string, cookies: CookieManager | null): Promise<HttpClient> {
  const client = new HttpClient({}, { cookies });
  const { hostname, port } = new URL(url);
  await client.start(hostname, Number(port));
  afterTest(() => client.stop());
  return client;
}

describe('cookies of HTTP components', () => {
  it('are stored and sent by agents, clients and sync clients that share a manager (HTTP-RQ-014, HTTP-1R-012, REQ-006)', async () => {
    const url = await echoing();
    const cookies = new CookieManager();
    const agent = await makeAgent({ cookies });
    expect((await agent.request(`${url}/a/b${set('p=1', 'q=2; path=/')}`)).text()).toBe('-');
    expect((await agent.request(`${url}/a/b?x`)).text()).toBe('p=1; q=2');
    expect((await agent.request(`${url}/other`)).text()).toBe('q=2');
    const { hostname, port } = new URL(url);
    const connId = await agent.connect(hostname, Number(port));
    expect((await agent.request(connId, { path: `/a/${set('r=3')}` })).text()).toBe('p=1; q=2');
    const client = await connected(url, cookies);
    expect((await client.request({ path: '/a/c?/d/e' })).text()).toBe('p=1; r=3; q=2');
    const sync = new HttpSyncClient({}, { cookies });
    afterTest(() => sync.stop());
    expect((await sync.openUrl('GET', `${url}/a/${set('p=; max-age=0; path=/a')}`)).text()).toBe('p=1; r=3; q=2');
    expect((await sync.openUrl('GET', `${url}/a/`)).text()).toBe('r=3; q=2');
    expect(cookies.all.map((cookie) => cookie.domain)).toEqual(['127.0.0.1', '127.0.0.1']);
  });

  it("go with HP-Socket's own calls too, and are stored behind hooks (REQ-006, CK-018)", async () => {
    const seen: string[] = [];
    const url = await serveRaw((socket) =>
      eachRequest(socket, (request) => {
        seen.push(/\r\ncookie: (.*)/i.exec(request)?.[1] ?? '-');
        socket.write(answerOf('', 'Set-Cookie: a=b; path=/x\r\nset-cookie: c=d; Path=/\r\n'));
      }),
    );
    const complete = [deferred(), deferred(), deferred(), deferred()];
    let count = 0;
    const client = new HttpClient(
      { onMessageComplete: () => complete[count++]!.resolve() },
      { cookies: new CookieManager() },
    );
    const { hostname, port } = new URL(url);
    await client.start(hostname, Number(port));
    afterTest(() => client.stop());
    client.sendGet('/x/y');
    await complete[0]!.promise;
    expect([client.getCookie('a'), client.getCookie('c')]).toEqual(['b', 'd']);
    client.sendPost('/x/y', null, 'body');
    await complete[1]!.promise;
    client.sendGet('/', { cookie: 'mine=1' }); // one field, that of the caller
    await complete[2]!.promise;
    client.sendConnect('h:1'); // none
    await complete[3]!.promise;
    expect(seen).toEqual(['-', 'a=b; c=d', 'mine=1', '-']);
  });

  it('are none unless asked for; with useCookie, all share the same (HT-004, HTTP-RQ-015, HTTP-1R-013)', async () => {
    const url = await echoing();
    const plain = await makeAgent();
    expect([plain.useCookie, plain.cookies]).toEqual([false, null]);
    await plain.request(url + set('a=b'));
    expect((await plain.request(url)).text()).toBe('-');
    const one = await makeAgent({ useCookie: true });
    const client = new HttpSyncClient({}, { useCookie: true });
    afterTest(() => client.stop());
    await one.request(url + set('a=b'));
    expect((await client.openUrl('GET', url)).text()).toBe('a=b');
    expect(sharedCookies().getCookieHeader(url)).toBe('a=b');
    sharedCookies().clearCookies();
    expect((await one.request(url)).text()).toBe('-');
    expect(() => new HttpAgent({}, { cookies: {} as never })).toThrow('cookies must be a CookieManager');
  });

  it('do not go to another host by a redirect, nor to another site if they say so', async () => {
    const other = await echoing();
    const url = await serve({
      onRequest: (_s, _id, request) =>
        void request.respond({
          status: 302,
          headers: { Location: request.query.get('to')!, 'Set-Cookie': 'a=b; path=/' },
        }),
    });
    const cookies = new CookieManager();
    const client = new HttpSyncClient({}, { cookies });
    afterTest(() => client.stop());
    const there = other.replace('127.0.0.1', 'localhost');
    expect((await client.openUrl('GET', `${url}/?to=${there}/`, { maxRedirects: 1 })).text()).toBe('-');
    expect((await client.openUrl('GET', `${other}/`)).text()).toBe('a=b'); // ports do not matter
    cookies.setCookie('s', '1', '127.0.0.1', '/', { sameSite: 1 });
    const from = (initiator: string): Promise<string> =>
      client.openUrl('GET', other, { initiator }).then((response) => response.text());
    expect([await from(url), await from('http://elsewhere.example/')]).toEqual(['a=b; s=1', 'a=b']);
    expect(() => client.openUrl('GET', other, { initiator: 'nowhere' })).toThrow(TypeError);
  });

  it('are for HTTPS alone if they say so', async () => {
    const authority = await Authority.make('test');
    const server = new HttpsServer({
      onRequest: (_s, _id, request) =>
        void request.respond({
          headers: { 'Set-Cookie': '__Host-a=b; secure; path=/' },
          body: request.header('cookie') ?? '-',
        }),
    });
    server.setupSSLContext(await authority.sign());
    const { port } = await server.start('127.0.0.1', 0);
    afterTest(() => server.stop());
    const cookies = new CookieManager();
    const client = new HttpsSyncClient({}, { ssl: { ca: authority.ca }, cookies });
    afterTest(() => client.stop());
    const url = `https://localhost:${port}/`;
    expect((await client.openUrl('GET', url)).text()).toBe('-');
    expect((await client.openUrl('GET', url)).text()).toBe('__Host-a=b');
    expect(cookies.getCookieHeader('http://localhost/')).toBe('');
  });

  it('of hostile servers cannot fill the memory', async () => {
    const url = await serveRaw((socket) =>
      eachRequest(socket, (_request, index) => {
        const fields = Array.from({ length: 200 }, (_, i) => `Set-Cookie: n${index}-${i}=${'x'.repeat(200)}\r\n`);
        socket.write(answerOf('', fields.join('')));
      }),
    );
    const cookies = new CookieManager({ maxCookiesPerDomain: 50 });
    const agent = await makeAgent({ cookies, maxHeadBytes: 100_000 });
    for (let i = 0; i < 3; i++) await agent.request(url);
    expect(cookies.stats()).toMatchObject({ cookies: 50, evicted: 550 });
  });
});
