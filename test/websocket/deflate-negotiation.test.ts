import { describe, expect, it } from 'vitest';
import {
  answerDeflateOffer,
  type DeflateWish,
  deflateOffer,
  FULL_DEFLATE,
  readDeflateAnswer,
} from '../../src/websocket/deflate-negotiation.ts';
import { parseExtensions } from '../../src/websocket/extension-header.ts';

describe('a Sec-WebSocket-Extensions header (RFC 6455, 9.1)', () => {
  const good: [string, string][] = [
    ['', ''],
    ['foo', '[foo]'],
    ['foo, bar; baz=2', '[foo][bar baz=2]'],
    ['foo; bar; baz="quoted"', '[foo bar baz=quoted]'],
    ['foo;bar="a\\b"', '[foo bar=ab]'],
    [' \t foo ;\tbar = 1 , ,,bar ', '[foo bar=1][bar]'],
    ["a!#$%&'*+-.^_`|~9", "[a!#$%&'*+-.^_`|~9]"],
  ];
  it.each(good)('%j holds %j', (header, wanted) => {
    const text = parseExtensions(header)!
      .map(
        ({ name, parameters }) =>
          `[${[name, ...parameters.map(([k, v]) => (v === null ? k : `${k}=${v}`))].join(' ')}]`,
      )
      .join('');
    expect(text).toBe(wanted);
  });

  const bad = [
    'foo bar',
    'foo;',
    'foo;;bar',
    'foo; bar=',
    'foo; bar=;',
    'foo; bar="a b"',
    'foo; bar=""',
    'foo; bar="unfinished',
    'foo; =1',
    ';foo',
    'föö',
    'foo, bar baz',
    'foo; bar=1 2',
    'foo\r\nbar',
    `foo${'; a'.repeat(33)}`,
    'foo,'.repeat(33),
    'x'.repeat(5000),
  ];
  it.each(bad)('%j is refused', (header) => {
    expect(parseExtensions(header)).toBeNull();
  });
});

describe('permessage-deflate, the server', () => {
  const answers: [string, Partial<DeflateWish>, string | null][] = [
    ['permessage-deflate', {}, 'permessage-deflate'],
    ['permessage-deflate; client_max_window_bits', {}, 'permessage-deflate'],
    [
      'permessage-deflate; client_max_window_bits',
      { clientMaxWindowBits: 10 },
      'permessage-deflate; client_max_window_bits=10',
    ],
    ['permessage-deflate; client_max_window_bits=9', {}, 'permessage-deflate; client_max_window_bits=9'],
    ['permessage-deflate', { clientMaxWindowBits: 10 }, 'permessage-deflate'],
    ['permessage-deflate; server_max_window_bits=10', {}, 'permessage-deflate; server_max_window_bits=10'],
    ['permessage-deflate; server_max_window_bits=15', {}, 'permessage-deflate; server_max_window_bits=15'],
    ['permessage-deflate; server_max_window_bits="12"', {}, 'permessage-deflate; server_max_window_bits=12'],
    ['permessage-deflate', { serverMaxWindowBits: 11 }, 'permessage-deflate; server_max_window_bits=11'],
    [
      'permessage-deflate; server_no_context_takeover; client_no_context_takeover',
      {},
      'permessage-deflate; server_no_context_takeover; client_no_context_takeover',
    ],
    [
      'permessage-deflate',
      { serverNoContextTakeover: true, clientNoContextTakeover: true },
      'permessage-deflate; server_no_context_takeover; client_no_context_takeover',
    ],
    ['x-webkit-deflate-frame, permessage-deflate', {}, 'permessage-deflate'],
    ['', {}, null],
    ['permessage-bzip2', {}, null],
    ['permessage-deflate; server_max_window_bits=010', {}, null],
    ['permessage-deflate; server_max_window_bits', {}, null],
    ['permessage-deflate; server_max_window_bits=7', {}, null],
    ['permessage-deflate; server_max_window_bits=16', {}, null],
    ['permessage-deflate; server_max_window_bits=1e1', {}, null],
    ['permessage-deflate; server_max_window_bits=+9', {}, null],
    ['permessage-deflate; server_max_window_bits=9; server_max_window_bits=9', {}, null],
    ['permessage-deflate; client_max_window_bits=08', {}, null],
    ['permessage-deflate; client_max_window_bits=0', {}, null],
    ['permessage-deflate; server_no_context_takeover=1', {}, null],
    ['permessage-deflate; server_no_context_takeover="true"', {}, null],
    ['permessage-deflate; client_no_context_takeover; client_no_context_takeover', {}, null],
    ['permessage-deflate; unknown', {}, null],
    ['Permessage-Deflate', {}, null],
    ['permessage-deflate; server_max_window_bits=99, permessage-deflate', {}, 'permessage-deflate'],
    ['permessage-deflate; broken=, permessage-deflate', {}, null],
  ];
  it.each(answers)('offered %j with %j answers %j', (offer, wish, answer) => {
    expect(answerDeflateOffer(offer, { ...FULL_DEFLATE, ...wish })?.header ?? null).toBe(answer);
  });

  it('agrees on what it answers', () => {
    expect(
      answerDeflateOffer('permessage-deflate; server_max_window_bits=10; client_max_window_bits=12', {
        ...FULL_DEFLATE,
        serverMaxWindowBits: 13,
        clientMaxWindowBits: 11,
        clientNoContextTakeover: true,
      })?.parameters,
    ).toEqual({
      serverNoContextTakeover: false,
      clientNoContextTakeover: true,
      serverMaxWindowBits: 10,
      clientMaxWindowBits: 11,
    });
  });
});

