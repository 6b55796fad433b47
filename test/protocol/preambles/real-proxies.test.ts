// Against proxies and balancers that others wrote, where they are installed.
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { HttpSyncClient } from '../../../src/http.ts';
import {
  type ProxyHeader,
  type ProxyHeaderOption,
  type ProxyOption,
  type ProxyOptions,
  ProxyTlvType,
  SslClient,
  SslServer,
  TcpClient,
  TcpServer,
} from '../../../src/index.ts';
import { failure, host, Log, until } from '../../ssl/support.ts';
import { commonCertificates } from '../../tools/certificates.ts';
import { startProgram } from '../../tools/programs.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Whether a program is there: it starts, whatever it says of its arguments. */
function hasProgram(command: string, ...args: string[]): boolean {
  return spawnSync(command, args, { timeout: 5000 }).error === undefined;
}

const titled = (name: string, isThere: boolean, what: string): string =>
  isThere ? name : `${name} (skipped: ${what} is not installed)`;

const hasMicrosocks = hasProgram('microsocks', '-h');
const hasDante = hasProgram('danted', '-v');
const hasSquid = hasProgram('squid', '-v');
const hasHaproxy = hasProgram('haproxy', '-v');
const hasNginx = hasProgram('nginx', '-v');
const isRoot = process.getuid?.() === 0;

