import { describe, expect, test } from 'vitest';
import { HttpConnectPreamble } from '../../../src/protocol/preambles/http-connect.ts';
import type { PreamblePort } from '../../../src/protocol/preambles/preamble.ts';
import { type ProxyOptions, parseProxies } from '../../../src/protocol/preambles/proxy-url.ts';

/** A CONNECT to `host` and port 443 through `proxy`: what was sent, and what was called. */
function connect(proxy: string | ProxyOptions, host = 'h.example') {
  const [hop] = parseProxies('proxy', proxy);
  const sent: string[] = [];
  const calls: unknown[][] = [];
  const port = {
    send: (bytes: Buffer) => void sent.push(bytes.toString('latin1')),
    done: () => void calls.push(['done']),
    fail: (message: string, errno: number) => void calls.push([message, errno]),
  };
  const preamble = new HttpConnectPreamble(port as unknown as PreamblePort, hop!, 'the proxy', host, 443);
  preamble.begin();
  return { preamble, sent, calls };
}

describe('CONNECT', () => {
  test('a host and an address, IPv6 in brackets, and no login without user and password', () => {
    for (const [host, shown] of [
      ['h.example', 'h.example'],
      ['192.0.2.1', '192.0.2.1'],
      ['2001:db8::1', '[2001:db8::1]'],
    ] as const) {
      expect(connect('http://proxy', host).sent).toEqual([
        `CONNECT ${shown}:443 HTTP/1.1\r\nHost: ${shown}:443\r\nProxy-Connection: Keep-Alive\r\n\r\n`,
      ]);
    }
  });

  test('user and password, and fields of its own behind them', () => {
    const { sent } = connect({ url: 'http://us%20er:p@proxy', headers: { 'X-A': 'b', 'X-C': '\xe4' } });
    expect(sent).toEqual([
      'CONNECT h.example:443 HTTP/1.1\r\nHost: h.example:443\r\nProxy-Connection: Keep-Alive\r\n' +
        'Proxy-Authorization: Basic dXMgZXI6cA==\r\nX-A: b\r\nX-C: \xe4\r\n\r\n',
    ]);
  });

  test.each([
    ['500 Oops', '500 Oops', 111],
    ['500', '500', 111],
    ['403 Forbidden', '403 Forbidden (its rules do not allow that)', 13],
    ['407 Login', '407 Login (wants a login; give user and password in its URL)', 13],
    ['503 No', '503 No (the host cannot be reached)', 113],
    ['504 Late', '504 Late (the host did not answer in time)', 110],
  ])('the refusal %s is told', (status, text, errno) => {
    const { preamble, calls } = connect('http://proxy');
    expect(preamble.receive(Buffer.from(`HTTP/1.1 ${status}\r\n\r\n`))).toBe(0);
    expect(calls).toEqual([[`the proxy did not connect to h.example:443: ${text}`, errno]]);
  });

  test('an answer of 200 to 299 is the tunnel, an interim one is passed over', () => {
    for (const status of [200, 299]) {
      const { preamble, calls } = connect('http://proxy');
      expect(preamble.receive(Buffer.from('HTTP/1.1 100 Wait\r\n\r\n'))).toBe(21);
      expect(calls).toEqual([]);
      expect(preamble.receive(Buffer.from(`HTTP/1.1 ${status} Yes\r\nA: b\r\n\r\nhello`))).toBe(26);
      expect(calls).toEqual([['done']]);
    }
  });
});
