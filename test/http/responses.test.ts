import { describe, expect, it } from 'vitest';
import { HttpParseResult, HttpUpgradeType } from '../../src/http/enums.ts';
import { AtEnd } from '../../src/protocol/protocol.ts';
import { byteByByte, everySplit } from '../protocol/support.ts';
import { clientPort, recordingHooks, type Setup } from './support.ts';

const requestOf = (method: string): { method: string; path: string } => ({ method, path: '/' });

/** The hooks that the answer `text` to requests of `methods` leads to; the peer ends behind it if `ends`. */
function events(methods: string[], text: string, ends: boolean, cuts: readonly number[], setup: Setup): string[] {
  const listener = recordingHooks();
  const { port, protocol } = clientPort({ ...setup, listener: { ...listener, ...setup.listener } });
  for (const method of methods) protocol.requestSent(requestOf(method));
  port.receive(text, cuts);
  if (ends) listener.log.push(`end ${port.peerEnds()}`);
  port.close();
  port.turn();
  return listener.log;
}

function everyWay(methods: string[], text: string, ends = false, setup: Setup = {}): string[] {
  const whole = events(methods, text, ends, [], setup);
  for (const cuts of [...everySplit(text.length), byteByByte(text.length)]) {
    expect(events(methods, text, ends, cuts, setup), `cut at ${cuts.join()}`).toEqual(whole);
  }
  return whole;
}

describe('the time for an answer', () => {
  it('begins anew while the request is being sent, and ends when nothing moves', () => {
    const { port, protocol, clock } = clientPort({ limits: { responseTimeoutMs: 1000 } });
    const abandoned: number[] = [];
    protocol.sendRequest(
      'POST',
      '/',
      { headers: { 'Content-Length': '9' }, host: 'h' },
      {
        abandoned: (_reason, errno) => void abandoned.push(errno),
      },
    );
    for (let i = 0; i < 5; i++) {
      clock.advance(900);
      expect(protocol.write(Buffer.from('x'))).toBe(true);
    }
    clock.advance(900);
    expect(port.isOpen).toBe(true);
    clock.advance(200);
    port.turn();
    expect([port.isOpen, port.violation?.errno, abandoned]).toEqual([false, 110, [110]]);
  });
});

