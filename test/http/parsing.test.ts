/** What the hooks of servers and clients get of a table of messages: whole, byte by byte, and cut at every place. */
import { describe, expect, it } from 'vitest';
import { byteByByte, everySplit } from '../protocol/support.ts';
import { clientPort, recordingHooks, serverPort } from './support.ts';

interface Case {
  name: string;
  /** Paragraph of RFC 9112, unless another one is named. */
  rfc: string;
  text: string;
  /** What the hooks got, one after the other. */
  log: readonly string[];
  /** Request that an answer is for. Default GET. */
  method?: string;
  /** Whether the peer ends behind it. */
  ends?: boolean;
}

/** Calls of a request whose fields are `fields`, with what comes behind its head. */
const request = (line: string, fields: readonly string[], ...rest: string[]): string[] => [
  'begin',
  line,
  ...fields,
  'head',
  ...rest,
  'complete',
];
const get = request('GET /', ['Host=h']);
const line = 'GET / HTTP/1.1\r\nHost: h\r\n';
const post = 'POST / HTTP/1.1\r\nHost: h\r\n';
const chunked = `${post}Transfer-Encoding: chunked\r\n\r\n`;
const posted = (...rest: string[]): string[] => request('POST /', ['Host=h', 'Transfer-Encoding=chunked'], ...rest);
const last = ['chunk 0', 'chunk end'];

const requests: Case[] = [
  { name: 'the least request', rfc: '3', text: `${line}\r\n`, log: get },
  { name: 'pipelined requests', rfc: '9.3.2', text: `${line}\r\n`.repeat(3), log: [...get, ...get, ...get] },
  {
    name: 'empty lines between requests',
    rfc: '2.2',
    text: `\r\n${line}\r\n\r\n\r\n${line}\r\n`,
    log: [...get, ...get],
  },
  {
    name: 'values without blanks around them',
    rfc: '5.1',
    text: `${line}A:b\r\nC:   d\r\n\r\n`,
    log: request('GET /', ['Host=h', 'A=b', 'C=d']),
  },
  {
    name: 'an empty value',
    rfc: '9110 5.5',
    text: `${line}A:\r\nB: \r\n\r\n`,
    log: request('GET /', ['Host=h', 'A=', 'B=']),
  },
  {
    name: 'bytes above ASCII in a value',
    rfc: '9110 5.5',
    text: `${line}A: \xe4\xff\r\n\r\n`,
    log: request('GET /', ['Host=h', 'A=\xe4\xff']),
  },
  {
    name: 'every character that a name may have',
    rfc: '9110 5.6.2',
    text: `${line}!#$%&'*+-.^_\`|~09azAZ: v\r\n\r\n`,
    log: request('GET /', ['Host=h', "!#$%&'*+-.^_`|~09azAZ=v"]),
  },
  {
    name: 'a body of a known length',
    rfc: '6.2',
    text: `${post}Content-Length: 5\r\n\r\nhello`,
    log: request('POST /', ['Host=h', 'Content-Length=5'], 'body hello'),
  },
  {
    name: 'a body of no length',
    rfc: '6.2',
    text: `${post}Content-Length: 0\r\n\r\n`,
    log: request('POST /', ['Host=h', 'Content-Length=0']),
  },
  {
    name: 'a body with line ends inside',
    rfc: '6.2',
    text: `${post}Content-Length: 6\r\n\r\n\r\n\r\n\r\n${line}\r\n`,
    log: [...request('POST /', ['Host=h', 'Content-Length=6'], 'body \r\n\r\n\r\n'), ...get],
  },
  {
    name: 'nothing says that there is a body',
    rfc: '6.3',
    text: `${post}\r\n${line}\r\n`,
    log: [...request('POST /', ['Host=h']), ...get],
  },
  {
    name: 'HTTP/1.0 that is kept alive',
    rfc: '9.3',
    text: `GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n${line}\r\n`,
    log: [...request('GET /', ['Connection=keep-alive']), ...get],
  },
  {
    name: 'HTTP/1.0 ends the connection',
    rfc: '9.3',
    text: `GET / HTTP/1.0\r\n\r\n${line}\r\n`,
    log: request('GET /', []),
  },
  {
    name: 'close ends the connection',
    rfc: '9.6',
    text: `${line}Connection: close\r\n\r\n${line}\r\n`,
    log: request('GET /', ['Host=h', 'Connection=close']),
  },
  {
    name: 'close among other words, in any case',
    rfc: '9.6',
    text: `${line}Connection: a, CLOSE, b\r\n\r\n${line}\r\n`,
    log: request('GET /', ['Host=h', 'Connection=a, CLOSE, b']),
  },
  {
    name: 'a word that only begins with close',
    rfc: '9.6',
    text: `${line}Connection: closed\r\n\r\n${line}\r\n`,
    log: [...request('GET /', ['Host=h', 'Connection=closed']), ...get],
  },
];

