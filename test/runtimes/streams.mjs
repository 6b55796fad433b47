// Components over streams: the same checks for TCP and TLS.
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bytesOf, check, holds, rejection, same, until } from './harness.mjs';

const host = '127.0.0.1';

/**
 * @param {string} family `Tcp` or `Ssl`
 * @param library The package.
 * @param prepare Sets up the TLS of a server, or of what connects.
 */
export function checkStreams(family, library, prepare) {
  const make = (name, hooks, options) => prepare(new library[family + name](hooks, options), name.endsWith('Server'));
  const echo = { onReceive: (server, connId, data) => void server.send(connId, data) };

  check(`${family}Server, ${family}Client: a megabyte there and back`, async () => {
    const server = make('Server', echo);
    const { port } = await server.start(host, 0);
    const sent = bytesOf(1024 * 1024);
    const parts = [];
    let length = 0;
    const client = make('Client', {
      onReceive(_client, _connId, data) {
        parts.push(data);
        length += data.length;
      },
    });
    await client.start(host, port);
    for (let at = 0; at < sent.length; at += 9999) client.send(sent.subarray(at, at + 9999));
    await until(
      () => length >= sent.length,
      () => `${length} bytes came back`,
    );
    holds(Buffer.concat(parts).equals(sent), 'other bytes came back');
    same(client.isSecure, family === 'Ssl');
    await client.stop();
    same((await server.stop()).failed, 0, 'failed connections');
  });

  check(`${family}PackServer, ${family}PackAgent: packages whole and in order, of many connections`, async () => {
    const server = make('PackServer', echo);
    const { port } = await server.start(host, 0);
    const next = new Map();
    let wrong = 0;
    const agent = make('PackAgent', {
      onReceive(_agent, connId, data) {
        const number = next.get(connId);
        if (!data.equals(bytesOf(1 + number * 7, connId))) wrong++;
        next.set(connId, number + 1);
      },
    });
    await agent.start();
    const ids = await Promise.all(Array.from({ length: 10 }, () => agent.connect(host, port)));
    for (const connId of ids) {
      next.set(connId, 0);
      for (let number = 0; number < 100; number++) agent.send(connId, bytesOf(1 + number * 7, connId));
    }
    await until(
      () => [...next.values()].every((number) => number === 100),
      () => [...next.values()].join(),
    );
    same(wrong, 0, 'wrong packages');
    await agent.stop();
    await server.stop();
  });

  check(`${family}PullServer, ${family}PullClient: what is fetched`, async () => {
    const server = make('PullServer', {
      onReceive(server, connId, total) {
        for (let left = total; left >= 4; left -= 4) server.send(connId, server.fetch(connId, 4));
      },
    });
    const { port } = await server.start(host, 0);
    let got = '';
    const client = make('PullClient', {
      onReceive(client, _connId, total) {
        got += client.fetch(total).toString();
      },
    });
    await client.start(host, port);
    client.send('ab');
    client.send('cdefg');
    await until(
      () => got.length === 4,
      () => got,
    );
    client.send('h');
    await until(
      () => got === 'abcdefgh',
      () => got,
    );
    await client.stop();
    await server.stop();
  });

  check(`${family}: back-pressure: a peer that does not read is told of, and waited for`, async () => {
    const events = [];
    const total = 24 * 1024 * 1024;
    let left = total;
    const fill = (server, connId) => {
      while (left > 0 && server.send(connId, Buffer.alloc(Math.min(left, 256 * 1024)))) left -= 256 * 1024;
    };
    const options = { highWaterMarkBytes: 1024 * 1024, lowWaterMarkBytes: 65_536, maxPendingBytes: 4 * 1024 * 1024 };
    const server = make(
      'Server',
      {
        onReceive: fill,
        onSendBlocked: () => void events.push('blocked'),
        onSendDrained(server, connId) {
          events.push('drained');
          fill(server, connId);
        },
      },
      options,
    );
    const { port } = await server.start(host, 0);
    let received = 0;
    const client = make('Client', { onReceive: (_client, _connId, data) => void (received += data.length) });
    await client.start(host, port);
    client.pauseReceive();
    client.send('go');
    await until(
      () => events.length > 0,
      () => 'onSendBlocked',
    );
    same(events[0], 'blocked');
    holds(left > 0, 'everything was taken at once, though nobody reads');
    client.pauseReceive(false);
    await until(
      () => received === total,
      () => `${received} bytes`,
    );
    holds(events.includes('drained'), 'onSendDrained never came');
    await client.stop();
    await server.stop();
  });

  check(`${family}: an async hook holds its connection back`, async () => {
    const seen = [];
    const server = make('PackServer', {
      async onReceive(_server, _connId, data) {
        seen.push(`in ${data}`);
        await new Promise((resolve) => setTimeout(resolve, 5));
        seen.push(`out ${data}`);
      },
    });
    const { port } = await server.start(host, 0);
    const client = make('PackClient', {});
    await client.start(host, port);
    for (const text of ['1', '2', '3']) client.send(text);
    await until(
      () => seen.length === 6,
      () => seen.join(),
    );
    same(seen, ['in 1', 'out 1', 'in 2', 'out 2', 'in 3', 'out 3']);
    await client.stop();
    await server.stop();
  });

  check(`${family}: a graceful stop delivers what is queued, and tells how it went`, async () => {
    const message = bytesOf(2 * 1024 * 1024);
    const options = { maxPackSize: message.length };
    const hooks = {
      onReceive(server, connId) {
        server.send(connId, message);
        server.stop({ drainTimeoutMs: 10_000 }).then((told) => {
          report = told;
        });
      },
    };
    const server = make('PackServer', hooks, options);
    let report;
    let got;
    let closed;
    const { port } = await server.start(host, 0);
    const clientHooks = {
      onReceive: (_client, _connId, data) => void (got = data),
      onClose: (_client, _connId, _operation, errorCode) => void (closed = errorCode),
    };
    const client = make('PackClient', clientHooks, options);
    await client.start(host, port);
    client.send('the last one');
    await until(
      () => report !== undefined && closed !== undefined,
      () => 'the end',
    );
    holds(got?.equals(message), 'the message did not arrive');
    same([report.connections, report.drained, report.droppedBytes, closed], [1, 1, 0, 0]);
    same(server.state, library.ServiceState.Stopped);
  });

  check(`${family}: a stop cuts off, each connection is told once, and the server starts again`, async () => {
    const closes = [];
    const server = make('Server', { onClose: (_server, connId) => void closes.push(connId) });
    for (let round = 0; round < 2; round++) {
      const { port } = await server.start(host, 0);
      const agent = make('Agent', {});
      await agent.start();
      await Promise.all([1, 2, 3].map(() => agent.connect(host, port)));
      await until(
        () => server.connectionCount === 3,
        () => `${server.connectionCount} connections`,
      );
      await server.stop();
      same(closes.splice(0).sort(), [1, 2, 3]);
      await until(
        () => agent.connectionCount === 0,
        () => `${agent.connectionCount} connections`,
      );
      await agent.stop();
    }
  });

  check(`${family}: disconnect, and a hook that throws, close one connection and no other`, async () => {
    const closes = [];
    const server = make('PackServer', {
      onReceive(server, connId, data) {
        if (String(data) === 'throw') throw new Error('a hook failed');
        if (String(data) === 'leave') server.disconnect(connId);
        else server.send(connId, data);
      },
      onClose: (_server, connId, _operation, errorCode) => void closes.push([connId, errorCode]),
      onHookError: () => {},
    });
    const { port } = await server.start(host, 0);
    const got = [];
    const agent = make('PackAgent', { onReceive: (_agent, _connId, data) => void got.push(String(data)) });
    await agent.start();
    const ids = [];
    for (let count = 0; count < 3; count++) ids.push(await agent.connect(host, port));
    agent.send(ids[0], 'throw');
    agent.send(ids[1], 'leave');
    await until(
      () => closes.length === 2,
      () => JSON.stringify(closes),
    );
    agent.send(ids[2], 'still here?');
    await until(
      () => got.length === 1,
      () => 'the third connection',
    );
    same(closes.map(([connId]) => connId).sort(), [1, 2]);
    await agent.stop();
    await server.stop();
  });

  check(`${family}: a peer that sends no more still gets its answer`, async () => {
    const server = make('Server', {
      onReceive: echo.onReceive,
      onEnd: (server, connId) => void server.send(connId, ' and the rest'),
    });
    const { port } = await server.start(host, 0);
    let got = '';
    let end;
    const client = make('Client', {
      onReceive: (_client, _connId, data) => void (got += data),
      onClose: (_client, _connId, _operation, errorCode) => void (end = errorCode),
    });
    await client.start(host, port);
    client.send('all');
    await client.stop({ drainTimeoutMs: 10_000 });
    same([got, end], ['all and the rest', 0]);
    await server.stop();
  });

  check(`${family}: a connection as a stream, and as an iterator of messages`, async () => {
    const server = make('PackServer', {
      onHandShake(server, connId) {
        const stream = server.createStream(connId);
        stream.pipe(stream);
      },
    });
    const { port } = await server.start(host, 0);
    const client = make('PackClient', {});
    await client.start(host, port);
    const messages = client.messages();
    client.send('one');
    same(String((await messages.next()).value), 'one');
    client.send('two');
    same(String((await messages.next()).value), 'two');
    await client.stop();
    await server.stop();
  });

  check(`${family}: sendSmallFile`, async () => {
    const path = join(tmpdir(), `hp-socket-smoke-${process.pid}`);
    writeFileSync(path, 'what the file says');
    try {
      const server = make('PackServer', {
        onReceive: (server, connId) => void server.sendSmallFile(connId, path, '<', '>'),
      });
      const { port } = await server.start(host, 0);
      let got = '';
      const client = make('PackClient', { onReceive: (_client, _connId, data) => void (got = String(data)) });
      await client.start(host, port);
      client.send('the file, please');
      await until(
        () => got !== '',
        () => 'the file',
      );
      same(got, '<what the file says>');
      await client.stop();
      await server.stop();
    } finally {
      rmSync(path);
    }
  });

  check(`${family}: limits and deadlines`, async () => {
    const server = make('Server', {}, { maxConnectionCount: 1, idleTimeoutMs: 50 });
    const { port } = await server.start(host, 0);
    const closes = [];
    const agent = make('Agent', { onClose: (_agent, connId) => void closes.push(connId) });
    await agent.start();
    await agent.connect(host, port);
    const second = net.connect(port, host);
    second.on('error', () => {});
    second.resume();
    await once(second, 'close');
    same(server.stats().limits.connections, 1, 'refused by maxConnectionCount');
    await until(
      () => closes.length === 1,
      () => 'the end by idleTimeoutMs',
    );
    await agent.stop();
    await server.stop();
  });

  check(`${family}: connecting where nobody listens is ECONNREFUSED, and a signal cancels`, async () => {
    const probe = net.createServer().listen(0, host);
    await once(probe, 'listening');
    const { port } = probe.address();
    await new Promise((resolve) => probe.close(resolve));
    const client = make('Client', {});
    same((await rejection(client.start(host, port))).errnoName, 'ECONNREFUSED');
    const error = await rejection(client.start({ host, port, signal: AbortSignal.abort() }));
    same(error.errnoName, 'ECANCELED');
    same(client.state, library.ServiceState.Stopped);
  });
}

