import { randomBytes } from 'node:crypto';
import tls from 'node:tls';
import { describe, expect, test } from 'vitest';
import { SslServer } from '../../src/index.ts';
import { Authority, commonCertificates } from '../tools/certificates.ts';
import { connectTls, failure, host, Log, until } from './support.ts';

const { authority, server: identity, client: clientIdentity } = await commonCertificates();
const { ca } = authority;
const stranger = await Authority.make('Another Authority');

/** A session of the server at `port`, as a client keeps it. */
async function sessionOf(port: number, options: tls.ConnectionOptions): Promise<Buffer> {
  const socket = tls.connect({ port, host, rejectUnauthorized: false, ...options });
  const session = await new Promise<Buffer>((resolve) => socket.once('session', resolve));
  socket.destroy();
  return session;
}

/** Whether a client that offers a session resumes it. */
async function isResumed(port: number, options: tls.ConnectionOptions): Promise<boolean> {
  const socket = await connectTls(port, options);
  const isReused = socket.isSessionReused();
  socket.destroy();
  return isReused;
}

describe.each(['TLSv1.2', 'TLSv1.3'] as const)('sessions over %s', (maxVersion) => {
  test('keys that were rotated away do not come back with a new certificate', async () => {
    await using server = new SslServer({});
    server.setupSSLContextByMemory({ ...identity, ticketKeys: randomBytes(48) });
    const { port } = await server.start(host, 0);
    const session = await sessionOf(port, { maxVersion });
    expect(await isResumed(port, { maxVersion, session })).toBe(true);
    server.rotateSSLTicketKeys();
    expect(await isResumed(port, { maxVersion, session })).toBe(false); // which is no error
    expect(await isResumed(port, { maxVersion, session: await sessionOf(port, { maxVersion }) })).toBe(true);
    server.updateSSLContext(0, await authority.sign());
    expect(await isResumed(port, { maxVersion, session })).toBe(false);
  });

  test('cleanupSSLContext forgets the keys', async () => {
    await using server = new SslServer({});
    server.setupSSLContextByMemory({ ...identity, ticketKeys: randomBytes(48) });
    const { port: first } = await server.start(host, 0);
    const session = await sessionOf(first, { maxVersion });
    await server.stop();
    server.cleanupSSLContext();
    server.setupSSLContextByMemory(identity);
    const { port: second } = await server.start(host, 0);
    expect(await isResumed(second, { maxVersion, session })).toBe(false);
  });

  test('an update that fails changes no keys; one that works changes those of all names', async () => {
    await using server = new SslServer({});
    server.setupSSLContextByMemory(identity);
    server.bindSSLServerName('b.example', server.addSSLContextByMemory(identity));
    const { port } = await server.start(host, 0);
    const options = { maxVersion, servername: 'b.example' };
    const session = await sessionOf(port, options);
    await failure(() => server.updateSSLContext(0, { cert: 'nonsense', key: 'nonsense', ticketKeys: randomBytes(48) }));
    server.updateSSLContext(0, identity);
    expect(await isResumed(port, { ...options, session })).toBe(true);
    server.updateSSLContext(0, { ticketKeys: randomBytes(48) });
    expect(await isResumed(port, { ...options, session })).toBe(false);
    expect(await isResumed(port, { ...options, session: await sessionOf(port, options) })).toBe(true);
  });

  test('keys given to rotateSSLTicketKeys are shared like those of the context', async () => {
    const keys = randomBytes(48);
    await using one = new SslServer({});
    await using two = new SslServer({});
    const ports: number[] = [];
    for (const server of [one, two]) {
      server.setupSSLContextByMemory(identity);
      ports.push((await server.start(host, 0)).port);
      server.rotateSSLTicketKeys(keys);
    }
    const session = await sessionOf(ports[0]!, { maxVersion });
    expect(await isResumed(ports[1]!, { maxVersion, session })).toBe(true);
  });

  /** Shows `clientIdentity`, and resumes if there is something to resume. */
  const asClient = { maxVersion, ...clientIdentity };

  test('a client whose authority is trusted no longer does not get in by an older session', async () => {
    const log = new Log();
    await using server = new SslServer(log.hooks());
    server.setupSSLContextByMemory({ ...identity, ca, requireClientCertificate: true });
    const { port } = await server.start(host, 0);
    const session = await sessionOf(port, asClient);
    await until(() => log.closes.length === 1);
    server.updateSSLContext(0, { ca: stranger.ca });
    await connectTls(port, { ...asClient, session }).catch(() => {});
    await until(() => log.closes.length === 2);
    expect(log.closes[1]).toMatchObject({ operation: 4, errorCode: 74 });
    expect(log.count('onHandShake')).toBe(1);
  });

  test('a client is not kept out by a session from before its certificate was asked for', async () => {
    let names: unknown[] = [];
    await using server = new SslServer({
      onHandShake: (s, id) => void names.push(s.getSSLInfo(id)?.peerCertificate?.subject.CN),
    });
    server.setupSSLContextByMemory({ ...identity, ca });
    const { port } = await server.start(host, 0);
    for (const mode of [{ requestClientCertificate: true }, { requireClientCertificate: true }]) {
      const session = await sessionOf(port, asClient);
      server.updateSSLContext(0, mode);
      names = [];
      const socket = await connectTls(port, { ...asClient, session });
      expect(socket.isSessionReused()).toBe(false);
      await until(() => names.length === 1);
      expect(names).toEqual(['a client']);
      socket.destroy();
    }
  });

  test('a client of one name does not get in by another one that trusts somebody else', async () => {
    const log = new Log();
    await using server = new SslServer(log.hooks());
    server.setupSSLContextByMemory({ ...identity, ca, requireClientCertificate: true });
    const { port } = await server.start(host, 0);
    const session = await sessionOf(port, { ...asClient, servername: 'a.example' });
    await until(() => log.closes.length === 1);
    server.bindSSLServerName('b.example', server.addSSLContextByMemory({ ...identity, ca: stranger.ca }));
    const later = await connectTls(port, { ...asClient, servername: 'a.example' });
    await until(() => log.count('onHandShake') === 2);
    const sessions = [session, later.getSession()];
    later.destroy();
    await until(() => log.closes.length === 2);
    for (const [i, each] of sessions.entries()) {
      await connectTls(port, { ...asClient, servername: 'b.example', session: each }).catch(() => {});
      await until(() => log.closes.length === 3 + i);
      expect(log.closes[2 + i]).toMatchObject({ operation: 4, errorCode: 74 });
    }
    expect(log.count('onHandShake')).toBe(2);
  });

  test('a client gets no certificate-less way into a name by a session of one that asks for none', async () => {
    const log = new Log();
    await using server = new SslServer(log.hooks());
    server.setupSSLContextByMemory({ ...identity, ca });
    server.bindSSLServerName('b.example', server.addSSLContextByMemory({ ...identity, ca }));
    const { port } = await server.start(host, 0);
    const session = await sessionOf(port, { maxVersion, servername: 'a.example' });
    await until(() => log.closes.length === 1);
    const options = { maxVersion, servername: 'b.example' };
    // OpenSSL 3.5 resumes no session under another server name, so there it cannot get in by that way at all.
    expect(await isResumed(port, { ...options, session })).toBe(Number.parseFloat(process.versions.openssl) < 3.5);
    await until(() => log.closes.length === 2);
    server.updateSSLContext('b.example', { requireClientCertificate: true });
    const before = log.count('onHandShake');
    const later = await connectTls(port, { maxVersion, servername: 'a.example' });
    await until(() => log.count('onHandShake') === before + 1);
    const sessions = [session, later.getSession()];
    later.destroy();
    await until(() => log.closes.length === 3);
    for (const [i, each] of sessions.entries()) {
      await connectTls(port, { ...options, session: each }).catch(() => {});
      await until(() => log.closes.length === 4 + i);
      expect(log.closes[3 + i]).toMatchObject({ operation: 4, errorCode: 74 });
    }
    expect(log.count('onHandShake')).toBe(before + 1);
  });
});
