import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import tls from 'node:tls';
import { describe, expect, test } from 'vitest';
import { Errno, type SSLInfo, SSLSessionInfo, SSLVerifyMode, SslAgent, SslClient, SslServer } from '../../src/index.ts';
import { Authority, commonCertificates } from '../tools/certificates.ts';
import { connectTls, failure, host, Log, relay, until } from './support.ts';

const { authority, server: identity, client: clientIdentity } = await commonCertificates();
const { ca } = authority;
const other = await authority.sign({ names: ['other.example', 'a.other.example'] });
const third = await authority.sign({ names: ['*.third.example'] });

/** Name in the certificate that a server shows to a client that asks for `servername`. */
async function shown(port: number, servername: string | undefined): Promise<string> {
  const socket = await connectTls(port, servername === undefined ? {} : { servername });
  const { CN } = socket.getPeerCertificate().subject;
  socket.destroy();
  return String(CN);
}

describe('server names', () => {
  test('bindSSLServerName: SNI-003, SNI-004, SNI-005, SNI-006, SSL-S-005', async () => {
    await using server = new SslServer({});
    server.setupSSLContextByMemory(identity);
    expect(server.addSSLContextByMemory(other)).toBe(1);
    expect(server.addSSLContextByMemory(third)).toBe(2);
    const { port } = await server.start(host, 0);
    expect(await shown(port, 'other.example')).toBe('localhost');
    expect(server.bindSSLServerName('Other.Example', 1)).toBe(true); // while it runs
    expect(server.bindSSLServerName('*.third.example', 2)).toBe(true);
    expect(await shown(port, undefined)).toBe('localhost');
    expect(await shown(port, 'other.example')).toBe('other.example');
    expect(await shown(port, 'OTHER.example')).toBe('other.example');
    expect(await shown(port, 'other.example.')).toBe('other.example'); // from clients that do not know RFC 6066
    expect(await shown(port, 'a.b.other.example')).toBe('other.example');
    expect(await shown(port, 'x.third.example')).toBe('*.third.example');
    expect(await shown(port, 'x.y.third.example')).toBe('localhost');
    expect(await shown(port, 'third.example')).toBe('localhost');
    expect(await shown(port, 'unknown.example')).toBe('localhost');
    expect(server.bindSSLServerName('other.example', 2)).toBe(true); // again
    expect(await shown(port, 'other.example')).toBe('*.third.example');
  });

  test('sniCallback, at once and later: SNI-002, SNI-007, CB-01', async () => {
    const log = new Log();
    const asked: string[] = [];
    await using server = new SslServer(log.hooks());
    server.setupSSLContextByMemory({
      ...identity,
      sniCallback(name) {
        asked.push(name);
        if (name === 'later.example') return delay(5).then(() => 1);
        if (name === 'throws.example') throw new Error('no idea');
        return { 'other.example': 1, 'none.example': -1, 'unknown.example': 7 }[name] ?? 0;
      },
    });
    server.addSSLContextByMemory(other);
    const { port } = await server.start(host, 0);
    expect(await shown(port, 'default.example')).toBe('localhost');
    expect(await shown(port, 'other.example')).toBe('other.example');
    expect(await shown(port, 'later.example')).toBe('other.example');
    expect(await shown(port, undefined)).toBe('localhost');
    for (const servername of ['none.example', 'unknown.example', 'throws.example']) {
      await expect(connectTls(port, { servername })).rejects.toThrow(/unrecognized name/);
    }
    await until(() => log.closes.filter(({ errorCode }) => errorCode === 74).length === 3);
    expect(asked).toHaveLength(6); // not for the one without a name
    expect(log.closes.some(({ error }) => error?.message.includes('none.example'))).toBe(true);
    expect(log.closes.some(({ error }) => error?.message.includes('sniCallback failed: no idea'))).toBe(true);
  });

  test.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'a name is not served whose context has no certificate; %s clients are told by an alert: TL-004',
    async (maxVersion) => {
      const log = new Log();
      await using server = new SslServer(log.hooks());
      server.setupSSLContextByMemory({ ...identity, ca, requireClientCertificate: true });
      const stranger = await Authority.make('Another Authority');
      server.bindSSLServerName('bare.example', server.addSSLContextByMemory({ ca: stranger.ca }));
      const { port } = await server.start(host, 0);
      const options = { maxVersion, servername: 'bare.example', ...clientIdentity };
      await expect(connectTls(port, options)).rejects.toThrow(/unrecognized name/);
      await until(() => log.closes.length === 1);
      expect(log.closes[0]).toMatchObject({ operation: 4, errorCode: 74 });
      expect(log.closes[0]?.error?.message).toMatch(/no certificate for the server name "bare.example"/);
      expect(log.count('onHandShake')).toBe(0);
    },
  );

  test.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'client certificates are asked for by name, over %s: VM-007',
    async (maxVersion) => {
      const log = new Log();
      const clients: unknown[] = [];
      await using server = new SslServer(
        log.hooks({
          onHandShake: (s: SslServer, id: number) =>
            void clients.push(s.getSSLInfo(id)?.peerCertificate?.subject.CN ?? null),
        }),
      );
      server.setupSSLContextByMemory(identity);
      for (const [name, mode] of Object.entries({
        'required.example': { requireClientCertificate: true },
        'asked.example': { requestClientCertificate: true },
        'number.example': { verifyMode: SSLVerifyMode.Peer | SSLVerifyMode.FailIfNoPeerCert },
        'silent.example': {},
      }))
        server.bindSSLServerName(name, server.addSSLContextByMemory({ ...other, ca, ...mode }));
      const { port } = await server.start(host, 0);
      const visit = async (servername: string, options: tls.ConnectionOptions = {}): Promise<unknown> => {
        const before = clients.length + log.closes.length;
        const socket = await connectTls(port, { maxVersion, servername, ...options }).catch(() => null);
        await until(() => clients.length + log.closes.length > before);
        const refused = log.closes.find(({ errorCode }) => errorCode !== 0);
        const seen = refused === undefined ? clients.at(-1) : refused.errorCode;
        socket?.destroy();
        await until(() => log.closes.length > 0);
        log.closes.length = 0;
        return seen;
      };
      const stranger = await Authority.make('Another Authority');
      const unknown = await stranger.sign({ names: [], commonName: 'a stranger' });
      for (const name of ['required.example', 'number.example']) {
        expect(await visit(name)).toBe(Errno.EBADMSG);
        expect(await visit(name, clientIdentity)).toBe('a client');
        expect(await visit(name, unknown)).toBe(Errno.EBADMSG);
      }
      expect(await visit('asked.example')).toBeNull();
      expect(await visit('asked.example', clientIdentity)).toBe('a client');
      expect(await visit('asked.example', unknown)).toBe(Errno.EBADMSG);
      // Context 0 asks for none, and neither does a name of which nothing was said.
      for (const name of ['silent.example', 'unbound.example']) expect(await visit(name, clientIdentity)).toBeNull();
    },
  );

  test('a name may ask for no certificate though the first context requires one: VM-007', async () => {
    const log = new Log();
    await using server = new SslServer(log.hooks());
    server.setupSSLContextByMemory({ ...identity, ca, requireClientCertificate: true });
    server.bindSSLServerName('open.example', server.addSSLContext({ ...other, requireClientCertificate: false }));
    const { port } = await server.start(host, 0);
    const socket = await connectTls(port, { servername: 'open.example' });
    await until(() => log.count('onHandShake') === 1);
    socket.destroy();
    await connectTls(port, { servername: 'other.example' }).catch(() => {});
    await until(() => log.closes.length === 2);
    expect(log.count('onHandShake')).toBe(1);
  });

  test('a name of which nothing else was said verifies as the first context does: VM-007', async () => {
    const log = new Log();
    await using server = new SslServer(log.hooks());
    server.setupSSLContextByMemory({ ...identity, ca, requireClientCertificate: true });
    server.addSSLContextByMemory({ ...other, ca });
    server.bindSSLServerName('other.example', 1);
    const { port } = await server.start(host, 0);
    const socket = await connectTls(port, { servername: 'other.example' });
    socket.on('error', () => {});
    await until(() => log.closes.length === 1);
    expect(log.closes[0]?.error?.message).toMatch(/no certificate/);
    const good = await connectTls(port, { servername: 'other.example', ...clientIdentity });
    await until(() => log.count('onHandShake') === 1);
    good.destroy();
  });

  test('what clients ask for: SNI-001, NTL-004', async () => {
    const names: (string | null)[] = [];
    await using server = new SslServer({
      onHandShake: (s, id) => void names.push(s.getSSLInfo(id)?.serverName ?? null),
    });
    server.setupSSLContextByMemory(identity);
    const { port } = await server.start(host, 0);
    const client = new SslClient({});
    client.setupSSLContextByMemory({ ca, verifyHost: false });
    for (const [index, target] of [host, `${host}^by.caret.example`, 'localhost'].entries()) {
      await client.start(target, port);
      await until(() => names.length === index + 1);
      await client.stop();
    }
    await client.start({ host, port, serverName: 'by.option.example' });
    await until(() => names.length === 4);
    await client.stop();
    await client.start({ host, port, serverName: 'absolute.example.' });
    await until(() => names.length === 5);
    await client.stop();
    expect(names).toEqual([null, 'by.caret.example', 'localhost', 'by.option.example', 'absolute.example']);
  });

  test.skipIf(process.platform === 'win32')(
    'the name of a connection goes before that of the context, which a Unix domain socket uses too: SNI-001',
    async () => {
      const names: (string | null)[] = [];
      await using server = new SslServer({
        onHandShake: (s, id) => void names.push(s.getSSLInfo(id)?.serverName ?? null),
      });
      server.setupSSLContextByMemory(identity);
      const client = new SslClient({});
      client.setupSSLContextByMemory({ ca, verifyHost: false, serverName: 'by.context.example' });
      const visit = async (...target: unknown[]): Promise<void> => {
        const before = names.length;
        await client.start(...(target as [string, number]));
        await until(() => names.length > before);
        await client.stop();
      };
      const { port } = await server.start(host, 0);
      await visit(`${host}^by.caret.example`, port);
      await visit(host, port);
      await visit({ host: `${host}^by.caret.example`, port, serverName: 'by.option.example' });
      await server.stop();
      const folder = mkdtempSync(join(tmpdir(), 'hp-socket-ssl-'));
      const path = join(folder, 'names.sock');
      await server.start({ path });
      await visit({ path });
      client.updateSSLContext({ serverName: '' });
      await visit({ path });
      rmSync(folder, { recursive: true });
      expect(names).toEqual([
        'by.caret.example',
        'by.context.example',
        'by.option.example',
        'by.context.example',
        'localhost',
      ]);
    },
  );

  test('a server name that is no text is refused before anything connects', async () => {
    const log = new Log();
    const client = new SslClient(log.hooks());
    const serverName = 5 as never;
    expect(await failure(() => client.setupSSLContextByMemory({ ca, serverName }))).toBeInstanceOf(TypeError);
    client.setupSSLContextByMemory({ ca });
    const error = await failure(() => client.start({ host, port: 1, serverName }));
    expect(error).toMatchObject({ errno: Errno.EINVAL });
    expect(error.message).toMatch(/serverName must be a string/);
    expect(log.events).toEqual([]);
  });
});

