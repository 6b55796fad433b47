import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { isRecentLlhttp, llhttpBinary, readBuild } from '../../src/http/llhttp/binary.ts';
import { checkLayout, spanSink } from '../../src/http/llhttp/check.ts';
import { Llhttp, WINDOW_BYTES } from '../../src/http/llhttp/instance.ts';
import { LENIENT_FLAGS } from '../../src/http/llhttp/layout.ts';
import { llhttp } from '../../src/http/llhttp/llhttp.ts';
import { Parser, ParserEvent, REQUEST, RESPONSE } from '../../src/http/llhttp/parser.ts';
import { MessageHead } from '../../src/http/message-head.ts';
import { byteByByte, everySplit } from '../protocol/support.ts';

const require = createRequire(import.meta.url);

it('a read in the memory of another connection, of the same length, is not taken for that one', () => {
  const sink = { take: (): void => {} };
  const memory = Buffer.from('GET / HTTP/1.1\r\nHost: abcde.fg\r\n\r\n', 'latin1');
  const request = new Parser(llhttp(), REQUEST, 0);
  expect(request.execute(memory, 0, memory.length, sink)).toBe(ParserEvent.HeadComplete);
  memory.write('HTTP/1.1 204 OK\r\nA: abcdefghij\r\n\r\n', 'latin1');
  const response = new Parser(llhttp(), RESPONSE, 0);
  expect(response.execute(memory, 0, memory.length, sink)).toBe(ParserEvent.HeadComplete);
  expect(headOf(response).statusCode).toBe(204);
  request.free();
  response.free();
});

function headOf(parser: Parser): MessageHead {
  const head = new MessageHead();
  parser.describe(head);
  return head;
}

/** Parses `text` cut at `cuts`, and writes down what it finds, pieces joined. */
function parse(text: string, cuts: readonly number[], type: typeof REQUEST | typeof RESPONSE = REQUEST): string[] {
  const parser = new Parser(llhttp(), type, 0);
  const log: string[] = [];
  let lastKind = 0;
  const add = (kind: number, part: string): void => {
    if (kind !== 0 && kind === lastKind) log[log.length - 1] += part;
    else log.push(kind === 0 ? part : `${kind}:${part}`);
    lastKind = kind;
  };
  let from = 0;
  try {
    for (const to of [...cuts, text.length]) {
      const bytes = Buffer.from(text.slice(from, to), 'latin1');
      const sink = spanSink((kind, start, end) => add(kind, bytes.toString('latin1', start, end)));
      let position = 0;
      for (;;) {
        const event = parser.execute(bytes, position, bytes.length, sink);
        position = parser.position;
        if (event === ParserEvent.NeedMore) break;
        if (event === ParserEvent.Body) add(5, bytes.toString('latin1', parser.bodyFrom, parser.bodyTo));
        else if (event === ParserEvent.ChunkHeader) add(0, `chunk ${parser.contentLength}`);
        else if (event === ParserEvent.HeadComplete) add(0, `head ${headOf(parser).version} ${headOf(parser).flags}`);
        else if (event === ParserEvent.Error) {
          add(0, `error ${parser.errorCode} ${parser.errorReason}`);
          return log;
        } else add(0, event === ParserEvent.ChunkComplete ? 'end' : 'message');
      }
      parser.forgetInput();
      from = to;
    }
    return log;
  } finally {
    parser.free();
  }
}

const chunked =
  'POST /a?b HTTP/1.1\r\nHost: x\r\nE:\r\nB:  v  \r\nTransfer-Encoding: chunked\r\n\r\n' +
  '5;a=b;c="d"\r\nhello\r\nA\r\n0123456789\r\n0\r\nT: v\r\n\r\n';

