import tls from 'node:tls';
import { describe, expect, test } from 'vitest';
import {
  Errno,
  SslAgent,
  SslClient,
  SslPackClient,
  SslPackServer,
  SslPullClient,
  SslPullServer,
  SslServer,
} from '../../src/index.ts';
import { commonCertificates } from '../tools/certificates.ts';
import { clientHello, connectBare, host, Log, until } from './support.ts';

const { authority, server: identity } = await commonCertificates();
const manual = { sslAutoHandShake: false };

describe('TLS that is started by hand', () => {
  test('clear text, the switch, then TLS, with every byte: HSK-011, HSK-013, HSK-022, ORD-014, SND-006, SSL-S-007, SSL-C-004, ACC-006', async () => {
    const [inServer, inClient] = [new Log(), new Log()];
    let switched = 0;
    await using server = new SslServer(
      inServer.hooks({
        onReceive(s: SslServer, id: number, data: Buffer) {
          if (data.toString() !== 'STARTTLS') return void s.send(id, `<${data}>`);
          s.send(id, 'GO');
          switched = s.startSSLHandShake(id) ? 1 : -1;
          expect(s.send(id, 'too late for clear text')).toBe(false);
          expect(s.lastSystemError).toBe(Errno.EPERM);
        },
      }),
      manual,
    );
    server.setupSSLContextByMemory(identity);
    const { port } = await server.start(host, 0);
    const client = new SslClient(
      inClient.hooks({
        onReceive(c: SslClient, _id: number, data: Buffer) {
          if (data.toString() === 'GO') expect(c.startSSLHandShake()).toBe(true);
        },
      }),
      manual,
    );
    client.setupSSLContextByMemory({ ca: authority.ca });
    await client.start(host, port);
    expect(inClient.events).toEqual(['onPrepareConnect', 'onConnect']); // no onHandShake yet
    expect(client.getSSLInfo()).toBeNull();
    expect(client.lastSystemError).toBe(Errno.EPERM);
    expect(client.send('in clear')).toBe(true);
    await until(() => inClient.received === '<in clear>');
    client.send('STARTTLS');
    await until(() => inClient.count('onHandShake') === 1 && inServer.count('onHandShake') === 1);
    expect(switched).toBe(1);
    expect(client.getSSLInfo()?.protocol).toBe('TLSv1.3');
    client.send('secret');
    await until(() => inClient.received === '<in clear>GO<secret>');
    expect(inServer.received).toBe('in clearSTARTTLSsecret');
    expect(inServer.events).toEqual(['onAccept', 'onReceive', 'onReceive', 'onHandShake', 'onReceive']);
    await client.stop();
    await until(() => inServer.closes.length === 1);
    expect(inServer.closes[0]?.errorCode).toBe(0);
  });

  test('what is refused: HSK-012, SSL-S-008, SSL-S-009, SSL-A-005, SSL-A-006, SSL-C-005, SSL-C-006, SSL-A-004', async () => {
    const log = new Log();
    await using server = new SslServer(log.hooks());
    expect(server.sslAutoHandShake).toBe(true);
    server.setupSSLContextByMemory(identity);
    const { port } = await server.start(host, 0);
    const client = new SslClient({}, manual);
    expect(client.sslAutoHandShake).toBe(false);
    client.setupSSLContextByMemory({ ca: authority.ca });
    expect(client.startSSLHandShake()).toBe(false); // not connected
    expect(client.lastSystemError).toBe(Errno.EPERM);
    await client.start(host, port);
    await until(() => log.count('onAccept') === 1);
    expect(server.startSSLHandShake(1)).toBe(false); // automatic
    expect(server.lastSystemError).toBe(Errno.EPERM);
    expect(server.startSSLHandShake(99)).toBe(false);
    expect(server.lastSystemError).toBe(Errno.EBADSLT);
    expect(client.startSSLHandShake()).toBe(true);
    expect(client.startSSLHandShake()).toBe(false); // twice
    expect(client.lastSystemError).toBe(Errno.EALREADY);
    await until(() => log.count('onHandShake') === 1);
    await client.stop();
    await using agent = new SslAgent({}, { sslAutoHandShake: false, syncConnectTimeout: 1000 });
    expect(agent.sslAutoHandShake).toBe(false);
    agent.setupSSLContextByMemory({ ca: authority.ca });
    await agent.start();
    expect(agent.startSSLHandShake(1)).toBe(false);
    expect(agent.lastSystemError).toBe(Errno.EBADSLT);
    const connId = await agent.connect(host, port);
    expect(agent.startSSLHandShake(connId)).toBe(true);
    expect(agent.startSSLHandShake(connId)).toBe(false);
    expect(agent.lastSystemError).toBe(Errno.EALREADY);
    await until(() => log.count('onHandShake') === 2);
  });

  test('startSSLHandShake in onAccept and onConnect is as good as automatic', async () => {
    const log = new Log();
    await using server = new SslServer(
      log.hooks({ onAccept: (s: SslServer, id: number) => void expect(s.startSSLHandShake(id)).toBe(true) }),
      manual,
    );
    server.setupSSLContextByMemory(identity);
    const { port } = await server.start(host, 0);
    const client = new SslClient({ onConnect: (c) => void c.startSSLHandShake() }, manual);
    client.setupSSLContextByMemory({ ca: authority.ca });
    await client.start(host, port);
    expect(client.getSSLInfo()?.isEstablished).toBe(true);
    client.send('x');
    await until(() => log.received === 'x');
    await client.stop();
  });

  test('a ClientHello in the same packet as the last clear text: push with surplus: NTL-007', async () => {
    const log = new Log();
    await using server = new SslServer(
      log.hooks({
        onReceive(s: SslServer, id: number, data: Buffer) {
          const end = data.indexOf('\n') + 1;
          if (data.subarray(0, end).toString() === 'STARTTLS\n') s.startSSLHandShake(id, data.subarray(end));
        },
      }),
      manual,
    );
    server.setupSSLContextByMemory(identity);
    const { port } = await server.start(host, 0);
    const hello = await clientHello();
    const socket = await connectBare(port);
    socket.write(Buffer.concat([Buffer.from('STARTTLS\n'), hello]));
    const answer = await new Promise<Buffer>((resolve) => socket.once('data', resolve));
    expect(answer[0]).toBe(0x16); // ServerHello
    socket.destroy();
    await until(() => log.closes.length === 1);
  });

  test('pack: packages before, the rest of the read is TLS: HSK-014', async () => {
    const got: string[] = [];
    await using server = new SslPackServer(
      {
        onReceive(s, id, data) {
          got.push(data.toString());
          if (data.toString() === 'STARTTLS') s.startSSLHandShake(id);
          else s.send(id, `re: ${data}`);
        },
      },
      manual,
    );
    server.setupSSLContextByMemory(identity);
    const { port } = await server.start(host, 0);
    const answers: string[] = [];
    const client = new SslPackClient({ onReceive: (_c, _id, data) => void answers.push(data.toString()) }, manual);
    client.setupSSLContextByMemory({ ca: authority.ca });
    await client.start(host, port);
    client.send('one');
    await until(() => answers.length === 1);
    client.send('STARTTLS');
    client.startSSLHandShake(); // without waiting: both may come in one read
    await until(() => client.send('two'));
    await until(() => answers.length === 2);
    expect(got).toEqual(['one', 'STARTTLS', 'two']);
    expect(answers).toEqual(['re: one', 're: two']);
    await client.stop();
    // The same in one packet for sure.
    const hello = await clientHello();
    const socket = await connectBare(port);
    const header = Buffer.alloc(4);
    header.writeUInt32LE(8);
    socket.write(Buffer.concat([header, Buffer.from('STARTTLS'), hello]));
    const answer = await new Promise<Buffer>((resolve) => socket.once('data', resolve));
    expect(answer[0]).toBe(0x16);
    socket.destroy();
  });

  test('pull: what was not fetched is TLS: HSK-014', async () => {
    const got: string[] = [];
    await using server = new SslPullServer(
      {
        onReceive(s, id, length) {
          if (s.getSSLInfo(id) !== null) return void got.push((s.fetch(id, length) as Buffer).toString());
          if (length < 8) return;
          got.push((s.fetch(id, 8) as Buffer).toString());
          s.startSSLHandShake(id);
        },
      },
      manual,
    );
    server.setupSSLContextByMemory(identity);
    const { port } = await server.start(host, 0);
    const client = new SslPullClient({}, manual);
    client.setupSSLContextByMemory({ ca: authority.ca });
    await client.start(host, port);
    client.send('STARTTLS');
    client.startSSLHandShake();
    await until(() => client.send('secret'));
    await until(() => got.length === 2);
    expect(got).toEqual(['STARTTLS', 'secret']);
    await client.stop();
    const hello = await clientHello();
    const socket = await connectBare(port);
    socket.write(Buffer.concat([Buffer.from('STARTTLS'), hello]));
    const answer = await new Promise<Buffer>((resolve) => socket.once('data', resolve));
    expect(answer[0]).toBe(0x16);
    socket.destroy();
  });

  test('a megabyte of clear text leaves before the switch, none of it is lost', async () => {
    const size = 1_000_000;
    let clear = 0;
    const log = new Log();
    await using server = new SslServer(
      {
        onReceive(s, id, data) {
          if (data.toString() !== 'STARTTLS') return;
          for (let i = 0; i < 10; i++) s.send(id, Buffer.alloc(size / 10, 65));
          s.startSSLHandShake(id);
        },
        onHandShake: (s, id) => void s.send(id, 'over TLS'),
      },
      manual,
    );
    server.setupSSLContextByMemory(identity);
    const { port } = await server.start(host, 0);
    const socket = await connectBare(port);
    socket.write('STARTTLS');
    await new Promise<void>((resolve) => {
      const take = (chunk: Buffer): void => {
        clear += chunk.length;
        if (clear < size) return;
        socket.off('data', take);
        socket.pause();
        resolve();
      };
      socket.on('data', take);
    });
    expect(clear).toBe(size);
    const secure = tls.connect({ socket, ca: authority.ca, servername: 'localhost' });
    secure.on('data', (chunk: Buffer) => {
      log.received += chunk;
    });
    await until(() => log.received === 'over TLS');
    secure.destroy();
  });

  test('the handshake has its deadline here too', async () => {
    const log = new Log();
    await using server = new SslServer(
      log.hooks({ onReceive: (s: SslServer, id: number) => void s.startSSLHandShake(id) }),
      { ...manual, handshakeTimeoutMs: 100 },
    );
    server.setupSSLContextByMemory(identity);
    const { port } = await server.start(host, 0);
    const socket = await connectBare(port);
    socket.write('STARTTLS');
    await until(() => log.closes.length === 1);
    expect(log.closes[0]?.error?.message).toMatch(/handshakeTimeoutMs/);
    socket.destroy();
  });
});
