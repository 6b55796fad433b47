import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { HttpServerProtocol } from '../../src/http/server-protocol.ts';
import { clientPort, type Fake, recordingHooks, serverPort } from './support.ts';

interface Row {
  connection: number;
  from: 'client' | 'server';
  hex?: string;
  end?: boolean;
}

/** What HP-Socket's HTTP peers really sent, by connection. */
function recording(name: string): Row[][] {
  const rows = JSON.parse(readFileSync(new URL(`../vectors/${name}.json`, import.meta.url), 'utf8')) as Row[];
  const connections: Row[][] = [];
  for (const row of rows) (connections[row.connection] ??= []).push(row);
  return connections.slice(1);
}

const bytesOf = (rows: Row[], from: Row['from']): string =>
  Buffer.concat(
    rows.filter((row) => row.from === from && row.hex !== undefined).map((row) => Buffer.from(row.hex!, 'hex')),
  ).toString('latin1');

/** The application of the recorded server, on ours. */
function recordedServer(): Fake<HttpServerProtocol> {
  let body: Buffer[] = [];
  const fake: Fake<HttpServerProtocol> = serverPort({
    policy: 'hp',
    listener: {
      onMessageBegin: () => {
        body = [];
      },
      onBody: (_s, _id, data) => void body.push(data),
      onMessageComplete: () => {
        const { protocol } = fake;
        const head = protocol.head!;
        const path = head.start.split('?')[0]!;
        const binary: [string, string] = ['Content-Type', 'application/octet-stream'];
        const text: [string, string] = ['Content-Type', 'text/plain'];
        const method: [string, string] = ['X-Method', head.method];
        const all = Buffer.concat(body);
        if (path === '/echo') return void protocol.sendResponse(200, null, [binary, method], all);
        if (path.startsWith('/status/'))
          return void protocol.sendResponse(Number(path.slice(8)), null, [text, method], 'status');
        if (path === '/headers') {
          // HP-Socket's own order of fields is not specified; this is the recorded one.
          const lines = ['Cookie', 'x-a', 'X-A', 'Host'].map((name) => {
            const i = head.entries().findIndex(([own]) => own === name);
            return `${name}: ${head.value(i)}\n`;
          });
          return void protocol.sendResponse(200, null, [text, method], lines.join(''));
        }
        if (path !== '/chunked') {
          return void protocol.sendResponse(200, null, [text, method], head.method === 'HEAD' ? null : 'Hello, World!');
        }
        protocol.sendResponse(200, null, [binary, ['Transfer-Encoding', 'chunked']]);
        for (let at = 0; at < all.length; at += 1000) protocol.sendChunkData(all.subarray(at, at + 1000));
        protocol.sendChunkData(null);
      },
    },
  });
  return fake;
}

/** What differs on purpose: no length on 204 (NHT-005), and that of HEAD is the application's. */
const comparable = (text: string): string =>
  text
    .replace(/(204 No Content\r\n(?:[^\r]+\r\n)*?)Content-Length: 6\r\n/g, '$1')
    .replace(/(X-Method: HEAD\r\nContent-Length: )\d+/g, '$1n');

describe("HP-Socket's HTTP peers", () => {
  it('get from our server what they got from theirs (HTW-002, HTW-004, RES-001, RES-002, RES-004, RES-005)', () => {
    for (const rows of recording('http-server')) {
      const asked = bytesOf(rows, 'client');
      const { port } = recordedServer();
      port.receive(asked);
      const theirs = comparable(bytesOf(rows, 'server'));
      const ours = comparable(port.takeSent());
      expect(ours, asked.slice(0, 60)).toBe(theirs);
      port.close();
      port.turn();
    }
  });

  it('are understood by our server, and by our strict one (HTW-003)', () => {
    for (const policy of ['hp', 'strict'] as const) {
      for (const rows of recording('http-client')) {
        const listener = recordingHooks();
        const { port } = serverPort({ policy, listener });
        for (const row of rows)
          if (row.from === 'client' && row.hex !== undefined) port.receive(Buffer.from(row.hex, 'hex'));
        expect(listener.log.filter((entry) => entry.startsWith('error'))).toEqual([]);
        const asked = bytesOf(rows, 'client').match(/(?:GET|POST|PUT|HEAD) \/\S*(?= HTTP\/1\.1\r\n)/g)!;
        expect(listener.log.filter((entry) => /^(GET|POST|PUT|HEAD) /.test(entry))).toEqual(asked);
        expect(listener.log.filter((entry) => entry === 'complete')).toHaveLength(asked.length);
        port.close();
        port.turn();
      }
    }
  });

  it('are asked by our client in their own words, and their answers understood (REQ-001 to REQ-006)', () => {
    for (const rows of recording('http-client')) {
      const requests = recordingHooks();
      const bodies: Buffer[][] = [];
      const server = serverPort({
        policy: 'hp',
        listener: {
          ...requests,
          onMessageBegin: () => void bodies.push([]),
          onBody: (_s, _id, data) => void bodies.at(-1)!.push(data),
        },
      });
      const listener = recordingHooks();
      const client = clientPort({ policy: 'hp', listener });
      let sent = '';
      let answered = 0;
      for (const row of rows) {
        if (row.hex === undefined) continue;
        const bytes = Buffer.from(row.hex, 'hex');
        if (row.from === 'server') client.port.receive(bytes);
        else {
          server.port.receive(bytes);
          // Everything that the recorded client says, said by ours.
          const head = server.protocol.head;
          const complete = requests.log.filter((entry) => entry === 'complete').length;
          if (head === null || complete <= answered) continue;
          answered = complete;
          const headers = head.entries().filter(([name]) => name !== 'Host' && name !== 'Content-Length');
          const body = Buffer.concat(bodies.at(-1)!);
          const isChunked = head.isChunked;
          client.protocol.sendRequest(head.method, head.start, {
            host: head.get('host')!,
            headers,
            body: isChunked ? null : body,
          });
          if (isChunked) {
            for (const size of bytesOf(rows, 'client')
              .match(/^[0-9a-f]+(?=\r$)/gm)!
              .map((hex) => Number.parseInt(hex, 16))) {
              client.protocol.sendChunkData(body.subarray(0, size));
              body.copy(body, 0, size);
            }
          }
          sent += client.port.takeSent();
        }
      }
      const theirs = bytesOf(rows, 'client');
      expect(sent.length).toBeGreaterThan(0);
      const heads = (text: string): string[] =>
        text.match(/(?:GET|POST|PUT|HEAD) \/\S* HTTP\/1\.1\r\n(?:[^\r\n]+\r\n)+\r\n/g)!;
      expect(heads(sent)).toEqual(heads(theirs));
      expect(listener.log.filter((entry) => entry.startsWith('error'))).toEqual([]);
      expect(listener.log.filter((entry) => entry === 'complete')).toHaveLength(heads(theirs).length);
      server.port.close();
      server.port.turn();
      client.port.close();
      client.port.turn();
    }
  });
});
