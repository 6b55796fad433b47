import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { expect, it } from 'vitest';
import { HttpServer } from '../../src/http/http-server.ts';
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