describe('hooks about responses', () => {
  it('fire in the order of HP-Socket (ORD-037, EV-H-03)', () => {
    expect(everyWay(['GET'], 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nA: b\r\n\r\nhi')).toEqual([
      ...['begin', '200 OK', 'Content-Length=2', 'A=b', 'head', 'body hi', 'complete'],
    ]);
    expect(everyWay(['GET'], 'HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n')[1]).toBe('200 ');
  });

  it('get a body that ends with the connection (ORD-043, HP-040, HP-046)', () => {
    expect(everyWay(['GET'], 'HTTP/1.0 200 OK\r\n\r\nuntil the end', true)).toEqual([
      ...['begin', '200 OK', 'head', 'body until the end', 'complete', `end ${AtEnd.Drain}`],
    ]);
    expect(everyWay(['GET'], 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc', true)).toEqual([
      ...['begin', '200 OK', 'Content-Length=5', 'head', 'body abc', `end ${AtEnd.Truncated}`],
    ]);
  });

  it('get no body behind HEAD, 204, 304 and interim answers (HP-040, HP-041, HP-042)', () => {
    const text =
      'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n' +
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n' +
      'HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx';
    const log = everyWay(['HEAD', 'PUT', 'GET', 'GET'], text);
    expect(log.filter((entry) => /^\d/.test(entry) || entry.startsWith('body'))).toEqual([
      ...['200 OK', '100 Continue', '103 Early Hints', '204 No Content', '304 Not Modified', '200 OK', 'body x'],
    ]);
    expect(log.at(-1)).toBe('complete');
  });

  it('tell what is no HTTP, and a bad status (HP-047)', () => {
    expect(everyWay(['GET'], 'SSH-2.0-x\r\n')).toEqual(['begin', 'error 8']);
    expect(everyWay(['GET'], 'HTTP/1.1 2x0 OK\r\n\r\n')).toEqual(['begin', 'error 13']);
    expect(everyWay(['GET'], 'HTTP/1.1 20 OK\r\n\r\n').at(-1)).toMatch(/^error/);
  });

  it('tell of an upgrade, and hand on the bytes behind it (ORD-040, UPG-002, UPG-003)', () => {
    const listener = recordingHooks();
    const { port, protocol } = clientPort({ listener });
    protocol.requestSent(requestOf('GET'));
    port.receive('HTTP/1.1 101 Switching\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n\r\nrest');
    port.receive('more');
    expect(listener.log.slice(-3)).toEqual(['head', 'complete', `upgrade ${HttpUpgradeType.WebSocket}`]);
    expect(Buffer.concat(port.delivered).toString()).toBe('restmore');
    expect(protocol.head).toBeNull(); // UPG-009
    const plain = events(
      ['GET'],
      'HTTP/1.1 200 OK\r\nUpgrade: a\r\nConnection: Upgrade\r\nContent-Length: 0\r\n\r\n',
      false,
      [],
      {},
    );
    expect(plain.at(-1)).toBe('complete');
  });

  it('tell of an upgrade behind an answer to CONNECT', () => {
    const log = everyWay(['CONNECT'], 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\ntunnel');
    expect(log.slice(-2)).toEqual(['complete', `upgrade ${HttpUpgradeType.HttpTunnel}`]);
    expect(everyWay(['CONNECT'], 'HTTP/1.1 403 No\r\nContent-Length: 1\r\n\r\nx').at(-1)).toBe('complete');
  });

  it('leave an answer to CONNECT to the listener as HP-Socket does (UPG-004, UPG-005)', () => {
    const log = everyWay(['CONNECT'], 'HTTP/1.1 200 OK\r\n\r\nbytes', false, { policy: 'hp' });
    expect(log.slice(-2)).toEqual(['head', 'body bytes']);
    const forced = everyWay(['CONNECT'], 'HTTP/1.1 200 OK\r\n\r\nbytes', false, {
      policy: 'hp',
      listener: { onHeadersComplete: () => HttpParseResult.Upgrade },
    });
    expect(forced.slice(-2)).toEqual(['complete', `upgrade ${HttpUpgradeType.None}`]);
  });

  it('refuse what frames a body in two ways, or in none', () => {
    const head = 'HTTP/1.1 200 OK\r\n';
    for (const fields of [
      'Content-Length: 1\r\nContent-Length: 1\r\n',
      'Content-Length: 1\r\nTransfer-Encoding: chunked\r\n',
      'Transfer-Encoding: chunked\r\nContent-Length: 1\r\n',
      'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n',
      'Transfer-Encoding: gzip, chunked\r\n',
      'Transfer-Encoding: chunked, gzip\r\n',
      'Transfer-Encoding:\r\n',
      'Content-Length: +1\r\n',
      'Content-Length: 18446744073709551616\r\n',
    ]) {
      expect(everyWay(['GET'], `${head}${fields}\r\nx`).at(-1), fields).toMatch(/^error/);
    }
    expect(everyWay(['GET'], 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n').at(-1)).toBe('error 15');
  });
});

describe('requests of a client', () => {
  it("are HP-Socket's, byte for byte (REQ-001 to REQ-007, HTW-001, HTW-003)", () => {
    const { port, protocol } = clientPort();
    const sent = (...args: Parameters<typeof protocol.sendRequest>): string => {
      expect(protocol.sendRequest(...args)).toBe(true);
      return port.takeSent();
    };
    expect(sent('get', '', { host: 'h' })).toBe('GET / HTTP/1.1\r\nHost: h\r\n\r\n');
    expect(sent('OPTIONS', '*', { host: 'h:81' })).toBe('OPTIONS /* HTTP/1.1\r\nHost: h:81\r\n\r\n');
    expect(sent('POST', 'a?b', { host: 'h', headers: [['X', 'y']], body: 'é', cookie: 'k=v; l=w' })).toBe(
      'POST /a?b HTTP/1.1\r\nX: y\r\nContent-Length: 2\r\nHost: h\r\nCookie: k=v; l=w\r\n\r\n\xc3\xa9',
    );
    expect(sent('POST', '/', { host: 'h', body: '' })).toBe('POST / HTTP/1.1\r\nHost: h\r\n\r\n'); // REQ-007
    expect(sent('CONNECT', 'h:443', { host: 'proxy', cookie: 'k=v' })).toBe('CONNECT h:443 HTTP/1.1\r\n\r\n');
    expect(sent('PUT', '/', { host: 'h', headers: { host: 'other', 'transfer-encoding': 'chunked' } })).toBe(
      'PUT / HTTP/1.1\r\nhost: other\r\ntransfer-encoding: chunked\r\n\r\n',
    );
    protocol.sendChunkData('hello', 'a=b');
    protocol.sendChunkData(Buffer.from('0123456789abcdefg'));
    protocol.sendChunkData('x', ';e');
    protocol.sendChunkData(null);
    expect(port.takeSent()).toBe(
      '5 ;a=b\r\nhello\r\n11\r\n0123456789abcdefg\r\n1 ;e\r\nx\r\n0\r\n\r\n', // CHK-001, CHK-003, HTW-004
    );
    expect([protocol.lastMethod, protocol.lastPath]).toEqual(['PUT', '/']); // REQ-008
    expect(protocol.requests).toHaveLength(6);
  });

  it('have what the caller gave, then a length, Host and cookies (REQ-003), and never Connection (REQ-005, NETG-012)', () => {
    const { port, protocol } = clientPort();
    const namesOf = (
      method: string,
      ...args: [headers: [string, string][], body?: string, cookie?: string]
    ): string[] => {
      const [headers, body, cookie] = args;
      protocol.sendRequest(method, '/', { host: 'h', headers, ...(body && { body }), ...(cookie && { cookie }) });
      return [...port.takeSent().matchAll(/^([^:\r\n]+): /gm)].map(([, name]) => name!);
    };
    const own: [string, string][] = [
      ['Z', '1'],
      ['A', '2'],
      ['Z', '3'],
    ];
    expect(namesOf('GET', [])).toEqual(['Host']);
    expect(namesOf('DELETE', own)).toEqual(['Z', 'A', 'Z', 'Host']);
    expect(namesOf('POST', own, 'body', 'k=v')).toEqual(['Z', 'A', 'Z', 'Content-Length', 'Host', 'Cookie']);
    expect(namesOf('PUT', [['Content-Length', '4']], 'body')).toEqual(['Content-Length', 'Host']);
    expect(namesOf('PUT', [['Transfer-Encoding', 'chunked']], '', 'k=v')).toEqual([
      'Transfer-Encoding',
      'Host',
      'Cookie',
    ]);
    expect(namesOf('GET', [['Connection', 'close']])).toEqual(['Connection', 'Host']);
  });

  it('cannot smuggle anything', () => {
    const { port, protocol } = clientPort();
    const host = 'h';
    expect(() => protocol.sendRequest('GET', '/ HTTP/1.1\r\nX: y', { host })).toThrow(TypeError);
    expect(() => protocol.sendRequest('GET', '/ä', { host })).toThrow(TypeError);
    expect(() => protocol.sendRequest('GE T', '/', { host })).toThrow(TypeError);
    expect(() => protocol.sendRequest('GET', '/', { host, headers: [['A', 'b\r\nC: d']] })).toThrow(TypeError);
    expect(() => protocol.sendRequest('GET', '/', { host, headers: { 'A:': 'b' } })).toThrow(TypeError);
    expect(() => protocol.sendRequest('GET', '/', { host, headers: { A: 'ä€' } })).toThrow(TypeError);
    expect(() => protocol.sendChunkData('x', 'a\r\nb')).toThrow(TypeError);
    expect(port.takeSent()).toBe('');
    expect(protocol.requests).toHaveLength(0);
  });

  it('get their answers in order, one consumer each, and are told when there will be none', () => {
    const { port, protocol } = clientPort();
    const log: string[] = [];
    const send = (name: string): void => {
      protocol.sendRequest(
        'GET',
        '/',
        { host: 'h' },
        {
          interim: (head) => log.push(`${name} interim ${head.statusCode}`),
          answered: (head) => {
            log.push(`${name} ${head.statusCode}`);
            return {
              data: (data) => void log.push(`${name} body ${data.toString()}`),
              complete: (trailers) => log.push(`${name} complete ${trailers?.get('t') ?? ''}`),
              failed: (reason) => log.push(`${name} failed: ${reason}`),
            };
          },
          abandoned: () => log.push(`${name} abandoned`),
        },
      );
    };
    for (const name of ['a', 'b', 'c']) send(name);
    port.receive('HTTP/1.1 103 x\r\n\r\nHTTP/1.1 200 x\r\nContent-Length: 1\r\n\r\n1');
    port.receive(
      'HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n2\r\n0\r\nT: v\r\n\r\nHTTP/1.1 200 x\r\nContent-Length: 2\r\n\r\n3',
    );
    port.close();
    port.turn();
    expect(log).toEqual([
      ...['a interim 103', 'a 200', 'a body 1', 'a complete ', 'b 200', 'b body 2', 'b complete v'],
      ...['c 200', 'c body 3', 'c failed: the connection was closed', 'c abandoned'],
    ]);
  });

  it('time out when no answer comes, and when one trickles', () => {
    const first = clientPort({ limits: { responseTimeoutMs: 1000 } });
    first.protocol.requestSent(requestOf('GET'));
    first.clock.advance(999);
    expect(first.port.violation).toBeNull();
    first.clock.advance(1);
    expect(first.port.violation?.errno).toBe(110);
    expect(first.context.counters.responseTimeouts).toBe(1);

    const second = clientPort({ limits: { minBodyBytesPerSecond: 10 } });
    second.protocol.requestSent(requestOf('GET'));
    second.port.receive('HTTP/1.1 200 x\r\nContent-Length: 1000\r\n\r\n');
    second.port.receive('x'.repeat(100));
    second.clock.advance(10_000);
    expect(second.port.violation).toBeNull();
    second.port.receive('x'.repeat(99));
    second.clock.advance(10_000);
    expect(second.port.violation?.errno).toBe(110);
  });

  it('are answered before a drained connection ends', () => {
    const { port, protocol } = clientPort();
    expect(protocol.drain()).toBe(true);
    protocol.requestSent(requestOf('GET'));
    expect(protocol.drain()).toBe(false);
    port.receive('HTTP/1.1 200 x\r\nContent-Length: 1\r\n\r\n');
    expect(port.hasEnded).toBe(false);
    port.receive('x');
    expect(port.hasEnded).toBe(true);
  });
});
