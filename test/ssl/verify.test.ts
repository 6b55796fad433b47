import tls from 'node:tls';
import { describe, expect, test } from 'vitest';
import { Errno, SocketOperation, SSLVerifyMode, SslAgent, SslClient, SslServer } from '../../src/index.ts';
import { tlsError } from '../../src/ssl/reasons.ts';
import { Authority, commonCertificates, type Identity } from '../tools/certificates.ts';
import { connectBare, connectTls, failure, host, Log, readToEnd, relay, until } from './support.ts';

const { authority, server: identity, client: clientIdentity } = await commonCertificates();
const { ca } = authority;
const stranger = await Authority.make('Unknown Authority');
const elsewhere = await authority.sign({ names: ['other.example'] });
const expiredServer = await authority.sign({ fromDays: -2, toDays: -1 });
const earlyServer = await authority.sign({ fromDays: 1, toDays: 2 });
const byStranger = await stranger.sign({ names: [], commonName: 'a stranger' });
const expired = await authority.sign({ names: [], commonName: 'late', fromDays: -2, toDays: -1 });

/** Starts a server, connects a client, and tells what both learned. */
async function meet(
  serving: object,
  trusting: object,
  target = host,
): Promise<{ server: Log; client: Log; error: Error | null }> {
  const [server, client] = [new Log(), new Log()];
  await using s = new SslServer(server.hooks());
  s.setupSSLContextByMemory({ ...identity, ...serving });
  const { port } = await s.start(host, 0);
  const c = new SslClient(client.hooks());
  c.setupSSLContextByMemory({ ca: authority.ca, ...trusting });
  const error = await c.start(target, port).then(
    () => null,
    (thrown: Error) => thrown,
  );
  // With TLS 1.3 a client may be through before its server has looked at its certificate.
  await until(() => server.count('onHandShake') + server.closes.length > 0);
  if (c.hasStarted) await Promise.race([c.wait(20), until(() => server.closes.length > 0)]);
  if (c.hasStarted) await c.stop().catch(() => {});
  await until(() => server.closes.length === 1 && client.closes.length === 1);
  return { server, client, error };
}

describe('what a client checks of the server', () => {
  test('the chain and the host are checked unless told not to: VM-001, VM-002, VM-006, NTL-003', async () => {
    const ok = await meet({}, {});
    expect(ok.error).toBeNull();
    for (const trusting of [
      { ca: stranger.ca, verifyServer: false },
      { ca: stranger.ca, verifyMode: SSLVerifyMode.None },
    ]) {
      expect((await meet({}, trusting)).error).toBeNull();
    }
    const unknown = await meet({}, { ca: stranger.ca });
    expect(unknown.error?.message).toMatch(/unknown authority/);
    expect(unknown.client.events).toEqual(['onPrepareConnect', 'onConnect', 'onClose']); // HSK-021
    expect(unknown.client.closes[0]).toMatchObject({ operation: SocketOperation.Receive, errorCode: Errno.EBADMSG });
  });

  test('the name in the certificate: VM-006, NTL-003', async () => {
    const wrong = await meet(elsewhere, {});
    expect(wrong.error?.message).toMatch(/another host/);
    expect(wrong.client.closes[0]).toMatchObject({ operation: 4, errorCode: 74 });
    expect((await meet(elsewhere, { verifyHost: false })).error).toBeNull();
    expect((await meet(elsewhere, { serverName: 'other.example' })).error).toBeNull();
    expect((await meet(elsewhere, {}, `${host}^other.example`)).error).toBeNull();
    expect((await meet(elsewhere, { verifyServer: false, verifyHost: true })).error?.message).toMatch(/another host/);
  });

  const cases: [string, Identity, RegExp][] = [
    ['expired', expiredServer, /expired/],
    ['not yet valid', earlyServer, /not valid yet/],
  ];
  test.each(cases)('a certificate that is %s: VM-002, NTL-006, CLS-009', async (_name, serving, words) => {
    const { error, client } = await meet(serving, {});
    expect(error?.message).toMatch(words);
    expect(client.closes[0]?.error?.message).toMatch(words);
    expect(client.closes[0]).toMatchObject({ operation: 4, errorCode: 74 });
  });

  test('without authorities of its own a client trusts those of Node only: NTL-005, TL-012', async () => {
    const { error } = await meet({}, { ca: undefined });
    expect(error?.message).toMatch(/unknown authority/);
    const selfSigned = await meet({}, { ca: undefined, verifyServer: false });
    expect(selfSigned.error).toBeNull();
  });

  test('agents check the same, each connection by its own name: VM-006, NTL-004', async () => {
    const seen: (string | false | null)[] = [];
    const note = (name: string, done: (error: null) => void): void => {
      seen.push(name);
      done(null);
    };
    const bare = tls.createServer({ ...elsewhere, SNICallback: note });
    bare.on('tlsClientError', () => {});
    bare.listen(0, host);
    await new Promise((resolve) => bare.once('listening', resolve));
    const { port } = bare.address() as { port: number };
    await using agent = new SslAgent({});
    agent.setupSSLContextByMemory({ ca: authority.ca });
    await agent.start();
    expect(await failure(() => agent.connect(host, port))).toMatchObject({ errno: Errno.EBADMSG });
    expect(await agent.connect(`${host}^other.example`, port)).toBeGreaterThan(0);
    expect(await agent.connect({ host, port, serverName: 'other.example' })).toBeGreaterThan(0);
    expect(seen).toEqual(['other.example', 'other.example']); // none for the address
    bare.close();
  });
});

