import { describe, expect, it } from 'vitest';
import { type HttpRules, httpRules, isHost, RULE_NAMES } from '../../src/http/policy.ts';
import { splitTarget } from '../../src/http/url.ts';
import { byteByByte, everySplit } from '../protocol/support.ts';
import { type Setup, serverPort } from './support.ts';

/** Status of the refusal that `text` gets, 0 if all of it is let in. */
function refusal(text: string, setup: Setup, cuts: readonly number[] = []): number {
  const { port, protocol } = serverPort(setup);
  port.receive(text, cuts);
  const sent = port.takeSent();
  const status = sent === '' ? 0 : Number(sent.slice(9, 12));
  const code = protocol.parseErrorCode;
  port.close();
  port.turn();
  if ((status === 0) !== (code === 0)) throw new Error(`status ${status}, but error ${code}`);
  return status;
}

/** The same however it arrives. */
function statusOf(text: string, setup: Setup = {}): number {
  const status = refusal(text, setup);
  const cuts = text.length > 2000 ? [] : [...everySplit(text.length), byteByByte(text.length)];
  for (const cut of cuts) expect(refusal(text, setup, cut), `cut at ${cut.join()}`).toBe(status);
  return status;
}

const line = 'GET / HTTP/1.1\r\n';
const host = 'Host: h\r\n';
const post = `POST / HTTP/1.1\r\n${host}`;
const chunked = `${post}Transfer-Encoding: chunked\r\n\r\n`;

interface Case {
  name: string;
  text: string;
  /** Status of the strict policy, 0 if it is let in. */
  strict: number;
  /** Status of policy 'hp'; as strict if left out. */
  hp?: number;
  /** The rule that makes the difference. */
  rule?: keyof HttpRules;
}

