/** Programs that are compared with ours. Each answers 200 with what it understood: `METHOD /path body-length`. */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HttpServer } from '../../../src/http.ts';
import { startProgram } from '../../tools/programs.ts';

export const host = '127.0.0.1';

/** Whether a program is there. */
export function hasProgram(command: string, ...args: string[]): boolean {
  return spawnSync(command, args, { timeout: 5000 }).error === undefined;
}

export const titled = (title: string, isThere: boolean, what: string): string =>
  isThere ? title : `${title} (skipped: ${what} is not installed)`;

/** What is to be ended, last first. */
export class Cleanups {
  readonly #all: (() => unknown)[] = [];
  add(end: () => unknown): void {
    this.#all.push(end);
  }

  async run(): Promise<void> {
    for (const end of this.#all.splice(0).reverse()) await end();
  }
}

const pathOf = (target: string): string => target.replace(/^[a-z]+:\/\/[^/]*/i, '');

/** Our server. */
export async function startOurs(cleanups: Cleanups): Promise<number> {
  const server = new HttpServer({
    onRequest: (_s, _id, request) =>
      void request.respond(`${request.method} ${pathOf(request.url)} ${request.body.length}`),
  });
  cleanups.add(() => server.hasStarted && server.stop());
  return (await server.start(host, 0)).port!;
}

/** Node's own. */
export async function startNode(cleanups: Cleanups): Promise<number> {
  const server = http.createServer((request, response) => {
    let length = 0;
    request.on('data', (data: Buffer) => {
      length += data.length;
    });
    request.on('end', () => response.end(`${request.method} ${pathOf(request.url!)} ${length}`));
  });
  server.listen(0, host);
  await once(server, 'listening');
  cleanups.add(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  return (server.address() as net.AddressInfo).port;
}

/** A port that is free now. */
export async function freePort(): Promise<number> {
  const server = net.createServer();
  server.listen(0, host);
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function temporary(cleanups: Cleanups): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'hp-socket-http-'));
  await chmod(folder, 0o777);
  cleanups.add(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

const run = (cleanups: Cleanups, port: number, command: string, args: string[]): Promise<void> =>
  startProgram(port, command, args, (end) => cleanups.add(end));

export const hasNginx = hasProgram('nginx', '-v');
export const hasHaproxy = hasProgram('haproxy', '-v');

/** nginx as a reverse proxy in front of `port`. */
export async function startNginx(cleanups: Cleanups, port: number): Promise<number> {
  const listen = await freePort();
  const folder = await temporary(cleanups);
  await writeFile(
    join(folder, 'conf'),
    `daemon off; pid ${folder}/pid; error_log stderr crit; worker_processes 1; ${process.getuid?.() === 0 ? 'user root;' : ''}
events {}
http {
  access_log off; client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi; uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
  client_header_timeout 5s; client_body_timeout 5s; lingering_close off; client_max_body_size 10m;
  upstream out { server ${host}:${port}; keepalive 4; }
  server {
    listen ${host}:${listen};
    location / {
      proxy_pass http://out; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_ignore_client_abort on;
    }
  }
}
`,
  );
  await run(cleanups, listen, 'nginx', ['-c', join(folder, 'conf'), '-p', folder, '-e', 'stderr']);
  return listen;
}

/** haproxy as a reverse proxy in front of `port`. */
export async function startHaproxy(cleanups: Cleanups, port: number): Promise<number> {
  const listen = await freePort();
  const folder = await temporary(cleanups);
  await writeFile(
    join(folder, 'conf'),
    `defaults
  mode http
  option http-buffer-request
  timeout connect 5s
  timeout client 5s
  timeout server 5s
frontend in
  bind ${host}:${listen}
  default_backend out
backend out
  server one ${host}:${port}
`,
  );
  await run(cleanups, listen, 'haproxy', ['-db', '-f', join(folder, 'conf')]);
  return listen;
}

/** Sends `text` and a FIN; what the server at `port` understood, until it ends. */
export async function understoodBy(port: number, text: string): Promise<string[]> {
  const socket = net.connect({ port, host, allowHalfOpen: true });
  let received = '';
  socket.on('data', (data) => {
    received += data.toString('latin1');
  });
  socket.on('error', () => {});
  const closed = new Promise((resolve) => {
    socket.on('end', resolve);
    socket.on('close', resolve);
  });
  socket.end(text, 'latin1');
  await closed;
  socket.destroy();
  const found = received.matchAll(/[A-Z-]+ [^ \r\n]+ \d+(?=HTTP\/|\r\n|$)/g);
  return [...found].map(([one]) => one).filter((one) => !one.startsWith('HTTP'));
}
