import net from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { llhttp } from '../../src/http/llhttp/llhttp.ts';
import { HttpServer } from '../../src/http.ts';

const sockets: net.Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});

const stages = [
  'GE',
  'GET / HTTP/1.1\r\nHost: h\r\n',
  'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n12345',
  'POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n123',
  'POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nT: ',
  'GET / HTTP/1.1\r\nHost: h\r\n\r\n',
  'GET / HTTP/1.1\r\nHost: h\r\n\r\nGET / HTTP/1.1\r\n',
  'rubbish\r\n',
];

describe('a server under fire', () => {
  it('survives resets and half-closes at every stage, serves others meanwhile, and keeps no parser', async () => {
    const before = llhttp().parserCount;
    const closes: number[] = [];
    const server = new HttpServer({
      onRequest: (_s, _id, request) => request.respond('ok'),
      onClose: (_s, connId) => void closes.push(connId),
    });
    const { port } = await server.start('127.0.0.1', 0);
    for (const stage of stages) {
      for (const end of ['reset', 'fin'] as const) {
        const socket = net.connect(port, '127.0.0.1');
        sockets.push(socket);
        socket.on('error', () => {});
        await new Promise<void>((resolve) => socket.write(stage, () => resolve()));
        while (server.stats().bytesIn === 0) await turn();
        if (end === 'reset') socket.resetAndDestroy();
        else socket.end();
        socket.resume();
        expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe('ok');
      }
    }
    await server.stop({ drainTimeoutMs: 5_000 });
    expect(new Set(closes).size).toBe(closes.length);
    expect(llhttp().parserCount).toBe(before);
  });

  it('takes 100,000 chunks of one byte', async () => {
    const server = new HttpServer({ onRequest: (_s, _id, request) => request.respond(String(request.body.length)) });
    const { port } = await server.start('127.0.0.1', 0);
    const socket = net.connect(port, '127.0.0.1');
    sockets.push(socket);
    socket.write('POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n');
    socket.write(`${'1\r\nx\r\n'.repeat(100_000)}0\r\n\r\n`);
    let received = '';
    for await (const piece of socket) received += piece;
    expect(received).toMatch(/\r\n\r\n100000$/);
    await server.stop();
  });

  it('serves others while 500 connections say nothing more', async () => {
    const server = new HttpServer(
      { onRequest: (_s, _id, request) => request.respond('ok') },
      { headTimeoutMs: 300, minBodyBytesPerSecond: 0 },
    );
    const { port } = await server.start('127.0.0.1', 0);
    const slow = Array.from({ length: 500 }, () => {
      const socket = net.connect(port, '127.0.0.1');
      sockets.push(socket);
      socket.on('error', () => {});
      socket.write('GET / HTTP/1.1\r\nHos');
      let text = '';
      return new Promise<string>((resolve) => {
        socket.on('data', (data) => {
          text += data;
        });
        socket.on('close', () => resolve(text));
      });
    });
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe('ok');
    for (const answer of await Promise.all(slow)) expect(answer).toMatch(/^HTTP\/1\.1 408 /);
    expect(server.httpStats().headTimeouts).toBe(500);
    await server.stop();
  });
});
