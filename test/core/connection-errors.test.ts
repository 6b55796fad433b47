import { describe, expect, test } from 'vitest';
import {
  closedBefore,
  cutShortError,
  datagramError,
  destroyedError,
  hookError,
  lateHookError,
  proxyError,
  refusalError,
  socketError,
  unsentError,
} from '../../src/core/connection-errors.ts';
import { SocketOperation } from '../../src/core/enums.ts';
import { Errno, type SocketError, SocketErrorCode } from '../../src/index.ts';

const thrown = new Error('no room');

/** All that is told of an error. */
function told({ socketError, code, errno, operation, connId, message, cause }: SocketError): unknown[] {
  return [socketError, code, errno, operation, connId, message, cause];
}

test.each<[string, SocketError, unknown[]]>([
  [
    'a hook that refuses a connection',
    refusalError(7, 'onAccept', false, undefined),
    [
      SocketErrorCode.ConnectServer,
      'HP_HOOK_REFUSED',
      Errno.ECANCELED,
      'onAccept',
      7,
      'the hook onAccept refused connection 7',
      undefined,
    ],
  ],
  [
    'a hook that throws instead',
    refusalError(7, 'onAccept', true, thrown),
    [
      SocketErrorCode.DataProc,
      'HP_HOOK_FAILED',
      Errno.ECANCELED,
      'onAccept',
      7,
      'the hook onAccept failed, so connection 7 was refused',
      thrown,
    ],
  ],
  [
    'a hook that answers Error later',
    hookError(7, 'onReceive', 'answered HandleResult.Error'),
    [
      SocketErrorCode.DataProc,
      'HP_HOOK_REFUSED',
      Errno.ECANCELED,
      'onReceive',
      7,
      'the hook onReceive answered HandleResult.Error, so connection 7 was closed',
      undefined,
    ],
  ],
  [
    'a hook that throws later',
    hookError(7, 'onReceive', 'failed', thrown),
    [
      SocketErrorCode.DataProc,
      'HP_HOOK_FAILED',
      Errno.ECANCELED,
      'onReceive',
      7,
      'the hook onReceive failed, so connection 7 was closed',
      thrown,
    ],
  ],
  [
    'a hook that throws nothing, or whose promise is rejected with nothing',
    hookError(7, 'onReceive', 'failed', undefined),
    [
      SocketErrorCode.DataProc,
      'HP_HOOK_FAILED',
      Errno.ECANCELED,
      'onReceive',
      7,
      'the hook onReceive failed, so connection 7 was closed',
      undefined,
    ],
  ],
  [
    'an opening hook that does not answer',
    lateHookError(7, 'onConnect', 1500),
    [
      SocketErrorCode.Network,
      'ETIMEDOUT',
      Errno.ETIMEDOUT,
      'onConnect',
      7,
      'the hook onConnect of connection 7 did not answer within 1500 ms (openingTimeoutMs)',
      undefined,
    ],
  ],
  [
    'a connection that closed before it was ready',
    closedBefore(7, 'onHandShake', undefined, 0),
    [
      SocketErrorCode.ConnectServer,
      'ECONNABORTED',
      Errno.ECONNABORTED,
      'onHandShake',
      7,
      'connection 7 closed before it was ready',
      undefined,
    ],
  ],
  [
    'the same with a number of the system',
    closedBefore(7, 'onHandShake', undefined, Errno.ECONNRESET),
    [
      SocketErrorCode.ConnectServer,
      'ECONNRESET',
      Errno.ECONNRESET,
      'onHandShake',
      7,
      'connection 7 closed before it was ready',
      undefined,
    ],
  ],
  [
    'a stream that its user destroyed',
    destroyedError(7, thrown),
    [
      SocketErrorCode.DataProc,
      'HP_STREAM_DESTROYED',
      Errno.ECANCELED,
      'stream',
      7,
      'the stream of connection 7 was destroyed: no room',
      thrown,
    ],
  ],
  [
    'a peer that ends in the middle of a message',
    cutShortError(7, 33),
    [
      SocketErrorCode.DataProc,
      'HP_MESSAGE_TRUNCATED',
      Errno.EBADMSG,
      'receive',
      7,
      'the peer of connection 7 ended it in the middle of a message, of which 33 bytes came',
      undefined,
    ],
  ],
  [
    'a write whose connection is gone',
    unsentError(7),
    [
      SocketErrorCode.Network,
      'ECONNABORTED',
      Errno.ECONNABORTED,
      'send',
      7,
      'connection 7 closed before everything was sent',
      undefined,
    ],
  ],
])('the error of %s', (_, error, expected) => {
  expect(told(error)).toEqual(expected);
});

