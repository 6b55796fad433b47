import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, expectTypeOf, onTestFinished, test, vi } from 'vitest';
import {
  Errno,
  ServiceState,
  type SocketError,
  SocketErrorCode,
  SSLSessionInfo,
  SSLVerifyMode,
  SslAgent,
  SslClient,
  SslPackServer,
  SslServer,
  TcpAgent,
  TcpClient,
  TcpServer,
} from '../../src/index.ts';
import { watchFiles } from '../../src/ssl/watch.ts';
import { loadMaterial } from '../../src/transport/tls-material.ts';
import { Authority, commonCertificates, encryptKey } from '../tools/certificates.ts';
import { connectTls, failure, host, Log, until } from './support.ts';

const { authority, server: identity } = await commonCertificates();
const other = await authority.sign();
let folder = '';
const path = (name: string): string => join(folder, name);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hp-socket-ssl-'));
  writeFileSync(path('cert.pem'), identity.cert);
  writeFileSync(path('chain.pem'), `${identity.cert}\n${authority.ca}`);
  writeFileSync(path('key.pem'), identity.key);
  writeFileSync(path('locked.pem'), encryptKey(identity.key, 'secret'));
  writeFileSync(path('other-key.pem'), other.key);
  writeFileSync(path('ca.pem'), authority.ca);
  writeFileSync(path('garbage.pem'), 'this is no PEM text');
  mkdirSync(path('ca'));
  writeFileSync(path('ca/0123abcd.0'), authority.ca);
});

afterAll(() => rmSync(folder, { recursive: true }));

