import { measureAgentAgainstServer } from '../drivers/closed-loop.ts';
import { connectPlain } from '../drivers/connections.ts';
import { openEcho } from '../drivers/echo.ts';
import { type EchoShape, lengthShape, lineShape, packShape, plainShape } from '../drivers/echo-stream.ts';
import { openForwarded } from '../drivers/forward.ts';
import { measureIdleMemory } from '../drivers/memory.ts';
import { takeTurns } from '../drivers/sessions.ts';
import { compareShortConnections } from '../drivers/short-connections.ts';
import type { Settings } from '../harness/contract.ts';
import { alternate, type Work } from '../harness/work.ts';

/** @param options Of the subject's component. */
function echo(
  baseline: string,
  subject: string,
  connections: number,
  shape: EchoShape,
  options: Settings['options'] = {},
): Work['measurePair'] {
  const load = { connections, shape, connect: connectPlain };
  return takeTurns(
    () => openEcho(baseline, load),
    () => openEcho(subject, { ...load, settings: async () => ({ options }) }),
  );
}

function forward(connections: number, shape: EchoShape): Work['measurePair'] {
  const load = { connections, shape, connect: connectPlain };
  return takeTurns(
    () => openForwarded('baselines/net-forward.ts', load),
    () => openForwarded('subjects/tcp-forward.ts', load),
    // There are two components to compile, and what is measured is how they run.
    3,
  );
}

/** A PROXY header of version 2 for IPv4, as balancers send it: 28 bytes. */
const proxyHeader = Buffer.from('0d0a0d0a000d0a515549540a2111000cc0000207c6336401dc0401bb', 'hex');

/** The bytes that a listener gets are valid until it returns, as in HP-Socket. */
const reuse = { reuseReceiveMemory: true };

/** The same echo on another runtime; without a bar, and skipped where Bun is not installed. */
function bunWork(id: string, what: string, connections: number, shape: EchoShape): Work {
  return {
    id,
    area: 'tcp',
    title: `TcpServer echo, ${what}`,
    against: 'Bun.listen on Bun',
    unit: 'us/msg',
    judgement: 'ratio',
    measurePair: echo('baselines/bun-echo.ts', 'subjects/tcp-echo.ts', connections, shape),
  };
}