describe('what a server checks of its clients', () => {
  const [ca] = [authority.ca];

  test('none is asked for by default: VM-001', async () => {
    const { server } = await meet({}, clientIdentity);
    expect(server.count('onHandShake')).toBe(1);
  });

  test.each([
    ['verifyMode Peer', { verifyMode: SSLVerifyMode.Peer }],
    ['requestClientCertificate', { requestClientCertificate: true }],
  ])('%s: none is fine, a bad one is not: VM-002, NTL-002', async (_name, mode) => {
    expect((await meet({ ca, ...mode }, {})).server.count('onHandShake')).toBe(1);
    expect((await meet({ ca, ...mode }, clientIdentity)).server.count('onHandShake')).toBe(1);
    const { server } = await meet({ ca, ...mode }, byStranger);
    expect(server.events.slice(0, 2)).toEqual(['onAccept', 'onClose']);
    expect(server.closes[0]).toMatchObject({ operation: 4, errorCode: 74 });
    expect(server.closes[0]?.error?.message).toMatch(/unknown authority/);
  });

  test.each([
    ['verifyMode', { verifyMode: SSLVerifyMode.Peer | SSLVerifyMode.FailIfNoPeerCert | SSLVerifyMode.ClientOnce }],
    ['requireClientCertificate', { requireClientCertificate: true }],
  ])('%s: none is refused: VM-003, VM-004, NTL-002, ORD-012', async (_name, mode) => {
    expect((await meet({ ca, ...mode }, clientIdentity)).server.count('onHandShake')).toBe(1);
    const { server } = await meet({ ca, ...mode }, {});
    expect(server.events.slice(0, 2)).toEqual(['onAccept', 'onClose']);
    expect(server.closes[0]).toMatchObject({ operation: 4, errorCode: 74 });
    expect(server.closes[0]?.error?.message).toMatch(/sent no certificate/);
    const late = await meet({ ca, ...mode }, expired);
    expect(late.server.closes[0]?.error?.message).toMatch(/expired/);
  });

  test('a client whose certificate is refused gets a hint, for its own handshake is done: HSK-007', async () => {
    await using server = new SslServer({});
    server.setupSSLContextByMemory({ ...identity, ca, requireClientCertificate: true });
    const { port } = await server.start(host, 0);
    const log = new Log();
    const client = new SslClient(log.hooks());
    client.setupSSLContextByMemory({ ca, ...byStranger });
    await client.start(host, port);
    await until(() => log.closes.length === 1);
    expect(log.closes[0]).toMatchObject({ operation: SocketOperation.Close, errorCode: 0 });
    expect(log.closes[0]?.error?.message).toMatch(/may have refused the certificate of this end/);
  });

  test('FailIfNoPeerCert and ClientOnce without Peer have no effect: VM-005', async () => {
    const { server } = await meet({ verifyMode: SSLVerifyMode.FailIfNoPeerCert | SSLVerifyMode.ClientOnce }, {});
    expect(server.count('onHandShake')).toBe(1);
  });

  test('a server without authorities accepts no certificate: NTL-005', async () => {
    const { server } = await meet({ requireClientCertificate: true }, clientIdentity);
    expect(server.closes[0]?.error?.message).toMatch(/unknown authority/);
  });

  test('the names of the authorities are sent to clients: TL-017', async () => {
    const namesSent = async (requestClientCertificate: boolean): Promise<number> => {
      await using server = new SslServer({});
      server.setupSSLContextByMemory({ ...identity, ca, requestClientCertificate });
      const { port } = await server.start(host, 0);
      let raw = '';
      const between = await relay(port, (from, bytes) => {
        if (from === 'server') raw += bytes.toString('latin1');
        return true;
      });
      const socket = await connectTls(between.port, { maxVersion: 'TLSv1.2' }); // which sends the request in clear text
      between.close();
      socket.destroy();
      return raw.split('Test Authority').length;
    };
    expect((await namesSent(true)) - (await namesSent(false))).toBe(1);
  });

  test('a resumed session is checked like its first handshake: VM-003', async () => {
    const log = new Log();
    await using server = new SslServer(log.hooks());
    server.setupSSLContextByMemory({ ...identity, ca, requireClientCertificate: true });
    const { port } = await server.start(host, 0);
    const first = tls.connect({ port, host, rejectUnauthorized: false, ...clientIdentity, maxVersion: 'TLSv1.2' });
    const session = await new Promise<Buffer>((resolve) => first.once('session', resolve));
    first.destroy();
    const second = await connectTls(port, { ...clientIdentity, session, maxVersion: 'TLSv1.2' });
    expect(second.isSessionReused()).toBe(true);
    await until(() => log.count('onHandShake') === 2);
    expect(server.getSSLInfo(2)?.peerCertificate?.subject.CN).toBe('a client');
    second.destroy();
  });
});

