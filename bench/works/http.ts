import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { testCertificate } from '../certificates.ts';
import { connectPlain, connectTls } from '../drivers/connections.ts';
import { openHttpAnswers } from '../drivers/http-answers.ts';
import { browserRequest, type HttpLoad, openHttp, postRequest } from '../drivers/http-load.ts';
import { measureIdleMemory } from '../drivers/memory.ts';
import { takeTurns } from '../drivers/sessions.ts';
import type { Settings } from '../harness/contract.ts';
import { alternate, type Work } from '../harness/work.ts';

type Options = NonNullable<Settings['options']>;

interface Load {
  readonly request?: Buffer;
  readonly inFlight?: number;
  readonly connections?: number;
  readonly ending?: string;
  /** Options of the subject, and of both. */
  readonly subject?: Options;
  readonly both?: () => Options;
}

const hello = browserRequest('/');

/** Both sides asked the same. */
function asked(baseline: string, subject: string, load: Load = {}): Work['measurePair'] {
  const of = (options: Options): HttpLoad => ({
    connections: load.connections ?? 64,
    request: load.request ?? hello,
    inFlight: load.inFlight ?? 1,
    ending: load.ending ?? 'Hello, World!',
    connect: connectPlain,
    settings: async () => ({ options: { ...load.both?.(), ...options } }),
  });
  return takeTurns(
    () => openHttp(baseline, of({})),
    () => openHttp(subject, of(load.subject ?? {})),
  );
}

const node = 'baselines/http-server.ts';
const ours = 'subjects/http-server.ts';
const fileBytes = 1024 * 1024;
let fileName = '';

/** A file of 1 MiB, made when it is first asked for. */
function file(): Options {
  if (fileName === '') {
    fileName = join(mkdtempSync(join(tmpdir(), 'hp-socket-bench-')), 'file');
    writeFileSync(fileName, Buffer.alloc(fileBytes, 'x'));
  }
  return { file: fileName, fileBytes };
}

const secure = async (): Promise<Settings> => ({ certificate: await testCertificate() });

function row(id: string, title: string, against: string, bar: number, measurePair: Work['measurePair']): Work {
  return { id, area: 'http', title, against, unit: 'us/req', judgement: 'ratio', bar, measurePair };
}

export const httpWorks: readonly Work[] = [
  row('http-hello', 'HttpServer onRequest hello, 64 connections', 'node:http', 0.6, asked(node, ours)),
  row(
    'http-fastify',
    'HttpServer onRequest hello, 64 connections',
    'fastify',
    0.55,
    asked('baselines/fastify-hello.ts', ours),
  ),
  row(
    'http-pipelined',
    'HttpServer onRequest hello, 16 pipelined, 64 connections',
    'node:http',
    0.2,
    asked(node, ours, { inFlight: 16 }),
  ),
  row(
    'http-hooks',
    'HttpServer by hooks, hello, 64 connections',
    'node:http',
    0.58,
    asked(node, ours, { subject: { by: 'hooks' } }),
  ),
  row(
    'http-fetch-light',
    'serve(fetch) hello, light responses',
    '@hono/node-server',
    0.75,
    asked('baselines/hono-node-server.ts', 'subjects/fetch-server.ts'),
  ),
  row(
    'http-fetch-global',
    'serve(fetch) hello, global responses',
    '@hono/node-server',
    0.95,
    asked('baselines/hono-node-server.ts', 'subjects/fetch-server.ts', { both: () => ({ override: false }) }),
  ),
  row(
    'http-hono',
    'a Hono app, light responses',
    '@hono/node-server',
    0.85,
    asked('baselines/hono-node-server.ts', 'subjects/fetch-server.ts', { both: () => ({ app: 'hono' }) }),
  ),
  row(
    'http-post-64k',
    'HttpServer echo of a 64 KiB body, 16 connections',
    'node:http streaming',
    0.7,
    asked(node, ours, { request: postRequest('/', 65_536), ending: 'xxxx', connections: 16, subject: { by: 'echo' } }),
  ),
  row(
    'http-file-1m',
    'HttpServer sendLocalFile, 1 MiB, 8 connections',
    'node:http with pipeline',
    0.8,
    asked(node, ours, { ending: 'xxxx', connections: 8, both: file, subject: { by: 'file' } }),
  ),
  row(
    'https-hello',
    'HttpsServer onRequest hello, 64 connections',
    'node:https',
    0.75,
    takeTurns(
      () =>
        openHttp(node, {
          connections: 64,
          request: hello,
          inFlight: 1,
          ending: 'Hello, World!',
          connect: connectTls,
          settings: secure,
        }),
      () =>
        openHttp(ours, {
          connections: 64,
          request: hello,
          inFlight: 1,
          ending: 'Hello, World!',
          connect: connectTls,
          settings: secure,
        }),
    ),
  ),
  row(
    'http-agent',
    'HttpAgent request(url), 64 connections, answers of 1 KiB',
    'undici request',
    1,
    takeTurns(
      () => openHttpAnswers('baselines/undici-request.ts', 64, 1024),
      () => openHttpAnswers('subjects/http-agent.ts', 64, 1024),
    ),
  ),
  {
    id: 'http-memory',
    area: 'http',
    title: 'HttpServer memory per idle keep-alive connection after one request, 10,000 of them',
    against: 'node:http',
    unit: 'KB',
    judgement: 'ratio',
    bar: 0.6,
    measurePair: alternate(node, ours, (module, run) =>
      measureIdleMemory(module, { connections: 10_000, connect: connectAndAsk }, run),
    ),
  },
];

/** A connection that has been used once. */
const connectAndAsk: typeof connectPlain = async (port, onBytes) => {
  let answered = (): void => {};
  const isAnswered = new Promise<void>((resolve) => {
    answered = resolve;
  });
  const socket = await connectPlain(port, (bytes) => {
    answered();
    onBytes(bytes);
  });
  socket.write(hello);
  await isAnswered;
  return socket;
};