export const tcpWorks: readonly Work[] = [
  {
    id: 'tcp-echo-64',
    area: 'tcp',
    title: 'TcpServer echo, 64 B ping-pong, 100 connections',
    against: 'node:net echo',
    unit: 'us/msg',
    judgement: 'ratio',
    bar: 0.9,
    measurePair: echo('baselines/net-echo.ts', 'subjects/tcp-echo.ts', 100, plainShape(64, 1)),
  },
  {
    id: 'tcp-echo-1k',
    area: 'tcp',
    title: 'TcpServer echo, 1 KiB, 16 in flight, 100 connections',
    against: 'node:net echo',
    unit: 'us/msg',
    judgement: 'ratio',
    bar: 0.8,
    measurePair: echo('baselines/net-echo.ts', 'subjects/tcp-echo.ts', 100, plainShape(1024, 16)),
  },
  {
    id: 'tcp-echo-64k',
    area: 'tcp',
    title: 'TcpServer echo, 64 KiB, 4 in flight, 10 connections',
    against: 'node:net echo',
    unit: 'us/msg',
    judgement: 'ratio',
    bar: 0.8,
    measurePair: echo('baselines/net-echo.ts', 'subjects/tcp-echo.ts', 10, plainShape(65_536, 4)),
  },
  {
    id: 'tcp-pack-64',
    area: 'tcp',
    title: 'TcpPackServer echo, 64 B, 16 in flight, 100 connections',
    against: 'framing by hand on node:net',
    unit: 'us/msg',
    judgement: 'ratio',
    bar: 0.1,
    measurePair: echo('baselines/net-pack-echo.ts', 'subjects/tcp-pack-echo.ts', 100, packShape(64, 16)),
  },
  {
    id: 'tcp-pack-1k',
    area: 'tcp',
    title: 'TcpPackServer echo, 1 KiB, 16 in flight, 100 connections',
    against: 'framing by hand on node:net',
    unit: 'us/msg',
    judgement: 'ratio',
    bar: 0.12,
    measurePair: echo('baselines/net-pack-echo.ts', 'subjects/tcp-pack-echo.ts', 100, packShape(1024, 16)),
  },
  {
    id: 'tcp-length-64',
    area: 'tcp',
    title: 'TcpServer with lengthField echo, 64 B, 16 in flight, 100 connections',
    against: 'framing by hand on node:net',
    unit: 'us/msg',
    judgement: 'ratio',
    bar: 0.1,
    measurePair: echo('baselines/net-length-echo.ts', 'subjects/tcp-length-echo.ts', 100, lengthShape(64, 16)),
  },
  {
    id: 'tcp-lines-64',
    area: 'tcp',
    title: 'TcpServer with lines echo, 64 B, 16 in flight, 100 connections',
    against: 'readline on a socket',
    unit: 'us/msg',
    judgement: 'ratio',
    bar: 0.1,
    measurePair: echo('baselines/readline-echo.ts', 'subjects/tcp-line-echo.ts', 100, lineShape(64, 16)),
  },
  {
    id: 'tcp-echo-1k-reuse',
    area: 'tcp',
    title: 'TcpServer echo, 1 KiB, 16 in flight, reuseReceiveMemory',
    against: 'node:net echo',
    unit: 'us/msg',
    judgement: 'ratio',
    bar: 0.8,
    measurePair: echo('baselines/net-echo.ts', 'subjects/tcp-echo.ts', 100, plainShape(1024, 16), reuse),
  },
  {
    id: 'tcp-echo-64k-reuse',
    area: 'tcp',
    title: 'TcpServer echo, 64 KiB, 4 in flight, reuseReceiveMemory',
    against: 'node:net echo',
    unit: 'us/msg',
    judgement: 'ratio',
    bar: 0.8,
    measurePair: echo('baselines/net-echo.ts', 'subjects/tcp-echo.ts', 10, plainShape(65_536, 4), reuse),
  },
  {
    id: 'tcp-pack-1k-reuse',
    area: 'tcp',
    title: 'TcpPackServer echo, 1 KiB, 16 in flight, reuseReceiveMemory',
    against: 'framing by hand on node:net',
    unit: 'us/msg',
    judgement: 'ratio',
    bar: 0.12,
    measurePair: echo('baselines/net-pack-echo.ts', 'subjects/tcp-pack-echo.ts', 100, packShape(1024, 16), reuse),
  },
  {
    id: 'tcp-pull-64',
    area: 'tcp',
    title: 'TcpPullServer echo of 64 B records, ping-pong, 100 connections',
    against: 'node:net, socket.read(64)',
    unit: 'us/msg',
    judgement: 'ratio',
    bar: 1,
    measurePair: echo('baselines/net-read-echo.ts', 'subjects/tcp-pull-echo.ts', 100, plainShape(64, 1)),
  },
  {
    id: 'tcp-pull-64x16',
    area: 'tcp',
    title: 'TcpPullServer echo of 64 B records, 16 in flight, 100 connections',
    against: 'node:net, socket.read(64)',
    unit: 'us/msg',
    judgement: 'ratio',
    bar: 1,
    measurePair: echo('baselines/net-read-echo.ts', 'subjects/tcp-pull-echo.ts', 100, plainShape(64, 16)),
  },
  {
    id: 'tcp-forward-64',
    area: 'tcp',
    title: 'PortForwarder to an echo, 64 B ping-pong, 100 connections',
    against: 'socket.pipe both ways',
    unit: 'us/msg',
    judgement: 'ratio',
    bar: 0.9,
    measurePair: forward(100, plainShape(64, 1)),
  },
  {
    id: 'tcp-forward-64k',
    area: 'tcp',
    title: 'PortForwarder to an echo, 64 KiB, 4 in flight, 10 connections',
    against: 'socket.pipe both ways',
    unit: 'us/msg',
    judgement: 'ratio',
    bar: 0.75,
    measurePair: forward(10, plainShape(65_536, 4)),
  },
  {
    id: 'tcp-agent-10k',
    area: 'tcp',
    title: 'TcpAgent echo, 64 B ping-pong, 10,000 connections',
    against: 'our TcpServer at the other end',
    unit: 'us/msg',
    judgement: 'ratio',
    bar: 1.1,
    measurePair: (run) =>
      measureAgentAgainstServer('subjects/tcp-counting-echo.ts', 'subjects/tcp-agent-echo.ts', 10_000, run),
  },
  {
    id: 'tcp-proxy-header',
    area: 'tcp',
    title: 'TcpServer, connections of one 16 B echo behind a PROXY v2 header',
    against: 'the same without header',
    unit: 'us/connection',
    judgement: 'difference',
    bar: 2,
    measurePair: compareShortConnections('subjects/tcp-proxy-echo.ts', proxyHeader),
  },
  {
    id: 'tcp-memory-10k',
    area: 'tcp',
    title: 'TcpServer memory per idle connection, 10,000 connections',
    against: 'node:net server',
    unit: 'KB',
    judgement: 'difference',
    bar: 0.5,
    measurePair: alternate('baselines/net-echo.ts', 'subjects/tcp-echo.ts', (module, run) =>
      measureIdleMemory(module, { connections: 10_000, connect: connectPlain }, run),
    ),
  },
  bunWork('tcp-bun-64', '64 B ping-pong, 100 connections', 100, plainShape(64, 1)),
  bunWork('tcp-bun-1k', '1 KiB, 16 in flight, 100 connections', 100, plainShape(1024, 16)),
  bunWork('tcp-bun-64k', '64 KiB, 4 in flight, 10 connections', 10, plainShape(65_536, 4)),
];
