import { takeTurns } from '../drivers/sessions.ts';
import { openWebSockets, type WebSocketLoad } from '../drivers/websocket-load.ts';
import type { Work } from '../harness/work.ts';

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
];
