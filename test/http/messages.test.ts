import net from 'node:net';
import { describe, expect, it } from 'vitest';
import { parseCookieHeader } from '../../src/http/cookie-header.ts';
import { parseRange } from '../../src/http/local-file.ts';
import { METHODS } from '../../src/http/methods.ts';
import { HttpServer, HttpVersion, statusText } from '../../src/http.ts';
import { clientPort, recordingHooks, serverPort } from './support.ts';

/** Codes and texts of HP-Socket, by the items that list them. */
const statusTexts: [string, string][] = [
  ['STC-001', '100 Continue, 101 Switching Protocols, 102 Processing'],
  [
    'STC-002',
    '200 OK, 201 Created, 202 Accepted, 203 Non-Authoritative Information, 204 No Content, 205 Reset Content, ' +
      '206 Partial Content, 207 Multi-Status, 208 Already Reported, 226 IM Used',
  ],
  [
    'STC-003',
    '300 Multiple Choices, 301 Moved Permanently, 302 Move temporarily, 303 See Other, 304 Not Modified, ' +
      '305 Use Proxy, 306 Switch Proxy, 307 Temporary Redirect, 308 Permanent Redirect',
  ],
  [
    'STC-004',
    '400 Bad Request, 401 Unauthorized, 402 Payment Required, 403 Forbidden, 404 Not Found, 405 Method Not Allowed, ' +
      '406 Not Acceptable, 407 Proxy Authentication Required, 408 Request Timeout, 409 Conflict, 410 Gone, ' +
      '411 Length Required, 412 Precondition Failed, 413 Request Entity Too Large, 414 Request-URI Too Long, ' +
      '415 Unsupported Media Type, 416 Requested Range Not Satisfiable, 417 Expectation Failed, ' +
      '421 Misdirected Request, 422 Unprocessable Entity, 423 Locked, 424 Failed Dependency, ' +
      '425 Unordered Collection, 426 Upgrade Required, 428 Precondition Required, 429 Too Many Requests, ' +
      '431 Request Header Fields Too Large, 449 Retry With, 451 Unavailable For Legal Reasons',
  ],
  [
    'STC-005',
    '500 Internal Server Error, 501 Not Implemented, 502 Bad Gateway, 503 Service Unavailable, 504 Gateway Timeout, ' +
      '505 HTTP Version Not Supported, 506 Variant Also Negotiates, 507 Insufficient Storage, 508 Loop Detected, ' +
      '509 Bandwidth Limit Exceeded, 510 Not Extended, 511 Network Authentication Required',
  ],
  ['none of these', '600 Unparseable Response Headers'],
];

describe('status texts', () => {
  // STC-001 to STC-005
  it.each(statusTexts)("are HP-Socket's: %s", (_id, list) => {
    for (const line of list.split(', ')) {
      const code = Number(line.slice(0, 3));
      expect(statusText(code)).toBe(line.slice(4));
      const { port, protocol } = serverPort();
      port.receive('GET / HTTP/1.1\r\nHost: h\r\n\r\n');
      protocol.sendResponse(code);
      expect(port.takeSent().split('\r\n', 1)[0]).toBe(`HTTP/1.1 ${line}`);
      port.close();
      port.turn();
    }
  });

  it('are *** for every other code (RES-001)', () => {
    const known = new Set(statusTexts.flatMap(([, list]) => list.split(', ').map((line) => Number(line.slice(0, 3)))));
    for (let code = 100; code < 1000; code++) {
      if (known.has(code)) expect(statusText(code)).not.toBe('***');
      else expect(statusText(code), String(code)).toBe('***');
    }
  });
});

describe('methods', () => {
  it('are known by their numbers (HT-011)', () => {
    expect([METHODS[0], METHODS[3], METHODS[24], METHODS[33], METHODS[34], METHODS[35], METHODS[45]]).toEqual([
      ...['DELETE', 'POST', 'M-SEARCH', 'SOURCE', 'PRI', 'DESCRIBE', 'FLUSH'],
    ]);
    for (const method of METHODS.filter((name) => !['SOURCE', 'PRI', 'CONNECT'].includes(name)).slice(0, 33)) {
      const listener = recordingHooks();
      const { port, protocol } = serverPort({ listener });
      port.receive(`${method} / HTTP/1.1\r\nHost: h\r\n\r\n`);
      expect(listener.log[1]).toBe(`${method} /`);
      expect(protocol.head!.method).toBe(method);
      port.close();
      port.turn();
    }
  });
});