// Versions: RFC 9110 2.5, RFC 9112 2.3
const versions: Case[] = [
  { name: 'HTTP/1.1', text: `${line}${host}\r\n`, strict: 0 },
  { name: 'HTTP/1.0', text: 'GET / HTTP/1.0\r\n\r\n', strict: 0 },
  { name: 'HTTP/2.0 (HP-007)', text: `GET / HTTP/2.0\r\n${host}\r\n`, strict: 505, hp: 0, rule: 'versions' },
  { name: 'HTTP/1.2', text: `GET / HTTP/1.2\r\n${host}\r\n`, strict: 505, hp: 0, rule: 'versions' },
  { name: 'HTTP/9.9', text: `GET / HTTP/9.9\r\n${host}\r\n`, strict: 505, hp: 0, rule: 'versions' },
  { name: 'HTTP/0.9 with CRLF (HP-006)', text: 'GET /\r\n\r\n', strict: 505, hp: 0, rule: 'versions' },
  { name: 'HTTP/0.9 with LF', text: 'GET /\nHost: h\r\n\r\n', strict: 505, hp: 0, rule: 'versions' },
  { name: 'the preface of HTTP/2 (HP-009)', text: 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', strict: 505 },
  { name: 'a version in lower case', text: `GET / http/1.1\r\n${host}\r\n`, strict: 400 },
  { name: 'two digits', text: `GET / HTTP/1.10\r\n${host}\r\n`, strict: 400 },
  { name: 'a word behind the version', text: `GET / HTTP/1.1 x\r\n${host}\r\n`, strict: 400 },
];

// The request line: RFC 9112 3, RFC 9110 9.1
const lines: Case[] = [
  { name: 'an unknown method', text: `BREW / HTTP/1.1\r\n${host}\r\n`, strict: 501 },
  { name: 'a method in lower case (HP-004)', text: `get / HTTP/1.1\r\n${host}\r\n`, strict: 501 },
  { name: 'a method of RTSP (HP-010)', text: `PLAY / RTSP/1.0\r\n${host}\r\n`, strict: 505, hp: 0 },
  { name: 'a method of ICE', text: `SOURCE / HTTP/1.0\r\n${host}\r\n`, strict: 501, hp: 0, rule: 'methods' },
  {
    name: 'a method that RTSP has too',
    text: `OPTIONS / RTSP/1.0\r\n${host}\r\n`,
    strict: 505,
    hp: 0,
    rule: 'versions',
  },
  { name: 'no method', text: ` / HTTP/1.1\r\n${host}\r\n`, strict: 400 },
  { name: 'garbage', text: '\x16\x03\x01\x02\x00', strict: 400 },
  { name: 'CONNECT, and nobody who opens tunnels', text: 'CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n', strict: 501 },
  { name: 'CR without LF (HP-003)', text: `GET / HTTP/1.1\r${host}\r\n`, strict: 400 },
  { name: 'LF without CR', text: `GET / HTTP/1.1\n${host}\r\n`, strict: 400 },
];

// Targets: RFC 9112 3.2
const targets: Case[] = [
  { name: 'a path', text: `GET /a/b?c=d HTTP/1.1\r\n${host}\r\n`, strict: 0 },
  { name: 'absolute (HP-013)', text: `GET http://h:80/a HTTP/1.1\r\n${host}\r\n`, strict: 0 },
  {
    name: 'absolute with an empty host',
    text: `GET http:///a HTTP/1.1\r\n${host}\r\n`,
    strict: 400,
    hp: 0,
    rule: 'target',
  },
  {
    name: 'absolute with user information',
    text: `GET http://u@h/ HTTP/1.1\r\n${host}\r\n`,
    strict: 400,
    hp: 0,
    rule: 'target',
  },
  { name: 'a fragment (HP-014)', text: `GET /a#b HTTP/1.1\r\n${host}\r\n`, strict: 400, hp: 0, rule: 'target' },
  { name: '* for OPTIONS', text: `OPTIONS * HTTP/1.1\r\n${host}\r\n`, strict: 0 },
  { name: '* for GET', text: `GET * HTTP/1.1\r\n${host}\r\n`, strict: 400, hp: 0, rule: 'target' },
  { name: '** for OPTIONS', text: `OPTIONS ** HTTP/1.1\r\n${host}\r\n`, strict: 400, hp: 0, rule: 'target' },
  { name: 'no scheme (HP-011)', text: `GET a HTTP/1.1\r\n${host}\r\n`, strict: 400 },
  { name: 'a byte that is not ASCII (HP-012)', text: `GET /\xe4 HTTP/1.1\r\n${host}\r\n`, strict: 400 },
  { name: 'a control character', text: `GET /\x01 HTTP/1.1\r\n${host}\r\n`, strict: 400 },
  { name: 'DEL', text: `GET /\x7f HTTP/1.1\r\n${host}\r\n`, strict: 400 },
];

// Host: RFC 9112 3.2, RFC 9110 7.2
const hosts: Case[] = [
  { name: 'none (HP-015)', text: `${line}\r\n`, strict: 400, hp: 0, rule: 'host' },
  { name: 'none on HTTP/1.0', text: 'GET / HTTP/1.0\r\n\r\n', strict: 0 },
  { name: 'two', text: `${line}${host}${host}\r\n`, strict: 400, hp: 0, rule: 'host' },
  { name: 'two on HTTP/1.0', text: `GET / HTTP/1.0\r\n${host}host: i\r\n\r\n`, strict: 400, hp: 0, rule: 'host' },
  ...[
    '',
    'a b',
    'a,b',
    'a/b',
    'a?b',
    'a#b',
    'u@a',
    'a:b',
    'a:',
    'a:80:80',
    '[::1',
    '::1',
    'a:99999',
    'a\\b',
    '\xe4',
    'a%zz',
  ].map((value) => ({
    name: `the value ${JSON.stringify(value)}`,
    text: `${line}Host: ${value}\r\n\r\n`,
    ...(value === 'a,b' || value === 'a:' ? { strict: 0 } : { strict: 400, hp: 0, rule: 'host' as const }),
  })),
  ...['example.org', 'a-b.c:8080', '[::1]:80', '127.0.0.1', 'a%20b'].map((value) => ({
    name: `the value ${value}`,
    text: `${line}Host: ${value}\r\n\r\n`,
    strict: 0,
  })),
];

// Fields: RFC 9112 5, RFC 9110 5
const fields: Case[] = [
  { name: 'a blank before the colon', text: `${line}${host}A : b\r\n\r\n`, strict: 400 },
  { name: 'a blank in a name (HP-016)', text: `${line}${host}A b: c\r\n\r\n`, strict: 400 },
  { name: 'an empty name', text: `${line}${host}: c\r\n\r\n`, strict: 400 },
  { name: 'a sign in a name (HP-017)', text: `${line}${host}A(b: c\r\n\r\n`, strict: 400 },
  { name: 'a blank in front of the first', text: `${line} ${host}\r\n`, strict: 400, hp: 0, rule: 'folding' },
  { name: 'a folded line (HP-020)', text: `${line}${host}A: b\r\n c\r\n\r\n`, strict: 400, hp: 0, rule: 'folding' },
  { name: 'LF without CR (HP-002)', text: `${line}Host: h\n\r\n`, strict: 400, hp: 0, rule: 'bareLf' },
  { name: 'CR in a value', text: `${line}${host}A: b\rc\r\n\r\n`, strict: 400 },
  { name: 'NUL in a value', text: `${line}${host}A: b\0c\r\n\r\n`, strict: 400 },
  { name: 'DEL in a value', text: `${line}${host}A: b\x7fc\r\n\r\n`, strict: 400 },
  { name: 'bytes from 0x80 on in a value (HP-019)', text: `${line}${host}A: \xe4\r\n\r\n`, strict: 0 },
  { name: 'an unknown expectation', text: `${post}Expect: cake\r\n\r\n`, strict: 417, hp: 0, rule: 'expectation' },
  { name: '100-continue', text: `${post}Expect: 100-continue\r\n\r\n`, strict: 0 },
];

// How long a body is: RFC 9112 6.1 to 6.3, the places where requests are smuggled
const framing: Case[] = [
  { name: 'two lengths (HP-023)', text: `${post}Content-Length: 1\r\nContent-Length: 1\r\n\r\nx`, strict: 400 },
  { name: 'a list of lengths', text: `${post}Content-Length: 1, 1\r\n\r\nx`, strict: 400 },
  ...['', '+1', '-1', '1x', '0x1', '1 1', '1.0', '١', '18446744073709551616'].map((value) => ({
    name: `the length ${JSON.stringify(value)} (HP-022)`,
    text: `${post}Content-Length: ${Buffer.from(value).toString('latin1')}\r\n\r\nx`,
    strict: 400,
  })),
  { name: 'a length above 2^53', text: `${post}Content-Length: 9007199254740992\r\n\r\n`, strict: 413 },
  {
    name: 'a length and chunked (HP-024)',
    text: `${post}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    strict: 400,
  },
  {
    name: 'chunked and a length',
    text: `${post}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n`,
    strict: 400,
  },
  { name: 'chunked', text: `${chunked}0\r\n\r\n`, strict: 0 },
  { name: 'CHUNKED', text: `${post}Transfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n`, strict: 0 },
  { name: 'chunked twice', text: `${post}Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n`, strict: 400 },
  {
    name: 'chunked in two fields',
    text: `${post}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    strict: 400,
  },
  {
    name: 'gzip, chunked (HP-026)',
    text: `${post}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
    strict: 501,
    hp: 0,
    rule: 'transferCoding',
  },
  { name: 'chunked, gzip (HP-025)', text: `${post}Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n`, strict: 400 },
  { name: 'identity', text: `${post}Transfer-Encoding: identity\r\n\r\n`, strict: 501, hp: 400 },
  { name: 'an empty coding', text: `${post}Transfer-Encoding:\r\n\r\n`, strict: 400, hp: 0, rule: 'transferCoding' },
  { name: 'xchunked', text: `${post}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`, strict: 501, hp: 400 },
  { name: 'chunked in quotes', text: `${post}Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n`, strict: 400 },
  {
    name: 'chunked on HTTP/1.0',
    text: `POST / HTTP/1.0\r\n${host}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    strict: 400,
    hp: 0,
    rule: 'transferCoding',
  },
  { name: 'a blank behind the name', text: `${post}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`, strict: 400 },
];

// Chunks: RFC 9112 7.1
const chunks: Case[] = [
  { name: 'an extension', text: `${chunked}1;a=b;c="d"\r\nx\r\n0\r\n\r\n`, strict: 0 },
  { name: 'a size in upper case', text: `${chunked}A\r\n0123456789\r\n0\r\n\r\n`, strict: 0 },
  {
    name: "HP-Socket's extension",
    text: `${chunked}1 ;a=b\r\nx\r\n0\r\n\r\n`,
    strict: 400,
    hp: 0,
    rule: 'chunkBlanks',
  },
  { name: 'a blank behind the size', text: `${chunked}1 \r\nx\r\n0\r\n\r\n`, strict: 400, hp: 0, rule: 'chunkBlanks' },
  { name: 'two sizes', text: `${chunked}1 0\r\nx\r\n0\r\n\r\n`, strict: 400 },
  { name: 'a bare semicolon', text: `${chunked}1;\r\nx\r\n0\r\n\r\n`, strict: 400 },
  { name: 'LF behind the size', text: `${chunked}1\nx\r\n0\r\n\r\n`, strict: 400 },
  { name: 'LF in an extension', text: `${chunked}1;a\nx\r\n0\r\n\r\n`, strict: 400, hp: 0, rule: 'bareLf' },
  { name: 'LF behind the data', text: `${chunked}1\r\nx\n0\r\n\r\n`, strict: 400, hp: 0, rule: 'bareLf' },
  { name: 'more data than the size', text: `${chunked}1\r\nxy\r\n0\r\n\r\n`, strict: 400 },
  { name: 'no size (HP-027)', text: `${chunked}\r\nx\r\n0\r\n\r\n`, strict: 400 },
  { name: '0x1', text: `${chunked}0x1\r\nx\r\n0\r\n\r\n`, strict: 400 },
  { name: '-1', text: `${chunked}-1\r\nx\r\n0\r\n\r\n`, strict: 400 },
  { name: 'a size of 65 bit', text: `${chunked}10000000000000000\r\n`, strict: 400 },
  { name: 'a trailer', text: `${chunked}0\r\nX-T: v\r\n\r\n`, strict: 0 },
  ...[
    'Content-Length: 5',
    'Transfer-Encoding: chunked',
    'Host: i',
    'Connection: close',
    'Authorization: x',
    'Trailer: x',
  ].map((trailer) => ({
    name: `the trailer ${trailer}`,
    text: `${chunked}0\r\n${trailer}\r\n\r\n`,
    strict: 400,
    ...(/^(Host|Connection|Auth|Trailer)/.test(trailer) ? { hp: 0, rule: 'trailerFields' as const } : {}),
  })),
];

for (const [title, cases] of Object.entries({ versions, lines, targets, hosts, fields, framing, chunks })) {
  describe(`the policy for ${title}`, () => {
    for (const { name, text, strict, hp = strict, rule } of cases) {
      it(`${strict === 0 ? 'lets in' : `answers ${strict} to`} ${name}${hp === strict ? '' : `, 'hp' ${hp || 'lets it in'}`}`, () => {
        expect(statusOf(text)).toBe(strict);
        expect(statusOf(text, { policy: 'hp', rules: { answersErrors: true } })).toBe(hp);
        if (rule === undefined || hp === strict) return;
        expect(statusOf(text, { rules: { [rule]: false } }), `without the rule ${rule}`).toBe(0);
        expect(statusOf(text, { policy: 'hp', rules: { answersErrors: true, [rule]: true } }), `only ${rule}`).toBe(
          strict,
        );
      });
    }
  });
}

describe('rules', () => {
  it('are all on or all off by policy, single ones replaced (NHT-003)', () => {
    const strict = httpRules('strict');
    const loose = httpRules('hp', { host: true });
    for (const name of RULE_NAMES) {
      expect(strict[name]).toBe(true);
      expect(loose[name]).toBe(name === 'host');
    }
  });

  it('know valid hosts', () => {
    expect(isHost('a:65535')).toBe(true);
    expect(isHost('a:65536')).toBe(false);
    expect(isHost('[1:2::3]')).toBe(true);
    expect(isHost('[g]')).toBe(false);
  });
});

describe('targets', () => {
  it('are split into fields (HT-010, HP-013, HP-014)', () => {
    expect(splitTarget('http://u:p@h:8080/a/b?c=d#e', false)).toEqual({
      fields: ['http', 'h', '8080', '/a/b', 'c=d', 'e', 'u:p'],
      set: 0x7f,
    });
    expect(splitTarget('http://u@h:80/p?q', false)?.set).toBe(0x5f);
    expect(splitTarget('/a?b', false)).toEqual({ fields: ['', '', '', '/a', 'b', '', ''], set: 0x18 });
    expect(splitTarget('*', false)?.fields[3]).toBe('*');
    expect(splitTarget('https://[::1]:443', false)?.fields.slice(0, 4)).toEqual(['https', '::1', '443', '']);
    expect(splitTarget('h:443', true)?.fields.slice(0, 3)).toEqual(['', 'h', '443']);
  });

  it('that cannot be split are none (HP-012)', () => {
    for (const target of ['', 'a', '/\xe4', '/a b', 'http://h:x/', 'http://h:99999/']) {
      expect(splitTarget(target, false), target).toBeNull();
    }
    for (const target of ['', 'h', '/a', 'h:x', 'h:1/a']) expect(splitTarget(target, true), target).toBeNull();
  });
});