test('a connection that did not open ended for the reason that there was', () => {
  const reason = unsentError(7);
  expect(closedBefore(8, 'onAccept', reason, Errno.ECONNRESET)).toBe(reason);
});

/** An error as Node makes it. */
function systemError(code: string, syscall?: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${syscall} ${code}`), { code }, syscall === undefined ? {} : { syscall });
}

describe('the error of a stream socket', () => {
  const byAddress = { id: 7, remoteAddress: '192.0.2.1', remoteHost: 'example.com', remotePort: 80 };
  const byName = { ...byAddress, remoteAddress: '' };
  const byPath = { id: 7, remoteAddress: '', remoteHost: '/run/app.sock', remotePort: 0 };
  const accepted = { ...byPath, remoteHost: '' };

  test.each([
    ['an address', byAddress, 'connecting to 192.0.2.1:80 failed: '],
    ['a name', byName, 'connecting to example.com:80 failed: '],
    ['port 0 of an address', { ...byAddress, remotePort: 0 }, 'connecting to 192.0.2.1:0 failed: '],
    ['a path', byPath, 'connecting to /run/app.sock failed: '],
  ])('that connects to %s names it', (_, peer, begin) => {
    const error = socketError(peer, SocketOperation.Connect, systemError('ECONNREFUSED', 'connect'));
    expect(error.message.startsWith(begin)).toBe(true);
    expect([error.operation, error.connId, error.errno]).toEqual(['connect', 7, Errno.ECONNREFUSED]);
  });

  test.each([
    [byAddress, 'connection 7 with 192.0.2.1:80 failed: '],
    [byPath, 'connection 7 with /run/app.sock failed: '],
    [accepted, 'connection 7 with its peer failed: '],
  ])('that was open names the connection and the peer', (peer, begin) => {
    const error = socketError(peer, SocketOperation.Close, systemError('ECONNRESET', 'read'));
    expect(error.message.startsWith(begin)).toBe(true);
    expect([error.socketError, error.operation]).toEqual([SocketErrorCode.Network, 'read']);
  });

  test('failed in the call that the system names, or as a socket if it names none', () => {
    const operation = (cause: Error): string => socketError(byAddress, SocketOperation.Close, cause).operation;
    expect(operation(systemError('EPIPE', 'write'))).toBe('write');
    expect(operation(systemError('EPIPE'))).toBe('socket');
  });

  test.each([
    ['ENOTFOUND', 'getaddrinfo', SocketErrorCode.SocketCreate],
    ['EMFILE', 'connect', SocketErrorCode.SocketCreate],
    ['ENFILE', 'connect', SocketErrorCode.SocketCreate],
    ['EADDRNOTAVAIL', 'bind', SocketErrorCode.SocketBind],
    ['EADDRINUSE', 'connect', SocketErrorCode.SocketBind],
    ['ECONNREFUSED', 'connect', SocketErrorCode.ConnectServer],
  ])('that does not connect for %s of %s has the number of the step: CLI-001', (code, syscall, number) => {
    const cause = systemError(code, syscall);
    expect(socketError(byAddress, SocketOperation.Connect, cause).socketError).toBe(number);
    expect(proxyError(7, ['http://192.0.2.2:3128'], cause).socketError).toBe(number);
  });
});

test('the error of a proxy says which one of several it was, and nothing of that if there is one', () => {
  const cause = systemError('ECONNREFUSED', 'connect');
  const one = proxyError(7, ['http://192.0.2.2:3128'], cause);
  expect(one.message).toMatch(/^connecting to proxy \(http:\/\/192\.0\.2\.2:3128\) failed: ECONNREFUSED/);
  expect([one.operation, one.connId, one.errno, one.cause]).toEqual(['connect', 7, Errno.ECONNREFUSED, cause]);
  const two = proxyError(7, ['http://192.0.2.2:3128', 'socks5://192.0.2.3:1080'], cause);
  expect(two.message).toMatch(/^connecting to proxy 1 of 2 \(http:\/\/192\.0\.2\.2:3128\) failed: /);
});

test.each([
  [SocketOperation.Send, 'send'],
  [SocketOperation.Receive, 'receive'],
])('the error of a UDP connection tells what it was doing', (operation, name) => {
  const peer = { id: 7, remoteAddress: '192.0.2.1', remotePort: 53 };
  const error = datagramError(peer, operation, Errno.ECONNREFUSED, undefined);
  expect([error.socketError, error.operation, error.errno, error.connId]).toEqual([
    SocketErrorCode.Network,
    name,
    Errno.ECONNREFUSED,
    7,
  ]);
  expect(error.message).toMatch(/^connection 7 with 192\.0\.2\.1:53 failed: ECONNREFUSED/);
});