describe('setupSSLContext', () => {
  const files = (): { certFile: string; keyFile: string } => ({ certFile: path('cert.pem'), keyFile: path('key.pem') });

  test('start without a context: TL-002, SRV-001, AGT-001, CLI-001, NETG-013', async () => {
    const log = new Log();
    const components = [new SslServer(log.hooks()), new SslAgent(log.hooks()), new SslClient(log.hooks())] as const;
    for (const component of components) {
      const error = await failure(() =>
        component instanceof SslAgent ? component.start(host) : component.start(host, 1),
      );
      expect(error).toMatchObject({ socketError: SocketErrorCode.SslEnvNotReady, errno: Errno.EPERM });
      expect(error.socketError).toBe(101);
      expect(component.state).toBe(ServiceState.Stopped);
      expect(component.lastErrorDesc).toBe('SSL environment not ready');
    }
    expect(log.events).toEqual([]);
  });

  test('files and memory, second setup, cleanup, restart: TL-001, TL-003, TL-005, SSL-S-001, SSL-S-002, SSL-S-006, TL-014', async () => {
    const server = new SslServer({});
    expect(server.setupSSLContext({ ...files(), certFile: path('chain.pem') })).toBe(true);
    expect(await failure(() => server.setupSSLContextByMemory(identity))).toMatchObject({
      socketError: SocketErrorCode.IllegalState,
      errno: Errno.EPERM,
    });
    for (let run = 0; run < 2; run++) {
      const { port } = await server.start(host, 0);
      const socket = await connectTls(port);
      expect(socket.getPeerCertificate(true).issuerCertificate?.subject.CN).toBe('Test Authority');
      expect(server.cleanupSSLContext()).toBe(false);
      expect(server.lastSystemError).toBe(Errno.EPERM);
      expect(await failure(() => server.setupSSLContext())).toMatchObject({ errno: Errno.EPERM });
      socket.destroy();
      await server.stop();
    }
    expect(server.cleanupSSLContext()).toBe(true);
    expect(await failure(() => server.start(host, 0))).toMatchObject({ socketError: SocketErrorCode.SslEnvNotReady });
    expect(server.setupSSLContextByMemory(identity)).toBe(true);
  });

  test('agents and clients: SSL-A-001, SSL-A-002, SSL-A-003, SSL-C-001, SSL-C-002, SSL-C-003', async () => {
    await using server = new SslServer({}, { ssl: identity });
    const { port } = await server.start(host, 0);
    const connect = async (component: SslAgent | SslClient): Promise<void> => {
      try {
        if (component instanceof SslClient) await component.start('localhost', port);
        else {
          await component.start();
          await component.connect('localhost', port);
        }
      } finally {
        if (component.hasStarted) await component.stop();
      }
    };
    const stranger = await Authority.make('Another Authority');
    for (const component of [new SslAgent({}), new SslClient({})]) {
      expect(await failure(() => connect(component))).toMatchObject({ socketError: SocketErrorCode.SslEnvNotReady });
      expect(component.setupSSLContext({ caFileOrPath: path('ca.pem') })).toBe(true);
      await connect(component);
      expect(() => component.setupSSLContext()).toThrow(/already/);
      expect(component.cleanupSSLContext()).toBe(true);
      expect(await failure(() => connect(component))).toMatchObject({ socketError: SocketErrorCode.SslEnvNotReady });
      expect(component.setupSSLContextByMemory({ ca: stranger.ca })).toBe(true);
      expect(await failure(() => connect(component))).toMatchObject({ errno: Errno.EBADMSG });
      expect(component.cleanupSSLContext()).toBe(true);
      expect(component.setupSSLContextByMemory({ ca: authority.ca, ...identity })).toBe(true);
      await connect(component);
      expect(component.cleanupSSLContext()).toBe(true);
      expect(component.setupSSLContext()).toBe(true);
    }
  });

  test('no certificate: setup succeeds, handshakes fail: TL-004, TL-015', async () => {
    const log = new Log();
    const server = new SslServer(log.hooks());
    expect(server.setupSSLContext({ keyFile: path('key.pem') })).toBe(true);
    const { port } = await server.start(host, 0);
    const client = new SslClient({});
    client.setupSSLContextByMemory({ ca: authority.ca });
    const error = await failure(() => client.start(host, port));
    expect(error).toMatchObject({ errno: Errno.EBADMSG });
    await until(() => log.closes.length === 1);
    expect(log.closes[0]).toMatchObject({ operation: 4, errorCode: 74 });
    expect(log.closes[0]?.error?.message).toMatch(/no shared cipher|no suitable/i);
    await server.stop();
  });

  const bad: [string, () => object, number][] = [
    ['TLE-001 cipher list', () => ({}), Errno.ENODATA],
    ['TLE-002 CA path missing', () => ({ caFileOrPath: path('none') }), Errno.ENOENT],
    ['TLE-003 CA path neither file nor directory', () => ({ caFileOrPath: '/dev/null' }), Errno.EBADF],
    ['TLE-004 CA without certificates', () => ({ caFileOrPath: path('garbage.pem') }), Errno.EBADMSG],
    ['TLE-007 certificate file missing', () => ({ certFile: path('none'), keyFile: path('key.pem') }), Errno.ENOENT],
    ['TLE-008 no key', () => ({ certFile: path('cert.pem') }), Errno.EINVAL],
    ['TLE-009 key file missing', () => ({ certFile: path('cert.pem'), keyFile: path('none') }), Errno.ENOENT],
    ['TLE-010 key unreadable', () => ({ certFile: path('cert.pem'), keyFile: path('garbage.pem') }), Errno.EACCES],
    [
      'TLE-010 TL-016 wrong password',
      () => ({ certFile: path('cert.pem'), keyFile: path('locked.pem'), keyPassword: 'wrong' }),
      Errno.EACCES,
    ],
    ['TLE-010 no password', () => ({ certFile: path('cert.pem'), keyFile: path('locked.pem') }), Errno.EACCES],
    [
      'TLE-011 certificate unreadable',
      () => ({ certFile: path('garbage.pem'), keyFile: path('key.pem') }),
      Errno.EBADMSG,
    ],
    [
      'TLE-012 key of another certificate',
      () => ({ certFile: path('cert.pem'), keyFile: path('other-key.pem') }),
      Errno.EACCES,
    ],
  ];
  test.each(bad)('%s', async (name, options, errno) => {
    const server = new SslServer({}, name.startsWith('TLE-001') ? { sslCipherList: 'NO-SUCH-CIPHER' } : {});
    const error = await failure(() => server.setupSSLContext(options()));
    expect(error).toMatchObject({ name: 'SocketError', socketError: SocketErrorCode.InvalidParam, errno });
    expect(server.lastSystemError).toBe(errno);
    // Nothing of it stays.
    server.sslCipherList = 'DEFAULT';
    expect(server.setupSSLContext(files())).toBe(true);
  });

  test('memory: TLE-011, TLE-013, TL-013', async () => {
    const server = new SslServer({});
    const { key } = identity;
    expect(await failure(() => server.setupSSLContextByMemory({ cert: 'x', key }))).toMatchObject({
      errno: Errno.ENODATA,
    });
    expect(await failure(() => server.setupSSLContextByMemory({ ...identity, ca: 'x' }))).toMatchObject({
      errno: Errno.ENODATA,
    });
    const broken = authority.ca.replace(/\n.{10}/, '\nAAAAAAAAAA');
    expect(await failure(() => server.setupSSLContextByMemory({ ...identity, ca: broken }))).toMatchObject({
      errno: Errno.EBADMSG,
    });
    const lists = await authority.revocations();
    expect(server.setupSSLContextByMemory({ ...identity, ca: `${authority.ca}\n${other.cert}\n${lists}` })).toBe(true);
  });

  test('server with SSL_VM_PEER and a CA without names: TLE-006', async () => {
    const server = new SslServer({});
    const onlyLists = { ...identity, ca: await authority.revocations(), verifyMode: SSLVerifyMode.Peer };
    expect(await failure(() => server.setupSSLContextByMemory(onlyLists))).toMatchObject({ errno: Errno.ENODATA });
  });

  test('addSSLContext: SSL-S-003, SSL-S-004, TLE-014, TLE-015', async () => {
    const server = new SslServer({});
    expect(await failure(() => server.addSSLContext(files()))).toMatchObject({ errno: Errno.EPERM });
    server.setupSSLContext(files());
    expect(server.addSSLContext(files())).toBe(1);
    expect(server.addSSLContextByMemory(other)).toBe(2);
    expect(await failure(() => server.addSSLContext({ certFile: path('none') }))).toMatchObject({
      errno: Errno.ENOENT,
    });
    expect(server.addSSLContextByMemory(other)).toBe(3);
  });

  test('what is wrong with one is said by the name of the option: EBUG-018', async () => {
    const server = new SslServer({});
    server.setupSSLContext(files());
    for (const [options, message] of [
      [{ ...files(), certFile: 5 }, /^certFile must be a string/],
      [{ ...files(), keyFile: 5 }, /^keyFile must be a string/],
      [{ ...files(), keyPassword: 5 }, /^keyPassword must be a string/],
      [{ ...files(), certFile: path('none') }, /certFile .*none.* cannot be read/],
      [{ ...files(), keyFile: path('none') }, /keyFile .*none.* cannot be read/],
      [{ certFile: path('cert.pem') }, /a certificate needs its private key/],
    ] as const) {
      expect((await failure(() => server.addSSLContext(options as never))).message).toMatch(message);
    }
    expect((await failure(() => server.addSSLContextByMemory({ ...other, key: 5 } as never))).message).toMatch(/^key /);
    expect((await failure(() => server.addSSLContextByMemory({ ...other, cert: 5 } as never))).message).toMatch(
      /^cert /,
    );
    expect(server.addSSLContextByMemory(other)).toBe(1);
  });

  test('a key behind a password: TL-016', () => {
    const server = new SslServer({});
    expect(
      server.setupSSLContext({ certFile: path('cert.pem'), keyFile: path('locked.pem'), keyPassword: 'secret' }),
    ).toBe(true);
  });

  test('a key that does not open says what is missing: TLE-010', async () => {
    const files = { certFile: path('cert.pem'), keyFile: path('locked.pem') };
    const messages = [{}, { keyPassword: 'wrong' }, { keyFile: path('garbage.pem') }].map(async (more) => {
      const { message } = await failure(() => new SslServer({}).setupSSLContext({ ...files, ...more }));
      return message;
    });
    expect(await Promise.all(messages)).toEqual([
      expect.stringMatching(/is encrypted; give its keyPassword/),
      expect.stringMatching(/does not open with this keyPassword/),
      expect.stringMatching(/cannot be read/),
    ]);
  });

  test('CA file and CA directory: TL-012', async () => {
    const server = new SslServer({});
    server.setupSSLContext(files());
    const { port } = await server.start(host, 0);
    for (const caFileOrPath of [path('ca.pem'), path('ca')]) {
      const client = new SslClient({});
      client.setupSSLContext({ caFileOrPath });
      await client.start(host, port);
      await client.stop();
    }
    await server.stop();
  });

  test('a CA directory as Kubernetes mounts it, with links to a directory and to nothing: TL-012', () => {
    const mount = path('mount');
    mkdirSync(`${mount}/..first`, { recursive: true });
    writeFileSync(`${mount}/..first/ca.crt`, authority.ca);
    symlinkSync('..first', `${mount}/..data`);
    symlinkSync('..data/ca.crt', `${mount}/ca.crt`);
    symlinkSync('gone.crt', `${mount}/0123abcd.1`);
    const client = new SslClient({});
    expect(client.setupSSLContext({ caFileOrPath: mount })).toBe(true);
  });

  test('versions in the wrong order, and application protocols that are none', async () => {
    const server = new SslServer({});
    const setup = (options: object): Promise<SocketError> =>
      failure(() => server.setupSSLContextByMemory({ ...identity, ...options }));
    const inverted = await setup({ minVersion: 'TLSv1.3', maxVersion: 'TLSv1.2' });
    expect(inverted).toMatchObject({ errno: Errno.EINVAL });
    expect(inverted.message).toMatch(/minVersion TLSv1.3 is above maxVersion TLSv1.2/);
    for (const alpnProtocols of ['h2', [5], [undefined]])
      expect((await setup({ alpnProtocols })).message).toBe('alpnProtocols must be an array of strings');
    expect(server.setupSSLContextByMemory({ ...identity, minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3' })).toBe(true);
  });

  test('cipher list and versions: TL-006, TL-007, SSL-S-010, SSL-S-011, SSL-A-007, SSL-A-008, SSL-C-007, SSL-C-008', async () => {
    for (const component of [new SslAgent({}), new SslClient({}), new SslServer({})]) {
      expect(component.sslCipherList).toMatch(
        /^(ECDHE-(ECDSA|RSA)-(AES(256|128)-GCM-SHA(384|256)|CHACHA20-POLY1305):?){6}$/,
      );
      component.sslCipherList = 'ECDHE-ECDSA-AES128-GCM-SHA256';
      expect(component.sslCipherList).toBe('ECDHE-ECDSA-AES128-GCM-SHA256');
      expect(() => {
        component.sslCipherList = 5 as never;
      }).toThrow(TypeError);
    }
    const server = new SslServer({}, { sslCipherList: 'ECDHE-ECDSA-AES128-GCM-SHA256' });
    server.setupSSLContextByMemory(identity);
    const { port } = await server.start(host, 0);
    expect(() => {
      server.sslCipherList = 'DEFAULT';
    }).toThrow(/stopped/);
    const new13 = await connectTls(port);
    expect(new13.getProtocol()).toBe('TLSv1.3');
    expect(new13.getCipher().name).toBe('TLS_AES_256_GCM_SHA384'); // the list does not touch TLS 1.3
    const old12 = await connectTls(port, { maxVersion: 'TLSv1.2' });
    expect(old12.getCipher().name).toBe('ECDHE-ECDSA-AES128-GCM-SHA256');
    await expect(connectTls(port, { maxVersion: 'TLSv1.1', minVersion: 'TLSv1' })).rejects.toThrow();
    new13.destroy();
    old12.destroy();
    await server.stop();
    server.cleanupSSLContext();
    server.setupSSLContextByMemory({ ...identity, minVersion: 'TLSv1.3' });
    const again = await server.start(host, 0);
    await expect(connectTls(again.port, { maxVersion: 'TLSv1.2' })).rejects.toThrow();
    await server.stop();
  });

  test('TLS 1.2 is offered with ECDHE and authenticated encryption only; sslCipherList brings others back: TL-007', async () => {
    await using server = new SslServer({});
    server.setupSSLContextByMemory(identity);
    const { port } = await server.start(host, 0);
    const suiteOf = async (ciphers: string): Promise<string> => {
      const socket = await connectTls(port, { maxVersion: 'TLSv1.2', ciphers });
      const { name } = socket.getCipher();
      socket.destroy();
      return name;
    };
    for (const suite of ['AES256-GCM-SHA384', 'AES128-GCM-SHA256', 'CHACHA20-POLY1305']) {
      expect(await suiteOf(`ECDHE-ECDSA-${suite}`)).toBe(`ECDHE-ECDSA-${suite}`);
    }
    const cbc = 'ECDHE-ECDSA-AES128-SHA256';
    await expect(suiteOf(cbc)).rejects.toThrow(/handshake failure/);
    await server.stop();
    server.cleanupSSLContext();
    server.sslCipherList = 'DEFAULT:!aNULL:!eNULL:!SSLv2:!SSLv3';
    server.setupSSLContextByMemory(identity);
    const { port: again } = await server.start(host, 0);
    const socket = await connectTls(again, { maxVersion: 'TLSv1.2', ciphers: cbc });
    expect(socket.getCipher().name).toBe(cbc);
    socket.destroy();
  });

  test('only the summary of a client that was started: SSL-C-009, SSI-017', () => {
    const client = new SslClient({});
    expect(client.getSSLSessionInfo(SSLSessionInfo.Version)).toBeNull();
    expect(client.lastSystemError).toBe(Errno.EPERM);
    expect(client.getSSLInfo()).toBeNull();
  });
});

describe('plain components', () => {
  /** Every name that a TLS component answers to, its parents' included. */
  const namesOf = (component: object): Set<string> => {
    const names = new Set<string>();
    for (let each = component; each !== Object.prototype; each = Object.getPrototypeOf(each)) {
      for (const name of Object.getOwnPropertyNames(each)) names.add(name);
    }
    return names;
  };

  test.each([
    ['servers', new TcpServer({}), new SslServer({}), 15],
    ['agents', new TcpAgent({}), new SslAgent({}), 10],
    ['clients', new TcpClient({}), new SslClient({}), 9],
  ])('%s have no TLS members at run time, those over TLS have all: STB-001', (_name, plain, secure, count) => {
    const plainNames = namesOf(plain);
    expect([...plainNames].filter((name) => /ssl|handshakes/i.test(name))).toEqual([]);
    const more = [...namesOf(secure)].filter((name) => !plainNames.has(name));
    expect(more.filter((name) => /ssl|maxHandshakes/i.test(name))).toHaveLength(count);
    expect(plain.isSecure).toBe(false);
    expect(secure.isSecure).toBe(true);
  });

  test('have none in their types: STB-001', () => {
    type TlsMembers<T> = Extract<keyof T, `${string}SSL${string}` | `ssl${string}` | `maxHandshakes${string}`>;
    expectTypeOf<TlsMembers<TcpServer | TcpAgent>>().toBeNever();
    expectTypeOf<TlsMembers<TcpClient>>().toBeNever();
    expectTypeOf<TlsMembers<SslClient>>().toEqualTypeOf<
      | 'cleanupSSLContext'
      | 'getSSLInfo'
      | 'getSSLSessionInfo'
      | 'setupSSLContext'
      | 'setupSSLContextByMemory'
      | 'sslAutoHandShake'
      | 'sslCipherList'
      | 'startSSLHandShake'
      | 'updateSSLContext'
    >();
  });
});

describe('updateSSLContext', () => {
  const serialOf = async (port: number): Promise<string> => {
    const socket = await connectTls(port);
    const { serialNumber } = socket.getPeerCertificate();
    socket.destroy();
    return serialNumber;
  };

  test('replaces a certificate while running; bad material leaves the old one', async () => {
    const server = new SslPackServer({});
    server.setupSSLContextByMemory(identity);
    const { port } = await server.start(host, 0);
    const kept = await connectTls(port);
    const first = await serialOf(port);
    const error = await failure(() => server.updateSSLContext(0, { cert: other.cert, key: identity.key }));
    expect(error).toMatchObject({ errno: Errno.EACCES });
    expect(await serialOf(port)).toBe(first);
    expect(server.updateSSLContext(0, other)).toBe(true);
    expect(await serialOf(port)).not.toBe(first);
    expect(kept.destroyed).toBe(false);
    kept.destroy();
    expect(await failure(() => server.updateSSLContext(5, other))).toMatchObject({ errno: Errno.ENOANO });
    expect(await failure(() => server.updateSSLContext('no.such', other))).toMatchObject({ errno: Errno.ENOANO });
    server.bindSSLServerName('by.name', 0);
    expect(server.updateSSLContext('by.name', identity)).toBe(true);
    expect(await serialOf(port)).toBe(first);
    await server.stop();
  });

  test('watches files', async () => {
    const reloads: (SocketError | undefined)[] = [];
    writeFileSync(path('live-cert.pem'), identity.cert);
    writeFileSync(path('live-key.pem'), identity.key);
    const server = new SslServer({});
    server.setupSSLContext({
      certFile: path('live-cert.pem'),
      keyFile: path('live-key.pem'),
      watch: { intervalMs: 20, onReload: (error) => void reloads.push(error) },
    });
    const { port } = await server.start(host, 0);
    const first = await serialOf(port);
    writeFileSync(path('new-cert.pem'), other.cert);
    renameSync(path('new-cert.pem'), path('live-cert.pem'));
    await until(() => reloads.length >= 1);
    expect(reloads[0]).toMatchObject({ errno: Errno.EACCES }); // the key is still that of the old one
    expect(await serialOf(port)).toBe(first);
    writeFileSync(path('live-key.pem'), other.key);
    await until(() => reloads.at(-1) === undefined);
    expect(await serialOf(port)).not.toBe(first);
    chmodSync(path('live-key.pem'), 0o600);
    await server.stop();
    server.cleanupSSLContext();
  });

  test('watches what comes and goes in a CA directory, and files that are swapped by a link', async () => {
    const mount = path('watched');
    for (const [name, { cert, key }] of Object.entries({ first: identity, second: other })) {
      mkdirSync(`${mount}/${name}`, { recursive: true });
      writeFileSync(`${mount}/${name}/tls.crt`, cert);
      writeFileSync(`${mount}/${name}/tls.key`, key);
    }
    symlinkSync('first', `${mount}/data`);
    mkdirSync(`${mount}/ca`);
    writeFileSync(`${mount}/ca/one.pem`, authority.ca);
    const reloads: (SocketError | undefined)[] = [];
    const server = new SslServer({});
    server.setupSSLContext({
      certFile: `${mount}/data/tls.crt`,
      keyFile: `${mount}/data/tls.key`,
      caFileOrPath: `${mount}/ca`,
      watch: { intervalMs: 10, onReload: (error) => void reloads.push(error) },
    });
    const { port } = await server.start(host, 0);
    const first = await serialOf(port);
    symlinkSync('second', `${mount}/next`);
    renameSync(`${mount}/next`, `${mount}/data`);
    await until(() => reloads.length === 1);
    expect(reloads[0]).toBeUndefined();
    expect(await serialOf(port)).not.toBe(first);
    writeFileSync(`${mount}/ca/two.pem`, 'no certificate');
    await until(() => reloads.length === 2);
    await server.stop();
    server.cleanupSSLContext();
  });

  test.each(Object.entries({ SslServer, SslAgent, SslClient }))(
    '%s watches nothing any more when it is disposed of: TL-005',
    async (_name, Component) => {
      vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
      onTestFinished(() => void vi.useRealTimers());
      const component = new Component({});
      component.setupSSLContext({ caFileOrPath: path('ca.pem'), watch: true });
      expect(vi.getTimerCount()).toBe(1);
      await component[Symbol.asyncDispose]();
      expect(vi.getTimerCount()).toBe(0);
      expect(
        await failure(() => (component instanceof SslAgent ? component.start(host) : component.start(host, 1))),
      ).toMatchObject({
        socketError: SocketErrorCode.SslEnvNotReady,
      });
    },
  );

  test('a change between reading a file and watching it is not missed', async () => {
    const file = path('raced.pem');
    writeFileSync(file, authority.ca);
    const { files } = loadMaterial('setupSSLContext', { caFileOrPath: file });
    writeFileSync(file, `${authority.ca}\n`);
    await new Promise<void>((resolve) => {
      const stop = watchFiles(files, 1, () => {
        stop();
        resolve();
      });
    });
  });

  test.each([
    ['throws', (): never => fail()],
    ['rejects', async (): Promise<void> => fail()],
  ])('an onReload that %s is a warning', async (_how, onReload) => {
    const file = path('reloaded.pem');
    writeFileSync(file, authority.ca);
    const client = new SslClient({});
    client.setupSSLContext({ caFileOrPath: file, watch: { intervalMs: 10, onReload } });
    const warned = once(process, 'warning');
    writeFileSync(file, `${authority.ca}\n`);
    const [warning] = (await warned) as [Error];
    expect(warning.message).toMatch(/onReload failed: Error: not today/);
    client.cleanupSSLContext();
  });
});

function fail(): never {
  throw new Error('not today');
}
