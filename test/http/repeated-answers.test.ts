import net from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { type AnswerInit, type HttpRequest, HttpServer } from '../../src/http.ts';
import { serverPort } from './support.ts';

const servers: HttpServer[] = [];
const sockets: net.Socket[] = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const server of servers.splice(0)) if (server.hasStarted) await server.stop();
});

async function start(onRequest: (request: HttpRequest) => unknown): Promise<{ server: HttpServer; port: number }> {
  const server = new HttpServer({ onRequest: (_sender, _connId, request) => void onRequest(request) });
  servers.push(server);
  const { port } = await server.start('127.0.0.1', 0);
  return { server, port };
}

/** Sends `text`, and takes everything that comes until the server ends. */
async function talk(port: number, text: string): Promise<string> {
  const socket = net.connect(port, '127.0.0.1');
  sockets.push(socket);
  socket.write(text, 'latin1');
  socket.setEncoding('latin1');
  let received = '';
  for await (const piece of socket) received += piece;
  return received;
}

/** `count` requests in a row, each with its number as its target, the last of which ends the connection. */
function requests(count: number, method = 'GET'): string {
  return Array.from(
    { length: count },
    (_, i) =>
      `${method} /${i} HTTP/1.1\r\nHost: h\r\nX-Number: ${i}\r\n${i === count - 1 ? 'Connection: close\r\n' : ''}\r\n`,
  ).join('');
}

/** What came, cut into answers by their `Content-Length`; without `Date`, which must be there and right. */
function answersIn(received: string): string[] {
  const answers: string[] = [];
  for (let at = 0; at < received.length; ) {
    const end = received.indexOf('\r\n\r\n', at) + 4;
    const head = received.slice(at, end);
    const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
    const date = /\r\nDate: (.*)\r\n/.exec(head)![1]!;
    expect(Math.abs(Date.parse(date) - Date.now())).toBeLessThan(60_000);
    answers.push(head.replace(`Date: ${date}\r\n`, '') + received.slice(end, end + length));
    at = end + length;
  }
  return answers;
}

/** Answers the request of each number with `inits[number]`, and gives what came. */
async function answered(inits: readonly (AnswerInit | string)[]): Promise<string[]> {
  const { port } = await start((request) => request.respond(inits[Number(request.url.slice(1))]));
  return answersIn(await talk(port, requests(inits.length)));
}