/** What there is only over TCP. */
export function checkTcp({ TcpServer, TcpClient, TcpAgent }) {
  check('TcpServer: a reset by the peer is told with its errno', async () => {
    const closes = [];
    const server = new TcpServer({
      onReceive: (server, connId, data) => void server.send(connId, data),
      onClose: (_server, _connId, _operation, errorCode) => void closes.push(errorCode),
    });
    const { port } = await server.start(host, 0);
    const peer = net.connect(port, host);
    await once(peer, 'connect');
    peer.write('x');
    await once(peer, 'data');
    peer.resetAndDestroy();
    await until(
      () => closes.length === 1,
      () => 'onClose',
    );
    same(closes, [104]);
    await server.stop();
  });

  check('TcpServer, TcpClient: over a Unix domain socket', async () => {
    const path = join(tmpdir(), `hp-socket-smoke-${process.pid}.sock`);
    rmSync(path, { force: true });
    const server = new TcpServer({ onReceive: (server, connId, data) => void server.send(connId, data) });
    await server.start({ path });
    let got = '';
    const client = new TcpClient({ onReceive: (_client, _connId, data) => void (got += data) });
    await client.start({ path });
    client.send('by file');
    await until(
      () => got === 'by file',
      () => got,
    );
    await client.stop();
    await server.stop();
  });

  check('TcpAgent: an own port that is the target is refused, not connected to itself', async () => {
    const probe = net.createServer().listen(0, host);
    await once(probe, 'listening');
    const { port } = probe.address();
    await new Promise((resolve) => probe.close(resolve));
    const agent = new TcpAgent({});
    await agent.start();
    const error = await rejection(agent.connect(host, port, { localAddress: host, localPort: port }));
    same(error.errnoName, 'ECONNREFUSED');
    await agent.stop();
  });

  check('TcpServer: addresses of both ends, and a block list', async () => {
    const blocked = new net.BlockList();
    blocked.addAddress('127.0.0.2');
    let told;
    const server = new TcpServer(
      {
        onAccept(server, connId) {
          told = [server.getRemoteAddress(connId), server.getLocalAddress(connId)];
        },
      },
      { blockList: blocked },
    );
    const { port } = await server.start(host, 0);
    const client = new TcpClient({});
    await client.start(host, port);
    await until(
      () => told !== undefined,
      () => 'onAccept',
    );
    same(told, [client.getLocalAddress(), { address: host, port }]);
    await client.stop();
    await client.start(host, port, { localAddress: '127.0.0.2' }).catch(() => {});
    await until(
      () => server.stats().limits.blockedAddresses === 1,
      () => 'the block list',
    );
    await server.stop();
  });
}