describe('refusals in words', () => {
  test('plain HTTP and plain text on the TLS port: HSK-020, ORD-012, CLS-009', async () => {
    const log = new Log();
    await using server = new SslServer(log.hooks());
    server.setupSSLContextByMemory(identity);
    const { port } = await server.start(host, 0);
    for (const text of ['GET / HTTP/1.1\r\nHost: x\r\n\r\n', 'hello, is this a chat server?\r\n']) {
      const socket = await connectBare(port);
      const closed = readToEnd(socket);
      socket.write(text);
      await closed;
    }
    await until(() => log.closes.length === 2);
    expect(log.events).toEqual(['onAccept', 'onClose', 'onAccept', 'onClose']);
    expect(log.closes.map(({ operation, errorCode }) => [operation, errorCode])).toEqual([
      [4, 74],
      [4, 74],
    ]);
    expect(log.closes[0]?.error?.message).toMatch(/plain HTTP/);
    expect(log.closes[1]?.error?.message).toMatch(/not TLS/);
  });

  test('no shared cipher, no shared version, no shared application protocol', async () => {
    const log = new Log();
    await using server = new SslServer(log.hooks(), { sslCipherList: 'ECDHE-ECDSA-AES128-GCM-SHA256' });
    server.setupSSLContextByMemory({ ...identity, alpnProtocols: ['one'], maxVersion: 'TLSv1.2' });
    const { port } = await server.start(host, 0);
    await expect(
      connectTls(port, { ciphers: 'ECDHE-ECDSA-AES256-GCM-SHA384', maxVersion: 'TLSv1.2' }),
    ).rejects.toThrow();
    await expect(connectTls(port, { minVersion: 'TLSv1.3' })).rejects.toThrow();
    await expect(connectTls(port, { ALPNProtocols: ['two'] })).rejects.toThrow();
    await until(() => log.closes.length === 3);
    const messages = log.closes.map(({ error }) => error?.message);
    expect(messages[0]).toMatch(/no shared cipher/);
    expect(messages[1]).toMatch(/no protocol version in common/);
    expect(messages[2]).toMatch(/application protocol/);
  });

  test('what the peer gets when it is refused: an alert, whatever this OpenSSL calls it', async () => {
    await using server = new SslServer({});
    server.setupSSLContextByMemory({});
    const { port } = await server.start(host, 0);
    const client = new SslClient({});
    client.setupSSLContextByMemory({ ca });
    expect((await failure(() => client.start('localhost', port))).message).toMatch(/the peer refused the handshake/);
    for (const code of ['ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED', 'ERR_SSL_SSL/TLS_ALERT_CERTIFICATE_EXPIRED']) {
      const { message } = tlsError(1, 'the peer', true, Object.assign(new Error('alert'), { code }));
      expect(message).toMatch(/refused the certificate of this end: expired/);
    }
  });

  test('a server without a certificate says so, over both versions: TL-004', async () => {
    const log = new Log();
    await using server = new SslServer(log.hooks());
    server.setupSSLContextByMemory({});
    const { port } = await server.start(host, 0);
    await connectTls(port, { maxVersion: 'TLSv1.2' }).catch(() => {});
    await until(() => log.closes.length === 1);
    await connectTls(port, { minVersion: 'TLSv1.3' }).catch(() => {});
    await until(() => log.closes.length === 2);
    for (const { error } of log.closes) expect(error?.message).toMatch(/the server has no certificate/);
  });
});
