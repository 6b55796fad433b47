import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { $settings } from '../../src/core/internals.ts';
import {
  Errno,
  SocketError,
  SocketErrorCode,
  SslAgent,
  SslClient,
  SslPackAgent,
  SslPackClient,
  SslPackServer,
  SslPullAgent,
  SslPullClient,
  SslPullServer,
  SslServer,
  TcpServer,
} from '../../src/index.ts';
import { commonCertificates } from '../tools/certificates.ts';
import { connectTls, failure, host, until } from './support.ts';

const { authority, server: identity, client: clientIdentity } = await commonCertificates();
const { ca } = authority;
const shop = await authority.sign({ names: ['shop.example'] });
const bare = (options: object) => options as never;

/** What a call that must throw threw. */
function thrownBy(act: () => unknown): Error {
  try {
    act();
  } catch (thrown) {
    return thrown as Error;
  }
  throw new Error('it should have thrown');
}

describe('the option ssl', () => {
  test.each([
    ['push', SslServer, SslAgent, SslClient],
    ['pull', SslPullServer, SslPullAgent, SslPullClient],
    ['pack', SslPackServer, SslPackAgent, SslPackClient],
  ])('sets the contexts of all three %s components up', async (_model, Server, Agent, Client) => {
    await using server = new (Server as typeof SslServer)({}, { ssl: identity });
    const { port } = await server.start(host, 0);
    await using agent = new (Agent as typeof SslAgent)({}, { ssl: { ca } });
    await agent.start();
    const connId = await agent.connect(host, port);
    expect(agent.getSSLInfo(connId)?.isEstablished).toBe(true);
    await using client = new (Client as typeof SslClient)({}, { ssl: { ca } });
    await client.start(host, port);
    expect(client.getSSLInfo()?.isEstablished).toBe(true);
    // There is a context already.
    expect(thrownBy(() => client.setupSSLContext({}))).toMatchObject({ errno: Errno.EPERM });
  });

  test('takes several contexts with names, and files', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'hp-socket-ssl-'));
    writeFileSync(join(folder, 'cert.pem'), shop.cert);
    writeFileSync(join(folder, 'key.pem'), shop.key);
    const subject = async (port: number, servername: string): Promise<unknown> => {
      const socket = await connectTls(port, { servername });
      const { CN } = socket.getPeerCertificate().subject;
      socket.destroy();
      return CN;
    };
    await using server = new SslServer(
      {},
      {
        ssl: [
          identity,
          {
            names: ['shop.example', '*.shop.example'],
            certFile: join(folder, 'cert.pem'),
            keyFile: join(folder, 'key.pem'),
          },
        ],
      },
    );
    rmSync(folder, { recursive: true });
    const { port } = await server.start(host, 0);
    expect(await subject(port, 'a.shop.example')).toBe('shop.example');
    expect(await subject(port, 'other.example')).toBe('localhost');
    expect(server.addSSLContext(shop)).toBe(2);
  });

  test('may leave the choice of further contexts to a sniCallback', async () => {
    await using server = new SslServer({}, { ssl: [{ ...identity, sniCallback: () => 1 }, shop] });
    const { port } = await server.start(host, 0);
    const socket = await connectTls(port, { servername: 'any.example' });
    expect(socket.getPeerCertificate().subject.CN).toBe('shop.example');
    socket.destroy();
  });

  test('is no property, and keeps no key', () => {
    const server = new SslServer({}, { ssl: identity });
    expect('ssl' in server).toBe(false);
    expect(JSON.stringify(server[$settings])).not.toContain('PRIVATE');
  });

  const wrong: [string, () => unknown, typeof TypeError | typeof RangeError | typeof SocketError, RegExp][] = [
    ['a list for a client', () => new SslClient({}, bare({ ssl: [{ ca }] })), TypeError, /ssl must be an object/],
    [
      'names for an agent',
      () => new SslAgent({}, bare({ ssl: { names: ['a.b'] } })),
      TypeError,
      /unknown option "names"/,
    ],
    ['nothing', () => new SslServer({}, { ssl: [] }), RangeError, /a context at least/],
    ['null', () => new SslServer({}, bare({ ssl: null })), TypeError, /ssl must be an object, not null/],
    [
      'a text in the list',
      () => new SslServer({}, bare({ ssl: [identity, 'x'] })),
      TypeError,
      /ssl\[1\] must be an object/,
    ],
    [
      'a context that nothing leads to',
      () => new SslServer({}, { ssl: [identity, shop] }),
      TypeError,
      /ssl\[1\] must have/,
    ],
    [
      'a name that is none',
      () => new SslServer({}, { ssl: { ...identity, names: ['local'] } }),
      RangeError,
      /dot inside/,
    ],
    ['names that are no list', () => new SslServer({}, bare({ ssl: { names: 'a.b' } })), TypeError, /array of strings/],
    ['bad material', () => new SslServer({}, { ssl: { cert: 'x', key: 'y' } }), SocketError, /private key/],
    ['a plain component', () => new TcpServer({}, bare({ ssl: identity })), TypeError, /unknown option "ssl"/],
  ];
  test.each(wrong)('throws for %s', (_what, make, kind, message) => {
    const thrown = thrownBy(make);
    expect(thrown).toBeInstanceOf(kind);
    expect(thrown.message).toMatch(message);
  });

  test('watches nothing when a later context is bad', () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const folder = mkdtempSync(join(tmpdir(), 'hp-socket-ssl-'));
    const caFileOrPath = join(folder, 'ca.pem');
    writeFileSync(caFileOrPath, ca);
    const bad = { names: ['a.example'], certFile: join(folder, 'none') };
    thrownBy(() => new SslServer({}, { ssl: [{ ...identity, caFileOrPath, watch: true }, bad] }));
    expect(vi.getTimerCount()).toBe(0);
    rmSync(folder, { recursive: true });
  });
  afterEach(() => void vi.useRealTimers());
});