const methods: Case[] = [
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'DELETE',
  'OPTIONS',
  'TRACE',
  'PATCH',
  'PROPFIND',
  'MKCOL',
  'LOCK',
  'SEARCH',
  'PURGE',
  'M-SEARCH',
  'QUERY',
].map((method) => ({
  name: `the method ${method}`,
  rfc: '9110 9.1',
  text: `${method} / HTTP/1.1\r\nHost: h\r\n\r\n`,
  log: request(`${method} /`, ['Host=h']),
}));

const targets: Case[] = [
  '/',
  '/a/b?c=d&e=f',
  '/?',
  '//a//b',
  "/-._~!$&'()*+,;=:@%20",
  '/a?b?c/d',
  '/{}|^`"<>[]\\',
  'http://h/a?b',
  'https://h:8080/a',
  'http://[::1]:80/',
].map((target) => ({
  name: `the target ${target}`,
  rfc: '3.2',
  text: `GET ${target} HTTP/1.1\r\nHost: h\r\n\r\n`,
  log: request(`GET ${target}`, ['Host=h']),
}));

const chunks: Case[] = [
  {
    name: 'chunks',
    rfc: '7.1',
    text: `${chunked}5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n`,
    log: posted('chunk 5', 'body hello', 'chunk end', 'chunk 6', 'body  world', 'chunk end', ...last),
  },
  { name: 'only the last chunk', rfc: '7.1', text: `${chunked}0\r\n\r\n`, log: posted(...last) },
  {
    name: 'a size in hexadecimal',
    rfc: '7.1',
    text: `${chunked}0aB\r\n${'x'.repeat(171)}\r\n00\r\n\r\n`,
    log: posted('chunk 171', `body ${'x'.repeat(171)}`, 'chunk end', ...last),
  },
  {
    name: 'extensions of every form',
    rfc: '7.1.1',
    text: `${chunked}2;a;b=c;d="e;f\\"g";h\r\nhi\r\n0;last=yes\r\n\r\n`,
    log: posted('chunk 2', 'body hi', 'chunk end', ...last),
  },
  {
    name: 'trailers',
    rfc: '7.1.2',
    text: `${chunked}1\r\nx\r\n0\r\nA: b\r\nC:\r\n\r\n${line}\r\n`,
    log: [...posted('chunk 1', 'body x', 'chunk end', 'chunk 0', 'A=b', 'C=', 'chunk end'), ...get],
  },
  {
    name: 'a chunk that looks like the end',
    rfc: '7.1',
    text: `${chunked}5\r\n0\r\n\r\n\r\n0\r\n\r\n`,
    log: posted('chunk 5', 'body 0\r\n\r\n', 'chunk end', ...last),
  },
  {
    name: 'the word chunked in any case',
    rfc: '7',
    text: `${post}Transfer-Encoding: ChUnKeD\r\n\r\n0\r\n\r\n`,
    log: request('POST /', ['Host=h', 'Transfer-Encoding=ChUnKeD'], ...last),
  },
];

const started = ['begin', 'POST /', 'Host=h', 'Transfer-Encoding=chunked', 'head'];
/** What is refused: the last entry is the error. */
const refused: [name: string, rfc: string, text: string, before?: readonly string[]][] = [
  ['a name with a blank behind it', '5.1', `${line}A : b\r\n\r\n`, ['begin', 'GET /', 'Host=h']],
  ['a line that is folded', '5.2', `${line}A: b\r\n c\r\n\r\n`, ['begin', 'GET /', 'Host=h', 'A=b']],
  ['a single CR behind a field', '2.2', `${line}A: b\rC: d\r\n\r\n`, ['begin', 'GET /', 'Host=h']],
  ['a length that is no number', '9110 8.6', `${post}Content-Length: x\r\n\r\n`, ['begin', 'POST /', 'Host=h']],
  ['a size that is no number', '7.1', `${chunked}x\r\n`, started],
  ['a size of nothing', '7.1', `${chunked};a\r\n`, started],
  ['more than the chunk says', '7.1', `${chunked}1\r\nxy\r\n`, [...started, 'chunk 1', 'body x']],
  ['a single LF behind a size', '7.1', `${chunked}1\nx\r\n`, started],
  ['an unknown method', '9110 9.1', 'BREW / HTTP/1.1\r\n\r\n', ['begin']],
  ['a version of one digit', '2.3', 'GET / HTTP/1\r\n\r\n', ['begin', 'GET /']],
];

