import { describe, expect, it } from 'vitest';
import { HttpParseResult, HttpUpgradeType, httpParseResultNumber } from '../../src/http/enums.ts';
import type { HttpServerProtocol } from '../../src/http/server-protocol.ts';
import { AtEnd } from '../../src/protocol/protocol.ts';
import { everySplit } from '../protocol/support.ts';
import { type Fake, recordingHooks, type Setup, serverPort } from './support.ts';

const get = 'GET / HTTP/1.1\r\nHost: h\r\n\r\n';
const get10 = 'GET / HTTP/1.0\r\n\r\n';

/** A server whose hook `onMessageComplete` answers with the target. */
function echoServer(setup: Setup = {}): Fake<HttpServerProtocol> {
  const fake: Fake<HttpServerProtocol> = serverPort({
    ...setup,
    listener: {
      onMessageComplete: () => void fake.protocol.sendResponse(200, null, null, fake.protocol.head!.start),
      ...setup.listener,
    },
  });
  return fake;
}

const ok = (body: string, connection = 'keep-alive'): string =>
  `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\nConnection: ${connection}\r\n\r\n${body}`;

describe('responses of a server', () => {
  it("are HP-Socket's, byte for byte (RES-001 to RES-006, HTW-002)", () => {
    const { port, protocol } = serverPort();
    port.receive(get);
    const sent = (...args: Parameters<HttpServerProtocol['sendResponse']>): string => {
      expect(protocol.sendResponse(...args)).toBe(true);
      return port.takeSent();
    };
    expect(sent(200)).toBe('HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n');
    expect(sent(299)).toMatch(/^HTTP\/1\.1 299 \*\*\*\r\n/);
    expect(
      sent(
        302,
        null,
        [
          ['Location', '/'],
          ['', 'x'],
        ],
        'é',
      ),
    ).toBe(
      'HTTP/1.1 302 Move temporarily\r\nLocation: /\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\n\xc3\xa9',
    );
    expect(sent(200, 'Fine', { 'Set-Cookie': ['a=b', 'c=d'], connection: 'close' })).toBe(
      'HTTP/1.1 200 Fine\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\nconnection: close\r\nContent-Length: 0\r\n\r\n',
    );
    // NHT-005: no length where RFC 9110 forbids it; none beside the caller's, whatever its case (RES-003).
    expect(sent(100)).toBe('HTTP/1.1 100 Continue\r\nConnection: keep-alive\r\n\r\n');
    expect(sent(204)).toBe('HTTP/1.1 204 No Content\r\nConnection: keep-alive\r\n\r\n');
    expect(sent(101, null, { Connection: 'Upgrade', Upgrade: 'x' })).toBe(
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n', // UPG-008
    );
    expect(sent(200, null, { 'content-length': '7' })).not.toContain('Content-Length');
    const large = 'x'.repeat(10_000);
    expect(sent(200, null, null, Buffer.from(large))).toContain(`\r\n\r\n${large}`);
    expect(sent(200, null, null, large)).toContain(`\r\n\r\n${large}`);
    expect(sent(200, null, { A: large })).toContain(large);
  });

  it('say whether the connection is kept, unless the caller does, in any case of the letters (RES-004)', () => {
    for (const [request, policy, own, expected] of [
      [get, 'strict', {}, 'Connection: keep-alive'],
      [get10, 'strict', {}, 'Connection: close'],
      [get.replace('Host', 'Connection: close\r\nHost'), 'strict', {}, 'Connection: close'],
      [get, 'hp', {}, 'Connection: keep-alive'],
      [get, 'strict', { Connection: 'close' }, 'Connection: close'],
      [get10, 'hp', { connection: 'keep-alive' }, 'connection: keep-alive'],
    ] as const) {
      const { port, protocol } = serverPort({ policy });
      port.receive(request);
      protocol.sendResponse(200, null, own);
      expect(port.takeSent().match(/^connection: .*$/gim), request).toEqual([expected]);
      port.close();
      port.turn();
    }
    const { port, protocol } = serverPort({ context: { autoStart: false } });
    protocol.sendResponse(200);
    expect(port.takeSent()).toBe('HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
  });

  it('have what the caller gave, then a length and Connection, and no field besides (RES-002, RES-005)', () => {
    const { port, protocol } = serverPort();
    const namesOf = (headers: [string, string][], body: string | Buffer): string[] => {
      port.receive(get);
      protocol.sendResponse(200, null, headers, body);
      return [...port.takeSent().matchAll(/^([^:\r\n]+): /gm)].map(([, name]) => name!);
    };
    expect(namesOf([], 'text')).toEqual(['Content-Length', 'Connection']);
    expect(namesOf([], Buffer.from('{}'))).toEqual(['Content-Length', 'Connection']);
    expect(
      namesOf(
        [
          ['Z', '1'],
          ['A', '2'],
          ['Z', '3'],
        ],
        'text',
      ),
    ).toEqual(['Z', 'A', 'Z', 'Content-Length', 'Connection']);
  });

  it('stream a body in chunks or of a length of the caller (RES-009, CHK-001, CHK-002)', () => {
    const { port, protocol } = serverPort();
    port.receive(get10);
    protocol.sendResponse(200, null, { 'Transfer-Encoding': 'chunked' });
    expect(port.takeSent()).toContain('Connection: close\r\n\r\n');
    protocol.sendChunkData('a', 'e=f');
    protocol.sendChunkData('x'.repeat(5000));
    protocol.sendChunkData(Buffer.from('y'.repeat(5000)));
    expect(port.hasEnded).toBe(false);
    protocol.sendChunkData('');
    expect(port.takeSent()).toBe(
      `1 ;e=f\r\na\r\n1388\r\n${'x'.repeat(5000)}\r\n1388\r\n${'y'.repeat(5000)}\r\n0\r\n\r\n`,
    );
    expect(port.hasEnded).toBe(true);
  });

  it('refuse to send what would split them, and send nothing then', () => {
    const { port, protocol } = serverPort();
    port.receive(get);
    expect(() => protocol.sendResponse(200, 'a\r\nb')).toThrow(TypeError);
    expect(() => protocol.sendResponse(200, null, { A: 'b\nc' })).toThrow(TypeError);
    expect(() => protocol.sendResponse(200, null, { A: 'b\0' })).toThrow(TypeError);
    expect(() => protocol.sendResponse(200, null, { 'A b': 'c' })).toThrow(TypeError);
    expect(() => protocol.sendResponse(200, null, { A: undefined } as never)).toThrow(TypeError);
    expect(() => protocol.sendResponse(200, null, 'A: b' as never)).toThrow(TypeError);
    for (const status of [99, 1000, 200.5, Number.NaN]) {
      expect(() => protocol.sendResponse(status)).toThrow(RangeError);
    }
    expect(port.takeSent()).toBe('');
  });

  it('remember whether the connection is kept alive (HP-034, HP-035, NHT-006)', () => {
    for (const [text, isKept] of [
      [get, true],
      [get10, false],
      ['GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n', false],
      ['GET / HTTP/1.1\r\nHost: h\r\nConnection: x, Close\r\n\r\n', false],
      ['GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n', true],
      ['GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n', false],
    ] as const) {
      const { port, protocol } = serverPort();
      port.receive(text);
      protocol.sendResponse(200);
      expect(port.takeSent(), text).toContain(isKept ? 'Connection: keep-alive' : 'Connection: close');
      expect(port.hasEnded, text).toBe(!isKept);
    }
  });

  it('leave closing to the listener where HP-Socket does (HP-033)', () => {
    const { port } = echoServer({ policy: 'hp' });
    port.receive(get10);
    expect(port.takeSent()).toBe(ok('/', 'close'));
    expect(port.hasEnded).toBe(false);
  });

  it('are all sent to a client that ends behind its requests (ACC-011)', () => {
    const { port, protocol } = serverPort();
    port.receive(get + get);
    expect(protocol.ended()).toBe(AtEnd.Stay);
    protocol.sendResponse(200);
    expect(port.hasEnded).toBe(false);
    protocol.sendResponse(200);
    expect(port.hasEnded).toBe(true);
    expect(echoServer().port.peerEnds()).toBe(AtEnd.Drain);
  });
});

describe('a refusal', () => {
  it('comes behind the answers to what was asked before', () => {
    const { port, protocol } = serverPort();
    port.receive(`${get}${get}rubbish\r\n\r\n`);
    expect(port.takeSent()).toBe('');
    protocol.sendResponse(200);
    protocol.sendResponse(201);
    expect(port.takeSent().match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 201', 'HTTP/1.1 501']);
    expect(port.hasEnded).toBe(true);
  });

  it('drops a bounded number of bytes, and ends when the peer has seen it', () => {
    const flood = serverPort();
    flood.port.receive('rubbish\r\n\r\n');
    flood.port.receive('x'.repeat(200_000));
    expect(flood.port.violation).toBeNull();
    flood.port.receive('x'.repeat(100_000));
    expect(flood.port.violation?.errno).toBe(125);

    const silent = serverPort();
    silent.port.receive('rubbish\r\n\r\n');
    silent.clock.advance(1999);
    expect(silent.port.violation).toBeNull();
    silent.clock.advance(1);
    expect(silent.port.violation?.errno).toBe(125);

    const gone = serverPort();
    gone.port.receive('rubbish\r\n\r\n');
    expect(gone.port.peerEnds()).toBe(AtEnd.Stay);
    expect(gone.port.violation).toBeNull(); // the answer is not with the system yet
    gone.protocol.wrote(0);
    expect(gone.port.violation?.errno).toBe(125);
  });

  it("closes at once with policy 'hp' (EV-H-11, CLS-010)", () => {
    const listener = recordingHooks();
    const { port, protocol } = serverPort({ policy: 'hp', listener });
    port.receive('rubbish\r\n\r\n');
    expect(port.takeSent()).toBe('');
    expect(port.violation?.errno).toBe(125);
    expect(listener.log).toEqual(['begin', 'error 6']);
    expect(protocol.parseErrorCode).toBe(6);
    expect(protocol.parseErrorText).not.toBe('');
  });

  it('does not answer twice', () => {
    const fake: Fake<HttpServerProtocol> = serverPort({
      listener: { onHeadersComplete: () => void fake.protocol.sendResponse(200) },
    });
    fake.port.receive('POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nrubbish\r\n');
    expect(fake.port.takeSent().match(/HTTP\/1\.1/g)).toHaveLength(1);
    expect(fake.port.hasEnded).toBe(true);
  });
});

describe('limits', () => {
  const cases: [string, Setup['limits'], string, number, string][] = [
    ['the target', { maxTargetBytes: 10 }, `GET /${'x'.repeat(10)} HTTP/1.1\r\nHost: h\r\n\r\n`, 414, 'targetTooLong'],
    [
      'the head',
      { maxHeadBytes: 128 },
      `GET / HTTP/1.1\r\nHost: h\r\nA: ${'x'.repeat(128)}\r\n\r\n`,
      431,
      'headTooLarge',
    ],
    [
      'the fields',
      { maxHeaderCount: 3 },
      `GET / HTTP/1.1\r\nHost: h\r\nA: b\r\nA: b\r\nA: b\r\n\r\n`,
      431,
      'tooManyFields',
    ],
    [
      'the trailers',
      { maxTrailerBytes: 20 },
      `POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: ${'x'.repeat(20)}\r\n\r\n`,
      431,
      'trailersTooLarge',
    ],
    [
      'chunk extensions',
      { maxChunkExtensionBytes: 10 },
      `POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1;abcd=efg\r\nx\r\n1;abcd=efg\r\nx\r\n0\r\n\r\n`,
      400,
      'chunkExtensionsTooLong',
    ],
  ];
  for (const [name, limits, text, status, counter] of cases) {
    it(`bound ${name}: ${status} (HT-008)`, () => {
      for (const cuts of [[], ...everySplit(text.length)]) {
        const { port, context } = echoServer({ limits: limits! });
        port.receive(text, cuts);
        expect(port.takeSent()).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
        expect(context.counters[counter as 'parseErrors']).toBe(1);
        port.close();
        port.turn();
      }
      const within = echoServer({ limits: Object.fromEntries(Object.entries(limits!).map(([k, v]) => [k, 2 * v!])) });
      within.port.receive(text);
      expect(within.port.takeSent()).toMatch(/^HTTP\/1\.1 200 /);
    });
  }

  it('bound a head whose end never comes', () => {
    const { port } = echoServer({ limits: { maxHeadBytes: 1000 } });
    port.receive('GET / HTTP/1.1\r\nHost: h\r\n');
    for (let i = 0; i < 500 && !port.hasEnded; i++) port.receive(`A${i}: b\r\n`);
    expect(port.takeSent()).toMatch(/^HTTP\/1\.1 431 /);
  });

  it('pause reading while too many requests wait for their answer', async () => {
    const log: string[] = [];
    const { port, protocol, context } = serverPort({
      limits: { maxPipelinedRequests: 2 },
      listener: { onRequestLine: (_s, _id, _m, url) => void log.push(url) },
    });
    port.receive([1, 2, 3, 4, 5].map((n) => `GET /${n} HTTP/1.1\r\nHost: h\r\n\r\n`).join(''));
    expect(log).toEqual(['/1', '/2']);
    expect(port.mayDeliver).toBe(false);
    expect(context.counters.pipelineFull).toBe(1);
    protocol.sendResponse(200);
    await new Promise(setImmediate);
    expect(log).toEqual(['/1', '/2', '/3']);
    for (let i = 0; i < 4; i++) {
      protocol.sendResponse(200);
      await new Promise(setImmediate);
    }
    expect(log).toHaveLength(5);
  });

  it('bound the requests of a connection', () => {
    const { port, context } = echoServer({ limits: { maxRequestsPerConnection: 2 } });
    port.receive(get + get + get);
    expect(port.takeSent()).toBe(ok('/') + ok('/', 'close'));
    expect(port.hasEnded).toBe(true);
    expect(context.counters.requestsPerConnection).toBe(1);
  });
});

describe('deadlines', () => {
  it('bound a head: 408, or just an end where nothing was asked', () => {
    const silent = serverPort({ limits: { headTimeoutMs: 1000 } });
    silent.clock.advance(999);
    expect(silent.port.hasEnded).toBe(false);
    silent.clock.advance(1);
    expect(silent.port.hasEnded).toBe(true);
    expect(silent.port.takeSent()).toBe('');

    const slow = serverPort({ limits: { headTimeoutMs: 1000 } });
    for (let i = 0; i < 9; i++) {
      slow.port.receive(get[i]!);
      slow.clock.advance(100);
    }
    expect(slow.port.hasEnded).toBe(false);
    slow.clock.advance(100);
    expect(slow.port.takeSent()).toMatch(/^HTTP\/1\.1 408 /);
    expect(slow.context.counters.headTimeouts).toBe(1);
  });

  it('bound the second head from its first byte on', () => {
    const { port, clock } = echoServer({ limits: { headTimeoutMs: 1000, keepAliveTimeoutMs: 5000 } });
    port.receive(get);
    port.takeSent();
    clock.advance(3000);
    port.receive('GET');
    clock.advance(999);
    expect(port.takeSent()).toBe('');
    clock.advance(1);
    expect(port.takeSent()).toMatch(/^HTTP\/1\.1 408 /);
  });

  it('bound the time between two requests, and not that of an answer', () => {
    const { port, protocol, clock, context } = serverPort({
      limits: { keepAliveTimeoutMs: 1000, responseTimeoutMs: 9000 },
    });
    port.receive(get);
    clock.advance(5000);
    expect(port.hasEnded).toBe(false);
    protocol.sendResponse(200);
    clock.advance(999);
    expect(port.hasEnded).toBe(false);
    clock.advance(1);
    expect(port.hasEnded).toBe(true);
    expect(context.counters.keepAliveTimeouts).toBe(1);
  });

  it('bound a body by its rate: 408', () => {
    const { port, clock, context } = echoServer({ limits: { minBodyBytesPerSecond: 10 } });
    port.receive('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n');
    port.receive('x'.repeat(100));
    clock.advance(10_000);
    expect(port.takeSent()).toBe('');
    port.receive('x'.repeat(99));
    clock.advance(10_000);
    expect(port.takeSent()).toMatch(/^HTTP\/1\.1 408 /);
    expect(context.counters.bodyRateTimeouts).toBe(1);
  });

  it('bound the time for an answer to begin: 503', () => {
    const { port, protocol, clock, context } = serverPort({ limits: { responseTimeoutMs: 1000 } });
    port.receive(get);
    clock.advance(1000);
    expect(port.takeSent()).toMatch(/^HTTP\/1\.1 503 /);
    expect(port.hasEnded).toBe(true);
    expect(context.counters.responseTimeouts).toBe(1);
    expect(protocol.sendResponse(200)).toBe(false);

    const streams = serverPort({ limits: { responseTimeoutMs: 1000 } });
    streams.port.receive(get);
    streams.protocol.sendResponse(200, null, { 'Transfer-Encoding': 'chunked' });
    streams.clock.advance(100_000);
    expect(streams.port.hasEnded).toBe(false);
  });
});

describe('upgrades of a server', () => {
  const upgrade = 'GET / HTTP/1.1\r\nHost: h\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n\r\n';

  it('call onUpgrade, and what is behind the head goes to onReceive (ORD-040, UPG-001, UPG-003, UPG-007, STB-003)', () => {
    const listener = recordingHooks();
    const { port, protocol } = serverPort({
      listener: {
        ...listener,
        onUpgrade: (_s, _id, type) => {
          listener.log.push(`upgrade ${type} ${protocol.head!.get('upgrade')}`);
          protocol.sendResponse(101, null, { Connection: 'Upgrade', Upgrade: 'x' });
        },
      },
    });
    port.receive(`${upgrade}rest`);
    port.receive('more');
    expect(listener.log.slice(-2)).toEqual(['complete', `upgrade ${HttpUpgradeType.WebSocket} WebSocket`]);
    expect(port.takeSent()).toMatch(/^HTTP\/1\.1 101 /);
    expect(Buffer.concat(port.delivered).toString()).toBe('restmore');
    expect(protocol.head).toBeNull();
  });

  it('are CONNECT and unknown ones (UPG-003), behind a body that comes first (UPG-006)', () => {
    const types: number[] = [];
    const setup: Setup = { listener: { onUpgrade: (_s, _id, type) => void types.push(type) } };
    serverPort(setup).port.receive('CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\nabc');
    const { port } = serverPort(setup);
    port.receive('POST / HTTP/1.1\r\nHost: h\r\nUpgrade: x\r\nConnection: upgrade\r\nContent-Length: 2\r\n\r\n12raw');
    expect(types).toEqual([HttpUpgradeType.HttpTunnel, HttpUpgradeType.Unknown]);
    expect(Buffer.concat(port.delivered).toString()).toBe('raw');
  });

  it('are ignored where nobody takes them, and without Connection', () => {
    const ignored = echoServer();
    ignored.port.receive(upgrade + get);
    expect(ignored.port.takeSent().match(/200 OK/g)).toHaveLength(2);
    const listener = recordingHooks();
    serverPort({ listener }).port.receive('GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\r\n');
    expect(listener.log.at(-1)).toBe('complete');
  });

  it('can be forced (UPG-005), and refused without onParseError (UPG-010)', async () => {
    const listener = recordingHooks();
    const forced = serverPort({ listener: { ...listener, onHeadersComplete: () => HttpParseResult.Upgrade } });
    forced.port.receive(`${get}raw`);
    expect(listener.log.slice(-2)).toEqual(['complete', `upgrade ${HttpUpgradeType.None}`]);
    expect(Buffer.concat(forced.port.delivered).toString()).toBe('raw');
    for (const answer of [HttpParseResult.Error, HttpParseResult.SkipBody, Promise.resolve(HttpParseResult.Error)]) {
      const log = recordingHooks();
      const { port } = serverPort({ listener: { ...log, onUpgrade: () => answer } });
      port.receive(upgrade);
      await new Promise(setImmediate);
      expect(port.violation?.errno).toBe(125);
      expect(log.log.at(-1)).toBe('complete');
    }
  });

  it('hand the connection to another protocol with the bytes behind the head', async () => {
    for (const isAsync of [false, true]) {
      const got: string[] = [];
      const other = serverPort({ listener: { onRequestLine: (_s, _id, _m, url) => void got.push(url) } }).protocol;
      const { port } = serverPort({
        listener: isAsync ? { onUpgrade: () => Promise.resolve() } : {},
        context: { upgradeTo: () => other },
      });
      port.receive(`${upgrade}GET /other HTTP/1.1\r\nHost: h\r\n\r\n`);
      await new Promise(setImmediate);
      port.receive('GET /later HTTP/1.1\r\nHost: h\r\n\r\n');
      expect(got).toEqual(['/other', '/later']);
    }
  });
});

describe('HTTP that is started by hand', () => {
  it('delivers raw bytes before (HT-012, ORD-044), and answers as if nothing were known (HT-016)', () => {
    const listener = recordingHooks();
    const { port, protocol } = serverPort({ listener, context: { autoStart: false } });
    port.receive('raw');
    expect(protocol.isHttpStarted).toBe(false);
    expect(protocol.release()).toBe(false); // REL-004
    protocol.sendResponse(200);
    expect(port.takeSent()).toContain('Connection: close');
    expect(port.hasEnded).toBe(false);
    expect(protocol.startHttp()).toBe(true);
    expect(protocol.startHttp()).toBe(false);
    port.receive(get);
    expect(port.delivered.map(String)).toEqual(['raw']);
    expect(listener.log.at(-1)).toBe('complete');
  });
});

describe('release', () => {
  it('closes with the next byte, and lets answers leave (REL-001, REL-004, REL-005, CLS-012)', () => {
    const { port, protocol } = serverPort();
    port.receive(get);
    expect(protocol.release()).toBe(true);
    expect(protocol.release()).toBe(false);
    expect(protocol.sendResponse(200)).toBe(true);
    expect(port.takeSent()).toContain('200 OK');
    port.receive('x');
    expect(port.violation?.errno).toBe(125);
  });
});

describe('a drain', () => {
  it('ends an idle connection at once, and others behind their answers, which say so', () => {
    const idle = echoServer();
    idle.port.receive(get);
    expect(idle.protocol.drain()).toBe(true);
    const { port, protocol } = serverPort();
    port.receive(get + get);
    expect(protocol.drain()).toBe(false);
    protocol.sendResponse(200);
    expect(port.hasEnded).toBe(false);
    protocol.sendResponse(200);
    expect(port.takeSent().match(/Connection: [a-z-]*/g)).toEqual(['Connection: keep-alive', 'Connection: close']);
    expect(port.hasEnded).toBe(true);
  });

  it('waits for a request whose body is on its way', () => {
    const { port, protocol } = echoServer();
    port.receive('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n1');
    expect(protocol.drain()).toBe(false);
    expect(port.hasEnded).toBe(false);
    port.receive('2');
    expect(port.takeSent()).toBe(ok('/', 'close'));
    expect(port.hasEnded).toBe(true);
  });
});

describe('HttpParseResult', () => {
  it("has HP-Socket's numbers, and is no value that an expression yields", () => {
    expect(Object.values(HttpParseResult).map(httpParseResultNumber)).toEqual([0, 1, 2, -1]);
    for (const value of Object.values(HttpParseResult)) expect(typeof value).toBe('symbol');
    const listener = recordingHooks();
    const { port } = serverPort({ listener: { ...listener, onHeadersComplete: () => 2, onBody: () => -1 } as never });
    port.receive('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx');
    expect(listener.log.at(-1)).toBe('complete');
  });
});
