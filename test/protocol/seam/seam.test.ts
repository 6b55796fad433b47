import { once } from 'node:events';
import net from 'node:net';
import { Duplex } from 'node:stream';
import tls from 'node:tls';
import { describe, expect, test } from 'vitest';
import { Errno, HandleResult } from '../../../src/index.ts';
import { packHeader } from '../../../src/protocol/pack.ts';
import { Log, until } from '../../ssl/support.ts';
import { commonCertificates } from '../../tools/certificates.ts';
import { LineServer } from './line-protocol.ts';
import { type ProxyHeader, ProxyPackServer, ProxySslServer } from './proxy-preamble.ts';

const host = '127.0.0.1';

/** A bare connection, and everything that it got. */
async function connect(port: number): Promise<{ socket: net.Socket; got: () => Buffer }> {
  const socket = net.connect({ port, host, noDelay: true });
  const chunks: Buffer[] = [];
  socket.on('data', (data: Buffer) => chunks.push(data));
  socket.on('error', () => {});
  await once(socket, 'connect');
  return { socket, got: () => Buffer.concat(chunks) };
}

/** Writes `bytes` in two pieces, the second when the server has read the first. */
async function writeSplit(
  socket: net.Socket,
  bytes: Buffer,
  cut: number,
  server: { stats(): { bytesIn: number } },
  headerBytes = Number.POSITIVE_INFINITY,
): Promise<void> {
  const before = server.stats().bytesIn;
  socket.write(bytes.subarray(0, cut));
  // What lies behind a header that hands over to TLS is not of this connection's messages, and not counted.
  await until(() => server.stats().bytesIn >= before + Math.min(cut, headerBytes));
  socket.write(bytes.subarray(cut));
}

function pack(text: string): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt32LE(packHeader(7, text.length));
  return Buffer.concat([head, Buffer.from(text)]);
}

describe('a line protocol that the core has never seen', () => {
  test('gets its lines at every split, and frames what is sent', async () => {
    const lines: string[] = [];
    await using server = new LineServer({
      onReceive(s, id, line) {
        lines.push(line);
        s.send(id, `<${line}>`);
      },
    });
    const { port } = await server.start(host, 0);
    const bytes = Buffer.from('one\n\nthree and more\n');
    for (let cut = 1; cut < bytes.length; cut++) {
      const { socket, got } = await connect(port);
      lines.length = 0;
      await writeSplit(socket, bytes, cut, server);
      await until(() => got().length === bytes.length + 6);
      expect(got().toString()).toBe('<one>\n<>\n<three and more>\n');
      expect(lines).toEqual(['one', '', 'three and more']);
      socket.destroy();
    }
  });

  test('stops where its hook waits, and goes on with the line behind', async () => {
    const lines: string[] = [];
    let goOn = (): void => {};
    await using server = new LineServer({
      onReceive(_s, _id, line) {
        lines.push(line);
        return line === 'wait' ? new Promise<void>((resolve) => (goOn = resolve)) : undefined;
      },
    });
    const { port } = await server.start(host, 0);
    const { socket } = await connect(port);
    socket.write('wait\nnext\nlast\n');
    await until(() => lines.length > 0);
    await new Promise((resolve) => setImmediate(resolve));
    expect(lines).toEqual(['wait']);
    goOn();
    await until(() => lines.length === 3);
    expect(lines).toEqual(['wait', 'next', 'last']);
    socket.destroy();
  });

  test.each([
    ['a line without end', 'x'.repeat(65), Errno.EMSGSIZE, false],
    ['half a line before the FIN', 'half', Errno.EBADMSG, true],
    ['a line that the hook refuses', 'refuse\n', Errno.ECANCELED, false],
  ])('closes for %s', async (_what, text, errno, isEnded) => {
    const log = new Log();
    await using server = new LineServer(
      log.hooks({ onReceive: (_s: unknown, _id: number, line: string) => line === 'refuse' && HandleResult.Error }),
    );
    const { port } = await server.start(host, 0);
    const { socket } = await connect(port);
    if (isEnded) socket.end(text);
    else socket.write(text);
    await until(() => log.closes.length === 1);
    expect(log.closes[0]?.error?.errno).toBe(errno);
    socket.destroy();
  });

  test('a line that is too long is not sent', async () => {
    const log = new Log();
    await using server = new LineServer(log.hooks());
    const { port } = await server.start(host, 0);
    const { socket } = await connect(port);
    await until(() => log.count('onAccept') === 1);
    expect(server.send(1, 'x'.repeat(65))).toBe(false);
    expect(server.lastSystemError).toBe(Errno.EMSGSIZE);
    socket.destroy();
  });
});