describe('versions', () => {
  it('are printed as localVersion says (HT-002, HTTP-M-003, HTTP-M-004)', () => {
    const server = new HttpServer({}, { localVersion: HttpVersion.V1_0 });
    expect(server.localVersion).toBe(0x0001);
    const { port, protocol } = serverPort({ context: { localVersion: HttpVersion.V1_0 } });
    port.receive('GET / HTTP/1.1\r\nHost: h\r\n\r\n');
    protocol.sendResponse(200);
    expect(port.takeSent()).toMatch(/^HTTP\/1\.0 200 OK\r\n/);
    const client = clientPort({ context: { localVersion: HttpVersion.V1_0 } });
    client.protocol.sendRequest('GET', '/', { host: 'h' });
    expect(client.port.takeSent()).toBe('GET / HTTP/1.0\r\nHost: h\r\n\r\n');
  });
});

describe('what is known of a message', () => {
  it('is nothing before it begins, but an answer may be sent (HT-016)', async () => {
    const nothingAbout = (server: HttpServer, id: number): void => {
      expect([
        ...[server.getMethod(id), server.getHost(id), server.getVersion(id), server.isKeepAlive(id)],
        ...[server.getUrlFieldSet(id), server.isUpgrade(id), server.getContentLength(id)],
      ]).toEqual(['', null, 0, false, 0, false, 0]);
      expect([
        ...[server.getUrlField(id, 0), server.getAllHeaders(id), server.getCookie(id, 'a')],
        server.getParseErrorCode(id).code,
      ]).toEqual([null, [], null, 0]);
    };
    const server = new HttpServer(
      {
        onReceive: (self, id) => {
          nothingAbout(self, id);
          self.sendResponse(id, 503);
          self.disconnect(id, { drain: true });
        },
      },
      { httpAutoStart: false },
    );
    nothingAbout(server, 1); // nor is there a connection
    expect(server.sendChunkData(1)).toBe(false);
    const { port } = await server.start('127.0.0.1', 0);
    const socket = net.connect(port, '127.0.0.1', () => socket.write('not yet HTTP'));
    let answer = '';
    for await (const piece of socket) answer += piece;
    await server.stop();
    expect(answer).toBe('HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
  });

  it('stays readable until the next begins (HP-036), names as they came, duplicates kept (HP-037, NHT-002)', () => {
    const { port, protocol } = serverPort();
    port.receive('GET /1 HTTP/1.1\r\nhOsT: h\r\nX-a: 1\r\nx-A: 2\r\n\r\nGET /2 HTTP/1.1\r\nHo');
    expect(protocol.head!.start).toBe('/1');
    expect(protocol.head!.entries()).toEqual([
      ['hOsT', 'h'],
      ['X-a', '1'],
      ['x-A', '2'],
    ]);
    expect([protocol.head!.get('X-A'), protocol.head!.getAll('x-a')]).toEqual(['1', ['1', '2']]);
    port.receive('st: i\r\n\r\n');
    expect(protocol.head!.entries()).toEqual([['Host', 'i']]);
  });

  it('has cookies as HP-Socket splits them (HP-038)', () => {
    expect([...parseCookieHeader(['a=1; b = 2 ;c', '=x; a=3; d=e=f; '])]).toEqual([
      ['a', '3'],
      ['b', '2'],
      ['d', 'e=f'],
    ]);
  });
});

describe('hooks of the other side', () => {
  it('are never called (STB-004)', () => {
    const server = recordingHooks();
    serverPort({ listener: server }).port.receive('GET / HTTP/1.1\r\nHost: h\r\n\r\n');
    expect(server.log.some((entry) => /^\d/.test(entry))).toBe(false);
    const client = recordingHooks();
    const { port, protocol } = clientPort({ listener: client });
    protocol.requestSent({ method: 'GET', path: '/' });
    port.receive('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
    expect(client.log.some((entry) => /^[A-Z]+ \//.test(entry))).toBe(false);
  });
});

describe('ranges', () => {
  it('are one range of bytes, or the whole file (RFC 9110 14.1.2)', () => {
    expect(parseRange('bytes=0-0', 10)).toEqual({ from: 0, to: 1 });
    expect(parseRange('bytes=5-', 10)).toEqual({ from: 5, to: 10 });
    expect(parseRange('Bytes= 5-99 ', 10)).toEqual({ from: 5, to: 10 });
    expect(parseRange('bytes=-3', 10)).toEqual({ from: 7, to: 10 });
    expect(parseRange('bytes=-99', 10)).toEqual({ from: 0, to: 10 });
    expect(parseRange('bytes=10-', 10)).toBe('unsatisfiable');
    expect(parseRange('bytes=-0', 10)).toBe('unsatisfiable');
    for (const field of ['bytes=5-4', 'bytes=', 'bytes=-', 'bytes=1-2,3-4', 'lines=1-2', 'bytes=a-b'])
      expect(parseRange(field, 10)).toBeNull();
  });
});
