import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SslClient, SslServer } from '../../src/index.ts';
import { commonCertificates } from '../tools/certificates.ts';
import { host, Log, until } from './support.ts';

const { authority, server: identity, client: clientIdentity } = await commonCertificates();
const isThere = (program: string, ...version: string[]): boolean => spawnSync(program, version).status === 0;
const hasOpenssl = isThere('openssl', 'version');
const hasCurl = isThere('curl', '--version');

let folder = '';
const path = (name: string): string => join(folder, name);
const children: ChildProcessWithoutNullStreams[] = [];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hp-socket-openssl-'));
  const files = {
    ca: authority.ca,
    cert: identity.cert,
    key: identity.key,
    ccert: clientIdentity.cert,
    ckey: clientIdentity.key,
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(path(`${name}.pem`), text);
});

afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true });
});

/** A program under way, with what it says. */
interface Program {
  readonly child: ChildProcessWithoutNullStreams;
  output: string;
  readonly ended: Promise<number | null>;
}

function run(program: string, ...args: string[]): Program {
  const child = spawn(program, args);
  children.push(child);
  child.stdin.on('error', () => {});
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  const result: Program = { child, output: '', ended };
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      result.output += chunk.toString('latin1');
    });
  }
  return result;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe.skipIf(!hasOpenssl)('openssl s_client against our server', () => {
  test.each([
    ['-tls1_2', 'TLSv1.2'],
    ['-tls1_3', 'TLSv1.3'],
  ])('%s: verification, echo, SNI, ALPN, a clean end', async (flag, protocol) => {
    const log = new Log();
    await using server = new SslServer(
      log.hooks({ onReceive: (s: SslServer, id: number, data: Buffer) => void s.send(id, `echo ${data}`) }),
    );
    server.setupSSLContextByMemory({ ...identity, alpnProtocols: ['mine'] });
    const { port } = await server.start(host, 0);
    const client = run(
      'openssl',
      's_client',
      '-connect',
      `${host}:${port}`,
      flag,
      '-servername',
      'localhost',
      '-alpn',
      'other,mine',
      '-CAfile',
      path('ca.pem'),
      '-verify_return_error',
      '-verify_hostname',
      'localhost',
      '-quiet',
      '-no_ign_eof',
    );
    client.child.stdin.write('hello\n');
    await until(() => client.output.includes('echo hello'));
    expect(server.getSSLInfo(1)).toMatchObject({ protocol, serverName: 'localhost', alpnProtocol: 'mine' });
    client.child.stdin.end();
    await client.ended;
    await until(() => log.closes.length === 1);
    expect(log.closes[0]).toEqual({ operation: 5, errorCode: 0, error: undefined });
  });

  test.each(['-tls1_2', '-tls1_3'])('client certificates %s: VM-003', async (flag) => {
    const log = new Log();
    await using server = new SslServer(
      log.hooks({
        onHandShake: (s: SslServer, id: number) =>
          void s.send(id, `you are ${s.getSSLInfo(id)?.peerCertificate?.subject.CN}`),
      }),
    );
    server.setupSSLContextByMemory({ ...identity, ca: authority.ca, requireClientCertificate: true });
    const { port } = await server.start(host, 0);
    const common = ['s_client', '-connect', `${host}:${port}`, flag, '-quiet', '-CAfile', path('ca.pem')];
    const known = run('openssl', ...common, '-cert', path('ccert.pem'), '-key', path('ckey.pem'));
    await until(() => known.output.includes('you are a client'));
    known.child.kill('SIGKILL');
    const nobody = run('openssl', ...common);
    await until(() => log.closes.some(({ errorCode }) => errorCode === 74));
    expect(log.closes.find(({ errorCode }) => errorCode === 74)?.error?.message).toMatch(/no certificate/);
    nobody.child.kill('SIGKILL');
    await Promise.all([known.ended, nobody.ended]);
  });

  test.each(['-tls1_2', '-tls1_3'])('resumption %s', async (flag) => {
    const log = new Log();
    await using server = new SslServer(
      log.hooks({ onHandShake: (s: SslServer, id: number) => void s.send(id, 'welcome\n') }),
    );
    server.setupSSLContextByMemory(identity);
    const { port } = await server.start(host, 0);
    const common = ['s_client', '-connect', `${host}:${port}`, flag, '-CAfile', path('ca.pem')];
    const first = run('openssl', ...common, '-sess_out', path('session'));
    await until(() => first.output.includes('welcome'));
    first.child.stdin.write('Q\n');
    await first.ended;
    const second = run('openssl', ...common, '-sess_in', path('session'));
    await until(() => second.output.includes('welcome'));
    expect(second.output).toContain('Reused');
    await until(() => log.count('onHandShake') === 2);
    second.child.stdin.write('Q\n');
    await second.ended;
  });

  test('renegotiation is refused: HSK-015', async () => {
    const log = new Log();
    await using server = new SslServer(
      log.hooks({ onHandShake: (s: SslServer, id: number) => void s.send(id, 'welcome\n') }),
    );
    server.setupSSLContextByMemory(identity);
    const { port } = await server.start(host, 0);
    const client = run('openssl', 's_client', '-connect', `${host}:${port}`, '-tls1_2', '-CAfile', path('ca.pem'));
    await until(() => client.output.includes('welcome'));
    client.child.stdin.write('R\n');
    await client.ended;
    expect(client.output).toMatch(/no renegotiation/i);
    await until(() => log.closes.length === 1);
    expect(log.count('onHandShake')).toBe(1);
  });
});

