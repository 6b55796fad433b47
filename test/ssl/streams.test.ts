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