describe('an answer like one before', () => {
  it('is the same again, and only what differs is different', async () => {
    const headers = [['X-A', 'b']] as const;
    const found = await answered([
      { headers, body: 'one' },
      { headers, body: 'one' },
      { headers, body: 'one' },
      { headers, body: 'two' },
      { headers, body: 'longer' },
      { headers, body: Buffer.from('bytes!') },
      { headers, body: 'longer' },
      { headers, body: 'éé' },
      { headers, body: 'éé' },
      { headers, body: '' },
      { headers },
      { headers, status: 404, body: 'one' },
      { headers, status: 204 },
      { headers, status: 200, reason: 'Fine', body: 'one' },
      { headers, body: 'one' },
    ]);
    const of = (body: string, start = '200 OK'): string =>
      `HTTP/1.1 ${start}\r\nX-A: b\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    const accented = Buffer.from('éé').toString('latin1');
    expect(found.slice(0, -1)).toEqual([
      ...[of('one'), of('one'), of('one'), of('two'), of('longer'), of('bytes!'), of('longer'), of(accented)],
      ...[of(accented), of(''), of(''), of('one', '404 Not Found')],
      ...['HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n', of('one', '200 Fine')],
    ]);
    expect(found.at(-1)).toBe('HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 3\r\nConnection: close\r\n\r\none');
  });

  it('shows what was changed in the fields that were given', async () => {
    const list: [string, string][] = [['X-A', '0']];
    const object: Record<string, string | string[]> = { 'X-B': '0' };
    let count = 0;
    const { port } = await start((request) => {
      const number = count++;
      list[0]![1] = String(number >> 2);
      object['X-B'] = number < 8 ? String(number >> 2) : ['x', 'y'];
      request.respond({ headers: number % 2 === 0 ? list : object, body: 'a' });
    });
    const fields = answersIn(await talk(port, requests(12))).map((answer) => answer.match(/X-.: ./g)!.join());
    expect(fields).toEqual([
      ...['X-A: 0', 'X-B: 0', 'X-A: 0', 'X-B: 0', 'X-A: 1', 'X-B: 1', 'X-A: 1', 'X-B: 1'],
      ...['X-A: 2', 'X-B: x,X-B: y', 'X-A: 2', 'X-B: x,X-B: y'],
    ]);
  });

  it('is refused again if its fields cannot be sent', async () => {
    const bad = [['X-A', 'b\r\nX-C: d']] as const;
    const thrown: unknown[] = [];
    const { port } = await start((request) => {
      try {
        request.respond({ headers: bad, body: 'a' });
      } catch (error) {
        thrown.push(error);
        request.respond('refused');
      }
    });
    const found = answersIn(await talk(port, requests(4)));
    expect(found.every((answer) => answer.endsWith('refused'))).toBe(true);
    expect(thrown).toHaveLength(4);
    expect(thrown.every((error) => error instanceof TypeError)).toBe(true);
  });

  it('leaves in its turn, whatever the order in which answers are made', async () => {
    const waiting: HttpRequest[] = [];
    const { port } = await start((request) => {
      waiting.push(request);
      if (waiting.length < 6) return;
      for (const one of waiting.reverse()) one.respond({ headers: [['X-A', one.url]], body: 'same' });
      for (const one of waiting) expect(one.respond('again')).toBe(false);
    });
    const found = answersIn(await talk(port, requests(6)));
    expect(found.map((answer) => /X-A: (.*)\r/.exec(answer)![1])).toEqual(['/0', '/1', '/2', '/3', '/4', '/5']);
  });

  it('has no body if the request asked for none', async () => {
    const { port } = await start((request) => request.respond({ headers: [['X-A', 'b']], body: 'one' }));
    expect(answersIn(await talk(port, requests(3)))).toHaveLength(3);
    const received = await talk(port, requests(3, 'HEAD'));
    expect(received.match(/Content-Length: 3\r\n/g)).toHaveLength(3);
    expect(received).not.toContain('one');
  });

  it('is sent whole if it is long', async () => {
    const long = 'x'.repeat(1000);
    const longer = 'y'.repeat(6000);
    const found = await answered([long, long, long, longer, longer, longer, long, 'end']);
    expect(found.map((answer) => answer.slice(answer.indexOf('\r\n\r\n') + 4))).toEqual([
      ...[long, long, long, longer, longer, longer, long, 'end'],
    ]);
  });

  it('tells HTTP/1.0 that the connection stays', async () => {
    const { port } = await start((request) => request.respond('a'));
    const old = 'GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n';
    const young = 'GET / HTTP/1.1\r\nHost: h\r\n\r\n';
    const found = answersIn(await talk(port, old + young + old + young + requests(1)));
    const connections = found.map((answer) => /\r\nConnection: (.*)\r/.exec(answer)?.[1]);
    expect(connections).toEqual(['keep-alive', undefined, 'keep-alive', undefined, 'close']);
  });
});

describe('a response of a hook like one before (RES-002, RES-004)', () => {
  const get = (path: string, more = ''): string => `GET ${path} HTTP/1.1\r\nHost: h\r\n${more}\r\n`;

  it('is the same again, and only what differs is different', () => {
    const headers = { 'X-A': 'b' };
    const cases: [status: number, reason: string | null, body: string | Buffer | null][] = [
      ...[1, 2, 3].map((): [number, null, string] => [200, null, 'one']),
      ...[[200, null, 'two'] as const, [200, null, Buffer.from('six')] as const, [200, null, 'longer'] as const].map(
        (one): [number, null, string | Buffer] => [...one],
      ),
      [404, null, 'longer'],
      [200, 'Fine', 'longer'],
      [200, null, null],
      [204, null, null],
      [304, null, null],
      [200, null, 'x'.repeat(2000)],
      [200, null, 'one'],
    ];
    const { port, protocol } = serverPort({
      listener: {
        onHeadersComplete: () => {
          const [status, reason, body] = cases[Number(protocol.head!.start.slice(1))]!;
          expect(protocol.sendResponse(status, reason, headers, body)).toBe(true);
        },
      },
    });
    const reasons: Record<number, string> = { 200: 'OK', 204: 'No Content', 304: 'Not Modified', 404: 'Not Found' };
    cases.forEach(([status, reason, body], i) => {
      port.receive(get(`/${i}`));
      const length = status === 200 || status === 404 ? `Content-Length: ${body?.length ?? 0}\r\n` : '';
      const start = `HTTP/1.1 ${status} ${reason ?? reasons[status]}\r\nX-A: b\r\n`;
      expect(port.takeSent()).toBe(`${start}${length}Connection: keep-alive\r\n\r\n${body ?? ''}`);
    });
    port.receive(get('/0', 'Connection: close\r\n'));
    expect(port.takeSent()).toContain('Connection: close\r\n\r\none');
    port.close();
    port.turn();
  });

  it('is refused again if it cannot be sent, and is not sent twice', () => {
    const refused: unknown[] = [];
    const { port, protocol } = serverPort({
      listener: {
        onHeadersComplete: () => {
          for (const [status, value] of [[200, 'b\nc'] as const, [99, 'b'] as const, [200.5, 'b'] as const]) {
            try {
              protocol.sendResponse(status, null, { 'X-B': value }, 'x');
            } catch (error) {
              refused.push((error as Error).constructor);
            }
          }
        },
      },
    });
    port.receive(get('/').repeat(2));
    expect(refused).toEqual([TypeError, RangeError, RangeError, TypeError, RangeError, RangeError]);
    expect(port.takeSent()).toBe('');
    port.isFull = true;
    expect(protocol.sendResponse(200, null, { 'X-B': 'c' }, 'x')).toBe(false);
    expect(protocol.sendResponse(200, null, { 'X-B': 'c' }, 'x')).toBe(false);
    port.close();
    port.turn();
  });
});

describe('requests in a row', () => {
  it('have their own fields, also when those behind have arrived', async () => {
    const seen: HttpRequest[] = [];
    const { port } = await start((request) => {
      seen.push(request);
      request.respond('a');
    });
    await talk(port, requests(300));
    expect(seen.map((request) => [request.url, request.header('x-number'), request.headers.size])).toEqual(
      Array.from({ length: 300 }, (_, i) => [`/${i}`, String(i), i === 299 ? 3 : 2]),
    );
  });

  it('are read into memory that all connections share', async () => {
    const told = new Map<string, () => void>();
    const { server, port } = await start((request) => {
      request.respond('a');
      told.get(request.url)?.();
    });
    const socket = net.connect(port, '127.0.0.1');
    sockets.push(socket);
    socket.resume();
    const filler = `X-Filler: ${'x'.repeat(1000)}\r\n`;
    const many = Array.from({ length: 60 }, () => `GET / HTTP/1.1\r\nHost: h\r\n${filler}\r\n`).join('');
    for (const last of ['/0', '/1', '/2', '/3', '/4']) {
      await new Promise<void>((resolve) => {
        told.set(last, resolve);
        socket.write(`${many}GET ${last} HTTP/1.1\r\nHost: h\r\n\r\n`);
      });
    }
    expect(server.stats().pool.readWindows).toBe(0);
  });

  it('need no memory of their own for reads, unlike bodies', () => {
    const { port, protocol } = serverPort();
    const get = 'GET / HTTP/1.1\r\nHost: h\r\n\r\n';
    port.receive(get + get);
    expect(protocol.handsOnReads).toBe(false);
    port.receive('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\nabc');
    expect(protocol.handsOnReads).toBe(true);
    port.receive('def');
    expect(protocol.handsOnReads).toBe(true);
    port.receive(get);
    expect(protocol.handsOnReads).toBe(false);
    port.close();
    port.turn();
  });
});
