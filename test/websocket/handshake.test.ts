import { describe, expect, it } from 'vitest';
import { Compression } from '../../src/websocket/compression.ts';
import { FULL_DEFLATE } from '../../src/websocket/deflate-negotiation.ts';
import {
  acceptOf,
  answerUpgrade,
  checkSubProtocols,
  checkUpgradeRequest,
  checkUpgradeResponse,
  chooseProtocol,
  createKey,
  type HeaderLookup,
  isRefusal,
  type UpgradeOffer,
  upgradeHeaders,
} from '../../src/websocket/handshake.ts';

type Fields = Record<string, string | undefined>;

const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
const lookup =
  (fields: Fields): HeaderLookup =>
  (name) =>
    fields[name];

const good: Fields = {
  host: 'server.example.com',
  upgrade: 'websocket',
  connection: 'Upgrade',
  'sec-websocket-key': KEY,
  'sec-websocket-version': '13',
};

function ask(
  fields: Fields,
  { method = 'GET', majorVersion = 1, minorVersion = 1, origins = null as string[] | null } = {},
): ReturnType<typeof checkUpgradeRequest> {
  return checkUpgradeRequest({ method, majorVersion, minorVersion, header: lookup({ ...good, ...fields }) }, origins);
}

function statusOf(result: ReturnType<typeof checkUpgradeRequest>): number {
  return isRefusal(result) ? result.status : 101;
}