describe('permessage-deflate, the client', () => {
  const small: DeflateWish = {
    serverNoContextTakeover: true,
    clientNoContextTakeover: false,
    serverMaxWindowBits: 12,
    clientMaxWindowBits: 11,
  };

  it('offers what it wishes', () => {
    expect(deflateOffer(FULL_DEFLATE)).toBe('permessage-deflate; client_max_window_bits');
    expect(deflateOffer(small)).toBe(
      'permessage-deflate; server_no_context_takeover; server_max_window_bits=12; client_max_window_bits=11',
    );
  });

  it('agrees on what the server answers', () => {
    expect(readDeflateAnswer('', FULL_DEFLATE)).toBeNull();
    expect(readDeflateAnswer('permessage-deflate', FULL_DEFLATE)).toEqual(FULL_DEFLATE);
    expect(
      readDeflateAnswer('permessage-deflate; server_no_context_takeover; server_max_window_bits=9', small),
    ).toEqual({
      serverNoContextTakeover: true,
      clientNoContextTakeover: false,
      serverMaxWindowBits: 9,
      clientMaxWindowBits: 11,
    });
  });

  const refused: [string, DeflateWish | null][] = [
    ['permessage-deflate', null],
    ['permessage-deflate, permessage-deflate', FULL_DEFLATE],
    ['permessage-deflate, foo', FULL_DEFLATE],
    ['foo', FULL_DEFLATE],
    ['permessage-deflate; foo', FULL_DEFLATE],
    ['permessage-deflate; client_max_window_bits', FULL_DEFLATE],
    ['permessage-deflate; client_max_window_bits=7', FULL_DEFLATE],
    ['permessage-deflate; server_max_window_bits=010', FULL_DEFLATE],
    ['permessage-deflate; server_no_context_takeover; server_no_context_takeover', FULL_DEFLATE],
    ['permessage-deflate; server_max_window_bits=12', small],
    ['permessage-deflate; server_no_context_takeover', small],
    ['permessage-deflate; server_no_context_takeover; server_max_window_bits=13', small],
    ['permessage-deflate; server_no_context_takeover; server_max_window_bits=12; client_max_window_bits=12', small],
    ['permessage deflate', FULL_DEFLATE],
  ];
  it.each(refused)('fails the connection for the answer %j', (header, wish) => {
    expect(readDeflateAnswer(header, wish)).toBeTypeOf('string');
  });
});