async function temporary(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'hp-socket-proxies-'));
  await chmod(folder, 0o777); // some of them give up the rights that they were started with
  cleanups.push(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A port that is free now. */
async function freePort(): Promise<number> {
  const server = net.createServer();
  server.listen(0, host);
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Starts a program that is to listen on `port`; it is ended behind the test. */
const run = (port: number, command: string, ...args: string[]): Promise<void> =>
  startProgram(port, command, args, (end) => cleanups.push(end));

async function echoServer(): Promise<number> {
  const server = new TcpServer({ onReceive: (s, id, data) => void s.send(id, data) });
  cleanups.push(() => server.stop());
  return (await server.start(host, 0)).port;
}

/** Bytes, and TLS, to a server behind `proxy`, in large pieces too. */
async function checkThrough(proxy: ProxyOption): Promise<void> {
  const port = await echoServer();
  let got = 0;
  const client = new TcpClient({ onReceive: (_c, _id, data) => void (got += data.length) }, { proxy });
  await client.start('localhost', port);
  const bytes = Buffer.alloc(300_000, 7);
  client.send(bytes);
  await until(() => got === bytes.length);
  await client.stop();
  const { authority, server: identity } = await commonCertificates();
  const secure = new SslServer({ onReceive: (s, id, data) => void s.send(id, data) }, { ssl: identity });
  cleanups.push(() => secure.stop());
  const { port: securePort } = await secure.start(host, 0);
  const log = new Log();
  const secureClient = new SslClient(log.hooks(), { proxy, ssl: { ca: authority.ca, verifyMode: 1 } });
  await secureClient.start('localhost', securePort);
  secureClient.send('secret');
  await until(() => log.received === 'secret');
  await secureClient.stop();
}

/** What it says of a port that nobody listens on. */
async function refusedBy(proxy: ProxyOption): Promise<string> {
  const client = new TcpClient({}, { proxy });
  const error = await failure(async () => client.start(host, await freePort()));
  await client.wait();
  return error.code;
}

async function microsocks(login?: string): Promise<string> {
  const port = await freePort();
  const [user = '', password = ''] = login?.split(':') ?? [];
  await run(port, 'microsocks', '-i', host, '-p', String(port), ...(login ? ['-u', user, '-P', password] : []));
  return `socks5://${login === undefined ? '' : `${login}@`}${host}:${port}`;
}

async function squid(): Promise<string> {
  const port = await freePort();
  const folder = await temporary();
  await writeFile(
    join(folder, 'conf'),
    `http_port ${host}:${port}
http_access allow all
pid_filename ${folder}/pid
access_log none
cache_log ${folder}/log
cache_store_log none
coredump_dir ${folder}
cache deny all
pinger_enable off
shutdown_lifetime 0 seconds
`,
  );
  await run(port, 'squid', '-N', '-f', join(folder, 'conf'));
  return `http://${host}:${port}`;
}

async function dante(method: string): Promise<string> {
  const port = await freePort();
  const folder = await temporary();
  await writeFile(
    join(folder, 'conf'),
    `logoutput: ${folder}/log
internal: ${host} port = ${port}
external: ${host}
clientmethod: none
socksmethod: ${method}
client pass { from: 0.0.0.0/0 to: 0.0.0.0/0 }
socks pass { from: 0.0.0.0/0 to: 0.0.0.0/0 }
`,
  );
  await run(port, 'danted', '-f', join(folder, 'conf'), '-p', join(folder, 'pid'));
  return `socks5://${host}:${port}`;
}

describe.skipIf(!hasMicrosocks)(titled('microsocks', hasMicrosocks, 'microsocks'), () => {
  test('without and with a login', async () => {
    const open = await microsocks();
    await checkThrough(open);
    expect(await refusedBy(open)).toBe('ECONNREFUSED');
    const locked = await microsocks('me:secret');
    await checkThrough(locked);
    expect(await refusedBy(locked.replace('secret', 'wrong'))).toBe('EACCES');
    expect(await refusedBy(locked.replace('me:secret@', ''))).toBe('EACCES');
  });
});

describe.skipIf(!hasDante || !isRoot)(titled('dante', hasDante && isRoot, 'dante-server, or root,'), () => {
  test('SOCKS5, in pieces and in one', async () => {
    const url = await dante('none');
    await checkThrough(url);
    await checkThrough({ url, pipeline: true });
    expect(await refusedBy(url)).toBe('ECONNREFUSED');
    expect(await refusedBy(url.replace('://', '://me:secret@'))).toBe('EACCES');
  });
});

describe.skipIf(!hasSquid)(titled('squid', hasSquid, 'squid'), () => {
  test('CONNECT', async () => {
    const url = await squid();
    await checkThrough(url);
    expect(await refusedBy(url)).toBe('EHOSTUNREACH');
  });
});

describe.skipIf(!hasMicrosocks || !hasSquid)(
  titled('in a row', hasMicrosocks && hasSquid, 'microsocks or squid'),
  () => {
    test('microsocks, squid, microsocks with a login', async () => {
      await checkThrough([await microsocks(), await squid(), await microsocks('me:secret')]);
    });
  },
);

/** haproxy that takes TLS in front of the proxy at `url`. */
async function behindTls(url: string): Promise<ProxyOptions> {
  const [port, folder, { authority, server }] = [await freePort(), await temporary(), await commonCertificates()];
  await writeFile(join(folder, 'pem'), `${server.cert}\n${server.key}\n`, { mode: 0o600 });
  await writeFile(
    join(folder, 'conf'),
    `defaults
  mode tcp
  timeout connect 5s
  timeout client 30s
  timeout server 30s
listen tls
  bind ${host}:${port} ssl crt ${folder}/pem
  server s ${new URL(url).host}
`,
  );
  await run(port, 'haproxy', '-db', '-f', join(folder, 'conf'));
  return { url: `${url.startsWith('http:') ? 'https' : 'socks5'}://localhost:${port}`, ssl: { ca: authority.ca } };
}

describe.skipIf(!hasHaproxy || !hasSquid || !hasMicrosocks)(
  titled('TLS with the proxy', hasHaproxy && hasSquid && hasMicrosocks, 'haproxy, squid or microsocks'),
  () => {
    test('haproxy in front of squid and of microsocks, alone and in a row', async () => {
      const connect = await behindTls(await squid());
      await checkThrough(connect);
      expect(await refusedBy(connect)).toBe('EHOSTUNREACH');
      const socks = await behindTls(await microsocks());
      await checkThrough(socks);
      await checkThrough([connect, socks]);
      expect(await refusedBy({ ...connect, ssl: {} })).toBe('HP_TLS_FAILED');
    });
  },
);

/** A server that collects the headers of its connections. */
async function collecting(): Promise<{ port: number; headers: (ProxyHeader | null)[] }> {
  const headers: (ProxyHeader | null)[] = [];
  const server = new TcpServer(
    {
      onAccept: (s, id) => void headers.push(s.connection(id)!.proxyHeader),
      onReceive: (s, id, data) => void s.send(id, data),
    },
    { proxyProtocol: { trustedProxies: [host] } },
  );
  cleanups.push(() => server.stop());
  return { port: (await server.start(host, 0)).port, headers };
}

/** Asks `port` something, and gives the client's own port. */
async function ask(port: number): Promise<number> {
  const log = new Log();
  const client = new TcpClient(log.hooks());
  await client.start(host, port);
  client.send('hello');
  await until(() => log.received === 'hello');
  const own = client.getLocalAddress()!.port;
  await client.stop();
  return own;
}

describe.skipIf(!hasHaproxy)(titled('haproxy', hasHaproxy, 'haproxy'), () => {
  test('sends headers of both versions, with TLVs, and LOCAL from its health checks', async () => {
    const { port, headers } = await collecting();
    const folder = await temporary();
    const ports = [await freePort(), await freePort(), await freePort()] as const;
    const backends = ['send-proxy', 'send-proxy-v2', 'send-proxy-v2 proxy-v2-options crc32c,unique-id'];
    const text = ports.map(
      (own, i) => `frontend f${i}
  bind ${host}:${own}
  unique-id-format id-%fp
  default_backend b${i}
backend b${i}
  server s ${host}:${port} ${backends[i]}${i === 2 ? ' check check-send-proxy inter 50ms' : ''}
`,
    );
    await writeFile(
      join(folder, 'conf'),
      `defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 30s\n  timeout server 30s\n${text.join('')}`,
    );
    await run(ports[0], 'haproxy', '-db', '-f', join(folder, 'conf'));
    for (const [i, own] of ports.entries()) {
      const from = await ask(own);
      const header = headers.find((one) => one?.source?.port === from)!;
      expect(header).toMatchObject({
        version: i === 0 ? 1 : 2,
        command: 'proxy',
        source: { address: host, port: from },
        destination: { address: host, port: own },
      });
      if (i < 2) continue;
      expect(header.tlv(ProxyTlvType.UniqueId)?.toString()).toBe(`id-${own}`);
      expect(header.tlv(ProxyTlvType.Crc32c)?.length).toBe(4);
    }
    await until(() => headers.some((one) => one?.command === 'local'));
  });

  test.each<[string, ProxyHeaderOption]>([
    ['version 1', { version: 1 }],
    ['version 2', { tlvs: [{ type: 0xe1, value: 'private' }] }],
    ['version 2 with CRC-32C', { crc32c: true }],
  ])('reads our header of %s', async (_what, option) => {
    const folder = await temporary();
    const [port, plain] = [await freePort(), await freePort()];
    await writeFile(
      join(folder, 'conf'),
      `defaults
  mode http
  timeout client 30s
frontend in
  bind ${host}:${port} accept-proxy
  http-request return status 200 content-type text/plain lf-string "%[src]:%[src_port] %[dst]:%[dst_port]"
frontend out
  bind ${host}:${plain}
  http-request return status 200
`,
    );
    await run(plain, 'haproxy', '-db', '-f', join(folder, 'conf'));
    const source = { address: '192.0.2.7', port: 56_324 };
    const destination = { address: '198.51.100.1', port: 443 };
    const client = new HttpSyncClient({}, { proxyHeader: { ...(option as object), source, destination } });
    cleanups.push(() => client.hasStarted && client.stop());
    const answer = await client.openUrl('GET', `http://${host}:${port}/`);
    expect(answer.text()).toBe('192.0.2.7:56324 198.51.100.1:443');
  });
});

describe.skipIf(!hasNginx)(titled('nginx', hasNginx, 'nginx'), () => {
  test('reads our headers', async () => {
    const folder = await temporary();
    const port = await freePort();
    const plain = await freePort();
    await writeFile(
      join(folder, 'conf'),
      `daemon off; pid ${folder}/pid; error_log stderr; worker_processes 1; ${isRoot ? 'user root;' : ''}
events {}
http {
  access_log off; client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi; uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
  server {
    listen ${host}:${port} proxy_protocol;
    location / { return 200 "$proxy_protocol_addr $proxy_protocol_port"; }
  }
  server { listen ${host}:${plain}; }
}
`,
    );
    await run(plain, 'nginx', '-c', join(folder, 'conf'), '-p', folder, '-e', 'stderr');
    for (const version of [1, 2] as const) {
      for (const address of ['192.0.2.7', '2001:db8::7']) {
        const source = { address, port: 56_324 };
        const client = new HttpSyncClient({}, { proxyHeader: { version, source } });
        cleanups.push(() => client.hasStarted && client.stop());
        const answer = await client.openUrl('GET', `http://${host}:${port}/`);
        expect(answer.text()).toBe(`${address} 56324`);
      }
    }
  });
});
