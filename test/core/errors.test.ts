import { describe, expect, test } from 'vitest';
import { socketError } from '../../src/core/connection-errors.ts';
import { SocketOperation } from '../../src/core/enums.ts';
import { errnoOf } from '../../src/core/errno.ts';
import { describeSystemError, internalError } from '../../src/core/errors.ts';
import { Errno, errnoName, getSocketErrorDesc, SocketError, SocketErrorCode } from '../../src/index.ts';

describe('component errors', () => {
  // ERR-002 ERR-003 ERR-004 ERR-005 ERR-006 ERR-007 ERR-008 ERR-009 ERR-010 ERR-011 ERR-012 ERR-013 ERR-014 ERR-015 ERR-016
  test.each([
    [SocketErrorCode.Ok, 0, 'SUCCESS'],
    [SocketErrorCode.IllegalState, 1, 'Illegal State'],
    [SocketErrorCode.InvalidParam, 2, 'Invalid Parameter'],
    [SocketErrorCode.SocketCreate, 3, 'Create SOCKET Fail'],
    [SocketErrorCode.SocketBind, 4, 'Bind SOCKET Fail'],
    [SocketErrorCode.SocketPrepare, 5, 'Prepare SOCKET Fail'],
    [SocketErrorCode.SocketListen, 6, 'Listen SOCKET Fail'],
    [SocketErrorCode.CpCreate, 7, 'Create IOCP Fail'],
    [SocketErrorCode.WorkerThreadCreate, 8, 'Create Worker Thread Fail'],
    [SocketErrorCode.DetectThreadCreate, 9, 'Create Detector Thread Fail'],
    [SocketErrorCode.SocketAttachToCp, 10, 'Attach SOCKET to IOCP Fail'],
    [SocketErrorCode.ConnectServer, 11, 'Connect to Server Fail'],
    [SocketErrorCode.Network, 12, 'Network Error'],
    [SocketErrorCode.DataProc, 13, 'Process Data Error'],
    [SocketErrorCode.DataSend, 14, 'Send Data Fail'],
    [SocketErrorCode.SslEnvNotReady, 101, 'SSL environment not ready'],
  ])('have HP-Socket’s numbers and texts: ERR-001 to ERR-016 (%i)', (code, number, text) => {
    expect(code).toBe(number);
    expect(getSocketErrorDesc(code)).toBe(text);
  });

  test('any other number is UNKNOWN ERROR: ERR-017', () => {
    expect(getSocketErrorDesc(77)).toBe('UNKNOWN ERROR');
  });
});

describe('SocketError', () => {
  test('carries code, errno, operation, connection and cause', () => {
    const cause = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET', errno: -104 });
    const error = new SocketError({
      socketError: SocketErrorCode.Network,
      operation: 'read',
      connId: 7,
      message: 'm',
      cause,
    });
    expect(error).toMatchObject({
      code: 'ECONNRESET',
      socketError: 12,
      errno: 104,
      errnoName: 'ECONNRESET',
      connId: 7,
      operation: 'read',
      cause,
    });
    expect(error).toBeInstanceOf(SocketError);
    expect(error).toBeInstanceOf(Error);
    expect(new Error('x')).not.toBeInstanceOf(SocketError);
    expect(null).not.toBeInstanceOf(SocketError);
  });

  test('the sentence names the reason and says what to do', () => {
    expect(describeSystemError('cannot listen on 0.0.0.0:80', Errno.EADDRINUSE)).toMatch(
      /EADDRINUSE - .*choose another port/,
    );
  });

  test('the sentence of an address that cannot be had says something else for a socket that connects', () => {
    const sentence = (syscall: string): string =>
      describeSystemError('it failed', Errno.EADDRNOTAVAIL, Object.assign(new Error('no'), { syscall }));
    expect(sentence('bind')).toMatch(/^it failed: EADDRNOTAVAIL - no network interface .*use an own address/);
    expect(sentence('connect')).toMatch(/^it failed: EADDRNOTAVAIL - the own port is in use .*another localPort/);
    expect(describeSystemError('it failed', Errno.EADDRNOTAVAIL)).toBe(sentence('bind').replace(' (no)', ''));
  });

  test('the error of an impossible state asks to be reported', () => {
    expect(internalError('two stops').message).toBe('hp-socket internal error: two stops. Please report it.');
  });

  test('errno numbers are Linux’s, whatever the platform reports', () => {
    expect(errnoOf({ code: 'ECONNREFUSED', errno: -4078 })).toBe(111);
    expect(errnoOf({ code: 'ENOTFOUND' })).toBe(Errno.EHOSTUNREACH);
    expect(errnoOf(new Error('?'))).toBe(Errno.EIO);
    expect(errnoName(104)).toBe('ECONNRESET');
    expect(errnoName(9999)).toBe('errno 9999');
  });
});

describe('the error of a socket that failed', () => {
  const place = { id: 7, remoteAddress: '192.0.2.1', remoteHost: '', remotePort: 80 };
  const cause = Object.assign(new Error('read ECONNRESET'), { errno: -104, code: 'ECONNRESET', syscall: 'read' });

  test('has no frames, which would be none of the user, and its cause', () => {
    const limit = Error.stackTraceLimit;
    const error = socketError(place, SocketOperation.Close, cause);
    expect(Error.stackTraceLimit).toBe(limit);
    expect(error.stack).not.toContain('\n    at ');
    expect([error.code, error.cause]).toEqual(['ECONNRESET', cause]);
    expect(new Error('another').stack).toContain('\n    at ');
  });

  test('is made with frames where the limit cannot be changed', () => {
    const limit = Object.getOwnPropertyDescriptor(Error, 'stackTraceLimit')!;
    Object.defineProperty(Error, 'stackTraceLimit', { ...limit, writable: false });
    try {
      expect(socketError(place, SocketOperation.Close, cause).stack).toContain('\n    at ');
    } finally {
      Object.defineProperty(Error, 'stackTraceLimit', limit);
    }
  });
});
