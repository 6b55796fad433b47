import { describe, expect, it } from 'vitest';
import { HttpParseResult } from '../../src/http/enums.ts';
import { AtEnd, Lifetime } from '../../src/protocol/protocol.ts';
import { byteByByte, everySplit } from '../protocol/support.ts';
import { recordingHooks, type Setup, serverPort } from './support.ts';

/** The hooks that `text` leads to, cut at `cuts`. */
function events(
  text: string,
  setup: Setup = {},
  cuts: readonly number[] = [],
  lifetime: Lifetime = Lifetime.Call,
): string[] {
  const listener = recordingHooks();
  const { port } = serverPort({ ...setup, listener });
  port.receive(text, cuts, lifetime);
  port.close();
  port.turn();
  return listener.log;
}

/** The same, and that it is the same at every split, byte by byte, and with bytes of any lifetime. */
function everyWay(text: string, setup: Setup = {}): string[] {
  const whole = events(text, setup);
  for (const cuts of [...everySplit(text.length), byteByByte(text.length)]) {
    expect(events(text, setup, cuts), `cut at ${cuts.join()}`).toEqual(whole);
  }
  expect(events(text, setup, [], Lifetime.Forever)).toEqual(whole);
  expect(events(text, setup, [], Lifetime.Loan)).toEqual(whole);
  return whole;
}

