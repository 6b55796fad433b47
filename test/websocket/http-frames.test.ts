import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { constants, deflateRawSync, inflateRawSync } from 'node:zlib';
import { expect, it } from 'vitest';
import WebSocket from 'ws';
import { HandleResult } from '../../src/core/enums.ts';
import { HttpServer, HttpUrlField } from '../../src/http.ts';
import { acceptOf } from '../../src/websocket/handshake.ts';

it('an HttpServer with frame hooks answers a client of HP-Socket as HP-Socket does (vectors/websocket.json)', async () => {
  interface Row {
    from: 'client' | 'server';
    hex?: string;
  }
  const rows = JSON.parse(readFileSync(new URL('../vectors/websocket.json', import.meta.url), 'utf8')) as Row[];
  const sentBy = (from: string): Buffer[] =>
    rows.filter((row) => row.from === from && row.hex !== undefined).map((row) => Buffer.from(row.hex!, 'hex'));
  const states: unknown[] = [];
  const bodies = new Map<number, { opcode: number; pieces: Buffer[] }>();
  const server = new HttpServer(
    {
      onUpgrade: (sender, connId) =>
        void sender.sendResponse(connId, 101, null, [
          ['Connection', 'Upgrade'],
          ['Upgrade', 'WebSocket'],
          ['Sec-WebSocket-Accept', acceptOf(sender.getHeader(connId, 'Sec-WebSocket-Key')!)],
        ]),
      onWSMessageHeader: (_sender, connId, _isFinal, _reserved, opcode) =>
        void bodies.set(connId, { opcode, pieces: [] }),
      onWSMessageBody: (_sender, connId, data) => void bodies.get(connId)!.pieces.push(data),
      onWSMessageComplete: (sender, connId) => {
        const { opcode, pieces } = bodies.get(connId)!;
        const body = Buffer.concat(pieces);
        states.push(sender.getWSMessageState(connId));
        // What the application of the recording said to a close frame.
        const answer = opcode === 8 ? Buffer.concat([body.subarray(0, 2), Buffer.from('bye')]) : body;
        expect(sender.sendWSMessage(connId, true, 0, opcode, answer)).toBe(true);
        expect(sender.sendWSMessage(connId, true, 0, 2, 'abc', 2)).toBe(false);
        expect(sender.lastSystemError).toBe(22);
      },
    },
    { wsPolicy: 'hp' },
  );
  const { port } = await server.start('127.0.0.1', 0);
  try {
    const socket = net.connect(port, '127.0.0.1');
    const expected = Buffer.concat(sentBy('server')).toString('latin1').replace('Content-Length: 0\r\n', '');
    let got = '';
    socket.on('data', (data) => {
      got += data.toString('latin1');
    });
    for (const piece of sentBy('client')) socket.write(piece);
    await expect.poll(() => got.length).toBe(expected.length);
    expect(Buffer.from(got, 'latin1').equals(Buffer.from(expected, 'latin1'))).toBe(true);
    expect(states[0]).toMatchObject({ isFinal: true, opcode: 2, bodyLength: 48, bodyRemain: 0 });
    socket.end();
    await once(socket, 'close');
  } finally {
    await server.stop();
  }
});

const upgradeHeaders = (key: string): [string, string][] => [
  ['Upgrade', 'WebSocket'],
  ['Connection', 'Upgrade'],
  ['Sec-WebSocket-Accept', acceptOf(key)],
];

it('leaves the answer to an upgrade to onUpgrade, and adds nothing to it, whatever is offered [WS-012]', async () => {
  const key = 'dGhlIHNhbXBsZSBub25jZQ==';
  const server = new HttpServer({
    onUpgrade: (sender, connId) => {
      const isRefused = sender.getUrlField(connId, HttpUrlField.Path) === '/no';
      if (!isRefused) sender.sendResponse(connId, 101, 'Mine', upgradeHeaders(key));
      return isRefused ? HandleResult.Error : HandleResult.Ok;
    },
    onWSMessageComplete: () => {},
  });
  const { port } = await server.start('127.0.0.1', 0);
  const ask = async (path: string): Promise<string> => {
    const socket = net.connect(port, '127.0.0.1');
    socket.write(
      `GET ${path} HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n` +
        `Sec-WebSocket-Key: ${key}\r\nSec-WebSocket-Protocol: a, b\r\n` +
        'Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n',
    );
    let got = '';
    socket.on('error', () => {});
    socket.on('data', (data) => {
      got += data;
      socket.end();
    });
    await once(socket, 'close');
    return got;
  };
  try {
    const lines = upgradeHeaders(key).map(([name, value]) => `${name}: ${value}\r\n`);
    expect(await ask('/')).toBe(`HTTP/1.1 101 Mine\r\n${lines.join('')}\r\n`);
    expect(await ask('/no')).toBe('');
  } finally {
    await server.stop();
  }
});

it('leaves extensions to the application: a frame with RSV1 is passed on as it is, both ways [WS-011]', async () => {
  const text = 'compressed by the application, not by the server';
  const seen: unknown[] = [];
  const server = new HttpServer(
    {
      onUpgrade: (sender, connId) =>
        void sender.sendResponse(connId, 101, null, [
          ...upgradeHeaders(sender.getHeader(connId, 'Sec-WebSocket-Key')!),
          ['Sec-WebSocket-Extensions', 'permessage-deflate; server_no_context_takeover; client_no_context_takeover'],
        ]),
      onWSMessageHeader: (_sender, _id, _isFinal, reserved) => void seen.push(reserved),
      onWSMessageBody: (sender, connId, data) => {
        // RFC 7692, 7.2.2: the end of the last block is left out.
        const end = Buffer.of(0, 0, 0xff, 0xff);
        const message = inflateRawSync(Buffer.concat([data, end]), { finishFlush: constants.Z_SYNC_FLUSH }).toString();
        seen.push(message);
        const back = deflateRawSync(message.toUpperCase(), { finishFlush: constants.Z_SYNC_FLUSH });
        sender.sendWSMessage(connId, true, 4, 1, back.subarray(0, -4));
      },
    },
    { wsPolicy: 'hp' },
  );
  const { port } = await server.start('127.0.0.1', 0);
  const client = new WebSocket(`ws://127.0.0.1:${port}/`, { perMessageDeflate: { threshold: 0 } });
  try {
    await once(client, 'open');
    client.send(text);
    expect(String((await once(client, 'message'))[0])).toBe(text.toUpperCase());
    expect(seen).toEqual([4, text]);
  } finally {
    client.terminate();
    await server.stop();
  }
});