describe('llhttp', () => {
  it('is 9.3 or later, from the pinned undici', () => {
    const { version } = require('undici/package.json') as { version: string };
    console.log(`llhttp 9.3 or later, of undici ${version}`);
    expect(isRecentLlhttp(llhttpBinary())).toBe(true);
    const { devDependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as {
      devDependencies: Record<string, string>;
    };
    expect(devDependencies.undici).toBe(version);
    expect(isRecentLlhttp(Buffer.from('HPE_CB_CHUNK_EXTENSION_VALUE_COMPLETE'))).toBe(false);
  });

  it('has the expected layout, with vector instructions and without', () => {
    for (const name of ['simd', 'plain'] as const) expect(() => checkLayout(new Llhttp(readBuild(name)))).not.toThrow();
  });

  it('is refused if its layout is another one', () => {
    const instance = new Llhttp(readBuild('plain'));
    instance.text = () => '';
    const { words } = instance;
    // The log begins a word later than it should.
    Object.defineProperty(instance, 'words', { value: words.subarray(1) });
    expect(() => checkLayout(instance)).toThrow(/another layout/);
  });

  it('finds the same however the bytes are cut', () => {
    const whole = parse(chunked, []);
    expect(whole).toEqual([
      ...['1:/a?b', '2:Host', '3:x', '2:E', '3:', '2:B', '3:v  ', '2:Transfer-Encoding', '3:chunked', 'head 257 520'],
      ...['4:abc"d"', 'chunk 5', '5:hello', 'end', 'chunk 10', '5:0123456789', 'end'],
      ...['chunk 0', '2:T', '3:v', 'end', 'message'],
    ]);
    for (const cuts of [...everySplit(chunked.length), byteByByte(chunked.length)])
      expect(parse(chunked, cuts)).toEqual(whole);
  });

  it('parses more than its window holds, and more fields than its log', () => {
    const fields = Array.from({ length: 3000 }, (_, i) => `n${i}: v${i}\r\n`).join('');
    const size = WINDOW_BYTES * 3;
    const text = `POST / HTTP/1.1\r\n${fields}Transfer-Encoding: chunked\r\n\r\n${size.toString(16)}\r\n${'x'.repeat(size)}\r\n0\r\n\r\n`;
    const found = parse(text, []);
    expect(found.filter((entry) => entry.startsWith('2:n'))).toHaveLength(3000);
    expect(found[6001]).toBe('2:Transfer-Encoding');
    expect(found.slice(-6)).toEqual([`chunk ${size}`, `5:${'x'.repeat(size)}`, 'end', 'chunk 0', 'end', 'message']);
  });

  it('keeps parsers of several connections apart, which take turns in its memory', () => {
    const shared = llhttp();
    const before = shared.parserCount;
    const parsers = Array.from({ length: 100 }, () => new Parser(shared, REQUEST, 0));
    const text = 'GET /abc HTTP/1.1\r\nHost: h\r\n\r\n';
    const found: string[] = parsers.map(() => '');
    for (let i = 0; i < text.length; i++) {
      parsers.forEach((parser, n) => {
        const bytes = Buffer.from(text[i]!);
        const sink = spanSink((kind, from, to) => {
          if (from < to) found[n] += String(kind);
        });
        const event = parser.execute(bytes, 0, 1, sink);
        expect(event).toBe(i === text.length - 1 ? ParserEvent.HeadComplete : ParserEvent.NeedMore);
      });
    }
    expect(new Set(found)).toEqual(new Set(['111122223']));
    for (const parser of parsers) parser.free();
    parsers[0]!.free();
    expect(shared.parserCount).toBe(before);
  });

  it('survives the growth of its memory while parsers are in use', () => {
    const shared = new Llhttp(readBuild('simd'));
    const sink = { take: (): void => {} };
    const first = new Parser(shared, REQUEST, 0);
    const start = Buffer.from('GET / HT');
    first.execute(start, 0, start.length, sink);
    const memory = shared.calls.memory.buffer;
    const others: Parser[] = [];
    while (shared.calls.memory.buffer === memory) others.push(new Parser(shared, RESPONSE, 0));
    const rest = Buffer.from('TP/1.0\r\n\r\n');
    expect(first.execute(rest, 0, rest.length, sink)).toBe(ParserEvent.HeadComplete);
    expect(headOf(first).version).toBe(0x0001);
    expect(shared.bytes.buffer).toBe(shared.calls.memory.buffer);
    for (const parser of [first, ...others]) parser.free();
  });

  it('reports errors with their number, reason and place', () => {
    expect(parse('GET / HTTP/1.1\r\nA b: c\r\n\r\n', [])).toEqual(['1:/', 'error 10 Invalid header token']);
    expect(parse('SSH-2.0\r\n', [], RESPONSE)).toEqual(['error 8 Expected HTTP/, RTSP/ or ICE/']);
    expect(LENIENT_FLAGS).toBe(46);
  });
});
