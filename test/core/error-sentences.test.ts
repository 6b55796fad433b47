import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { errnoOf } from '../../src/core/errno.ts';
import { describeSystemError } from '../../src/core/errors.ts';
import { Errno, errnoName, getSocketErrorDesc, SocketError, SocketErrorCode } from '../../src/index.ts';

describe('a second copy of this package in one process', () => {
  let other: typeof import('../../src/core/errors.ts');

  beforeAll(async () => {
    vi.resetModules();
    other = await import('../../src/core/errors.ts');
  });
  afterAll(() => void vi.resetModules());

  test('is another copy, and each recognises the errors of both', () => {
    expect(other.SocketError).not.toBe(SocketError);
    const init = { socketError: SocketErrorCode.Network, operation: 'read', message: 'm' };
    const mine = new SocketError(init);
    const theirs = new other.SocketError(init);
    expect(mine instanceof other.SocketError).toBe(true);
    expect(theirs instanceof SocketError).toBe(true);
    for (const wrong of [new Error('m'), {}, 'SocketError', undefined, null, 5, () => {}, { name: 'SocketError' }]) {
      expect(wrong instanceof SocketError).toBe(false);
      expect(wrong instanceof other.SocketError).toBe(false);
    }
  });

  test('a class derived from the error knows its own only', () => {
    class Narrower extends SocketError {}
    const init = { socketError: SocketErrorCode.Network, operation: 'read', message: 'm' };
    expect(new Narrower(init) instanceof Narrower).toBe(true);
    expect(new Narrower(init) instanceof other.SocketError).toBe(true);
    expect(new SocketError(init) instanceof Narrower).toBe(false);
    expect(new other.SocketError(init) instanceof Narrower).toBe(false);
  });
});

describe('what an error carries', () => {
  test('without cause or errno there is no system error', () => {
    const error = new SocketError({ socketError: SocketErrorCode.InvalidParam, operation: 'start', message: 'm' });
    expect([error.errno, error.errnoName, error.connId, error.name]).toEqual([0, '', null, 'SocketError']);
    expect('cause' in error).toBe(false);
    expect(String(error)).toBe('SocketError: m');
  });

  test('an errno that is given counts more than the cause’s', () => {
    const cause = Object.assign(new Error('x'), { code: 'EPIPE' });
    const error = new SocketError({
      socketError: SocketErrorCode.DataSend,
      errno: Errno.ECANCELED,
      operation: 'o',
      message: 'm',
      cause,
    });
    expect([error.errno, error.errnoName, error.cause]).toEqual([125, 'ECANCELED', cause]);
  });

  test('a cause that is no error of the system is EIO', () => {
    for (const cause of ['text', 5, {}, null, Object.assign(new Error('x'), { code: 5 })]) {
      const error = new SocketError({ socketError: SocketErrorCode.DataProc, operation: 'o', message: 'm', cause });
      expect(error.errnoName).toBe('EIO');
    }
  });
});

describe('sentences about the system', () => {
  test.each([
    ['EADDRINUSE', /another program .* already uses it; .*port 0/],
    ['EACCES', /ports below 1024/],
    ['EADDRNOTAVAIL', /no network interface of this machine/],
    ['EHOSTUNREACH', /does not resolve or no route/],
    ['ECONNREFUSED', /nothing listens there/],
    ['ETIMEDOUT', /no answer came in time/],
    ['ECONNRESET', /the peer reset/],
    ['EMFILE', /ulimit -n/],
    ['ENOENT', /the path does not exist/],
    ['ECANCELED', /HandleResult\.Error or a signal/],
  ])('%s says what to do', (name, help) => {
    const sentence = describeSystemError('cannot do it', Errno[name as keyof typeof Errno]);
    expect(sentence).toMatch(new RegExp(`^cannot do it: ${name} - `));
    expect(sentence).toMatch(help);
  });

  test('the reason of the cause is added, unless it only repeats the name', () => {
    expect(describeSystemError('w', Errno.EPIPE)).toBe('w: EPIPE');
    expect(describeSystemError('w', Errno.EPIPE, new Error('write EPIPE'))).toBe('w: EPIPE');
    expect(describeSystemError('w', Errno.EPIPE, new Error('the pipe broke'))).toBe('w: EPIPE (the pipe broke)');
    expect(describeSystemError('w', Errno.EPIPE, new Error(''))).toBe('w: EPIPE');
    expect(describeSystemError('w', 9999, 'no error')).toBe('w: errno 9999');
  });
});

describe('errno', () => {
  test('every number has one name, and the name leads back', () => {
    const numbers = Object.values(Errno);
    expect(new Set(numbers).size).toBe(numbers.length);
    for (const [name, number] of Object.entries(Errno)) {
      expect(errnoName(number)).toBe(name);
      expect(errnoOf({ code: name })).toBe(number);
    }
  });

  test.each([
    ['ENOTFOUND', 'EHOSTUNREACH'],
    ['EAI_AGAIN', 'EHOSTUNREACH'],
    ['EAI_NONAME', 'EHOSTUNREACH'],
    ['ABORT_ERR', 'ECANCELED'],
    ['ERR_SOCKET_CLOSED', 'EPIPE'],
    ['ERR_STREAM_DESTROYED', 'EPIPE'],
    ['ERR_SOMETHING_ELSE', 'EIO'],
    ['', 'EIO'],
    ['constructor', 'EIO'],
    ['toString', 'EIO'],
  ])('code %s counts as %s', (code, name) => {
    expect(errnoName(errnoOf({ code }))).toBe(name);
  });

  test('what has no code is EIO', () => {
    for (const wrong of [undefined, null, 'ECONNRESET', 104, {}, new Error('ECONNRESET')])
      expect(errnoOf(wrong)).toBe(5);
  });
});

test.each([16, 15, -1, 100, 102, 1.5, Number.NaN])('%d is UNKNOWN ERROR: ERR-017', (code) => {
  expect(getSocketErrorDesc(code)).toBe('UNKNOWN ERROR');
});
