import { describe, expect, test } from 'vitest';
import {
  type ProxyOption,
  parseProxies,
  proxyTargetName,
  proxyTargetProblem,
} from '../../../src/protocol/preambles/proxy-url.ts';

/** What is thrown for the option, as `name: message`; `taken` if nothing is. */
function refusal(option: unknown): string {
  try {
    parseProxies('proxy', option as ProxyOption);
    return 'taken';
  } catch (error) {
    return `${(error as Error).name}: ${(error as Error).message}`;
  }
}

describe('a proxy, taken apart', () => {
  test('null is none, a list keeps its order', () => {
    expect(parseProxies('proxy', null)).toEqual([]);
    const hops = parseProxies('proxy', ['http://a', new URL('socks5://b:1'), { url: new URL('https://c') }]);
    expect(hops.map(({ name }) => name)).toEqual(['http://a:80', 'socks5://b:1', 'https://c:443']);
  });

  test('all that a URL says', () => {
    expect(parseProxies('proxy', 'socks5://us%3Aer:pa%40ss@host.example')).toEqual([
      {
        kind: 'socks5',
        host: 'host.example',
        port: 1080,
        user: 'us:er',
        password: 'pa@ss',
        hasLogin: true,
        headers: [],
        pipeline: false,
        ssl: null,
        name: 'socks5://host.example:1080',
      },
    ]);
    expect(parseProxies('proxy', { url: 'http://h:80/', headers: { 'X-A': 'b', 'x-c': '\t\xff' } })).toEqual([
      {
        kind: 'http',
        host: 'h',
        port: 80,
        user: '',
        password: '',
        hasLogin: false,
        headers: [
          ['X-A', 'b'],
          ['x-c', '\t\xff'],
        ],
        pipeline: false,
        ssl: null,
        name: 'http://h:80',
      },
    ]);
  });

  test('an IPv6 address stands in brackets in its name only', () => {
    const [hop] = parseProxies('proxy', 'http://[2001:db8::1]:8080');
    expect([hop!.host, hop!.name]).toEqual(['2001:db8::1', 'http://[2001:db8::1]:8080']);
  });

  test('socks5h is socks5, and its port 80 is not the default one', () => {
    const ports = ['socks5h://a', 'SOCKS5://a:80', 'socks5://a:80/', 'http://a:1080', 'https://a:80'];
    expect(parseProxies('proxy', ports).map(({ name }) => name)).toEqual([
      'socks5://a:1080',
      'socks5://a:80',
      'socks5://a:80',
      'http://a:1080',
      'https://a:80',
    ]);
  });

  test('a port is the one that was given, however it is written', () => {
    for (const spelt of ['80', '080', '80/', '80?', '80#', '80 ', '8\n0'])
      expect(parseProxies('proxy', `socks5://u:p@a:${spelt}`)[0]!.port).toBe(80);
    const ports = [
      'socks5://[::80]',
      'socks5://80:80@a',
      'socks5://a:443',
      'http://a:080',
      'https://a:0443',
      'http://a:443',
    ];
    expect(parseProxies('proxy', ports).map(({ port }) => port)).toEqual([1080, 1080, 443, 80, 443, 443]);
  });

  test('TLS is spoken with https://, with socks5:// if ssl is given, and never with http://', () => {
    const ssl = { serverName: 'other.example' };
    const hops = parseProxies('proxy', [
      'http://a',
      'https://a',
      { url: 'https://a', ssl },
      { url: 'socks5://a', ssl },
    ]);
    expect(hops.map((hop) => hop.ssl)).toEqual([null, expect.anything(), ssl, ssl]);
    expect(refusal({ url: 'http://a', ssl })).toMatch(
      /^TypeError: ssl of proxy is for https:\/\/ and socks5:\/\/ only/,
    );
    expect(refusal({ url: 'https://a', ssl: 5 })).toContain('ssl of a proxy');
  });

  test.each([
    ['ca', 'caFileOrPath'],
    ['cert', 'certFile'],
    ['key', 'keyFile'],
  ])('for TLS, %s is given or %s, not both, and an empty text is none', (text, file) => {
    const given = (ssl: object): string => refusal({ url: 'https://a', ssl });
    expect(given({ [text]: 'x', [file]: 'y' })).toBe(
      `TypeError: ssl of a proxy: ${text} and ${file} say the same; give one of them`,
    );
    for (const ssl of [{ [text]: 'x' }, { [file]: 'y' }, { [text]: 'x', [file]: '' }, { [text]: '', [file]: 'y' }])
      expect(given(ssl)).toBe('taken');
  });

  test('the lowest version of TLS is not above the highest, be they given or not', () => {
    const given = (ssl: object): string => refusal({ url: 'https://a', ssl });
    for (const version of ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'])
      expect(given({ minVersion: version, maxVersion: version })).toBe('taken');
    expect([given({ minVersion: 'TLSv1.3' }), given({ maxVersion: 'TLSv1.2' })]).toEqual(['taken', 'taken']);
    expect(given({ maxVersion: 'TLSv1.1' })).toBe(
      'RangeError: ssl of a proxy: minVersion TLSv1.2 is above maxVersion TLSv1.1',
    );
    expect(given({ minVersion: 'TLSv1.3', maxVersion: 'TLSv1.2' })).toBe(
      'RangeError: ssl of a proxy: minVersion TLSv1.3 is above maxVersion TLSv1.2',
    );
  });

  test('a row has up to 16', () => {
    expect(parseProxies('proxy', Array(16).fill('http://a'))).toHaveLength(16);
    expect(refusal(Array(17).fill('http://a'))).toBe(
      'RangeError: proxy has 17 proxies in a row, at most 16 are possible',
    );
  });

  test('user and password of SOCKS5 have 1 to 255 bytes each', () => {
    const most = 'x'.repeat(255);
    for (const login of [`${most}:${most}`, 'u:p']) expect(refusal(`socks5://${login}@a`)).toBe('taken');
    for (const login of [`${most}x:p`, `u:${most}x`, 'u:', ':p', `u:${'x'.repeat(254)}%C3%A4`])
      expect(refusal(`socks5://${login}@a`)).toBe(
        'RangeError: user and password of proxy must have 1 to 255 bytes each',
      );
    expect(refusal(`http://u:${most}x@a`)).toBe('taken');
  });

  test.each([
    [5, 'proxy must be a URL such as socks5://user:password@host:port, not 5'],
    [[null], 'proxy must be a URL such as socks5://user:password@host:port, not null'],
    [{}, 'url of proxy must be a URL such as socks5://user:password@host:port, not undefined'],
    [{ url: 5 }, 'url of proxy must be a URL such as socks5://user:password@host:port, not 5'],
  ])('%j is none', (option, message) => {
    expect(refusal(option)).toBe(`TypeError: ${message}`);
  });

  test.each([
    ['nothing', 'proxy must be a URL such as socks5://user:password@host:port'],
    ['http://', 'proxy must be a URL such as socks5://user:password@host:port'],
    ['ftp://a', 'proxy must begin with socks5://, http:// or https://, not with "ftp:"'],
    [' http://a', 'proxy must begin with socks5://, http:// or https://, not with ":"'],
    ['socks5://a/b', 'proxy must be a URL of host and port, without a path'],
    ['http://a?b', 'proxy must be a URL of host and port, without a path'],
    ['http://a#b', 'proxy must be a URL of host and port, without a path'],
    ['http://a%3Ab:c@d', 'the user of proxy must not contain a colon'],
    ['http://%zz@a', 'user and password of proxy must be percent-encoded'],
    ['http://u:%ff@a', 'user and password of proxy must be percent-encoded'],
    [{ url: 'socks5://a', headers: { a: 'b' } }, 'headers of proxy are for http:// and https:// only'],
    [{ url: 'http://a', pipeline: true }, 'pipeline of proxy is for socks5:// only'],
    [{ url: 'https://a', pipeline: true }, 'pipeline of proxy is for socks5:// only'],
  ])('%j is none that can be used', (option, message) => {
    expect(refusal(option)).toBe(`TypeError: ${message}`);
  });

  test('a port is 1 or more; no headers, and no pipeline, are for any', () => {
    expect(refusal('socks5://a:0')).toBe('RangeError: the port of proxy must be 1 to 65535');
    for (const url of ['socks5://a%3Ab:c@d:1', 'http://a/', 'https://a'])
      expect(refusal({ url, headers: {}, pipeline: false })).toBe('taken');
    expect(parseProxies('proxy', { url: 'socks5://a', pipeline: true })[0]!.pipeline).toBe(true);
  });

  test.each([[null], [5], ['a: b'], [[]], [[['a', 'b']]]])('headers of %j are none', (headers) => {
    expect(refusal({ url: 'http://a', headers })).toMatch(
      /^TypeError: headers of proxy must be an object of fields and their texts, not /,
    );
  });

  test.each([
    ['a b', 'c'],
    ['', 'c'],
    ['a', 5],
    ['a', 'b\nc'],
    ['a', 'ā'],
  ])('a field %j with the value %j is none', (name, value) => {
    expect(refusal({ url: 'http://a', headers: { good: 'g', [name]: value } })).toBe(
      `TypeError: headers of proxy: ${JSON.stringify(name)} is no field with a text for its value`,
    );
  });

  test.each(['Host', 'content-length', 'Transfer-Encoding'])('%s is no field for a CONNECT request', (name) => {
    expect(refusal({ url: 'http://a', headers: { [name]: '1' } })).toBe(
      `TypeError: headers of proxy: ${name} cannot be said of a CONNECT request`,
    );
    expect(refusal({ url: 'http://a', headers: { [`X-${name}`]: '1' } })).toBe('taken');
  });

  test('Proxy-Authorization is for a URL without user and password', () => {
    const headers = { 'Proxy-Authorization': 'Bearer t' };
    expect(refusal({ url: 'http://a', headers })).toBe('taken');
    for (const login of ['u:p', 'u', ':p']) {
      expect(refusal({ url: `http://${login}@a`, headers })).toBe(
        'TypeError: headers of proxy: Proxy-Authorization makes no sense with user and password in the URL',
      );
      expect(refusal({ url: `http://${login}@a`, headers: { 'X-A': 'b' } })).toBe('taken');
    }
  });
});

describe('the host that a proxy is asked for', () => {
  test.each([
    ['h.example', 'h.example'],
    ['H_1.example', 'H_1.example'],
    ['Bücher.example', 'xn--bcher-kva.example'],
    ['example.みんな', 'example.xn--q9jyb4c'],
    ['ä b', 'ä b'], // is none, and stays what it is
  ])('%s is %s in ASCII', (host, name) => {
    expect(proxyTargetName(host)).toBe(name);
  });

  test('is a name or an address of up to 255 bytes', () => {
    for (const host of ['h.example', '192.0.2.1', '[2001:db8::1]', 'fe80::1%eth0', 'Bücher.example', 'x'.repeat(255)])
      expect(proxyTargetProblem(host)).toBe(null);
    expect(proxyTargetProblem('x'.repeat(256))).toBe('host has more than 255 bytes, which a proxy cannot be asked for');
    for (const host of ['', 'a b', 'a\r\nHost: b', 'a/b', 'a@b', 'a\0', 'ä b'])
      expect(proxyTargetProblem(host)).toBe(
        `host ${JSON.stringify(host)} cannot be asked of a proxy: it is no name and no address`,
      );
  });
});
