import { inspect } from 'node:util';
import { afterEach, expect, it } from 'vitest';
import { HttpServer, HttpSyncClient } from '../../src/http.ts';
import { SslServer, TcpClient, TcpServer, UdpServer } from '../../src/index.ts';
import { commonCertificates } from '../tools/certificates.ts';

const running: { stop(): Promise<unknown> }[] = [];

afterEach(async () => {
  await Promise.all(running.splice(0).map((component) => component.stop()));
});

/** As `console.log` prints it, on one line. */
const printed = (value: unknown): string => inspect(value, { breakLength: Number.POSITIVE_INFINITY });

it('a component prints its state and its address, and no insides', async () => {
  class Chat extends TcpServer {
    readonly room = 'lobby';
  }
  const server = new Chat({});
  expect(printed(server)).toBe(`Chat { state: 'Stopped', connectionCount: 0, listenAddress: null, room: 'lobby' }`);
  const { port } = await server.start('127.0.0.1', 0);
  running.push(server);
  const address = `listenAddress: { address: '127.0.0.1', port: ${port} }`;
  expect(printed({ server })).toBe(
    `{ server: Chat { state: 'Started', connectionCount: 0, ${address}, room: 'lobby' } }`,
  );
  const udp = new UdpServer({});
  expect(printed(udp)).toBe(`UdpServer { state: 'Stopped', connectionCount: 0, listenAddress: null }`);
  const client = new TcpClient({}, { proxy: 'http://user:secret@127.0.0.1:1' });
  client.extra = { name: 'first' };
  expect(printed(client)).toBe(`TcpClient { state: 'Stopped', connectionId: 0, extra: { name: 'first' } }`);
});

it('a component is printed whole at depth 0, and by its name alone below it', () => {
  const server = new TcpServer({});
  const whole = `TcpServer { state: 'Stopped', connectionCount: 0, listenAddress: null }`;
  expect(inspect(server, { depth: 0, breakLength: Number.POSITIVE_INFINITY })).toBe(whole);
  expect(inspect({ server }, { depth: 0 })).toBe('{ server: [TcpServer] }');
});

it('no key of a certificate is printed', async () => {
  const { server: pair } = await commonCertificates();
  const server = new SslServer({}, { ssl: { cert: pair.cert, key: pair.key } });
  await server.start('127.0.0.1', 0);
  running.push(server);
  expect(inspect(server, { depth: 20, showHidden: true })).not.toContain('PRIVATE KEY');
});

it('a connection, a request and a response print what they are', async () => {
  let seen: string[] = [];
  const server = new HttpServer({
    onRequest(sender, connId, request) {
      seen = [printed(sender.connection(connId)), printed(request)];
      void request.respond({
        headers: [
          ['X-A', '1'],
          ['x-a', '2'],
        ],
        body: 'ok',
      });
    },
  });
  const { port } = await server.start('127.0.0.1', 0);
  running.push(server);
  const client = new HttpSyncClient();
  running.push(client);
  const response = await client.openUrl('GET', `http://127.0.0.1:${port}/path`, { headers: { 'X-B': 'c' } });
  expect(seen[0]).toMatch(
    /^\w+Connection \{ id: 1, isConnected: true, remoteAddress: \{ address: '127.0.0.1', port: \d+ \}, /,
  );
  expect(seen[1]).toMatch(
    /^HttpRequest \{ connId: 1, method: 'GET', url: '\/path', headers: HttpFields \{ .*'x-b': 'c'/,
  );
  expect(printed(response)).toMatch(
    /^HttpResponse \{ connId: \d+, url: 'http:.*', status: 200, statusText: 'OK', headers: HttpFields \{/,
  );
  expect(JSON.parse(JSON.stringify(response.headers))).toMatchObject({ 'x-a': ['1', '2'], 'content-length': '2' });
});

it('what it holds may lead back to it: as deep as asked for, and to an end', async () => {
  const client = new TcpClient({});
  client.extra = { of: { client } };
  const facts = `state: 'Stopped', connectionId: 0`;
  expect(printed(client)).toBe(`TcpClient { ${facts}, extra: { of: { client: [TcpClient] } } }`);
  for (const depth of [null, 20])
    expect(inspect(client, { depth, breakLength: Number.POSITIVE_INFINITY })).toBe(
      `TcpClient { ${facts}, extra: { of: { client: [TcpClient] } } }`,
    );
  const other = new TcpClient({});
  client.extra = { one: { two: { three: { other } } } };
  expect(printed(client)).toContain('{ one: { two: [Object] } }');
  expect(inspect({ a: { b: { c: { other } } } })).toContain('c: [Object]');
  expect(inspect({ a: { b: { other } } })).toContain('other: [TcpClient]');
});
