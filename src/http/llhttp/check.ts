import { latin1 } from '../latin1.ts';
import type { Llhttp } from './instance.ts';
import { Flag } from './layout.ts';
import { type HeadFacts, Parser, ParserEvent, REQUEST, RESPONSE, type SpanSink } from './parser.ts';
import { ENTRY_WORDS, Entry } from './recorder.ts';

/** A known request, chunked, with an extension and a trailer; what the log is to say about it. */
const request =
  'PUT /p?q HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n' + '7;e="x"\r\nabcdefg\r\n0\r\nT: v\r\n\r\n';
const requestLog =
  '1:/p?q 2:Host 3:h 2:Transfer-Encoding 3:chunked head(4,257,520,0) 4:e 4:"x" chunk(7) body(abcdefg) end chunk(0) ' +
  '2:T 3:v end message';
/** A known response whose length does not fit into 32 bits. */
const response =
  'HTTP/1.0 404 No\r\nContent-Length: 4294967303\r\nUpgrade: x\r\nConnection: keep-alive, upgrade\r\n\r\n';
const responseLog =
  '1:No 2:Content-Length 3:4294967303 2:Upgrade 3:x 2:Connection 3:keep-alive, upgrade head(404,1,53,4294967303)';

/**
 * Parses two known messages and compares what is read from the structures of llhttp.
 * @throws Error if that is not what is in the messages: this build has another layout.
 */
export function checkLayout(llhttp: Llhttp): void {
  check(llhttp, REQUEST, request, requestLog);
  check(llhttp, RESPONSE, response, responseLog);
}

function check(llhttp: Llhttp, type: typeof REQUEST | typeof RESPONSE, text: string, expected: string): void {
  let found: string;
  try {
    found = describe(llhttp, type, text);
  } catch (thrown) {
    found = String(thrown); // what was taken for an address was none
  }
  if (found === expected) return;
  throw new Error(`hp-socket: this build of llhttp has another layout than expected: ${found}`);
}

/** A sink that calls `span` for each piece, with positions of the bytes that are parsed. */
export function spanSink(span: (kind: Entry, from: number, to: number) => void): SpanSink {
  return {
    take(log, logFrom, logTo, shift) {
      for (let at = logFrom; at < logTo; at += ENTRY_WORDS) {
        const kind = log[at] as Entry;
        if (kind < Entry.Body) span(kind, log[at + 1]! + shift, log[at + 2]! + shift);
      }
    },
  };
}

function describe(llhttp: Llhttp, type: typeof REQUEST | typeof RESPONSE, text: string): string {
  const bytes = Buffer.from(text);
  const parser = new Parser(llhttp, type, 0);
  const log: string[] = [];
  const sink = spanSink((kind, from, to) => log.push(`${kind}:${latin1(bytes, from, to)}`));
  const head: HeadFacts = {
    methodNumber: 0,
    statusCode: 0,
    version: 0,
    flags: 0,
    contentLength: 0,
    isUpgrade: false,
  };
  try {
    for (let position = 0; ; position = parser.position) {
      switch (parser.execute(bytes, position, bytes.length, sink)) {
        case ParserEvent.HeadComplete: {
          parser.describe(head);
          const start = type === REQUEST ? head.methodNumber : head.statusCode;
          log.push(`head(${start},${head.version},${head.flags},${head.contentLength})`);
          if ((head.flags & Flag.Chunked) === 0) return log.join(' ');
          break;
        }
        case ParserEvent.Body:
          log.push(`body(${latin1(bytes, parser.bodyFrom, parser.bodyTo)})`);
          break;
        case ParserEvent.ChunkHeader:
          log.push(`chunk(${parser.contentLength})`);
          break;
        case ParserEvent.ChunkComplete:
          log.push('end');
          break;
        case ParserEvent.MessageComplete:
          log.push('message');
          return log.join(' ');
        case ParserEvent.Error:
          log.push(`error(${parser.errorCode})`);
          return log.join(' ');
        case ParserEvent.NeedMore:
          return log.join(' ');
      }
    }
  } finally {
    parser.free();
    llhttp.loaded = null;
  }
}