describe('an option that a context would ignore is an error', () => {
  const server = (options: object) => () => new SslServer({}).setupSSLContext(bare(options));
  const name = (options: object) => () => new SslServer({}, { ssl: identity }).addSSLContext(bare(options));
  const client = (options: object) => () => new SslClient({}).setupSSLContext(bare(options));

  const wrong: [string, () => unknown, RegExp][] = [
    ['requestCert', server({ ...identity, requestCert: true, rejectUnauthorized: true }), /called requestClientCert/],
    ['rejectUnauthorized', server({ rejectUnauthorized: true }), /requireClientCertificate refuses clients without/],
    ['pfx', server({ pfx: Buffer.alloc(10), passphrase: 'x' }), /cert and key as PEM texts/],
    ['passphrase', server({ ...identity, passphrase: 'x' }), /called keyPassword/],
    ['ALPNProtocols', server({ ALPNProtocols: ['h2'] }), /called alpnProtocols/],
    ['ciphers', server({ ciphers: 'DEFAULT' }), /property sslCipherList/],
    ['servername of a server', server({ servername: 'x' }), /bindSSLServerName/],
    ['serverName of a server', server({ serverName: 'x.example' }), /bindSSLServerName/],
    ['verifyServer of a server', server({ verifyServer: true }), /only agents and clients/],
    ['a misspelt name', server({ requireClientCertificat: true }), /did you mean requireClientCertificate\?/],
    ['minVersion of a further context', name({ ...shop, minVersion: 'TLSv1.3' }), /first context of a server has it/],
    ['alpnProtocols of a further context', name({ ...shop, alpnProtocols: ['x'] }), /first context/],
    ['sniCallback of a further context', name({ ...shop, sniCallback: () => 0 }), /first context/],
    ['requireClientCertificate of a client', client({ requireClientCertificate: true }), /only servers have it/],
    ['rejectUnauthorized of a client', client({ rejectUnauthorized: false }), /called verifyServer/],
    ['servername of a client', client({ servername: 'x' }), /called serverName/],
    ['ticketKeys of a client', client({ ticketKeys: Buffer.alloc(48) }), /resume sessions by themselves/],
    [
      'the options of watch',
      client({ watch: { interval: 5 } }),
      /unknown option "interval" of watch; it is called intervalMs/,
    ],
    ['no object', () => new SslServer({}).setupSSLContext('cert.pem' as never), /must be an object, not "cert.pem"/],
    ['updateSSLContext', () => new SslClient({}, { ssl: {} }).updateSSLContext(bare({ pfx: 1 })), /PEM texts/],
    [
      'updateSSLContext of a further context',
      () =>
        new SslServer({}, { ssl: [identity, { ...shop, names: ['a.b'] }] }).updateSSLContext('a.b', {
          maxVersion: 'TLSv1.2',
        }),
      /first context/,
    ],
    [
      'no index nor name',
      () => new SslServer({}, { ssl: identity }).updateSSLContext({} as never),
      /index or a server name/,
    ],
  ];
  test.each(wrong)('%s', (_what, act, message) => {
    const thrown = thrownBy(act);
    expect(thrown).toBeInstanceOf(TypeError);
    expect(thrown.message).toMatch(message);
  });

  test.each([
    [{ requireClientCertificate: 'yes' }, TypeError],
    [{ requestClientCertificate: 1 }, TypeError],
    [{ verifyMode: 8 }, RangeError],
    [{ verifyMode: '1' }, TypeError],
    [{ minVersion: 'TLS1.3' }, RangeError],
    [{ certFile: 5 }, TypeError],
    [{ cert: ['a', 'b'] }, TypeError],
    [{ ca: [ca, 5] }, TypeError],
    [{ keyPassword: Buffer.alloc(3) }, TypeError],
    [{ sniCallback: 'a.example' }, TypeError],
    [{ ticketKeys: Buffer.alloc(47) }, RangeError],
    [{ sessionTimeout: -1 }, RangeError],
    [{ watch: 'yes' }, TypeError],
    [{ watch: { intervalMs: 0 } }, RangeError],
  ])('a value that makes no sense: %o', (options, kind) => {
    const one = new SslServer({});
    expect(thrownBy(() => one.setupSSLContext(bare(options)))).toBeInstanceOf(kind);
    expect(one.setupSSLContext(identity)).toBe(true); // nothing of it stays
  });

  test('what is undefined counts as left out, also in an update', async () => {
    await using one = new SslServer({}, { ssl: { ...identity, ca, requireClientCertificate: true, watch: undefined } });
    one.updateSSLContext(0, { requireClientCertificate: undefined, ca: undefined });
    const { port } = await one.start(host, 0);
    const socket = await connectTls(port).catch(() => null);
    await until(() => one.stats().refused === 1);
    expect(one.stats().opened).toBe(0);
    socket?.destroy();
  });

  test('authorities come as one text or several', async () => {
    const stranger = await authority.sign();
    await using one = new SslServer(
      {},
      { ssl: { ...identity, ca: [stranger.cert, ca], requireClientCertificate: true } },
    );
    const { port } = await one.start(host, 0);
    const socket = await connectTls(port, clientIdentity);
    await until(() => one.stats().opened === 1);
    socket.destroy();
  });
});