const ok = ['begin', '200 OK'];
const answer = 'HTTP/1.1 200 OK\r\n';
const responses: Case[] = [
  {
    name: 'an answer with a length',
    rfc: '6.2',
    text: `${answer}Content-Length: 2\r\n\r\nhi`,
    log: [...ok, 'Content-Length=2', 'head', 'body hi', 'complete'],
  },
  {
    name: 'an answer in chunks',
    rfc: '7.1',
    text: `${answer}Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n`,
    log: [...ok, 'Transfer-Encoding=chunked', 'head', 'chunk 2', 'body hi', 'chunk end', ...last, 'complete'],
  },
  {
    name: 'an answer that the end of the connection ends',
    rfc: '6.3',
    text: `${answer}\r\nto the end`,
    log: [...ok, 'head', 'body to the end', 'complete'],
    ends: true,
  },
  {
    name: 'no reason',
    rfc: '4',
    text: 'HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n',
    log: ['begin', '200 ', 'Content-Length=0', 'head', 'complete'],
  },
  {
    name: 'a reason of several words',
    rfc: '4',
    text: 'HTTP/1.1 404 Not at all, \xe4 sorry\r\nContent-Length: 0\r\n\r\n',
    log: ['begin', '404 Not at all, \xe4 sorry', 'Content-Length=0', 'head', 'complete'],
  },
  {
    name: '204 has no body',
    rfc: '6.3',
    text: 'HTTP/1.1 204 No Content\r\n\r\n',
    log: ['begin', '204 No Content', 'head', 'complete'],
  },
  {
    name: '304 has no body, whatever its length is',
    rfc: '6.3',
    text: 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n',
    log: ['begin', '304 Not Modified', 'Content-Length=5', 'head', 'complete'],
  },
  {
    name: 'the answer to HEAD has no body',
    rfc: '6.3',
    text: `${answer}Content-Length: 5\r\n\r\n`,
    log: [...ok, 'Content-Length=5', 'head', 'complete'],
    method: 'HEAD',
  },
  {
    name: 'an interim answer in front',
    rfc: '9110 15.2',
    text: `HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n${answer}Content-Length: 0\r\n\r\n`,
    log: ['begin', '103 Early Hints', 'Link=a', 'head', 'complete', ...ok, 'Content-Length=0', 'head', 'complete'],
  },
];

/** The entries without code of an error. */
const plain = (log: readonly string[]): string[] => log.map((entry) => entry.replace(/^error \d+$/, 'error'));

function served(text: string, cuts: readonly number[]): string[] {
  const { log, ...listener } = recordingHooks();
  const { port } = serverPort({ listener });
  port.receive(text, cuts);
  port.close();
  port.turn();
  return plain(log);
}

function asked({ text, method = 'GET', ends }: Case, cuts: readonly number[]): string[] {
  const { log, ...listener } = recordingHooks();
  const { port, protocol } = clientPort({ listener });
  protocol.sendRequest(method, '/', { host: 'h' });
  port.receive(text, cuts);
  if (ends === true) port.peerEnds();
  else port.close();
  port.turn();
  return plain(log);
}

/** The same however it is cut. */
function everyWay(text: string, parse: (cuts: readonly number[]) => string[], log: readonly string[]): void {
  expect(parse([])).toEqual(log);
  for (const cuts of [...everySplit(text.length), byteByByte(text.length)])
    expect(parse(cuts), `cut at ${cuts.length > 1 ? 'every byte' : cuts[0]}`).toEqual(log);
}

describe.each(Object.entries({ requests, methods, targets, chunks }))('%s', (_group, cases) => {
  it.each(cases)('$name (RFC $rfc)', ({ text, log }) => everyWay(text, (cuts) => served(text, cuts), log));
});

describe('what is refused', () => {
  it.each(refused)('%s (RFC %s)', (_name, _rfc, text, before = []) =>
    everyWay(text, (cuts) => served(text, cuts), [...before, 'error']),
  );
});

describe('answers', () => {
  it.each(responses)('$name (RFC $rfc)', (one) => everyWay(one.text, (cuts) => asked(one, cuts), one.log));
});

describe('pausing', () => {
  it.each([...requests, ...chunks])('behind every hook: $name (RFC $rfc)', ({ text, log }) => {
    const { log: got, ...listener } = recordingHooks();
    const pausing = Object.fromEntries(
      Object.entries(listener).map(([name, hook]) => [
        name,
        (...args: unknown[]) => {
          (hook as (...all: unknown[]) => unknown)(...args);
          port.isPaused = true;
        },
      ]),
    );
    const { port } = serverPort({ listener: pausing });
    port.receive(text);
    for (let i = 0; port.isPaused && i < 1000; i++) {
      port.isPaused = false;
      port.resume();
    }
    expect(plain(got)).toEqual(log);
  });
});

describe('upgrades (RFC 9110 7.8, 9.3.6)', () => {
  it.each([
    ['Upgrade', `${line}Connection: Upgrade\r\nUpgrade: tea\r\n\r\n`],
    ['CONNECT', 'CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n'],
  ])('%s: bytes behind the head are not HTTP any more', (_name, head) => {
    const text = `${head}${line}\r\n`;
    const parse = (cuts: readonly number[]): string[] => {
      const { log, ...listener } = recordingHooks();
      const { port } = serverPort({ listener });
      port.receive(text, cuts);
      return [...log.slice(-3), Buffer.concat(port.delivered).toString()];
    };
    const [first, second, third] = parse([]);
    expect([first, second]).toEqual(['head', 'complete']);
    expect(third).toMatch(/^upgrade -?\d$/);
    everyWay(text, parse, ['head', 'complete', third!, `${line}\r\n`]);
  });
});
