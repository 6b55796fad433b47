import { describe, expect, test } from 'vitest';
import type { Preamble, PreamblePort } from '../../../src/protocol/preambles/preamble.ts';
import { type ProxyOptions, parseProxies } from '../../../src/protocol/preambles/proxy-url.ts';
import { Socks5Preamble } from '../../../src/protocol/preambles/socks5.ts';
import { tunnelPreambles } from '../../../src/protocol/preambles/tunnels.ts';

/** A port that writes down what was sent through it, as hex, and what else was called. */
function noted(): { port: PreamblePort; sent: string[]; calls: unknown[][] } {
  const sent: string[] = [];
  const calls: unknown[][] = [];
  const port = {
    send: (bytes: Buffer) => void sent.push(bytes.toString('hex')),
    done: () => void calls.push(['done']),
    fail: (message: string, errno: number) => void calls.push([message, errno]),
  };
  return { port: port as unknown as PreamblePort, sent, calls };
}

/** A request for port 443 of `host`, begun, through `proxy`. */
function begun(proxy: string | ProxyOptions = 'socks5://proxy', host = 'h.example', targetPort = 443) {
  const [hop] = parseProxies('proxy', proxy);
  const { port, sent, calls } = noted();
  const preamble = new Socks5Preamble(port, hop!, 'the proxy', host, targetPort);
  preamble.begin();
  /** Shows it bytes, each time all that it has not taken; how many it took of them together. */
  const come = (hex: string): number => preamble.receive(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
  return { preamble, sent, calls, come };
}

const login = 'socks5://us%20er:p%C3%A4ss@proxy';
const loginHex = `01 05${Buffer.from('us er').toString('hex')} 05${Buffer.from('päss').toString('hex')}`.replaceAll(
  ' ',
  '',
);
const requestHex = `0501000309${Buffer.from('h.example').toString('hex')}01bb`;
const granted = '05 00 00 01 00000000 0000';

describe('a request to a SOCKS5 proxy', () => {
  test('says greeting and request, each when it is its turn', () => {
    const { preamble, sent, calls, come } = begun();
    expect(sent).toEqual(['050100']);
    expect(preamble.awaits).toBe('its choice of a method, of the proxy');
    expect(come('05 00')).toBe(2);
    expect(sent.slice(1)).toEqual([requestHex]);
    expect(preamble.awaits).toBe('its answer to the request, of the proxy');
    expect(come(granted)).toBe(10);
    expect(calls).toEqual([['done']]);
    expect(sent).toHaveLength(2);
  });

  test('says user and password between them, where the proxy wants that', () => {
    const { preamble, sent, calls, come } = begun(login);
    expect(sent).toEqual(['050102']);
    expect(come('05 02')).toBe(2);
    expect(sent.slice(1)).toEqual([loginHex]);
    expect(preamble.awaits).toBe('its answer to user and password, of the proxy');
    expect(come('01 00')).toBe(2);
    expect(sent.slice(2)).toEqual([requestHex]);
    expect(preamble.awaits).toBe('its answer to the request, of the proxy');
    expect(come(granted)).toBe(10);
    expect(calls).toEqual([['done']]);
  });

  test('leaves user and password out, where the proxy does not want them', () => {
    const { sent, calls, come } = begun(login);
    expect(come('05 00')).toBe(2);
    expect(sent.slice(1)).toEqual([requestHex]);
    expect(calls).toEqual([]);
  });

  test('is one piece where its URL says pipeline, and nothing is said twice', () => {
    const plain = begun({ url: 'socks5://proxy', pipeline: true });
    expect(plain.come('05 00')).toBe(2);
    expect(plain.come(granted)).toBe(10);
    expect([plain.sent, plain.calls]).toEqual([[`050100${requestHex}`], [['done']]]);
    const withLogin = begun({ url: login, pipeline: true });
    expect(withLogin.come('05 02')).toBe(2);
    expect(withLogin.come('01 00')).toBe(2);
    expect(withLogin.come(granted)).toBe(10);
    expect([withLogin.sent, withLogin.calls]).toEqual([[`050102${loginHex}${requestHex}`], [['done']]]);
  });

  test.each([
    ['h.example', 443, requestHex],
    ['x'.repeat(255), 65_535, `05010003ff${'78'.repeat(255)}ffff`],
    ['192.0.2.1', 256, '05010001c00002010100'],
    ['2001:db8::1', 1, '0501000420010db80000000000000000000000010001'],
  ])('names %s and port %i', (host, targetPort, hex) => {
    const { sent, come } = begun('socks5://proxy', host, targetPort);
    come('05 00');
    expect(sent[1]).toBe(hex);
  });
});

describe('the answer of a SOCKS5 proxy', () => {
  test.each([
    ['an IPv4 address', `05 00 00 01 c0000201 01bb`],
    ['an IPv6 address', `05 00 00 04 ${'20'.repeat(16)} 01bb`],
    ['a name', `05 00 00 03 03 616263 01bb`],
    ['a name of no bytes', '05 00 00 03 00 01bb'],
    ['a name of 255 bytes', `05 00 00 03 ff ${'61'.repeat(255)} 01bb`],
  ])('with %s is waited for to its end, and no byte behind it is taken', (_what, answer) => {
    const bytes = Buffer.from(answer.replaceAll(' ', ''), 'hex');
    const { preamble, calls, come } = begun();
    come('05 00');
    expect(bytes.length).toBeLessThanOrEqual(preamble.maxBytes);
    for (let length = 1; length < bytes.length; length++) expect(preamble.receive(bytes.subarray(0, length))).toBe(0);
    expect(calls).toEqual([]);
    expect(preamble.receive(Buffer.concat([bytes, Buffer.from('behind')]))).toBe(bytes.length);
    expect(calls).toEqual([['done']]);
  });

  test('has a method, of whose two bytes the first may come alone', () => {
    const { sent, calls, come } = begun();
    expect(come('05')).toBe(0);
    expect([sent.length, calls]).toEqual([1, []]);
    expect(come('05 00 05')).toBe(2);
  });

  test('to user and password may come byte by byte as well', () => {
    const { sent, calls, come } = begun(login);
    come('05 02');
    expect(come('01')).toBe(0);
    expect([sent.length, calls]).toEqual([2, []]);
    expect(come('01 00 05')).toBe(2);
  });

  const refused = (what: string): string => `the proxy did not connect to h.example:443: ${what}`;
  test.each<[string, string | ProxyOptions, string[], string, number]>([
    ['no SOCKS5', 'socks5://proxy', ['04'], 'the proxy is no SOCKS5 proxy', 71],
    ['a method nobody offered', 'socks5://proxy', ['05 01'], 'the proxy chose method 1, which was not offered', 71],
    ['a third method', login, ['05 01'], 'the proxy chose method 1, which was not offered', 71],
    [
      'user and password, which were not offered',
      'socks5://proxy',
      ['05 02'],
      'the proxy chose method 2, which was not offered',
      71,
    ],
    [
      'no method without a login',
      'socks5://proxy',
      ['05 ff'],
      'the proxy wants a login; give user and password in its URL',
      13,
    ],
    ['no method with a login', login, ['05 ff'], 'the proxy does not take user and password', 13],
    [
      'no login, behind one',
      { url: login, pipeline: true },
      ['05 00'],
      'the proxy wants no login, but has got one already (pipeline)',
      71,
    ],
    ['no answer to a login', login, ['05 02', '05'], 'the proxy answered the login with something else', 71],
    ['a login that is wrong', login, ['05 02', '01 01'], 'the proxy refused user and password', 13],
    [
      'no answer to a request',
      'socks5://proxy',
      ['05 00', '04'],
      'the proxy answered the request with something else',
      71,
    ],
    ['reply 1', 'socks5://proxy', ['05 00', '05 01'], refused('it failed'), 5],
    ['reply 2', 'socks5://proxy', ['05 00', '05 02'], refused('its rules do not allow that'), 13],
    ['reply 3', 'socks5://proxy', ['05 00', '05 03'], refused('the network cannot be reached'), 101],
    ['reply 4', 'socks5://proxy', ['05 00', '05 04'], refused('the host cannot be reached'), 113],
    ['reply 5', 'socks5://proxy', ['05 00', '05 05'], refused('the connection was refused'), 111],
    ['reply 6', 'socks5://proxy', ['05 00', '05 06'], refused('the time to live ran out'), 110],
    ['reply 7', 'socks5://proxy', ['05 00', '05 07'], refused('it does not know CONNECT'), 95],
    ['reply 8', 'socks5://proxy', ['05 00', '05 08'], refused('it does not take addresses of this kind'), 97],
    ['reply 9', 'socks5://proxy', ['05 00', '05 09'], refused('reply 9'), 5],
    [
      'a type of address',
      'socks5://proxy',
      ['05 00', '05 00 00 02 00'],
      'the proxy answered with an address of type 2',
      71,
    ],
  ])('%s ends it as soon as that can be told', (_what, proxy, answers, message, errno) => {
    const { calls, come, sent } = begun(proxy);
    const taken = answers.map(come);
    expect(taken).toEqual([...answers.slice(1).map(() => 2), 0]);
    expect(calls).toEqual([[message, errno]]);
    expect(sent.length).toBeLessThanOrEqual(answers.length);
  });

  test('a host that is long is named by its beginning', () => {
    for (const [host, shown] of [
      ['x'.repeat(80), 'x'.repeat(80)],
      ['x'.repeat(81), `${'x'.repeat(77)}...`],
    ] as const) {
      const { calls, come } = begun('socks5://proxy', host);
      come('05 00');
      come('05 01');
      expect(calls).toEqual([[`the proxy did not connect to ${shown}:443: it failed`, 5]]);
    }
  });
});

describe('proxies in a row', () => {
  /** What each of them is asked for: the preambles in their order, begun. */
  function asked(proxies: string[], host: string): { awaits: (string | undefined)[]; sent: string[] } {
    const sent: string[] = [];
    const awaits = tunnelPreambles(parseProxies('proxy', proxies), host, 443).map((make) => {
      const { port, sent: hex } = noted();
      const preamble: Preamble = make(port);
      preamble.begin!();
      if (preamble instanceof Socks5Preamble) preamble.receive(Buffer.from('0500', 'hex'));
      sent.push(Buffer.from(hex.at(-1)!, 'hex').toString('latin1'));
      return preamble.awaits;
    });
    return { awaits, sent };
  }

  test('are each asked for the next, and the last one for the target', () => {
    const { awaits, sent } = asked(['http://a:1', 'socks5://b:2', 'http://c:3'], 'h.example');
    expect(sent).toEqual([
      expect.stringMatching(/^CONNECT b:2 HTTP/),
      '\x05\x01\0\x03\x01c\0\x03',
      expect.stringMatching(/^CONNECT h\.example:443 HTTP/),
    ]);
    expect(awaits).toEqual([
      'its answer to CONNECT, of proxy 1 of 3 (http://a:1)',
      'its answer to the request, of proxy 2 of 3 (socks5://b:2)',
      'its answer to CONNECT, of proxy 3 of 3 (http://c:3)',
    ]);
  });

  test('a name with brackets in it stays what it is', () => {
    for (const host of ['a[b]', '[a]b']) expect(asked(['http://a:1'], host).sent[0]).toContain(`CONNECT ${host}:443 `);
  });

  test('one alone is not counted, and the brackets of an address are no part of it', () => {
    const ipv6 = '\x05\x01\0\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x01\xbb';
    for (const host of ['2001:db8::1', '[2001:db8::1]']) {
      expect(asked(['socks5://b:2'], host)).toEqual({
        awaits: ['its answer to the request, of proxy (socks5://b:2)'],
        sent: [ipv6],
      });
      expect(asked(['http://a:1'], host).sent[0]).toMatch(/^CONNECT \[2001:db8::1\]:443 HTTP/);
    }
  });
});
