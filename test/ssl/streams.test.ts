import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { SslClient, SslServer } from '../../src/index.ts';
import { deferred } from '../compliance/family.ts';
import { commonCertificates } from '../tools/certificates.ts';
import { host } from './support.ts';

const { server: material, authority } = await commonCertificates();

test.for([
  ['default marks', {}],
  ['marks below the size of a write', { highWaterMarkBytes: 20_000, lowWaterMarkBytes: 100 }],
  ['a low mark below the size of a write', { lowWaterMarkBytes: 100 }],
] as const)('every write to a stream completes, and its buffer may be used again then: %s', async ([, marks]) => {
  const total = 60 * 50_000;
  const all = deferred<Buffer>();
  const chunks: Buffer[] = [];
  let length = 0;
  await using server = new SslServer({
    onReceive(_server, _connId, data) {
      chunks.push(data);
      length += data.length;
      if (length === total) all.resolve(Buffer.concat(chunks));
    },
  });
  server.setupSSLContextByMemory(material);
  const { port } = await server.start(host, 0);
  await using client = new SslClient({}, marks);
  client.setupSSLContextByMemory({ ca: authority.ca });
  await client.start(host, port);
  const stream = client.createStream();
  const reused = Buffer.alloc(50_000);
  const sent: Buffer[] = [];
  for (let i = 0; i < 60; i++) {
    reused.set(randomBytes(reused.length));
    sent.push(Buffer.from(reused));
    await new Promise<void>((resolve, reject) => {
      stream.write(reused, (error) => (error ? reject(error) : resolve()));
    });
    reused.fill(0xee);
  }
  expect((await all.promise).equals(Buffer.concat(sent))).toBe(true);
});

test.each([
  ['automatic', true],
  ['started by hand', false],
])('what is written to a stream while TLS shakes hands leaves when it is done: %s', async (_how, sslAutoHandShake) => {
  await using server = new SslServer(
    {
      onAccept(s, connId) {
        if (!sslAutoHandShake) s.startSSLHandShake(connId);
        const stream = s.createStream(connId);
        stream.write('welcome ');
        stream.pipe(stream);
      },
    },
    { sslAutoHandShake },
  );
  server.setupSSLContextByMemory(material);
  const { port } = await server.start(host, 0);
  const got = deferred<string>();
  const client = new SslClient(
    {
      onConnect(c) {
        if (!sslAutoHandShake) c.startSSLHandShake();
        const stream = c.createStream();
        let text = '';
        stream.setEncoding('latin1');
        stream.on('data', (chunk: string) => {
          text += chunk;
        });
        stream.on('end', () => got.resolve(text));
        stream.on('error', got.reject);
        stream.end('home');
      },
    },
    { sslAutoHandShake },
  );
  client.setupSSLContextByMemory({ ca: authority.ca });
  await client.start(host, port);
  expect(await got.promise).toBe('welcome home');
});

test('a stream that is ended while TLS shakes hands still reads its answer', async () => {
  await using server = new SslServer({ onEnd: (s, connId) => void s.send(connId, 'you said nothing') });
  server.setupSSLContextByMemory(material);
  const { port } = await server.start(host, 0);
  const got = deferred<string>();
  const client = new SslClient({
    onConnect(c) {
      const stream = c.createStream();
      stream.on('data', (data: Buffer) => got.resolve(data.toString()));
      stream.on('error', got.reject);
      stream.end();
    },
  });
  client.setupSSLContextByMemory({ ca: authority.ca });
  await client.start(host, port);
  expect(await got.promise).toBe('you said nothing');
});

test('what was written to a stream while TLS shakes hands fails when that does', async () => {
  await using server = new SslServer({});
  server.setupSSLContextByMemory(material);
  const { port } = await server.start(host, 0);
  const failed = deferred<Error | null | undefined>();
  const client = new SslClient({
    onConnect: (c) => void c.createStream().write('hello', (error) => failed.resolve(error)),
  });
  client.setupSSLContextByMemory({ ca: authority.ca });
  await expect(client.start(`${host}^other.example`, port)).rejects.toThrow(/for another host/);
  expect(await failed.promise).toBeInstanceOf(Error);
});
