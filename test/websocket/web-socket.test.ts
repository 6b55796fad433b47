import { once } from 'node:events';
import { WebSocket as UndiciWebSocket } from 'undici';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket, type WebSocketCloseEvent, type WebSocketErrorEvent } from '../../src/websocket/web-socket.ts';
import { WebSocketServer } from '../../src/websocket/websocket-server.ts';

const running: WebSocketServer[] = [];

async function serve(options: ConstructorParameters<typeof WebSocketServer>[1] = {}): Promise<string> {
  const server = new WebSocketServer(
    {
      onMessage: (sender, connId, data, isBinary) => {
        if (data.toString() === 'close me') sender.close(connId, 4000, 'as you wish');
        else if (isBinary) sender.send(connId, data);
        else sender.sendText(connId, data);
      },
    },
    { subProtocols: ['b'], ...options },
  );
  running.push(server);
  const { port } = await server.start('127.0.0.1', 0);
  return `ws://127.0.0.1:${port}/path`;
}

afterEach(async () => {
  for (const server of running.splice(0)) await server.stop();
});

// The same program for ours and for another WebSocket of the kind that browsers have.
describe.each([
  ['ours', WebSocket as unknown as typeof UndiciWebSocket],
  ['undici', UndiciWebSocket],
])('a WebSocket as browsers have it: %s', (_whose, Socket) => {
  it('runs a program that was written for a browser', async () => {
    const url = await serve({ compression: true, compressionThresholdBytes: 0 });
    const log: string[] = [];
    const socket = new Socket(url, ['a', 'b']);
    socket.binaryType = 'arraybuffer';
    expect(socket.readyState).toBe(0);
    expect(() => socket.send('too early')).toThrow();
    socket.onopen = () => {
      log.push(`open ${socket.readyState} ${socket.protocol}`);
      socket.send('text');
      socket.send(new Uint8Array([1, 2, 3]));
    };
    socket.onmessage = (event) => {
      log.push(typeof event.data === 'string' ? event.data : `bytes ${new Uint8Array(event.data).join()}`);
      if (log.length === 3) socket.send('close me');
    };
    const ended = new Promise<void>((resolve) => {
      socket.addEventListener('close', (event) => {
        const { code, reason, wasClean } = event as unknown as WebSocketCloseEvent;
        log.push(`close ${code} ${reason} ${wasClean} ${socket.readyState}`);
        resolve();
      });
    });
    await ended;
    expect(log).toEqual(['open 1 b', 'text', 'bytes 1,2,3', 'close 4000 as you wish true 3']);
    socket.send('too late');
  });

  it('closes from its side, and takes no other codes than browsers do', async () => {
    const socket = new Socket(await serve());
    await once(socket, 'open');
    for (const code of [1001, 999, 5000]) expect(() => socket.close(code)).toThrow();
    const closed = once(socket, 'close');
    socket.close(3000, 'done');
    expect(socket.readyState).toBe(2);
    const [event] = (await closed) as [WebSocketCloseEvent];
    expect([event.code, event.wasClean]).toEqual([3000, true]);
  });

  it('fires error, then close with 1006, when it could not be opened', async () => {
    const socket = new Socket('ws://127.0.0.1:1/');
    const log: string[] = [];
    socket.addEventListener('error', () => log.push('error'));
    const closed = new Promise<number>((resolve) => {
      socket.addEventListener('close', (event) => resolve((event as unknown as WebSocketCloseEvent).code));
    });
    expect(await closed).toBe(1006);
    expect(log).toEqual(['error']);
  });

  it('is closed before it was open', async () => {
    const socket = new Socket(await serve());
    const closed = once(socket, 'close');
    socket.close();
    const [event] = (await closed) as [WebSocketCloseEvent];
    expect(event.code).toBe(1006);
    // (undici's says 2 here.)
    if (socket instanceof WebSocket) expect(socket.readyState).toBe(3);
  });
});

it('a WebSocket of ours says why it failed, which browsers do not', async () => {
  const socket = new WebSocket('ws://127.0.0.1:1/');
  const [event] = (await once(socket, 'error')) as [WebSocketErrorEvent];
  expect(event.error.code).toBe('ECONNREFUSED');
  expect(() => new WebSocket('no url')).toThrow(TypeError);
});

it('a WebSocket of ours calls a handler that is a listener as well twice, and goes on doing so', async () => {
  const socket = new WebSocket(await serve({ subProtocols: [] }));
  await once(socket, 'open');
  const got: unknown[] = [];
  const take = (event: Event): void => void got.push((event as MessageEvent).data);
  socket.addEventListener('message', take);
  socket.onmessage = take;
  for (const text of ['a', 'b']) socket.send(text);
  await expect.poll(() => got).toEqual(['a', 'a', 'b', 'b']);
  socket.onmessage = null;
  socket.send('c');
  await expect.poll(() => got).toEqual(['a', 'a', 'b', 'b', 'c']);
  socket.close();
});

it('a WebSocket of ours sends texts and bytes, and refuses all else', async () => {
  const socket = new WebSocket(await serve({ subProtocols: [] }));
  await once(socket, 'open');
  for (const data of [7, undefined, null, {}, [1, 2], new Blob(['text'])]) {
    expect(() => socket.send(data as never)).toThrow(TypeError);
  }
  const got: string[] = [];
  socket.onmessage = ({ data }) => got.push(Buffer.from(data as ArrayBuffer).toString('hex'));
  const bytes = new Uint8Array(new SharedArrayBuffer(3));
  bytes.set([1, 2, 3]);
  for (const data of [bytes.buffer, bytes.subarray(1), new DataView(bytes.buffer, 2)]) socket.send(data);
  bytes.fill(9);
  await expect.poll(() => got).toEqual(['010203', '0203', '03']);
  socket.close();
});

it('a WebSocket of ours fails when it cannot send a message, as in browsers, and does not leave it out', async () => {
  const socket = new WebSocket(await serve({ subProtocols: [] }), { client: { maxPendingBytes: 100_000 } });
  await once(socket, 'open');
  const log: string[] = [];
  socket.onerror = (event) => log.push(event.error.code);
  const closed = once(socket, 'close');
  for (let i = 0; i < 3; i++) socket.send(new Uint8Array(60_000));
  const [event] = (await closed) as [WebSocketCloseEvent];
  expect([log, event.code]).toEqual([['HP_SEND_BUFFER_FULL'], 1006]);
});

it('a WebSocket of ours throws for what makes no sense', () => {
  const url = 'ws://127.0.0.1:1/';
  for (const protocols of [['a', 'a'], ['a b'], 'a b', null, { protocl: 'a' }, { headers: { Upgrade: 'x' } }]) {
    expect(() => new WebSocket(url, protocols as string), JSON.stringify(protocols)).toThrow(TypeError);
  }
  for (const wrong of ['ftp://127.0.0.1/', 'ws://127.0.0.1/#a']) expect(() => new WebSocket(wrong)).toThrow(TypeError);
});
