import { testCertificate } from '../certificates.ts';
import { connectTls } from '../drivers/connections.ts';
import { openEcho } from '../drivers/echo.ts';
import { type EchoShape, packShape, plainShape } from '../drivers/echo-stream.ts';
import { openHandshakes } from '../drivers/handshakes.ts';
import { measureIdleMemory } from '../drivers/memory.ts';
import { takeTurns } from '../drivers/sessions.ts';
import type { Settings } from '../harness/contract.ts';
import { alternate, type Work } from '../harness/work.ts';

const settings = async (): Promise<Settings> => ({ certificate: await testCertificate() });

function echo(baseline: string, subject: string, connections: number, shape: EchoShape): Work['measurePair'] {
  const load = { connections, shape, connect: connectTls, settings };
  return takeTurns(
    () => openEcho(baseline, load),
    () => openEcho(subject, load),
  );
}

export const sslWorks: readonly Work[] = [
  {
    id: 'ssl-echo-64',
    area: 'ssl',
    title: 'SslServer echo, 64 B ping-pong, 100 connections',
    against: 'node:tls echo',
    unit: 'us/msg',
    judgement: 'ratio',
    bar: 0.95,
    measurePair: echo('baselines/tls-echo.ts', 'subjects/ssl-echo.ts', 100, plainShape(64, 1)),
  },
  {
    id: 'ssl-pack-64',
    area: 'ssl',
    title: 'SslPackServer echo, 64 B, 16 in flight, 100 connections',
    against: 'framing by hand on node:tls',
    unit: 'us/msg',
    judgement: 'ratio',
    bar: 0.25,
    measurePair: echo('baselines/tls-pack-echo.ts', 'subjects/ssl-pack-echo.ts', 100, packShape(64, 16)),
  },
  {
    // No bar, and nothing of ours: what Node itself needs for these batches, which no framing can go below.
    id: 'ssl-pack-64-unread',
    area: 'ssl',
    title: 'bare node:tls sends the same batches back unread',
    against: 'framing by hand on node:tls',
    unit: 'us/msg',
    judgement: 'ratio',
    measurePair: echo('baselines/tls-pack-echo.ts', 'baselines/tls-echo.ts', 100, packShape(64, 16)),
  },
  {
    id: 'ssl-echo-64k',
    area: 'ssl',
    title: 'SslServer echo, 64 KiB, 4 in flight, 10 connections',
    against: 'node:tls echo',
    unit: 'us/msg',
    judgement: 'ratio',
    bar: 1,
    measurePair: echo('baselines/tls-echo.ts', 'subjects/ssl-echo.ts', 10, plainShape(65_536, 4)),
  },
  {
    id: 'ssl-handshakes',
    area: 'ssl',
    title: 'SslServer full handshakes, ECDSA P-256, 16 at once',
    against: 'node:tls server',
    unit: 'us/handshake',
    judgement: 'ratio',
    bar: 1,
    measurePair: takeTurns(
      () => openHandshakes('baselines/tls-echo.ts'),
      () => openHandshakes('subjects/ssl-echo.ts'),
      // In 0.7 s there are but 700 handshakes, and the code of each runs once in it: V8 is still compiling for seconds, which
      // costs either side as much as a tenth of the handshakes.
      6,
    ),
  },
  {
    id: 'ssl-memory-2k',
    area: 'ssl',
    title: 'SslServer memory per idle connection, 2,000 connections',
    against: 'node:tls server',
    unit: 'KB',
    judgement: 'difference',
    bar: 1,
    measurePair: alternate('baselines/tls-echo.ts', 'subjects/ssl-echo.ts', (module, run) =>
      measureIdleMemory(module, { connections: 2_000, connect: connectTls, settings }, run),
    ),
  },
];
