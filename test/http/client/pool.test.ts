import { once } from 'node:events';
import net from 'node:net';
import { describe, expect, it } from 'vitest';
import { SocketErrorCode } from '../../../src/core/enums.ts';
import { HttpAgent, HttpsAgent, HttpsServer } from '../../../src/http.ts';
import { Authority } from '../../tools/certificates.ts';
import { afterTest, answerOf, deferred, eachRequest, makeAgent, serve, serveRaw, until } from './support.ts';

describe('an HTTP agent that asks URLs', () => {
  it('collects answers, and uses connections again', async () => {
    const url = await serve({
      onRequest: (_s, _id, request) =>
        void request.respond({
          headers: { 'X-Host': request.header('host')! },
          body: `${request.method} ${request.url} ${request.body}`,
        }),
    });
    const agent = await makeAgent();
    const first = await agent.request(`${url}/a?b#c`);
    expect([first.status, first.text(), first.header('x-host')]).toEqual([200, 'GET /a?b ', url.slice(7)]);
    const second = await agent.request(new URL(`${url}/x`), { method: 'post', body: 'text' });
    expect([second.text(), second.connId]).toEqual(['POST /x text', first.connId]);
    expect(agent.poolStats()).toMatchObject({ origins: 1, connections: 1, idle: 1, connected: 1, inFlight: 0 });
  });

  it('sends the fields of Headers, maps and other pairs, as of lists and objects', async () => {
    const url = await serve({
      onRequest: (_s, _id, request) =>
        void request.respond({ headers: new Headers({ 'X-B': 'c' }), body: request.header('x-a')! }),
    });
    const agent = await makeAgent();
    for (const headers of [
      new Headers({ 'X-A': 'b' }),
      new Map([['X-A', 'b']]),
      [['X-A', 'b']] as [string, string][],
      { 'X-A': 'b' },
    ]) {
      for (const body of [undefined, '', [Buffer.from('x')]]) {
        const answer = await agent.request(url, { method: 'POST', headers, body });
        expect([answer.text(), answer.header('x-b')]).toEqual(['b', 'c']);
      }
    }
    await expect(agent.request(url, { headers: { 'X-A': null } as never })).rejects.toThrow('the header X-A');
  });

  it('opens as many connections as are asked for, up to maxConnectionsPerOrigin; the rest waits', async () => {
    const held: (() => void)[] = [];
    const url = await serve({
      onRequest: (_s, _id, request) => void held.push(() => void request.respond(request.path)),
    });
    const agent = await makeAgent({ maxConnectionsPerOrigin: 3 });
    const answers = Array.from({ length: 7 }, (_, i) => agent.request(`${url}/${i}`));
    await until(() => held.length === 3);
    expect(agent.poolStats()).toMatchObject({ connections: 3, idle: 0, inFlight: 3, queued: 4, connecting: 0 });
    while (held.length > 0 || agent.poolStats().inFlight > 0) {
      held.shift()?.();
      await new Promise(setImmediate);
    }
    expect((await Promise.all(answers)).map((answer) => answer.text())).toEqual(answers.map((_, i) => `/${i}`));
    expect(agent.poolStats()).toMatchObject({ connections: 3, idle: 3, queued: 0, connected: 3 });
  });

  it('keeps origins apart, and forgets those without connections', async () => {
    const urls = await Promise.all(
      [1, 2].map((n) => serve({ onRequest: (_s, _id, request) => void request.respond(`${n}`) })),
    );
    const agent = await makeAgent();
    const answers = await Promise.all(urls.map((url) => agent.request(url)));
    expect(answers.map((answer) => answer.text())).toEqual(['1', '2']);
    expect(agent.poolStats()).toMatchObject({ origins: 2, connections: 2 });
    for (const id of agent.getAllConnectionIDs()) agent.disconnect(id);
    await until(() => agent.connectionCount === 0);
    expect(agent.poolStats()).toMatchObject({ origins: 0, connections: 0 });
  });

  it('refuses a request when maxQueuedRequests wait, and one that waits longer than queueTimeoutMs', async () => {
    const url = await serveRaw(() => {});
    const agent = await makeAgent({ maxConnectionsPerOrigin: 1, maxQueuedRequests: 2, queueTimeoutMs: 30 });
    const sent = agent.request(url, { timeoutMs: 5000 });
    sent.catch(() => {});
    await until(() => agent.poolStats().inFlight === 1);
    const waiting = [agent.request(url), agent.request(url)].map((answer) => answer.catch((thrown: unknown) => thrown));
    await expect(agent.request(url)).rejects.toMatchObject({ errnoName: 'ENOBUFS', operation: 'request' });
    for (const error of await Promise.all(waiting)) expect(error).toMatchObject({ errnoName: 'ETIMEDOUT' });
    expect(agent.poolStats()).toMatchObject({ queueFull: 1, queueTimeouts: 2, queued: 0, inFlight: 1 });
    await agent.stop();
    await expect(sent).rejects.toMatchObject({ errnoName: 'ECONNABORTED' });
  });

  it('closes idle connections after keepAliveTimeoutMs, or a second before the server does by its hint', async () => {
    const closed: number[] = [];
    const url = await serveRaw((socket, index) => {
      socket.on('end', () => {
        closed.push(index);
        socket.end();
      });
      eachRequest(socket, (request) => {
        const hint = /hint=(\d+)/.exec(request)?.[1];
        socket.write(answerOf('', hint === undefined ? '' : `Keep-Alive: timeout=${hint}, max=9\r\n`));
      });
    });
    const agent = await makeAgent({ keepAliveTimeoutMs: 20 });
    await agent.request(url);
    await until(() => closed.length === 1); // no hint
    await agent.request(`${url}/?hint=1`); // nothing is left of one second
    await until(() => closed.length === 2);
    const kept = await agent.request(`${url}/?hint=60`);
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect((await agent.request(url)).connId).toBe(kept.connId);
    expect(agent.httpStats().keepAliveTimeouts).toBe(1);
  });

  it('does not use a connection again behind close, HTTP/1.0, or bytes that nobody asked for', async () => {
    const answers = [
      answerOf('a', 'Connection: close\r\n'),
      answerOf('b').replace('1.1', '1.0'),
      answerOf('c') + answerOf('smuggled'),
      `${answerOf('d')}HTTP/1.1 200 OK\r\nContent-`,
      answerOf('e'),
    ];
    const url = await serveRaw((socket, index) => eachRequest(socket, () => socket.write(answers[index]!)));
    const agent = await makeAgent();
    const texts: string[] = [];
    for (const _ of answers) texts.push((await agent.request(url)).text());
    expect(texts).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(agent.poolStats().connected).toBe(5);
  });

  it('does not wait for the end of a connection that serves no more, nor keep one on which something comes unasked', async () => {
    const go = deferred();
    const sockets: net.Socket[] = [];
    const ended = deferred();
    const url = await serveRaw((socket, index) => {
      sockets.push(socket);
      eachRequest(socket, () => socket.write(answerOf(String(index), index === 0 ? 'Connection: close\r\n' : '')));
      socket.on('end', async () => {
        if (index === 1) return ended.resolve();
        await go.promise; // a server that takes its time to close
        socket.end();
      });
    });
    const agent = await makeAgent({ maxConnectionsPerOrigin: 1 });
    const answers = await Promise.all([agent.request(url), agent.request(url)]);
    expect(answers.map((answer) => answer.text())).toEqual(['0', '1']);
    sockets[1]!.write('HTTP/1.1 200 OK\r\n');
    await ended.promise;
    expect(agent.poolStats().connections).toBe(0);
    go.resolve();
    expect((await agent.request(url)).text()).toBe('2');
  });

  it('sends once more what may be repeated, if a connection that had served goes before a byte of the answer', async () => {
    const seen: string[] = [];
    const url = await serveRaw((socket) =>
      eachRequest(socket, (request, index) => {
        seen.push(request.split(' ')[0]!);
        if (index === 0) socket.write(answerOf(''));
        else socket.destroy();
      }),
    );
    const agent = await makeAgent();
    await agent.request(url);
    expect((await agent.request(url, { method: 'DELETE' })).status).toBe(200);
    await expect(agent.request(url, { method: 'POST' })).rejects.toMatchObject({ errnoName: 'ECONNABORTED' });
    expect(seen).toEqual(['GET', 'DELETE', 'DELETE', 'POST']);
    async function* pieces() {
      yield 'streamed';
    }
    await agent.request(url);
    await expect(agent.request(url, { method: 'PUT', body: pieces() })).rejects.toMatchObject({ name: 'SocketError' });
    expect(agent.poolStats().retries).toBe(1);
  });

  it('does not repeat what was begun to be answered, nor for ever', async () => {
    let count = 0;
    const url = await serveRaw((socket) =>
      eachRequest(socket, (request, index) => {
        count++;
        if (index === 0 && request.includes('/first')) socket.write(answerOf(''));
        else if (request.includes('/begun')) socket.end('HTTP/1.1 2');
        else socket.destroy();
      }),
    );
    const agent = await makeAgent();
    await agent.request(`${url}/first`);
    await expect(agent.request(`${url}/begun`)).rejects.toMatchObject({ errnoName: 'ECONNABORTED' });
    expect(count).toBe(2);
    await agent.request(`${url}/first`);
    await expect(agent.request(`${url}/never`)).rejects.toMatchObject({ errnoName: 'ECONNABORTED' });
    expect(count).toBe(5);
  });

  it('pipelines only what may be repeated, and only if told to', async () => {
    const requests: string[] = [];
    const go = deferred();
    const url = await serveRaw((socket) => {
      eachRequest(socket, async (request) => {
        const [method, path] = request.split(' ');
        requests.push(`${method} ${path}`);
        await go.promise;
        socket.write(answerOf(path!));
      });
    });
    const agent = await makeAgent({ maxConnectionsPerOrigin: 1, pipelining: 3 });
    const first = agent.request(`${url}/0`);
    await until(() => requests.length === 1);
    const rest = ['GET', 'GET', 'GET', 'POST', 'GET'].map((method, i) => agent.request(`${url}/${i + 1}`, { method }));
    await until(() => requests.length === 3);
    expect(agent.poolStats()).toMatchObject({ inFlight: 3, queued: 3 });
    go.resolve();
    const texts = await Promise.all([first, ...rest].map(async (answer) => (await answer).text()));
    expect(texts).toEqual(['/0', '/1', '/2', '/3', '/4', '/5']);
    expect(requests).toEqual(['GET /0', 'GET /1', 'GET /2', 'GET /3', 'POST /4', 'GET /5']);
  });

  it('sends pipelined requests again whose connection closed behind the answer before', async () => {
    const url = await serveRaw((socket, connection) =>
      eachRequest(socket, (request, index) => {
        if (connection === 0 && index > 0) return;
        const path = request.split(' ')[1]!;
        if (connection > 0) socket.write(answerOf(path));
        else setImmediate(() => socket.end(answerOf(path, 'Connection: close\r\n')));
      }),
    );
    const agent = await makeAgent({ maxConnectionsPerOrigin: 1, pipelining: 4 });
    const answers = await Promise.all(['/0', '/1', '/2'].map((path) => agent.request(url + path)));
    expect(answers.map((answer) => answer.text())).toEqual(['/0', '/1', '/2']);
  });

  it('rejects when nobody listens, for all that wait', async () => {
    const closed = net.createServer().listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const { port } = closed.address() as net.AddressInfo;
    closed.close();
    await once(closed, 'close');
    const agent = await makeAgent({ maxConnectionsPerOrigin: 2 });
    const all = Array.from({ length: 5 }, () =>
      agent.request(`http://127.0.0.1:${port}/`).catch((thrown: unknown) => thrown),
    );
    for (const error of await Promise.all(all)) {
      expect(error).toMatchObject({ socketError: SocketErrorCode.ConnectServer, errnoName: 'ECONNREFUSED' });
    }
    expect(agent.poolStats()).toMatchObject({ origins: 0, queued: 0, connecting: 0 });
  });

  it('tries the addresses of a name one after the other, as for TCP', async () => {
    const url = await serve({ onRequest: (_s, _id, request) => void request.respond(request.header('host')!) });
    const { port } = new URL(url);
    const agent = await makeAgent();
    expect((await agent.request(`http://localhost:${port}/`)).text()).toBe(`localhost:${port}`); // ::1, then 127.0.0.1
  });

  it('is aborted by a signal and by timeoutMs: waiting, or sent', async () => {
    const gone: number[] = [];
    const url = await serveRaw((socket, index) => void socket.on('close', () => gone.push(index)).resume());
    const agent = await makeAgent({ maxConnectionsPerOrigin: 1 });
    const controller = new AbortController();
    const sent = agent.request(url, { signal: controller.signal }).catch((thrown: unknown) => thrown);
    await until(() => agent.poolStats().inFlight === 1);
    const waiting = new AbortController();
    const queued = agent.request(url, { signal: waiting.signal }).catch((thrown: unknown) => thrown);
    waiting.abort(new Error('why'));
    expect(await queued).toMatchObject({ errnoName: 'ECANCELED', cause: new Error('why') });
    expect(agent.poolStats()).toMatchObject({ inFlight: 1, queued: 0 });
    controller.abort();
    expect(await sent).toMatchObject({ errnoName: 'ECANCELED' });
    await until(() => gone.length === 1);
    await expect(agent.request(url, { timeoutMs: 1000 })).rejects.toMatchObject({ errnoName: 'ETIMEDOUT' });
    await expect(agent.request(url, { signal: AbortSignal.abort() })).rejects.toMatchObject({ errnoName: 'ECANCELED' });
    await until(() => agent.connectionCount === 0);
    expect(agent.poolStats()).toMatchObject({ origins: 0, inFlight: 0 });
  });

  it('answers what was asked before it stops, if there is time, and refuses what comes later', async () => {
    const held: (() => void)[] = [];
    const url = await serve({
      onRequest: (_s, _id, request) => void held.push(() => void request.respond(request.path)),
    });
    const agent = await makeAgent({ maxConnectionsPerOrigin: 1 });
    const answers = [agent.request(`${url}/0`), agent.request(`${url}/1`)];
    await until(() => held.length === 1);
    const stopped = agent.stop({ drainTimeoutMs: 5000 });
    await expect(agent.request(`${url}/2`)).rejects.toMatchObject({ errnoName: 'ECANCELED' });
    held.shift()!();
    await until(() => held.length === 1);
    held.shift()!();
    expect((await Promise.all(answers)).map((answer) => answer.text())).toEqual(['/0', '/1']);
    expect(await stopped).toMatchObject({ connections: 1, drained: 1 });
    await expect(agent.request(url)).rejects.toMatchObject({ errnoName: 'EPERM' });
  });

  it('stops at once without a drain, and when a drain takes too long; and can be started again', async () => {
    const url = await serveRaw((socket) => void socket.resume());
    for (const options of [{}, { drainTimeoutMs: 20 }]) {
      const agent = await makeAgent({ maxConnectionsPerOrigin: 1 });
      const errors = [agent.request(url), agent.request(url)].map((answer) =>
        answer.catch((thrown: unknown) => thrown),
      );
      await until(() => agent.poolStats().inFlight === 1);
      await agent.stop(options);
      expect(await Promise.all(errors)).toMatchObject([{ errnoName: 'ECONNABORTED' }, { errnoName: 'ECANCELED' }]);
      await agent.start();
      expect(agent.poolStats()).toMatchObject({ origins: 0, connections: 0, connected: 0 });
    }
  });

  it('rejects what makes no sense', async () => {
    const agent = await makeAgent();
    for (const url of ['/path', 'ftp://h/', 'http://', 'http://u@h/', 'http://h:99999/']) {
      await expect(agent.request(url)).rejects.toMatchObject({ errnoName: 'EADDRNOTAVAIL' });
    }
    await expect(agent.request('https://h/')).rejects.toMatchObject({ errnoName: 'EPROTO' });
    await expect(agent.request('http://h/', { methd: 'GET' } as never)).rejects.toThrow('did you mean method?');
    await expect(agent.request('http://h/', { method: 'G T' })).rejects.toThrow(TypeError);
    await expect(agent.request('http://h/', { method: 'CONNECT' })).rejects.toThrow(TypeError);
    await expect(agent.request('http://h/', { headers: { 'a b': 'c' } })).rejects.toThrow(TypeError);
    await expect(agent.request('http://h/', { timeoutMs: -1 })).rejects.toThrow(RangeError);
    await expect(agent.request('http://h/', { body: 5 as never })).rejects.toThrow(TypeError);
    expect(agent.poolStats()).toMatchObject({ origins: 0 });
    const fresh = new HttpAgent({});
    await expect(fresh.request('http://h/')).rejects.toMatchObject({ errnoName: 'EPERM' });
    const manual = await makeAgent({ httpAutoStart: false });
    await expect(manual.request('http://h/')).rejects.toMatchObject({ errnoName: 'EPERM' });
    expect(() => new HttpAgent({}, { pipelining: 0 })).toThrow(RangeError);
  });

  it('calls the hooks of the agent for its connections, in asynchronous mode as well', async () => {
    const url = await serve({ onRequest: (_s, _id, request) => void request.respond('x') });
    const log: string[] = [];
    const agent = new HttpAgent({
      onConnect: () => void log.push('connect'),
      onStatusLine: (_a, _id, status) => void log.push(String(status)),
      onBody: (_a, _id, data) => void log.push(String(data)),
      onClose: () => void log.push('close'),
    });
    await agent.start({ asyncConnect: true });
    expect((await agent.request(url)).text()).toBe('x');
    await agent.stop();
    expect(log).toEqual(['connect', '200', 'x', 'close']);
  });

  it('leaves a connection that became something else to its caller', async () => {
    const url = await serveRaw((socket) =>
      eachRequest(socket, () => socket.write('HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nraw')),
    );
    const raw = deferred<string>();
    const agent = await makeAgent({}, { onReceive: (_a, _id, data) => raw.resolve(String(data)) });
    const headers = { Connection: 'Upgrade', Upgrade: 'x' };
    const answer = await agent.request(url, { headers });
    expect([answer.status, answer.isUpgrade, await raw.promise]).toEqual([101, true, 'raw']);
    expect([agent.poolStats().connections, agent.isConnected(answer.connId)]).toEqual([0, true]);
    const streamed = await agent.request(url, { headers, responseBody: 'stream' });
    expect([streamed.isUpgrade, await streamed.body.text()]).toEqual([true, '']);
  });

  it('waits for answers no longer than its deadlines say', async () => {
    const url = await serveRaw((socket) =>
      eachRequest(socket, (request) => socket.write(request.includes('/half') ? 'HTTP/1.1 2' : '')),
    );
    const agent = await makeAgent({ responseTimeoutMs: 30, headTimeoutMs: 30 });
    for (const path of ['/', '/half']) {
      await expect(agent.request(url + path)).rejects.toMatchObject({ errnoName: 'ETIMEDOUT' });
    }
    const { responseTimeouts, headTimeouts } = agent.httpStats();
    expect(responseTimeouts + headTimeouts).toBe(2);
  });
});

describe('an HTTPS agent that asks URLs', () => {
  it('does the same over TLS, by the name in the URL or serverName', async () => {
    const authority = await Authority.make('test');
    const server = new HttpsServer({ onRequest: (_s, _id, request) => void request.respond(request.path) });
    server.setupSSLContext(await authority.sign());
    const { port } = await server.start('127.0.0.1', 0);
    afterTest(() => server.stop());
    const agent = new HttpsAgent({}, { ssl: { ca: authority.ca } });
    await agent.start();
    afterTest(() => agent.stop());
    expect((await agent.request(`https://localhost:${port}/a`)).text()).toBe('/a');
    expect((await agent.request(`https://localhost:${port}/b`)).text()).toBe('/b');
    expect((await agent.request(`https://127.0.0.1:${port}/c`, { serverName: 'localhost' })).text()).toBe('/c');
    expect(agent.poolStats()).toMatchObject({ origins: 2, connected: 2 });
    await expect(agent.request('http://localhost/')).rejects.toMatchObject({ errnoName: 'EPROTO' });
  });
});