describe('application protocols', () => {
  test('ALPN is negotiated: TL-011', async () => {
    await using server = new SslServer({});
    server.setupSSLContextByMemory({ ...identity, alpnProtocols: ['mine/2', 'mine/1'] });
    const { port } = await server.start(host, 0);
    await using agent = new SslAgent({});
    agent.setupSSLContextByMemory({ ca, alpnProtocols: ['mine/1', 'other'] });
    await agent.start();
    const connId = await agent.connect(host, port);
    expect(agent.getSSLInfo(connId)?.alpnProtocol).toBe('mine/1');
    await until(() => server.getSSLInfo(1)?.alpnProtocol === 'mine/1');
    expect(await failure(() => new SslServer({}).setupSSLContextByMemory({ alpnProtocols: [''] }))).toBeInstanceOf(
      RangeError,
    );
  });
});

describe('getSSLSessionInfo', () => {
  test('every kind, both ends: SSI-001 to SSI-017, SSL-S-012, SSL-A-009, SSL-C-009', async () => {
    // SSI-002 SSI-003 SSI-004 SSI-005 SSI-006 SSI-007 SSI-008 SSI-009 SSI-010 SSI-011 SSI-012 SSI-013 SSI-014 SSI-015 SSI-016
    expect(Object.values(SSLSessionInfo)).toEqual(Array.from({ length: 16 }, (_, i) => i));
    const log = new Log();
    await using server = new SslServer(log.hooks());
    server.setupSSLContextByMemory({ ...identity, ca, requestClientCertificate: true });
    const { port } = await server.start(host, 0);
    const client = new SslClient({});
    client.setupSSLContextByMemory({ ca, ...clientIdentity });
    await client.start('localhost', port);
    await until(() => log.count('onHandShake') === 1);
    const ends = [
      { get: (kind: number) => server.getSSLSessionInfo(1, kind as never), peer: 'a client', own: 'localhost' },
      { get: (kind: number) => client.getSSLSessionInfo(kind as never), peer: 'localhost', own: 'a client' },
    ];
    for (const { get, peer, own } of ends) {
      expect(get(SSLSessionInfo.Ctx)).toHaveProperty('context');
      expect(get(SSLSessionInfo.CtxMethod)).toBeNull();
      expect(get(SSLSessionInfo.CtxCiphers)).toContain('ecdhe-ecdsa-aes128-gcm-sha256');
      expect(get(SSLSessionInfo.CtxCertStore)).toEqual([ca.trim()]);
      expect(get(SSLSessionInfo.ServerNameType)).toBe(0);
      expect(get(SSLSessionInfo.ServerName)).toBe('localhost');
      expect(get(SSLSessionInfo.Version)).toBe('TLSv1.3');
      expect(get(SSLSessionInfo.Method)).toBeNull();
      expect(get(SSLSessionInfo.Cert)).toMatchObject({ subject: { CN: own } });
      expect(get(SSLSessionInfo.PKey)).toBeNull();
      expect(get(SSLSessionInfo.CurrentCipher)).toMatchObject({ standardName: expect.stringContaining('TLS_') });
      expect(get(SSLSessionInfo.Ciphers)).toContain('ecdhe-ecdsa-aes128-gcm-sha256');
      expect(get(SSLSessionInfo.ClientCiphers)).toBeNull();
      expect(get(SSLSessionInfo.PeerCert)).toMatchObject({ subject: `CN=${peer}` });
      expect(get(SSLSessionInfo.PeerCertChain)).toMatchObject({ subject: { CN: peer } });
      expect(get(SSLSessionInfo.VerifiedChain)).toMatchObject({
        issuerCertificate: { subject: { CN: 'Test Authority' } },
      });
      expect(get(16)).toBeNull();
    }
    expect(server.lastSystemError).toBe(Errno.EINVAL);
    expect(server.getSSLSessionInfo(9, SSLSessionInfo.Version)).toBeNull();
    expect(server.lastSystemError).toBe(Errno.EBADSLT);
    expect(client.getSSLInfo()).toMatchObject({
      protocol: 'TLSv1.3',
      cipher: 'TLS_AES_256_GCM_SHA384',
      alpnProtocol: null,
      serverName: 'localhost',
      isResumed: false,
      isEstablished: true,
      peerCertificate: { subject: { CN: 'localhost' } },
    });
    await client.stop();
    expect(client.getSSLSessionInfo(SSLSessionInfo.Version)).toBeNull();
    expect(client.lastSystemError).toBe(Errno.EPERM);
  });

  test('without a server name: SSI-005, SSI-006', async () => {
    await using server = new SslServer({});
    server.setupSSLContextByMemory(identity);
    const { port } = await server.start(host, 0);
    const socket = await connectTls(port);
    await until(() => server.getSSLInfo(1)?.isEstablished === true);
    expect(server.getSSLSessionInfo(1, SSLSessionInfo.ServerNameType)).toBe(-1);
    expect(server.getSSLSessionInfo(1, SSLSessionInfo.ServerName)).toBeNull();
    expect(server.getSSLSessionInfo(1, SSLSessionInfo.PeerCert)).toBeNull();
    socket.destroy();
  });

  test.each(['a clean end', 'a reset'])(
    'what the handshake settled is still told inside onClose, after %s: SSI-017',
    async (how) => {
      const told: Record<string, unknown>[] = [];
      const tell = (get: (kind: SSLSessionInfo) => unknown, info: SSLInfo | null): void => {
        const kinds = { version: SSLSessionInfo.Version, cipher: SSLSessionInfo.CurrentCipher };
        const certificates = {
          peer: SSLSessionInfo.PeerCert,
          chain: SSLSessionInfo.PeerCertChain,
          verified: SSLSessionInfo.VerifiedChain,
        };
        const facts = Object.entries({ ...kinds, ...certificates }).map(([name, kind]) => [name, get(kind)]);
        told.push({ ...Object.fromEntries(facts), info });
      };
      await using server = new SslServer({
        onClose: (s, id) => tell((kind) => s.getSSLSessionInfo(id, kind), s.getSSLInfo(id)),
      });
      server.setupSSLContextByMemory({ ...identity, ca, requireClientCertificate: true, alpnProtocols: ['mine'] });
      const { port } = await server.start(host, 0);
      const client = new SslClient({ onClose: (c) => tell((kind) => c.getSSLSessionInfo(kind), c.getSSLInfo()) });
      client.setupSSLContextByMemory({ ca, ...clientIdentity, alpnProtocols: ['mine'] });
      let isCut = false;
      const between = await relay(port, (_from, _bytes, cut) => {
        if (isCut) cut(true);
        return !isCut;
      });
      await client.start('localhost', between.port);
      await until(() => server.getSSLInfo(1)?.isEstablished === true);
      isCut = how === 'a reset';
      if (isCut) client.send('cut here');
      else void client.stop();
      await until(() => told.length === 2);
      between.close();
      const names = told.map(({ info }) => (info as SSLInfo).peerCertificate?.subject.CN);
      expect(names.sort()).toEqual(['a client', 'localhost']);
      for (const { version, cipher, peer, chain, verified, info } of told) {
        expect(version).toBe('TLSv1.3');
        expect(cipher).toMatchObject({ name: 'TLS_AES_256_GCM_SHA384' });
        for (const certificate of [peer, chain, verified]) expect(certificate).toHaveProperty('subject');
        expect(info).toMatchObject({
          protocol: 'TLSv1.3',
          cipher: 'TLS_AES_256_GCM_SHA384',
          alpnProtocol: 'mine',
          serverName: 'localhost',
          isResumed: false,
        });
      }
    },
  );
});

