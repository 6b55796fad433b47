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

  test('what a refusal says is told in ASCII, and in a line of no more than 80 characters', () => {
    const { preamble, calls } = connect('http://proxy');
    preamble.receive(Buffer.from(`HTTP/1.1 500 \x07\xe4 ${'x'.repeat(100)}\r\n\r\n`, 'latin1'));
    expect(calls).toEqual([[`the proxy did not connect to h.example:443: 500 ?? ${'x'.repeat(70)}...`, 111]]);
  });

  test.each(['\x05', 'HTTP/2', 'http/1.1 200 OK', 'XTTP', 'TP/1.'])('%j is no HTTP, which is told at once', (text) => {
    const { preamble, calls } = connect('http://proxy');
    expect(preamble.receive(Buffer.from(text, 'latin1'))).toBe(0);
    expect(calls).toEqual([['the proxy is no HTTP proxy', 71]]);
  });

  test.each(['HTTP/1.2 200 OK', 'HTTP/1.1  200 OK', 'HTTP/1.1 200OK', 'HTTP/1.1 020 OK', 'HTTP/1.1 2000', 'HTTP/1.1'])(
    'the status line %j is broken, which is told when the head is whole',
    (line) => {
      const { preamble, calls } = connect('http://proxy');
      expect(preamble.receive(Buffer.from(`${line}\r\n`))).toBe(0);
      expect(calls).toEqual([]);
      expect(preamble.receive(Buffer.from(`${line}\r\n\r\n`))).toBe(0);
      expect(calls).toEqual([['the proxy answered CONNECT with a broken status line', 71]]);
    },
  );

  test('101 is no interim answer', () => {
    const { preamble, calls } = connect('http://proxy');
    expect(preamble.receive(Buffer.from('HTTP/1.1 101 Switching\r\n\r\n'))).toBe(0);
    expect(calls).toEqual([['the proxy answered CONNECT with 101, which nobody asked for', 71]]);
  });

  test.each([
    'HTTP/1.1 200 OK\r\nA: b\r\n\r\n',
    'HTTP/1.0 200\n\n',
    'HTTP/1.1 200 OK\nA: b\n\r\n',
    'HTTP/1.1 200 OK\r\nx\n\rA: b\r\n\n',
  ])('the head %j is waited for to its empty line, and no byte behind that is taken', (head) => {
    const { preamble, calls } = connect('http://proxy');
    for (let length = 0; length < head.length; length++)
      expect(preamble.receive(Buffer.from(head.slice(0, length)))).toBe(0);
    expect(calls).toEqual([]);
    expect(preamble.receive(Buffer.from(`${head}\r\n\r\nbehind`))).toBe(head.length);
    expect(calls).toEqual([['done']]);
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
