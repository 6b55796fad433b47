import { randomBytes, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import tls from 'node:tls';
import { describe, expect, test } from 'vitest';
import { SslClient, SslServer } from '../../src/index.ts';
import { Authority, commonCertificates } from '../tools/certificates.ts';
import { connectTls, host, Log, until } from './support.ts';

const { authority, server: identity } = await commonCertificates();
const { ca } = authority;
const renewed = await authority.sign({ commonName: 'renewed' });
const elsewhere = await authority.sign({ names: ['other.example'] });
const byStranger = await (await Authority.make('Another Authority')).sign();

describe('renegotiation of TLS 1.2', () => {
  test('a server refuses to: HSK-015', async () => {
    const log = new Log();
    await using server = new SslServer(log.hooks());
    server.setupSSLContextByMemory(identity);
    const { port } = await server.start(host, 0);
    const socket = await connectTls(port, { maxVersion: 'TLSv1.2' });
    await until(() => log.count('onHandShake') === 1);
    const failed = new Promise<Error>((resolve) => socket.once('error', resolve));
    socket.renegotiate({}, () => {});
    expect((await failed).message).toMatch(/no.renegotiation/i);
    expect(log.count('onHandShake')).toBe(1);
    socket.destroy();
    await until(() => log.closes.length === 1);
  });

  test.each([
    ['the same certificate', identity, {}, null],
    ['another one of the same host', renewed, {}, null],
    ['one of another host', elsewhere, {}, /another host/],
    ['one of another host, chain unchecked', elsewhere, { verifyServer: false, verifyHost: true }, /another host/],
    ['one of another authority', byStranger, {}, /unknown authority/],
    ['any, when nothing is checked', byStranger, { verifyServer: false }, null],
  ])('a client checks again what the server shows: %s: HSK-015', async (_what, shown, checks, words) => {
    const bare = tls.createServer({ ...identity, maxVersion: 'TLSv1.2' });
    bare.listen(0, host);
    await once(bare, 'listening');
    const log = new Log();
    const client = new SslClient(log.hooks());
    client.setupSSLContextByMemory({ ca, ...checks });
    const { port } = bare.address() as AddressInfo;
    const visit = async (): Promise<tls.TLSSocket> => {
      const accepted = once(bare, 'secureConnection');
      await client.start('localhost', port);
      const [socket] = (await accepted) as [tls.TLSSocket];
      return socket.on('error', () => {});
    };
    const socket = await visit();
    bare.setTicketKeys(randomBytes(48)); // or the handshake would be a short one, that shows no certificate
    (socket as unknown as { setKeyCert(context: object): void }).setKeyCert(shown);
    socket.renegotiate({ requestCert: true, rejectUnauthorized: false }, () => socket.write('done'));
    await until(() => log.received === 'done' || log.closes.length === 1);
    if (words === null) {
      const certificate = new X509Certificate(shown.cert);
      expect(client.getSSLInfo()?.peerCertificate?.serialNumber).toBe(certificate.serialNumber);
      await client.stop();
    } else {
      expect(log.closes[0]).toMatchObject({ operation: 4, errorCode: 74 });
      expect(log.closes[0]?.error?.message).toMatch(words);
    }
    await until(() => log.closes.length === 1);
    const again = await visit();
    expect(again.isSessionReused()).toBe(false); // that session was not made with the certificate of this host
    await client.stop();
    again.destroy();
    bare.close();
  });
});
