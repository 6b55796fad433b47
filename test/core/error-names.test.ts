import { expect, test } from 'vitest';
import { Errno, SocketError, SocketErrorCode } from '../../src/index.ts';

const C = SocketErrorCode;
const make = (socketError: SocketErrorCode, errno: number, cause?: unknown): string =>
  new SocketError({ socketError, errno, operation: 'o', message: 'm', ...(cause === undefined ? {} : { cause }) }).code;

test.each([
  [C.IllegalState, Errno.EPERM, 'HP_ILLEGAL_STATE'],
  [C.IllegalState, Errno.EBADSLT, 'HP_NO_CONNECTION'],
  [C.IllegalState, Errno.ECANCELED, 'HP_ABORTED'],
  [C.InvalidParam, Errno.EINVAL, 'HP_INVALID_PARAM'],
  [C.InvalidParam, Errno.EMSGSIZE, 'HP_MESSAGE_TOO_LARGE'],
  [C.DataProc, Errno.EMSGSIZE, 'HP_MESSAGE_TOO_LARGE'],
  [C.DataProc, Errno.ENOBUFS, 'HP_LIMIT_REACHED'],
  [C.DataProc, Errno.EBADMSG, 'HP_BAD_MESSAGE'],
  [C.DataProc, Errno.ETIMEDOUT, 'ETIMEDOUT'],
  [C.DataSend, Errno.ECANCELED, 'HP_ABORTED'],
  [C.DataProc, Errno.ECANCELED, 'HP_HOOK_REFUSED'],
  [C.SocketPrepare, Errno.ECANCELED, 'HP_HOOK_REFUSED'],
  [C.DataSend, Errno.ENOBUFS, 'HP_SEND_BUFFER_FULL'],
  [C.DataSend, Errno.EMSGSIZE, 'HP_MESSAGE_TOO_LARGE'],
  [C.DataSend, Errno.ENOENT, 'ENOENT'],
  [C.ConnectServer, Errno.ECONNREFUSED, 'ECONNREFUSED'],
  [C.ConnectServer, Errno.ECANCELED, 'HP_ABORTED'],
  [C.ConnectServer, Errno.ENOSR, 'HP_LIMIT_REACHED'],
  [C.SocketBind, Errno.EADDRINUSE, 'EADDRINUSE'],
  [C.Network, Errno.ETIMEDOUT, 'ETIMEDOUT'],
  [C.Network, Errno.ENODATA, 'HP_TRUNCATED'],
  [C.SslEnvNotReady, Errno.EPERM, 'HP_TLS_NOT_READY'],
  [C.Network, 9999, 'HP_FAILED'],
  [C.Network, 0, 'HP_FAILED'],
])('component error %i with errno %i has the code %s', (socketError, errno, code) => {
  expect(make(socketError, errno)).toBe(code);
});

test('a hook that threw is told apart from one that answered Error', () => {
  expect(make(C.DataProc, Errno.ECANCELED, new Error('thrown'))).toBe('HP_HOOK_FAILED');
  expect(make(C.SocketPrepare, Errno.ECANCELED, new Error('thrown'))).toBe('HP_HOOK_FAILED');
});

test('a host name that does not resolve keeps the code that Node gives it', () => {
  const cause = (code: string): Error => Object.assign(new Error('getaddrinfo'), { code });
  expect(make(C.SocketCreate, Errno.EHOSTUNREACH, cause('ENOTFOUND'))).toBe('ENOTFOUND');
  expect(make(C.SocketCreate, Errno.EHOSTUNREACH, cause('EAI_AGAIN'))).toBe('EAI_AGAIN');
});

test('a code that is given counts more than the numbers', () => {
  const error = new SocketError({
    socketError: C.Network,
    code: 'HP_TLS_FAILED',
    errno: Errno.EBADMSG,
    operation: 'handshake',
    message: 'm',
  });
  expect([error.code, error.socketError, error.errno]).toEqual(['HP_TLS_FAILED', 12, 74]);
});