describe('a PROXY preamble that the core has never seen', () => {
  const preamble = 'PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n';

  test('hands over to pack at every split', async () => {
    const headers: ProxyHeader[] = [];
    const bodies: string[] = [];
    await using server = new ProxyPackServer({
      onProxyHeader: (_s, _id, found) => void headers.push(found),
      onReceive(s, id, body) {
        bodies.push(body.toString());
        s.send(id, body);
      },
    });
    const { port } = await server.start(host, 0);
    const packages = Buffer.concat([pack('first'), pack('second')]);
    const bytes = Buffer.concat([Buffer.from(preamble), packages]);
    for (let cut = 1; cut < bytes.length; cut++) {
      const { socket, got } = await connect(port);
      headers.length = 0;
      bodies.length = 0;
      const bytesBefore = server.stats().bytesIn;
      await writeSplit(socket, bytes, cut, server);
      await until(() => got().length === packages.length);
      expect(server.stats().bytesIn - bytesBefore).toBe(bytes.length); // what is handed over counts once
      expect(headers).toEqual([{ address: '192.0.2.7', port: 56324 }]);
      expect(bodies).toEqual(['first', 'second']);
      expect(got()).toEqual(packages);
      socket.destroy();
    }
  });

  test('what is handed over is charged to maxReceiveBytesPerSecond once', async () => {
    const bodies: string[] = [];
    const bytes = Buffer.concat([Buffer.from(preamble), ...Array.from({ length: 500 }, () => pack('x'.repeat(60)))]);
    await using server = new ProxyPackServer(
      { onReceive: (_s, _id, body) => void bodies.push(body.toString()) },
      { maxReceiveBytesPerSecond: bytes.length, receiveRatePolicy: 'close', socketBufferSize: bytes.length },
    );
    const { port } = await server.start(host, 0);
    const { socket } = await connect(port);
    socket.write(bytes);
    await until(() => bodies.length === 500 || server.stats().closed === 1);
    expect(server.stats()).toMatchObject({ closed: 0, limits: { receiveRate: 0 } });
    expect(bodies).toHaveLength(500);
    socket.destroy();
  });

  test('a hook that waits holds the packages behind the header back', async () => {
    const events: string[] = [];
    let goOn = (): void => {};
    await using server = new ProxyPackServer({
      onProxyHeader() {
        events.push('header');
        return new Promise<void>((resolve) => (goOn = resolve));
      },
      onReceive: (_s, _id, body) => void events.push(body.toString()),
    });
    const { port } = await server.start(host, 0);
    const { socket } = await connect(port);
    socket.write(Buffer.concat([Buffer.from(preamble), pack('behind')]));
    await until(() => events.length > 0);
    await new Promise((resolve) => setImmediate(resolve));
    expect(events).toEqual(['header']);
    goOn();
    await until(() => events.length === 2);
    expect(events).toEqual(['header', 'behind']);
    socket.destroy();
  });

  test.each([
    ['something else', `GET / HTTP/1.1\r\n`],
    ['a header that is too long', `PROXY UNKNOWN ${'x'.repeat(100)}\r\n`],
    ['no end of the header', 'x'.repeat(107)],
  ])('closes for %s', async (_what, text) => {
    const log = new Log();
    await using server = new ProxyPackServer(log.hooks());
    const { port } = await server.start(host, 0);
    const { socket } = await connect(port);
    socket.write(text);
    await until(() => log.closes.length === 1);
    expect(log.closes[0]?.errorCode).toBe(Errno.EBADMSG);
    expect(log.count('onReceive')).toBe(0);
    socket.destroy();
  });

  test('hands over to TLS at every split: the bytes behind the header are the handshake', async () => {
    const { authority, server: identity } = await commonCertificates();
    const seen: string[] = [];
    await using server = new ProxySslServer({
      onProxyHeader(s, id, { address }) {
        seen.push(address);
        expect(s.startSSLHandShake(id)).toBe(true);
      },
      onHandShake: () => void seen.push('handshake'),
      onReceive(s, id, data) {
        seen.push(data.toString());
        s.send(id, 'answer');
      },
    });
    server.setupSSLContextByMemory(identity);
    const { port } = await server.start(host, 0);
    // Every cut of the header, and some behind it, in the middle of the ClientHello.
    for (let cut = 1; cut < preamble.length + 8; cut++) {
      const { socket } = await connect(port);
      seen.length = 0;
      let isFirst = true;
      const wire = new Duplex({
        read() {},
        write(chunk: Buffer, _encoding, done) {
          if (!isFirst) return void socket.write(chunk, () => done());
          isFirst = false;
          const bytes = Buffer.concat([Buffer.from(preamble), chunk]);
          void writeSplit(socket, bytes, cut, server, preamble.length).then(() => done());
        },
      });
      socket.removeAllListeners('data');
      socket.on('data', (data) => wire.push(data));
      socket.on('close', () => wire.push(null));
      const client = tls.connect({ socket: wire, ca: authority.ca as string, servername: 'localhost' });
      await once(client, 'secureConnect');
      client.write('secret');
      const [answer] = (await once(client, 'data')) as [Buffer];
      expect(answer.toString()).toBe('answer');
      expect(seen).toEqual(['192.0.2.7', 'handshake', 'secret']);
      client.destroy();
      socket.destroy();
    }
  });
});
