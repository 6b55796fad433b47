import { describe, expect, it } from 'vitest';
import { SocketOperation } from '../../../src/core/enums.ts';
import { Errno } from '../../../src/core/errno.ts';
import { HttpClient, HttpServer } from '../../../src/http.ts';
import { acceptOf } from '../../../src/websocket/handshake.ts';
import { afterTest, deferred, eachRequest, makeAgent, serveRaw, until } from './support.ts';

const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
const upgrade = {
  Connection: 'Upgrade',
  Upgrade: 'websocket',
  'Sec-WebSocket-Key': KEY,
  'Sec-WebSocket-Version': '13',
};
const mask = Buffer.from([1, 2, 3, 4]);

/** A server of ours that sends every frame back, and says how its connections ended. */
async function echoing(ends: unknown[] = []): Promise<number> {
  let opcode = 0;
  let pieces: Buffer[] = [];
  const server = new HttpServer({
    onUpgrade: (sender, connId) =>
      void sender.sendResponse(connId, 101, null, [
        ['Connection', 'Upgrade'],
        ['Upgrade', 'websocket'],
        ['Sec-WebSocket-Accept', acceptOf(sender.getHeader(connId, 'Sec-WebSocket-Key')!)],
      ]),
    onWSMessageHeader: (_s, _id, _isFinal, _reserved, code) => {
      opcode = code;
      pieces = [];
    },
    onWSMessageBody: (_s, _id, data) => void pieces.push(data),
    onWSMessageComplete: (sender, connId) => sender.sendWSMessage(connId, true, 0, opcode, Buffer.concat(pieces)),
    onClose: (_s, _id, operation, errorCode) => void ends.push([operation, errorCode]),
  });
  const { port } = await server.start('127.0.0.1', 0);
  afterTest(() => server.stop());
  return port;
}

describe('WebSocket frames of HTTP clients and agents', () => {
  it('are sent as they are given, and handed on by hooks (HTTP-1-001, HTTP-1-021, EV-H-10)', async () => {
    const port = await echoing();
    const log: unknown[] = [];
    const done = deferred();
    const client = new HttpClient({
      onUpgrade: (_c, _id, type) => void log.push(['upgrade', type]),
      onWSMessageHeader: (_c, _id, isFinal, reserved, opcode, key, length) =>
        void log.push([isFinal, reserved, opcode, key, length]),
      onWSMessageBody: (_c, _id, data) => void log.push(String(data)),
      onWSMessageComplete: (sender) => {
        log.push(sender.getWSMessageState());
        done.resolve();
      },
    });
    await client.start('127.0.0.1', port);
    afterTest(() => client.stop());
    expect(client.sendWSMessage(true, 0, 1, mask, 'early')).toBe(false);
    expect([client.lastFailure?.errnoName, client.getWSMessageState()]).toEqual(['EPERM', null]);
    const answer = await client.request({ path: '/ws', headers: upgrade });
    expect([answer.status, answer.isUpgrade]).toEqual([101, true]);
    expect(client.sendWSMessage(true, 0, 1, mask, 'hello')).toBe(true);
    await done.promise;
    expect(log).toEqual([
      ['upgrade', 1],
      [true, 0, 1, null, 5],
      'hello',
      { isFinal: true, reserved: 0, opcode: 1, mask: null, bodyLength: 5, bodyRemain: 0 },
    ]);
    expect(() => client.sendWSMessage(true, 0, 1, Buffer.alloc(3), 'x')).toThrow(RangeError);
    expect(client.sendWSMessage(true, 0, 1, mask, 'abc', 2)).toBe(false);
    expect(client.lastFailure?.errnoName).toBe('EINVAL');
  });

  it('of agents, on connections that a URL was asked on as well (HTTP-RQ-001, EBUG-003)', async () => {
    const port = await echoing();
    const bodies: string[] = [];
    const agent = await makeAgent({}, { onWSMessageBody: (_a, _id, data) => void bodies.push(String(data)) });
    const { connId } = await agent.request(`http://127.0.0.1:${port}/`, { headers: upgrade });
    expect(agent.poolStats().connections).toBe(0);
    expect(agent.sendWSMessage(connId, true, 0, 2, mask, 'abcdef')).toBe(true);
    await until(() => bodies.length === 1);
    expect([bodies, agent.getWSMessageState(connId)?.opcode]).toEqual([['abcdef'], 2]);
    expect([agent.sendWSMessage(999, true, 0, 2, mask, ''), agent.getWSMessageState(999)]).toEqual([false, null]);
  });

  it('that are masked wrongly end the connection, on both sides (CLS-011)', async () => {
    const ends: unknown[] = [];
    const port = await echoing(ends);
    const told: unknown[] = [];
    const hooks = {
      onWSMessageComplete: () => {},
      onClose: (_c: unknown, _id: number, operation: SocketOperation, errorCode: number) =>
        void told.push([operation, errorCode]),
    };
    const client = new HttpClient(hooks);
    await client.start('127.0.0.1', port);
    await client.request({ headers: upgrade });
    client.sendWSMessage(true, 0, 1, null, 'unmasked');
    await until(() => ends.length === 1);
    expect(ends).toEqual([[SocketOperation.Receive, Errno.EBADMSG]]);
    await client.wait();
    told.length = 0;
    const url = await serveRaw((socket) =>
      eachRequest(socket, () =>
        socket.write(
          Buffer.concat([
            Buffer.from('HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'),
            Buffer.from([0x81, 0x81, 1, 2, 3, 4, 0x60]), // a server's frame with a mask
          ]),
        ),
      ),
    );
    await client.start('127.0.0.1', Number(new URL(url).port));
    await client.request({ headers: upgrade }).catch(() => {});
    await client.wait();
    expect(told).toEqual([[SocketOperation.Receive, Errno.EBADMSG]]);
  });
});