describe('bindSSLServerName and cleanupSSLContext', () => {
  test('throw for arguments that make no sense: SNI-005', () => {
    const server = new SslServer({}, { ssl: identity });
    for (const name of ['localhost', '.dot', 'dot.', '10.0.0.1', '']) {
      expect(() => server.bindSSLServerName(name, 0)).toThrow(RangeError);
    }
    for (const index of [-1, 1.5, Number.NaN]) {
      expect(() => server.bindSSLServerName('good.example', index)).toThrow(RangeError);
    }
    expect(() => server.bindSSLServerName(5 as never, 0)).toThrow(TypeError);
    expect(() => server.bindSSLServerName('good.example', '0' as never)).toThrow(TypeError);
  });

  test('return false with the last error for an unknown context, and in the wrong state: SNI-005, SSL-S-006', async () => {
    const server = new SslServer({}, { ssl: identity });
    expect(server.bindSSLServerName('good.example', 1)).toBe(false);
    expect(server.lastSystemError).toBe(Errno.ENOANO);
    await server.start(host, 0);
    expect(server.cleanupSSLContext()).toBe(false);
    expect(server.lastSystemError).toBe(Errno.EPERM);
    await server.stop();
    expect(server.cleanupSSLContext()).toBe(true);
    expect(await failure(() => server.start(host, 0))).toMatchObject({
      socketError: SocketErrorCode.SslEnvNotReady,
    });
  });
});