describe('hooks about requests', () => {
  it('fire in the order of HP-Socket (ORD-036, EV-H-01, EV-H-02, EV-H-04, EV-H-05, EV-H-09)', () => {
    expect(everyWay('GET /a?b=c HTTP/1.1\r\nHost: x\r\nEmpty:\r\nX-Pad:  v \t \r\n\r\n')).toEqual([
      ...['begin', 'GET /a?b=c', 'Host=x', 'Empty=', 'X-Pad=v', 'head', 'complete'],
    ]);
  });

  it('get a body of known length (EV-H-06, HP-030)', () => {
    expect(everyWay('GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\nhello world')).toEqual([
      ...['begin', 'GET /', 'Host=x', 'Content-Length=11', 'head', 'body hello world', 'complete'],
    ]);
  });

  it('get chunks with extensions and trailers (ORD-038, EV-H-07, EV-H-08, NHT-001)', () => {
    expect(
      everyWay(
        'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n' +
          '5;a=b;c="d e"\r\nhello\r\n00A\r\n0123456789\r\n0\r\nX-T: v\r\nX-U:w\r\n\r\n',
      ),
    ).toEqual([
      ...['begin', 'POST /', 'Host=x', 'Transfer-Encoding=chunked', 'head', 'chunk 5', 'body hello', 'chunk end'],
      ...['chunk 10', 'body 0123456789', 'chunk end', 'chunk 0', 'X-T=v', 'X-U=w', 'chunk end', 'complete'],
    ]);
  });

  it('get the length of a chunk of 2 GiB and more (HP-028)', () => {
    const head = 'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n';
    expect(everyWay(`${head}80000000\r\nx`).slice(-2)).toEqual(['chunk 2147483648', 'body x']);
    expect(everyWay(`${head}FFFFFFFFFF\r\nx`).slice(-2)).toEqual(['chunk 1099511627775', 'body x']);
  });

  it('find the length of the head as it was announced, whatever has come of the body (HP-043, HTTP-M-008)', () => {
    const lengths: (number | undefined)[] = [];
    const note = (): void => void lengths.push(protocol.head?.contentLength);
    const { port, protocol } = serverPort({
      listener: { onHeadersComplete: note, onBody: note, onMessageComplete: note },
    });
    port.receive('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab');
    port.receive('cd');
    expect(lengths.splice(0)).toEqual([4, 4, 4, 4]);
    port.receive('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    expect(lengths.splice(0)).toEqual([0, 0]);
    port.receive('POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n');
    expect(lengths).toEqual([0, 0, 0]);
    port.close();
    port.turn();
  });

  it('get the pieces of a body as they were read (HP-044)', () => {
    const pieces: number[] = [];
    const { port } = serverPort({ listener: { onBody: (_s, _id, data) => void pieces.push(data.length) } });
    port.receive(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 15000\r\n\r\n`);
    for (const length of [10_000, 1, 4999]) port.receive('x'.repeat(length));
    expect(pieces).toEqual([10_000, 1, 4999]);
    port.close();
    port.turn();
  });

  it('follow each other for pipelined requests (ORD-039)', () => {
    expect(
      everyWay(
        'POST /1 HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab\r\n' +
          'POST /2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nc\r\n0\r\n\r\n' +
          'GET /3 HTTP/1.1\r\nHost: x\r\n\r\n',
      ),
    ).toEqual([
      ...['begin', 'POST /1', 'Host=x', 'Content-Length=2', 'head', 'body ab', 'complete'],
      ...['begin', 'POST /2', 'Host=x', 'Transfer-Encoding=chunked', 'head', 'chunk 1', 'body c', 'chunk end'],
      ...['chunk 0', 'chunk end', 'complete', 'begin', 'GET /3', 'Host=x', 'head', 'complete'],
    ]);
  });

  it('have an empty value where a field has none, or blanks alone (HP-021)', () => {
    for (const policy of ['strict', 'hp'] as const) {
      expect(everyWay('GET / HTTP/1.1\r\nHost: x\r\nA:\r\nB: \t \r\nC: c\r\n\r\n', { policy })).toEqual([
        ...['begin', 'GET /', 'Host=x', 'A=', 'B=', 'C=c', 'head', 'complete'],
      ]);
    }
  });

  it('skip blanks in front of the target (HP-005)', () => {
    for (const policy of ['strict', 'hp'] as const) {
      expect(everyWay('GET    /a HTTP/1.1\r\nHost: x\r\n\r\n', { policy })).toEqual([
        ...['begin', 'GET /a', 'Host=x', 'head', 'complete'],
      ]);
    }
  });

  it('skip empty lines in front of a request (HP-001)', () => {
    expect(everyWay('\r\n\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n')[1]).toBe('GET /');
  });

  it('fire for what was understood in front of an error (ORD-042, EV-H-11)', () => {
    expect(everyWay('GET /a HTTP/1.1\r\nHost: x\r\nA: b\r\nB c: d\r\n\r\n')).toEqual([
      ...['begin', 'GET /a', 'Host=x', 'A=b', 'error 10'],
    ]);
    expect(everyWay('get / HTTP/1.1\r\n\r\n')).toEqual(['begin', 'error 6']); // HP-004
    expect(everyWay('\x16\x03\x01\x00\xa5')).toEqual(['begin', 'error 6']);
    expect(everyWay('GET x HTTP/1.1\r\n\r\n')).toEqual(['begin', 'error 7']); // HP-011
    expect(everyWay('GET / HTTP/x.1\r\n\r\n')).toEqual(['begin', 'GET /', 'error 9']); // HP-008
    expect(everyWay('GET / HTTP/1.1\r\nHost: x\r\nA: b\x01c\r\n\r\n')).toEqual([
      ...['begin', 'GET /', 'Host=x', 'error 10'], // HP-018
    ]);
  });

  it('fire for a refused head only to say so', () => {
    expect(everyWay('GET / HTTP/1.1\r\nA: b\r\n\r\n')).toEqual(['begin', 'error 10']);
  });

  it('are not fired for bytes behind a request that ends the connection (HP-032)', () => {
    expect(everyWay('GET / HTTP/1.0\r\n\r\nGET /2 HTTP/1.0\r\n\r\nrubbish')).toEqual([
      'begin',
      'GET /',
      'head',
      'complete',
    ]);
  });

  it('are told that the body is skipped: what follows is the next message (EV-H-05)', () => {
    const listener = recordingHooks();
    const { port } = serverPort({
      listener: { ...listener, onHeadersComplete: () => HttpParseResult.SkipBody },
    });
    port.receive('POST /1 HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n');
    port.receive('POST /3 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nGET /4 HTTP/1.1\r\nHost: x\r\n\r\n');
    expect(listener.log.filter((entry) => entry.includes(' /'))).toEqual(['POST /1', 'GET /2', 'POST /3', 'GET /4']);
    expect(listener.log).not.toContain('error 6');
  });

  const refusals = [
    ['onMessageBegin', 16],
    ['onRequestLine', 24],
    ['onHeader', 24],
    ['onHeadersComplete', 17],
    ['onBody', 24],
    ['onChunkHeader', 19],
    ['onChunkComplete', 20],
    ['onMessageComplete', 18],
  ] as const;
  for (const [hook, code] of refusals) {
    for (const isAsync of [false, true]) {
      it(`refuse the message from ${hook}${isAsync ? ' by a promise' : ''} (HP-047, ACC-003, NHT-004)`, async () => {
        const listener = recordingHooks();
        let calls = 0;
        const answer = (): unknown => {
          calls++;
          return isAsync ? Promise.resolve(HttpParseResult.Error) : HttpParseResult.Error;
        };
        const { port, protocol } = serverPort({ listener: { ...listener, [hook]: answer } });
        port.receive('POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nT: v\r\n\r\n');
        await new Promise(setImmediate);
        expect(calls).toBe(1);
        expect(listener.log.filter((entry) => entry.startsWith('error'))).toEqual([`error ${code}`]);
        expect(protocol.parseErrorCode).toBe(code);
        expect(listener.log.at(-1)).toBe(`error ${code}`);
        expect(port.takeSent()).toMatch(/^HTTP\/1\.1 400 Bad Request\r\nDate: /);
        expect(port.hasEnded).toBe(true);
        expect(port.peerEnds()).toBe(AtEnd.Stay);
        port.protocol.wrote?.(0);
        expect(port.violation?.errno).toBe(125); // CLS-010
      });
    }
  }

  it('wait for each promise, whatever hook returns it', async () => {
    const log: string[] = [];
    const plain = recordingHooks();
    const text =
      'POST /1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nT: v\r\n\r\n' +
      'GET /2 HTTP/1.1\r\nHost: x\r\n\r\n';
    const slow = Object.fromEntries(
      Object.entries(recordingHooks(log)).map(([name, hook]) => [
        name,
        typeof hook !== 'function'
          ? hook
          : async (...args: never[]): Promise<void> => {
              await new Promise(setImmediate);
              (hook as (...args: never[]) => void)(...args);
            },
      ]),
    );
    const { port } = serverPort({ listener: slow });
    port.receive(text, byteByByte(text.length));
    for (let turns = 0; turns < 200; turns++) await new Promise(setImmediate);
    serverPort({ listener: plain }).port.receive(text);
    expect(log).toEqual(plain.log);
  });

  it('that throw close the connection and leave the rest alone', () => {
    const error = new Error('thrown');
    const { port } = serverPort({
      listener: {
        onBody() {
          throw error;
        },
      },
    });
    port.receive('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\nHost: x\r\n\r\n');
    expect(port.failure).toEqual({ hook: 'onBody', thrown: error });
    port.turn();
  });

  it('see the connection close in the middle of a read, and are not called again', () => {
    const listener = recordingHooks();
    const { port } = serverPort({
      listener: {
        ...listener,
        onHeader: (_s, _id, name) => {
          listener.log.push(name);
          port.close();
        },
      },
    });
    port.receive('GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\n');
    port.turn();
    expect(listener.log).toEqual(['begin', 'GET /', 'Host']);
  });
});

describe('the end of a connection', () => {
  it('in the middle of a request is one, between two it is none (ORD-043)', () => {
    for (const text of [
      'G',
      'GET / HTTP/1.1\r\nHost: x\r\n\r',
      'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabcd',
      'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n',
    ]) {
      const { port } = serverPort({ listener: recordingHooks() });
      port.receive(text);
      expect(port.peerEnds()).toBe(AtEnd.Truncated);
      port.turn();
    }
    expect(serverPort().port.peerEnds()).toBe(AtEnd.Drain);
  });

  it('leaves no parser behind', () => {
    const { port, protocol } = serverPort();
    port.receive('GET / HT');
    expect(protocol.bufferedBytes).toBe(8);
    port.close();
    port.turn();
    protocol.closed();
  });
});
