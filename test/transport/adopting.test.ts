import { fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { Duplex, PassThrough } from 'node:stream';
import tls from 'node:tls';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { HttpServer } from '../../src/http.ts';
import {
  HandleResult,
  SocketError,
  SocketErrorCode,
  SslClient,
  SslPackClient,
  SslPackServer,
  SslServer,
  TcpAgent,
  TcpClient,
  TcpPackClient,
  TcpPackServer,
  TcpPullServer,
  TcpServer,
} from '../../src/index.ts';
import { WebSocketClient, WebSocketServer } from '../../src/websocket.ts';
import { connectBare, deferred, eventually, listenBare, readBytes, readToEnd, rejection } from '../tcp/support.ts';
import { Authority } from '../tools/certificates.ts';

const host = '127.0.0.1';

/** Two streams, of which each reads what is written to the other: a tunnel. */
function tunnel(): [Duplex, Duplex] {
  class End extends Duplex {
    other!: End;
    #go: (() => void) | null = null;
    override _read(): void {
      const go = this.#go;
      this.#go = null;
      go?.();
    }
    override _write(chunk: Buffer, _encoding: string, done: () => void): void {
      if (this.other.push(chunk)) done();
      else this.other.#go = done;
    }
    override _final(done: () => void): void {
      this.other.push(null);
      done();
    }
    override _destroy(error: Error | null, done: (error: Error | null) => void): void {
      if (!this.writableFinished && !this.other.destroyed) this.other.destroy(error ?? new Error('the tunnel broke'));
      done(error);
    }
  }
  const [a, b] = [new End(), new End()];
  a.other = b;
  b.other = a;
  for (const end of [a, b]) end.on('error', () => {});
  return [a, b];
}

/** A server with an echo, started. */
async function echoServer(): Promise<TcpServer> {
  const server = new TcpServer({ onReceive: (self, connId, data) => self.send(connId, data) });
  await server.start(host, 0);
  return server;
}

describe('server.adopt', () => {
  test('takes over a socket that another server accepted, as if it had come to this one', async () => {
    const events: string[] = [];
    await using server = new TcpServer({
      onAccept: (self, connId) => void events.push(`accept ${self.connection(connId)!.remoteAddress!.port}`),
      onHandShake: () => void events.push('handshake'),
      onReceive: (self, connId, data) => self.send(connId, data),
      onClose: (_self, _connId, operation, errorCode) => void events.push(`close ${operation} ${errorCode}`),
    });
    await server.start(host, 0);
    await using bare = await listenBare();
    const client = await connectBare(bare.port);
    const adopting = server.adopt(await bare.accepted());
    // No call fires a hook from inside itself.
    expect(events).toEqual([]);
    expect(await adopting).toBe(1);
    expect(events).toEqual([`accept ${client.localPort}`, 'handshake']);
    expect(server.getAllConnectionIDs()).toEqual([1]);
    const big = randomBytes(2 * 1024 * 1024);
    const answer = readBytes(client, big.length);
    client.write(big);
    expect((await answer).equals(big)).toBe(true);
    const rest = readToEnd(client);
    client.end('and out');
    expect(String(await rest)).toBe('and out');
    await eventually(() => events.length === 3);
    expect(events[2]).toBe('close 5 0');
    expect(server.stats()).toMatchObject({ opened: 1, closed: 1, connections: 0, bytesIn: big.length + 7 });
  });

  test.each([
    [
      'are buffered already',
      async (socket: net.Socket) => {
        socket.resume();
        socket.pause();
        await new Promise((resolve) => setTimeout(resolve, 5));
        socket.unshift(Buffer.from('head '));
      },
    ],
    ['were paused', async (socket: net.Socket) => void socket.pause()],
    ['were given back by unshift', async (socket: net.Socket) => void socket.unshift(Buffer.from('head '))],
  ])('bytes that %s are received first, and in order', async (_how, prepare) => {
    await using server = await echoServer();
    await using bare = await listenBare({ pauseOnConnect: true });
    const client = await connectBare(bare.port);
    const socket = await bare.accepted();
    await prepare(socket);
    const hasHead = socket.readableLength > 0;
    client.write('body');
    await server.adopt(socket);
    expect(String(await readBytes(client, hasHead ? 9 : 4))).toBe(hasHead ? 'head body' : 'body');
    client.destroy();
  });

  test('a peer that has ended meanwhile: what it sent is received, then its end', async () => {
    const received: string[] = [];
    const closed = deferred();
    await using server = new TcpServer({
      onReceive: (_self, _connId, data) => void received.push(String(data)),
      onClose: () => closed.resolve(),
    });
    await server.start(host, 0);
    await using bare = await listenBare({ pauseOnConnect: true });
    const client = await connectBare(bare.port);
    client.end('last words');
    await new Promise((resolve) => setTimeout(resolve, 5));
    await server.adopt(await bare.accepted());
    await closed.promise;
    expect(received.join('')).toBe('last words');
  });

  test('what was written before comes first', async () => {
    await using server = new TcpServer({ onHandShake: (self, connId) => self.send(connId, ' second') });
    await server.start(host, 0);
    await using bare = await listenBare();
    const client = await connectBare(bare.port);
    const socket = await bare.accepted();
    const first = Buffer.alloc(4 * 1024 * 1024, 'x');
    client.pause();
    socket.write(first);
    await server.adopt(socket);
    const all = await readBytes(client, first.length + 7);
    expect(all.subarray(-8).toString()).toBe('x second');
  });

  test.each([
    ['packages', (hooks: object) => new TcpPackServer(hooks), () => new TcpPackClient({})],
    [
      'over TLS',
      (hooks: object, ssl: object) => new SslPackServer(hooks, { ssl }),
      () => new SslPackClient({}, { ssl: { verifyMode: 0 } }),
    ],
  ])('any stream server does it: %s', async (_what, makeServer, makeClient) => {
    const identity = await (await Authority.make('adopting')).sign();
    await using server = makeServer(
      { onReceive: (self: TcpPackServer, connId: number, packet: Buffer) => self.send(connId, packet) },
      identity,
    );
    await server.start(host, 0);
    await using bare = await listenBare();
    await using client = makeClient();
    const started = client.start(host, bare.port);
    const [connId] = await Promise.all([server.adopt(await bare.accepted()), started]);
    expect(connId).toBe(1);
    const messages = client.messages();
    for (const text of ['one', 'two', 'x'.repeat(100_000)]) {
      client.send(text);
      expect(String((await messages.next()).value)).toBe(text);
    }
  });

  test('pull, too', async () => {
    const fetched = deferred<string>();
    await using server = new TcpPullServer({
      onReceive: (self, connId, length) => {
        if (length >= 4) fetched.resolve(String(self.fetch(connId, 4)));
      },
    });
    await server.start(host, 0);
    const [near, far] = tunnel();
    await server.adopt(near);
    far.write('ab');
    far.write('cdef');
    expect(await fetched.promise).toBe('abcd');
    far.destroy();
  });

  test('an HTTP server serves over it', async () => {
    await using server = new HttpServer({
      onRequest: (_self, _connId, request) => void request.respond({ body: `you asked for ${request.path}` }),
    });
    await server.start(host, 0);
    const [near, far] = tunnel();
    await server.adopt(near);
    far.write('GET /here HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    let text = '';
    for await (const chunk of far) text += String(chunk);
    expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(text).toMatch(/you asked for \/here$/);
  });

  test('a WebSocket server and client speak over a tunnel', async () => {
    await using server = new WebSocketServer({ onMessage: (self, connId, data) => self.send(connId, data) });
    await server.start(host, 0);
    const answer = deferred<string>();
    const client = new WebSocketClient({ onMessage: (_self, _connId, data) => answer.resolve(String(data)) });
    const [near, far] = tunnel();
    const adopting = server.adopt(near);
    await client.open('ws://example.com/chat', { socket: far });
    await adopting;
    client.send('over the tunnel');
    expect(await answer.promise).toBe('over the tunnel');
    await expect(client.open('ws://a/', { socket: far, reconnect: true })).rejects.toThrow('reconnect makes no sense');
    await client.stop();
  });

  test('the socket of an HTTP upgrade, with what came behind the request', async () => {
    await using server = await echoServer();
    const web = http.createServer();
    web.on('upgrade', (_request, socket: net.Socket, head: Buffer) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
      if (head.length > 0) socket.unshift(head);
      void server.adopt(socket);
    });
    web.listen(0, host);
    await once(web, 'listening');
    const client = await connectBare((web.address() as net.AddressInfo).port);
    client.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nright behind');
    let text = '';
    client.on('data', (data) => {
      text += String(data);
    });
    await eventually(() => text.endsWith('\r\n\r\nright behind'));
    client.write(' and later');
    await eventually(() => text.endsWith('right behind and later'));
    client.destroy();
    web.close();
  });

  test('a socket that another process passed on', async () => {
    const child = fork(fileURLToPath(new URL('./adopting-child.ts', import.meta.url)), {
      execArgv: ['--import', 'tsx'],
    });
    await once(child, 'message');
    // Node counts what it passed on, so nobody waits for the end of this server.
    const passing = net.createServer({ pauseOnConnect: true }).listen(0, host);
    await once(passing, 'listening');
    const passed = once(passing, 'connection');
    const client = await connectBare((passing.address() as net.AddressInfo).port);
    const [socket] = await passed;
    child.send('take it', socket);
    passing.close();
    client.write('who has me?');
    expect(String(await readBytes(client, String(child.pid).length))).toBe(String(child.pid));
    const end = readToEnd(client);
    client.end();
    await end;
    child.disconnect();
    expect(await once(child, 'exit')).toEqual([0, null]);
  }, 60_000);

  test('limits and hooks apply as ever, and a connection that is not let in is closed', async () => {
    await using server = new TcpServer(
      { onAccept: (self) => (self.connectionCount === 2 ? HandleResult.Error : HandleResult.Ok) },
      { maxConnectionCount: 2 },
    );
    await server.start(host, 0);
    const [one, two, three] = [tunnel(), tunnel(), tunnel()];
    await server.adopt(one[0]);
    const refused = await rejection(server.adopt(two[0]));
    expect(refused).toMatchObject({ code: 'HP_HOOK_REFUSED' });
    await eventually(() => two[0].destroyed);
    const filler = await connectBare(server.getListenAddress()!.port);
    filler.destroy();
    await using strict = new TcpServer({}, { allowList: ['10.0.0.0/8'] });
    await strict.start(host, 0);
    const error = await rejection(strict.adopt(three[0]));
    expect(error).toMatchObject({ socketError: SocketErrorCode.ConnectServer, operation: 'adopt' });
    expect(error.message).toBe(
      'a limit of the server does not let a peer without an address in; stats().limits tells which',
    );
    expect(three[0].destroyed).toBe(true);
    expect(strict.stats().limits.blockedAddresses).toBe(1);
    one[1].destroy();
  });

  test('that is cancelled by a stop rejects, and the socket is closed', async () => {
    const server = new TcpServer({ onAccept: () => new Promise(() => {}) });
    await server.start(host, 0);
    const [near, far] = tunnel();
    const adopting = rejection(server.adopt(near));
    await new Promise((resolve) => setImmediate(resolve));
    far.on('error', () => {});
    await server.stop();
    expect(await adopting).toBeInstanceOf(SocketError);
    expect(near.destroyed).toBe(true);
  });

  test('a draining stop ends it as any other connection', async () => {
    const server = await echoServer();
    const [near, far] = tunnel();
    await server.adopt(near);
    far.write('x');
    await once(far, 'data');
    far.on('end', () => far.end());
    far.resume();
    expect(await server.stop({ drainTimeoutMs: 5000 })).toMatchObject({ connections: 1, drained: 1 });
  });
});

describe('what cannot be adopted', () => {
  const streams: [string, () => unknown, RegExp | string][] = [
    ['nothing', () => null, 'socket must be a net.Socket or another stream.Duplex, not null'],
    ['a port', () => 80, 'socket must be a net.Socket or another stream.Duplex, not 80'],
    ['an object mode stream', () => new PassThrough({ objectMode: true }), 'in object mode'],
    ['a stream of text', () => new PassThrough().setEncoding('utf8'), 'decodes them to text'],
  ];
  test.each(streams)('%s is a TypeError', async (_what, make, message) => {
    await using server = await echoServer();
    const client = new TcpClient({});
    await expect(server.adopt(make() as Duplex)).rejects.toThrow(TypeError);
    await expect(server.adopt(make() as Duplex)).rejects.toThrow(message);
    if (make() !== null) await expect(client.start({ socket: make() as Duplex })).rejects.toThrow(message);
    expect(server.connectionCount).toBe(0);
  });

  const states: [string, () => Duplex | Promise<Duplex>, string][] = [
    [
      'destroyed',
      async () => {
        const stream = new PassThrough();
        stream.destroy();
        return stream;
      },
      'it is destroyed already',
    ],
    ['not connected', () => new net.Socket(), 'it was never connected'],
    [
      'ended by its peer',
      async () => {
        const [near, far] = tunnel();
        far.end();
        near.resume();
        await once(near, 'end');
        return near;
      },
      'its peer has ended it, and that has been read already',
    ],
    [
      'ended from this side',
      () => {
        const [near] = tunnel();
        near.end();
        return near;
      },
      'it was ended from this side already',
    ],
    [
      'read by others',
      () => {
        const [near] = tunnel();
        near.on('data', () => {});
        return near;
      },
      "it has listeners of 'data' or 'readable'",
    ],
    [
      'piped',
      () => {
        const [near] = tunnel();
        near.pipe(new PassThrough());
        return near;
      },
      "it has listeners of 'data' or 'readable'",
    ],
    [
      'iterated over',
      () => {
        const [near] = tunnel();
        near[Symbol.asyncIterator]()
          .next()
          .catch(() => {});
        return near;
      },
      "it has listeners of 'data' or 'readable'",
    ],
  ];
  test.each(states)('one that is %s; it stays what it is', async (_what, make, message) => {
    await using server = await echoServer();
    const socket = await make();
    const was = [socket.destroyed, socket.listenerCount('close'), socket.listenerCount('error')];
    const error = await rejection(server.adopt(socket));
    expect(error).toMatchObject({ code: 'HP_INVALID_PARAM', operation: 'adopt' });
    expect(error.message).toContain(message);
    expect(server.lastFailure).toBe(error);
    const client = new TcpClient({});
    const again = await rejection(client.start({ socket }));
    expect(again).toMatchObject({ code: 'HP_INVALID_PARAM', operation: 'start' });
    expect(again.message).toContain(message);
    expect(client.hasStarted).toBe(false);
    expect([socket.destroyed, socket.listenerCount('close'), socket.listenerCount('error')]).toEqual(was);
    expect(server.connectionCount).toBe(0);
    socket.on('error', () => {});
    socket.destroy();
  });

  test('one that still connects, that is adopted already, or is a component’s own', async () => {
    await using server = await echoServer();
    const { port } = server.getListenAddress()!;
    const connecting = net.connect(port, host);
    expect((await rejection(server.adopt(connecting))).message).toContain(
      "it still connects; wait for its event 'connect'",
    );
    connecting.destroy();
    const [near, far] = tunnel();
    await server.adopt(near);
    expect((await rejection(server.adopt(near))).message).toContain(
      'it belongs to a connection of this library already',
    );
    far.destroy();
    const own = deferred<Duplex>();
    await using other = new TcpServer({ onAccept: (_self, _connId, socket) => own.resolve(socket) });
    const listening = await other.start(host, 0);
    const client = await connectBare(listening.port);
    expect((await rejection(server.adopt(await own.promise))).message).toContain(
      'belongs to a connection of this library',
    );
    client.destroy();
  });

  test('clear text that waits to be written, over TLS', async () => {
    const ssl = await (await Authority.make('adopting')).sign();
    await using server = new SslServer({}, { ssl });
    await server.start(host, 0);
    const [near, far] = tunnel();
    near.write(Buffer.alloc(100_000));
    near.write('more');
    expect((await rejection(server.adopt(near))).message).toContain('bytes of clear text wait to be written to it');
    far.on('error', () => {});
    near.on('error', () => {});
    near.destroy();
  });

  test('anything, by a server that is not started', async () => {
    const server = new TcpServer({});
    const [near] = tunnel();
    expect(await rejection(server.adopt(near))).toMatchObject({ code: 'HP_ILLEGAL_STATE' });
    await server.start(host, 0);
    await server.stop();
    expect(await rejection(server.adopt(near))).toMatchObject({ code: 'HP_ILLEGAL_STATE' });
    expect(near.destroyed).toBe(false);
  });
});

describe('start({ socket })', () => {
  test('a client and a server of a tunnel: back-pressure, both ends, one onClose each', async () => {
    const total = 32 * 1024 * 1024;
    const closes: string[] = [];
    let received = 0;
    await using server = new TcpServer({
      onReceive: (_self, _connId, data) => void (received += data.length),
      onClose: (_self, _connId, operation, errorCode) => void closes.push(`server ${operation} ${errorCode}`),
    });
    await server.start(host, 0);
    let wake: (() => void) | null = null;
    const client = new TcpClient(
      {
        onSendDrained: () => wake?.(),
        onClose: (_self, _connId, operation, errorCode) => void closes.push(`client ${operation} ${errorCode}`),
      },
      { highWaterMarkBytes: 256 * 1024, lowWaterMarkBytes: 64 * 1024 },
    );
    const [near, far] = tunnel();
    const adopting = server.adopt(near);
    await client.start({ socket: far, host: 'the.tunnel', port: 7 });
    await adopting;
    expect(client.getRemoteHost()).toEqual({ host: 'the.tunnel', port: 7 });
    let most = 0;
    for (let sent = 0; sent < total; sent += 65_536) {
      client.send(Buffer.alloc(65_536, 1));
      most = Math.max(most, client.pendingDataLength);
      if (client.pendingDataLength > client.highWaterMarkBytes)
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
    }
    expect(most).toBeLessThanOrEqual(256 * 1024 + 65_536);
    await client.stop({ drainTimeoutMs: 10_000 });
    await eventually(() => closes.length === 2);
    expect(received).toBe(total);
    expect(closes.sort()).toEqual(['client 5 0', 'server 5 0']);
  });

  test('a stream whose write throws ends its own connection', async () => {
    const closed = deferred<SocketError | null>();
    await using server = new TcpServer({
      onReceive: (self, connId, data) => self.send(connId, data),
      onClose: (_self, _connId, _operation, _errorCode, info) => closed.resolve(info.error),
    });
    await server.start(host, 0);
    const stream = new Duplex({
      read() {},
      write() {
        throw new Error('no more room');
      },
    });
    await server.adopt(stream);
    stream.push('x');
    expect((await closed.promise)!.message).toContain('no more room');
    await eventually(() => server.connectionCount === 0);
  });

  test('a tunnel that breaks is an error of its connections', async () => {
    const told = deferred<SocketError | null>();
    await using server = await echoServer();
    const client = new TcpClient({
      onClose: (_self, _connId, _operation, _errorCode, info) => told.resolve(info.error),
    });
    const [near, far] = tunnel();
    const adopting = server.adopt(near);
    await client.start({ socket: far });
    await adopting;
    far.destroy(new Error('the cable was cut'));
    const error = await told.promise;
    expect(error!.message).toContain('the cable was cut');
    await client.wait();
  });

  test('TLS through a tunnel, and TLS in TLS; the certificate is checked by serverName, or host', async () => {
    const authority = await Authority.make('adopting');
    const identity = await authority.sign({ names: ['inner.example'] });
    await using server = new SslServer(
      { onReceive: (self, connId, data) => self.send(connId, data) },
      { ssl: identity },
    );
    await server.start(host, 0);
    for (const name of [{ serverName: 'inner.example' }, { host: 'inner.example', port: 443 }]) {
      await using client = new SslClient({}, { ssl: { ca: authority.ca } });
      const [near, far] = tunnel();
      const adopting = server.adopt(near);
      await client.start({ socket: far, ...name });
      await adopting;
      const big = randomBytes(300_000);
      client.send(big);
      const received: Buffer[] = [];
      for await (const chunk of client.messages()) {
        received.push(chunk);
        if (Buffer.concat(received).length === big.length) break;
      }
      expect(Buffer.concat(received).equals(big)).toBe(true);
      await client.stop();
    }
    const other = new SslClient({}, { ssl: { ca: authority.ca } });
    const [near, far] = tunnel();
    near.on('error', () => {});
    far.on('error', () => {});
    const adopting = server.adopt(near).catch(() => 'not let in');
    expect((await rejection(other.start({ socket: far, serverName: 'other.example' }))).code).toBe('HP_TLS_FAILED');
    await adopting;

    const outer = tls.createServer({ cert: identity.cert, key: identity.key }, (socket) => void server.adopt(socket));
    outer.listen(0, host);
    await once(outer, 'listening');
    const outside = tls.connect({ port: (outer.address() as net.AddressInfo).port, host, rejectUnauthorized: false });
    await once(outside, 'secureConnect');
    await using inside = new SslClient({}, { ssl: { ca: authority.ca } });
    await inside.start({ socket: outside, serverName: 'inner.example' });
    inside.send('twice wrapped');
    for await (const chunk of inside.messages()) {
      expect(String(chunk)).toBe('twice wrapped');
      break;
    }
    await inside.stop();
    outer.close();
  }, 60_000);

  test('an agent, as connect({ socket })', async () => {
    await using server = await echoServer();
    const answer = deferred<string>();
    await using agent = new TcpAgent<string>({
      onReceive: (self, connId, data) => answer.resolve(`${self.getConnectionExtra(connId)}: ${data}`),
    });
    await agent.start({ localAddress: host });
    const [near, far] = tunnel();
    const adopting = server.adopt(near);
    const connId = await agent.connect({ socket: far, extra: 'mine' });
    await adopting;
    agent.send(connId, 'hello');
    expect(await answer.promise).toBe('mine: hello');
  });

  test('is refused beside what it takes the place of; a hook may cancel it, and then it is closed', async () => {
    const [near, far] = tunnel();
    const client = new TcpClient({ onPrepareConnect: () => HandleResult.Error });
    expect((await rejection(client.start({ socket: near, path: '/x' }))).message).toContain(
      'path makes no sense with socket, which is connected already',
    );
    expect((await rejection(client.start({ socket: near, localPort: 1 }))).message).toContain(
      'localPort makes no sense',
    );
    far.on('error', () => {});
    expect((await rejection(client.start({ socket: near }))).code).toBe('HP_HOOK_REFUSED');
    expect(near.destroyed).toBe(true);
  });

  test('has its signal', async () => {
    await using server = await echoServer();
    const [near, far] = tunnel();
    void server.adopt(near);
    const control = new AbortController();
    const client = new TcpClient({});
    await client.start({ socket: far, signal: control.signal });
    control.abort();
    expect(await client.wait(5000)).toBe(true);
    expect(far.destroyed).toBe(true);
  });
});
