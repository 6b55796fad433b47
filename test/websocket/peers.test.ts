/** Programs that others have written: the client of Python, and reverse proxies in between. Skipped where they are not installed. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { HttpServer } from '../../src/http.ts';
import { WebSocketClient } from '../../src/websocket.ts';

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

/** An HTTP server that echoes over WebSockets, and answers `/push` with three messages. */
async function startServer(): Promise<{ server: HttpServer; port: number; ended: string[] }> {
  const ended: string[] = [];
  const server = new HttpServer(
    { onRequest: (_server, _id, request) => void request.respond(`page ${request.path}`) },
    {
      ws: {
        compression: true,
        compressionThresholdBytes: 0,
        subProtocols: ['chat'],
        onMessage: (sender, connId, data, isBinary) => sender.send(connId, isBinary ? data : data.toString()),
        onWSClose: (_sender, _id, code, reason) => void ended.push(`${code} ${reason}`),
      },
    },
  );
  const { port } = await server.start('127.0.0.1', 0);
  cleanups.push(() => server.hasStarted && server.stop());
  return { server, port, ended };
}

async function temporary(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'hp-socket-peers-'));
  cleanups.push(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

function start(command: string, args: string[]): { process: ChildProcess; output: () => string } {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stdout.on('data', (data) => (output += data));
  child.stderr.on('data', (data) => (output += data));
  cleanups.push(async () => {
    if (child.exitCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    await exited;
  });
  return { process: child, output: () => output };
}

/** Debian's Python, which sees Debian's packages. */
const python = existsSync('/usr/bin/python3') ? '/usr/bin/python3' : 'python3';
const hasPython = spawnSync(python, ['-c', 'import websockets']).status === 0;
const hasNginx = spawnSync('nginx', ['-v']).status === 0;
const hasHaproxy = spawnSync('haproxy', ['-v']).status === 0;
const titled = (title: string, isThere: boolean, what: string): string =>
  isThere ? title : `${title} (skipped: ${what} is not installed)`;

describe.skipIf(!hasPython)(titled("Python's websockets", hasPython, 'python3-websockets'), () => {
  const client = (port: number): string => `
import asyncio, os, websockets
async def main():
    async with websockets.connect('ws://127.0.0.1:${port}/', subprotocols=['other', 'chat'], max_size=None) as ws:
        print('subprotocol', ws.subprotocol)
        print('compressed', any(e.name == 'permessage-deflate' for e in ws.extensions))
        await ws.send('gr\\u00fc\\u00dfe')
        print((await ws.recv()) == 'gr\\u00fc\\u00dfe')
        for size in (0, 125, 126, 65535, 65536, 1 << 20):
            data = os.urandom(size)
            await ws.send(data)
            print((await ws.recv()) == data)
        await ws.send(['in ', 'three ', 'pieces'])
        print((await ws.recv()) == 'in three pieces')
        pong = await ws.ping(b'are you there')
        await asyncio.wait_for(pong, 10)
        await ws.close(4001, 'enough')
        print('closed', ws.close_code)
asyncio.run(main())
`;

  it('opens, echoes, pings and closes', async () => {
    const { port, ended } = await startServer();
    const { process: child, output } = start(python, ['-c', client(port)]);
    await once(child, 'close');
    const lines = ['subprotocol chat', 'compressed True', ...Array<string>(8).fill('True'), 'closed 4001'];
    expect(output().trim().split('\n')).toEqual(lines);
    await expect.poll(() => ended).toEqual(['4001 enough']);
  });

  it('serves our client', async () => {
    const { process: child } = start(python, [
      '-u',
      '-c',
      `
import asyncio, websockets
async def echo(ws, path=None):
    async for message in ws:
        if message == 'bye':
            await ws.close(4002, 'as you like')
        else:
            await ws.send(message)
async def main():
    server = await websockets.serve(echo, '127.0.0.1', 0)
    print(server.sockets[0].getsockname()[1])
    await asyncio.Future()
asyncio.run(main())
`,
    ]);
    const [line] = (await once(child.stdout!, 'data')) as [Buffer];
    const got: string[] = [];
    const ends: string[] = [];
    const socket = new WebSocketClient(
      {
        onMessage: (_client, _id, data, isBinary) => void got.push(isBinary ? `${data.length} bytes` : String(data)),
        onWSClose: (_client, _id, code, reason, wasClean) => void ends.push(`${code} ${reason} ${wasClean}`),
      },
      { compression: true, compressionThresholdBytes: 0 },
    );
    await socket.open(`ws://127.0.0.1:${line.toString().trim()}/`);
    expect(socket.isCompressing).toBe(true);
    socket.send('text');
    socket.send(Buffer.alloc(300_000, 'x'));
    async function* pieces(): AsyncGenerator<string> {
      yield 'in ';
      yield 'pieces';
    }
    expect(await socket.sendStream(pieces(), { isBinary: false })).toBe(true);
    await expect.poll(() => got).toEqual(['text', '300000 bytes', 'in pieces']);
    socket.send('bye');
    await expect.poll(() => ends).toEqual(['4002 as you like true']);
  });
});

/** What a WebSocket through a proxy has to do. @param path Unix socket that the proxy listens on. */
async function checkThrough(path: string, ended: string[], output: () => string): Promise<void> {
  for (let i = 0; !existsSync(path); i++) {
    if (i > 200) throw new Error(`the proxy does not listen: ${output()}`);
    await delay(25);
  }
  const client = new WebSocket(`ws+unix:${path}:/chat?room=1`, ['chat'], { perMessageDeflate: { threshold: 0 } });
  client.on('error', () => {});
  await once(client, 'open');
  expect(client.protocol).toBe('chat');
  expect(client.extensions).toContain('permessage-deflate');
  for (const message of ['text', Buffer.alloc(1 << 20, 'x')]) {
    const answer = once(client, 'message');
    client.send(message);
    const [data, isBinary] = (await answer) as [Buffer, boolean];
    expect([data.length, isBinary]).toEqual([message.length, typeof message !== 'string']);
  }
  const pong = once(client, 'pong');
  client.ping('x');
  await pong;
  const closed = once(client, 'close');
  client.close(4003, 'through');
  expect((await closed)[0]).toBe(4003);
  await expect.poll(() => ended).toEqual(['4003 through']);
}

describe.skipIf(!hasNginx)(titled('nginx in between', hasNginx, 'nginx'), () => {
  it('hands on WebSockets as they are', async () => {
    const { port, ended } = await startServer();
    const folder = await temporary();
    const path = join(folder, 'listen');
    await writeFile(
      join(folder, 'conf'),
      `daemon off; pid ${folder}/pid; error_log stderr; worker_processes 1; ${process.getuid?.() === 0 ? 'user root;' : ''}
events {}
http {
  access_log off; client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi; uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
  server {
    listen unix:${path};
    location / {
      proxy_pass http://127.0.0.1:${port}; proxy_http_version 1.1; proxy_set_header Host localhost;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";
    }
  }
}
`,
    );
    const { output } = start('nginx', ['-c', join(folder, 'conf'), '-p', folder, '-e', 'stderr']);
    await checkThrough(path, ended, output);
  });
});

describe.skipIf(!hasHaproxy)(titled('haproxy in between', hasHaproxy, 'haproxy'), () => {
  it('hands on WebSockets as they are', async () => {
    const { port, ended } = await startServer();
    const folder = await temporary();
    const path = join(folder, 'listen');
    await writeFile(
      join(folder, 'conf'),
      `defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
  timeout tunnel 30s
frontend in
  bind unix@${path}
  default_backend out
backend out
  server one 127.0.0.1:${port}
`,
    );
    const { output } = start('haproxy', ['-db', '-f', join(folder, 'conf')]);
    await checkThrough(path, ended, output);
  });
});
