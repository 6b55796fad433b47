import { measureIdleMemory } from '../drivers/memory.ts';
import { takeTurns } from '../drivers/sessions.ts';
import { openWebSockets, type WebSocketLoad } from '../drivers/websocket-load.ts';
import { connectWebSocket, openPublishing, openUpgrades } from '../drivers/websocket-open.ts';
import { alternate, type Work } from '../harness/work.ts';

const theirs = 'baselines/ws-echo.ts';
const ours = 'subjects/websocket-echo.ts';

const text = (length: number): Buffer =>
  Buffer.from('The quick brown fox. '.repeat(length / 20 + 1)).subarray(0, length);

function json(length: number): Buffer {
  const rows = Array.from({ length: 40 }, (_, i) => ({ id: i * 7919, name: `user-${i % 7}`, isOnline: i % 3 === 0 }));
  return Buffer.from(JSON.stringify(rows)).subarray(0, length);
}

function row(id: string, title: string, bar: number, load: Partial<WebSocketLoad> & { payload: Buffer }): Work {
  const all: WebSocketLoad = {
    connections: 100,
    inFlight: 1,
    ...load,
    ...(load.isCompressed ? { settings: { options: { compression: true } } } : {}),
  };
  return {
    id,
    area: 'websocket',
    title,
    against: 'ws',
    unit: 'us/msg',
    judgement: 'ratio',
    bar,
    measurePair: takeTurns(
      () => openWebSockets(theirs, all),
      () => openWebSockets(ours, all),
    ),
  };
}

export const webSocketWorks: readonly Work[] = [
  row('ws-echo-64', 'WebSocketServer echo 64 B, 100 connections', 0.7, { payload: text(64) }),
  {
    // No bar, and nothing of ours: what documented Node needs for a read and a write, with nothing parsed in between.
    id: 'ws-echo-64-unread',
    area: 'websocket',
    title: 'bare node:net answers each frame of 64 B unread',
    against: 'ws',
    unit: 'us/msg',
    judgement: 'ratio',
    measurePair: takeTurns(
      () => openWebSockets(theirs, { connections: 100, inFlight: 1, payload: text(64) }),
      () => openWebSockets('baselines/net-frames.ts', { connections: 100, inFlight: 1, payload: text(64) }),
    ),
  },
  row('ws-echo-64x16', 'WebSocketServer echo 64 B, 16 in flight', 0.12, { payload: text(64), inFlight: 16 }),
  row('ws-echo-1k', 'WebSocketServer echo 1 KiB, 16 in flight', 0.25, { payload: text(1024), inFlight: 16 }),
  row('ws-echo-64k', 'WebSocketServer echo 64 KiB, 4 in flight, 10 connections', 0.25, {
    payload: text(65_536),
    inFlight: 4,
    connections: 10,
  }),
  row('ws-text-64x16', 'WebSocketServer text echo 64 B, 16 in flight', 0.15, {
    payload: text(64),
    inFlight: 16,
    isText: true,
  }),
  row('ws-deflate-1k', 'WebSocketServer deflate echo of 1 KiB JSON, context take-over', 0.9, {
    payload: json(1024),
    isText: true,
    isCompressed: true,
  }),
  {
    id: 'ws-publish-64',
    area: 'websocket',
    title: 'WebSocketServer publish of 64 B to 1,000 subscribers, per delivery',
    against: 'ws',
    unit: 'us/delivery',
    judgement: 'ratio',
    bar: 0.75,
    measurePair: takeTurns(
      () => openPublishing('baselines/ws-publish.ts', 1000, text(64)),
      () => openPublishing('subjects/websocket-publish.ts', 1000, text(64)),
    ),
  },
  {
    id: 'ws-upgrades',
    area: 'websocket',
    title: 'WebSocketServer: WebSockets opened and closed, 16 at once',
    against: 'ws',
    unit: 'us/upgrade',
    judgement: 'ratio',
    bar: 0.7,
    // As for TLS handshakes: there are few of them in a second, and V8 has much to compile.
    measurePair: takeTurns(
      () => openUpgrades(theirs),
      () => openUpgrades(ours),
      6,
    ),
  },
  {
    id: 'ws-memory-10k',
    area: 'websocket',
    title: 'WebSocketServer memory per idle connection, 10,000 connections',
    against: 'ws',
    unit: 'KB',
    judgement: 'ratio',
    bar: 0.6,
    measurePair: alternate(theirs, ours, (module, run) =>
      measureIdleMemory(module, { connections: 10_000, connect: connectWebSocket }, run),
    ),
  },
];
