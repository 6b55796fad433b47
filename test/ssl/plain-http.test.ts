/** Clients that speak HTTP in clear text to a port that speaks TLS. */
import { once } from 'node:events';
import net from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { HttpsServer } from '../../src/http.ts';
import { SslServer } from '../../src/index.ts';
import { SslWebSocketServer } from '../../src/websocket.ts';
import { commonCertificates } from '../tools/certificates.ts';
import { Log } from './support.ts';

const { server: ssl } = await commonCertificates();
const sockets: net.Socket[] = [];
let server: HttpsServer | SslWebSocketServer | SslServer;
let log: Log;

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await server.stop();
});

const makers = {
  HttpsServer: (options: object) => new HttpsServer(log.hooks(), options),
  SslWebSocketServer: (options: object) => new SslWebSocketServer(log.hooks(), options),
  SslServer: (options: object) => new SslServer(log.hooks(), options),
};

async function start(name: keyof typeof makers, options: object = {}): Promise<number> {
  log = new Log();
  server = makers[name]({ ssl, ...options });
  return (await server.start('127.0.0.1', 0)).port!;
}

/** Connects and sends `pieces`; the text that comes until the server ends. */
async function ask(port: number, pieces: readonly string[], ends = true): Promise<string> {
  const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  sockets.push(socket);
  await once(socket, 'connect');
  let text = '';
  socket.on('data', (data) => {
    text += data;
  });
  const ended = once(socket, 'end');
  for (const piece of pieces) {
    socket.write(piece);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await ended;
  if (ends) socket.end();
  return text;
}

const answer =
  /^HTTP\/1\.1 400 Bad Request\r\nContent-Type: text\/plain\r\nContent-Length: (\d+)\r\nConnection: close\r\n\r\n(This port speaks HTTPS.*\n)$/;

describe.each(['HttpsServer', 'SslWebSocketServer'] as const)('%s', (name) => {
  it.each(['GET', 'HEAD', 'POST', 'PUT', 'CONNECT'])('answers %s in clear text with 400, and ends', async (method) => {
    const port = await start(name);
    const text = await ask(port, [`${method} / HTTP/1.1\r\nHost: h\r\n\r\n`]);
    const [, length, body] = answer.exec(text) ?? [];
    expect(Number(length)).toBe(body?.length);
    await expect.poll(() => log.closes).toHaveLength(1);
    const [close] = log.closes;
    expect(close?.error?.code).toBe('HP_TLS_FAILED');
    const { code } = close!.error!.cause as { code?: string };
    expect(code).toMatch(/^ERR_SSL_HTTP_REQUEST$|^ERR_SSL_HTTPS_PROXY_REQUEST$/);
    expect(log.events).toEqual(['onAccept', 'onClose']);
  });

  it('answers a request that comes byte by byte', async () => {
    const port = await start(name);
    expect(await ask(port, [...'GET / HTTP/1.1\r\n'])).toMatch(answer);
  });

  it('cuts a client that reads the answer and does not end', async () => {
    const port = await start(name);
    expect(await ask(port, ['GET / HTTP/1.1\r\n\r\n'], false)).toMatch(answer);
    await expect.poll(() => log.closes, { timeout: 10_000 }).toHaveLength(1);
  });

  it('cuts a client that goes on sending', async () => {
    const port = await start(name);
    const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    sockets.push(socket);
    socket.on('error', () => {});
    socket.resume();
    socket.write('POST / HTTP/1.1\r\nContent-Length: 1000000000\r\n\r\n');
    const piece = Buffer.alloc(65536);
    const more = (): void => {
      while (!socket.destroyed && socket.write(piece));
    };
    socket.on('drain', more);
    more();
    await new Promise((resolve) => socket.on('close', resolve));
    await expect.poll(() => log.closes).toHaveLength(1);
    expect(socket.bytesWritten).toBeLessThan(100_000_000);
  });

  it('is stopped in the middle of such an answer', async () => {
    const port = await start(name);
    await ask(port, ['GET / HTTP/1.1\r\n\r\n'], false);
    await server.stop();
    expect(log.closes).toHaveLength(1);
    await start(name);
  });

  it.each(['BREW / HTTP/1.1\r\n\r\n', 'rubbish', '\x16\x03\x01'])('says nothing in clear text to %j', async (text) => {
    const port = await start(name);
    const socket = net.connect(port, '127.0.0.1');
    sockets.push(socket);
    socket.on('error', () => {});
    socket.end(text, 'latin1');
    let received = '';
    socket.on('data', (data) => {
      received += data.toString('latin1');
    });
    await once(socket, 'close');
    expect(received).not.toContain('HTTP/');
  });
});

it('HttpsServer says nothing if the rule answersErrors is off', async () => {
  const port = await start('HttpsServer', { httpRules: { answersErrors: false } });
  expect(await ask(port, ['GET / HTTP/1.1\r\n\r\n']).catch((error) => error.code)).toBeOneOf(['', 'ECONNRESET']);
  await expect.poll(() => log.closes).toHaveLength(1);
});

it('other TLS servers say nothing', async () => {
  const port = await start('SslServer');
  expect(await ask(port, ['GET / HTTP/1.1\r\n\r\n']).catch((error) => error.code)).toBeOneOf(['', 'ECONNRESET']);
});

it('works behind STARTTLS, on a socket that was read from before', async () => {
  const port = await start('HttpsServer', { sslAutoHandShake: false, httpAutoStart: false });
  const secure = server as HttpsServer;
  const socket = net.connect(port, '127.0.0.1');
  sockets.push(socket);
  await expect.poll(() => log.count('onAccept')).toBe(1);
  const [id] = secure.getAllConnectionIDs();
  secure.startSSLHandShake(id!);
  socket.write('GET / HTTP/1.1\r\n\r\n');
  let text = '';
  socket.on('data', (data) => {
    text += data;
  });
  await once(socket, 'close');
  expect(text).toMatch(answer);
});