/** `openssl s_server` that demands a certificate, and answers each line backwards. */
async function verifyingServer(...flags: string[]) {
  const port = await freePort();
  const files = ['-cert', path('cert.pem'), '-key', path('key.pem'), '-CAfile', path('ca.pem')];
  const demands = ['-Verify', '3', '-verify_return_error'];
  const server = run('openssl', 's_server', '-accept', `${host}:${port}`, ...flags, ...files, ...demands, '-rev');
  await until(() => server.output.includes('ACCEPT'));
  return { server, port };
}

describe.skipIf(!hasOpenssl)('our client against openssl s_server', () => {
  test.each([
    ['-tls1_2', 'TLSv1.2'],
    ['-tls1_3', 'TLSv1.3'],
  ])('%s: verification, a client certificate, data both ways, resumption', async (flag, protocol) => {
    const { server, port } = await verifyingServer(flag, '-alpn', 'mine');
    const log = new Log();
    const client = new SslClient(log.hooks());
    client.setupSSLContextByMemory({ ca: authority.ca, ...clientIdentity, alpnProtocols: ['mine'] });
    await client.start('localhost^localhost', port).catch(() => client.start(`${host}^localhost`, port));
    expect(client.getSSLInfo()).toMatchObject({ protocol, alpnProtocol: 'mine', isResumed: false });
    client.send('abc\n');
    await until(() => log.received.includes('cba'));
    await client.stop();
    await client.start(`${host}^localhost`, port);
    client.send('def\n');
    await until(() => log.received.includes('fed'));
    await client.stop();
    server.child.kill('SIGKILL');
    await server.ended;
  });

  test('a server that demands a certificate refuses one without: the reason in words', async () => {
    const { server, port } = await verifyingServer('-tls1_2');
    const log = new Log();
    const client = new SslClient(log.hooks());
    client.setupSSLContextByMemory({ ca: authority.ca });
    await client.start(host, port).catch(() => {});
    await until(() => log.closes.length === 1);
    expect(log.closes[0]).toMatchObject({ operation: 4, errorCode: 74 });
    expect(log.closes[0]?.error?.message).toMatch(/handshake|certificate/);
    server.child.kill('SIGKILL');
    await server.ended;
  });
});

describe.skipIf(!hasCurl)('curl against our server', () => {
  test('checks the certificate and gets its answer', async () => {
    await using server = new SslServer({
      onReceive(s, id, data) {
        if (!data.toString().endsWith('\r\n\r\n')) return;
        s.send(id, 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello');
        s.disconnect(id);
      },
    });
    server.setupSSLContextByMemory(identity);
    const { port } = await server.start(host, 0);
    const good = run(
      'curl',
      '-sS',
      '--cacert',
      path('ca.pem'),
      `https://localhost:${port}/`,
      '--resolve',
      `localhost:${port}:${host}`,
    );
    expect(await good.ended).toBe(0);
    expect(good.output).toBe('hello');
    const bad = run('curl', '-sS', `https://localhost:${port}/`, '--resolve', `localhost:${port}:${host}`);
    expect(await bad.ended).toBe(60); // peer's certificate cannot be verified
  });
});