describe('resumption', () => {
  /** Connects `client` to `port`, lets a ticket arrive, and tells whether the session was resumed. */
  async function visit(client: SslClient, port: number): Promise<boolean> {
    await client.start('localhost', port);
    const { isResumed, peerCertificate } = client.getSSLInfo()!;
    expect(peerCertificate?.subject.CN).toBe('localhost'); // resumed or not
    const answered = new Promise((resolve) => {
      waiting = resolve;
    });
    client.send('ping'); // the answer comes behind the tickets
    await answered;
    await client.stop();
    return isResumed;
  }
  let waiting: (value?: unknown) => void = () => {};
  const makeClient = (options: object = {}): SslClient => {
    const client = new SslClient({ onReceive: () => waiting() });
    client.setupSSLContextByMemory({ ca, ...options });
    return client;
  };
  const makeServer = (options: object = {}): SslServer => {
    const server = new SslServer({ onReceive: (s, id, data) => void s.send(id, data) });
    server.setupSSLContextByMemory({ ...identity, ...options });
    return server;
  };

  test.each(['TLSv1.2', 'TLSv1.3'] as const)('clients resume their sessions, %s', async (maxVersion) => {
    await using server = makeServer();
    const { port } = await server.start(host, 0);
    const client = makeClient({ maxVersion });
    expect(await visit(client, port)).toBe(false);
    expect(await visit(client, port)).toBe(true);
    expect(await visit(client, port)).toBe(true);
    // The host was checked by the first handshake; another name does not profit from it.
    expect(await failure(() => client.start(`127.0.0.1^other.example`, port))).toMatchObject({ errno: Errno.EBADMSG });
  });

  test.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'a %s ticket that comes after updateSSLContext is not kept',
    async (maxVersion) => {
      const stranger = await Authority.make('Another Authority');
      await using server = makeServer();
      const { port } = await server.start(host, 0);
      const client = new SslClient({
        onReceive: () => waiting(),
        onHandShake: (c) => void c.updateSSLContext({ ca: stranger.ca }),
      });
      client.setupSSLContextByMemory({ ca, maxVersion });
      expect(await visit(client, port)).toBe(false);
      // It was made with an authority that is trusted no longer.
      expect(await failure(() => client.start('localhost', port))).toMatchObject({ errno: Errno.EBADMSG });
    },
  );

  test('a session is not offered again to a server that broke off when it was', async () => {
    await using server = makeServer();
    const { port } = await server.start(host, 0);
    const client = makeClient();
    expect(await visit(client, port)).toBe(false);
    await server.stop();
    const rude = net.createServer((socket) => socket.once('data', () => socket.end()));
    rude.listen(port, host);
    await once(rude, 'listening');
    expect(await failure(() => client.start('localhost', port))).toMatchObject({ errno: Errno.ECONNABORTED });
    rude.close();
    await once(rude, 'close');
    await server.start(host, port);
    expect(await visit(client, port)).toBe(false);
    expect(await visit(client, port)).toBe(true);
  });

  test('a ticket of one component is not valid for another: TL-009', async () => {
    await using one = makeServer();
    await using two = makeServer();
    const { port: first } = await one.start(host, 0);
    const { port: second } = await two.start(host, 0);
    const bare = tls.connect({ port: first, host, rejectUnauthorized: false, maxVersion: 'TLSv1.2' });
    const session = await new Promise<Buffer>((resolve) => bare.once('session', resolve));
    bare.destroy();
    const again = await connectTls(first, { session, maxVersion: 'TLSv1.2' });
    expect(again.isSessionReused()).toBe(true);
    again.destroy();
    const elsewhere = await connectTls(second, { session, maxVersion: 'TLSv1.2' });
    expect(elsewhere.isSessionReused()).toBe(false);
    elsewhere.destroy();
  });

  test('shared ticket keys make it valid, rotation ends it, a new certificate does not', async () => {
    const ticketKeys = randomBytes(48);
    await using one = makeServer({ ticketKeys });
    await using two = makeServer({ ticketKeys });
    const { port: first } = await one.start(host, 0);
    const { port: second } = await two.start(host, 0);
    const bare = tls.connect({ port: first, host, rejectUnauthorized: false, maxVersion: 'TLSv1.2' });
    const session = await new Promise<Buffer>((resolve) => bare.once('session', resolve));
    bare.destroy();
    const isResumed = async (port: number): Promise<boolean> => {
      const socket = await connectTls(port, { session, maxVersion: 'TLSv1.2' });
      const isReused = socket.isSessionReused();
      socket.destroy();
      return isReused;
    };
    expect(await isResumed(second)).toBe(true);
    two.updateSSLContext(0, await authority.sign());
    expect(await isResumed(second)).toBe(true);
    expect(two.rotateSSLTicketKeys()).toBe(true);
    expect(await isResumed(second)).toBe(false);
    expect(two.rotateSSLTicketKeys(ticketKeys)).toBe(true);
    expect(await isResumed(second)).toBe(true);
    expect(() => two.rotateSSLTicketKeys(randomBytes(3))).toThrow(RangeError);
    expect(await isResumed(second)).toBe(true);
  });
});