describe('the opening handshake, server', () => {
  it('has the accept value of RFC 6455, 1.3', () => {
    expect(acceptOf(KEY)).toBe('s3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
    expect(ask({})).toEqual({ accept: 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=', protocols: [], origin: undefined });
  });

  it('takes header values in any case, and tokens among others', () => {
    expect(statusOf(ask({ upgrade: 'WebSocket', connection: 'keep-alive, UPGRADE' }))).toBe(101);
    expect(statusOf(ask({ upgrade: 'h2c, websocket' }))).toBe(101);
  });

  const refused: [string, Fields, number][] = [
    ['no Host', { host: undefined }, 400],
    ['an empty Host', { host: '' }, 400],
    ['two Hosts', { host: 'a, b' }, 400],
    ['no Upgrade', { upgrade: undefined }, 426],
    ['another Upgrade', { upgrade: 'websockets' }, 426],
    ['no Connection', { connection: undefined }, 426],
    ['another Connection', { connection: 'keep-alive' }, 426],
    ['no version', { 'sec-websocket-version': undefined }, 426],
    ['version 8', { 'sec-websocket-version': '8' }, 426],
    ['version 14', { 'sec-websocket-version': '14' }, 426],
    ['two versions', { 'sec-websocket-version': '13, 8' }, 426],
    ['version 013', { 'sec-websocket-version': '013' }, 426],
    ['no key', { 'sec-websocket-key': undefined }, 400],
    ['an empty key', { 'sec-websocket-key': '' }, 400],
    ['a short key', { 'sec-websocket-key': 'dGhlIHNhbXBsZQ==' }, 400],
    ['a long key', { 'sec-websocket-key': `${KEY}AA` }, 400],
    ['a key that is no base64', { 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25j*Q==' }, 400],
    ['a key with bits beyond its bytes', { 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZR==' }, 400],
    ['two keys', { 'sec-websocket-key': `${KEY}, ${KEY}` }, 400],
    ['a sub-protocol twice', { 'sec-websocket-protocol': 'chat, chat' }, 400],
    ['a sub-protocol that is no token', { 'sec-websocket-protocol': 'chat room' }, 400],
    ['an empty sub-protocol', { 'sec-websocket-protocol': 'chat,,x' }, 400],
  ];
  it.each(refused)('refuses %s', (_what, fields, status) => {
    expect(statusOf(ask(fields))).toBe(status);
  });

  it('names its version and its protocol when it wants another one', () => {
    expect(ask({ 'sec-websocket-version': '7' })).toMatchObject({
      headers: [
        ['Sec-WebSocket-Version', '13'],
        ['Upgrade', 'websocket'],
        ['Connection', 'Upgrade'],
      ],
    });
  });

  it('opens on HTTP/1.1 GET alone', () => {
    expect(statusOf(ask({}, { method: 'POST' }))).toBe(405);
    expect(statusOf(ask({}, { minorVersion: 0 }))).toBe(400);
    expect(statusOf(ask({}, { majorVersion: 2, minorVersion: 0 }))).toBe(400);
  });

  it('lets pages of allowed origins connect, and programs that are no browser', () => {
    const origins = ['https://example.com'];
    expect(statusOf(ask({ origin: 'https://example.com' }, { origins }))).toBe(101);
    expect(statusOf(ask({}, { origins }))).toBe(101);
    for (const origin of ['https://example.com.evil.net', 'http://example.com', 'null', '']) {
      expect(statusOf(ask({ origin }, { origins }))).toBe(403);
    }
    expect(statusOf(ask({ origin: 'null' }))).toBe(101);
  });

  it('chooses the sub-protocol that it likes best of those offered', () => {
    const offer = ask({ 'sec-websocket-protocol': 'v1.chat, v2.chat' }) as UpgradeOffer;
    expect(offer.protocols).toEqual(['v1.chat', 'v2.chat']);
    expect(chooseProtocol(offer.protocols, ['v3.chat', 'v2.chat', 'v1.chat'])).toBe('v2.chat');
    expect(chooseProtocol(offer.protocols, ['v3.chat'])).toBe('');
    expect(answerUpgrade(offer, 'v2.chat', undefined, null)).toEqual({
      headers: [
        ['Upgrade', 'websocket'],
        ['Connection', 'Upgrade'],
        ['Sec-WebSocket-Accept', offer.accept],
        ['Sec-WebSocket-Protocol', 'v2.chat'],
      ],
      agreement: { protocol: 'v2.chat', deflate: null },
    });
    expect(() => answerUpgrade(offer, 'v3.chat', undefined, null)).toThrow(TypeError);
  });

  it('agrees on compression if it has any', () => {
    const offer = ask({}) as UpgradeOffer;
    const compression = new Compression({
      ...FULL_DEFLATE,
      thresholdBytes: 0,
      level: 6,
      memLevel: 8,
      laterBytes: 0,
      maxLater: 4,
      budgetBytes: 1e9,
    });
    const extensions = 'permessage-deflate; client_max_window_bits';
    expect(answerUpgrade(offer, '', extensions, null).agreement.deflate).toBeNull();
    expect(answerUpgrade(offer, '', undefined, compression).agreement.deflate).toBeNull();
    const { headers, agreement } = answerUpgrade(offer, '', extensions, compression);
    expect(headers.at(-1)).toEqual(['Sec-WebSocket-Extensions', 'permessage-deflate']);
    expect(agreement.deflate).toEqual(FULL_DEFLATE);
  });
});

describe('the opening handshake, client', () => {
  const answer: Fields = {
    upgrade: 'websocket',
    connection: 'Upgrade',
    'sec-websocket-accept': acceptOf(KEY),
  };
  const check = (fields: Fields, protocols: string[] = [], wish: typeof FULL_DEFLATE | null = null, status = 101) =>
    checkUpgradeResponse(status, lookup({ ...answer, ...fields }), KEY, protocols, wish);

  it('sends a fresh key each time, and what it offers', () => {
    const keys = new Set(Array.from({ length: 100 }, createKey));
    expect(keys.size).toBe(100);
    for (const key of keys) expect(Buffer.from(key, 'base64')).toHaveLength(16);
    expect(upgradeHeaders(KEY, ['a', 'b'], FULL_DEFLATE)).toEqual([
      ['Upgrade', 'websocket'],
      ['Connection', 'Upgrade'],
      ['Sec-WebSocket-Version', '13'],
      ['Sec-WebSocket-Key', KEY],
      ['Sec-WebSocket-Protocol', 'a, b'],
      ['Sec-WebSocket-Extensions', 'permessage-deflate; client_max_window_bits'],
    ]);
    expect(() => checkSubProtocols(['a', 'a'])).toThrow(TypeError);
    expect(() => checkSubProtocols(['a b'])).toThrow(TypeError);
  });

  it('takes a right answer, HP-Socket with its Content-Length too (UPG-008)', () => {
    expect(check({})).toEqual({ protocol: '', deflate: null });
    expect(check({ upgrade: 'WebSocket', 'content-length': '0' })).toEqual({ protocol: '', deflate: null });
    expect(check({ 'sec-websocket-protocol': 'b' }, ['a', 'b'])).toEqual({ protocol: 'b', deflate: null });
    expect(check({ 'sec-websocket-extensions': 'permessage-deflate' }, [], FULL_DEFLATE)).toEqual({
      protocol: '',
      deflate: FULL_DEFLATE,
    });
  });

  const refused: [string, Fields, string[]][] = [
    ['no Upgrade', { upgrade: undefined }, []],
    ['another Upgrade', { upgrade: 'h2c' }, []],
    ['no Connection', { connection: undefined }, []],
    ['no accept', { 'sec-websocket-accept': undefined }, []],
    ['the accept of another key', { 'sec-websocket-accept': acceptOf(createKey()) }, []],
    ['a sub-protocol nobody asked for', { 'sec-websocket-protocol': 'a' }, []],
    ['another sub-protocol', { 'sec-websocket-protocol': 'c' }, ['a', 'b']],
    ['two sub-protocols', { 'sec-websocket-protocol': 'a, b' }, ['a', 'b']],
    ['no sub-protocol though some were offered', {}, ['a']],
    ['an extension nobody asked for', { 'sec-websocket-extensions': 'permessage-deflate' }, []],
  ];
  it.each(refused)('fails for %s', (_what, fields, protocols) => {
    expect(check(fields, protocols)).toBeTypeOf('string');
  });

  it('fails for any other status', () => {
    for (const status of [200, 301, 401, 426, 503]) expect(check({}, [], null, status)).toContain(String(status));
  });

  it('fails for permessage-deflate twice in one answer', () => {
    const twice = { 'sec-websocket-extensions': 'permessage-deflate, permessage-deflate' };
    expect(check(twice, [], FULL_DEFLATE)).toBeTypeOf('string');
  });
});
