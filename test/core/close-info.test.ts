import { describe, expect, test } from 'vitest';
import { endedBy } from '../../src/core/close-info.ts';
import { SocketError, SocketErrorCode, type SocketErrorName } from '../../src/index.ts';

function ended(code: SocketErrorName, cause?: unknown): string {
  const error = new SocketError({
    socketError: SocketErrorCode.Network,
    errno: 5,
    operation: 'receive',
    message: 'it ended',
    code,
    cause,
  });
  // The code says more than what came first.
  expect(endedBy(error, true)).toBe(endedBy(error, false));
  return endedBy(error, false);
}

describe('an end was the doing', () => {
  test('of the side that closed first, if there was no error', () => {
    expect([endedBy(undefined, true), endedBy(undefined, false)]).toEqual(['peer', 'local']);
  });

  test.each(['ECONNRESET', 'ECONNREFUSED', 'ECONNABORTED', 'EPIPE', 'HP_TRUNCATED', 'HP_MESSAGE_TRUNCATED'] as const)(
    'of the peer: %s',
    (code) => {
      expect([ended(code), ended(code, new Error('of the system'))]).toEqual(['peer', 'peer']);
    },
  );

  test('of the peer: a TLS alert, and no other failure of TLS', () => {
    const alert = { code: 'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA' };
    expect(ended('HP_TLS_FAILED', alert)).toBe('peer');
    expect(ended('EPROTO', alert)).toBe('peer');
    for (const code of ['ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_TLS_ALERT_', 'ERR_OTHER', 7, undefined])
      expect(ended('HP_TLS_FAILED', { code })).toBe('local');
    expect([ended('HP_TLS_FAILED', null), ended('HP_TLS_FAILED', 'ERR_SSL_X_ALERT_Y')]).toEqual(['local', 'local']);
  });

  test.each(['HP_HOOK_FAILED', 'HP_LIMIT_REACHED', 'HP_ABORTED', 'HP_TLS_FAILED'] as const)(
    'of this side: %s, whatever the cause',
    (code) => {
      expect([ended(code), ended(code, new Error('a cause'))]).toEqual(['local', 'local']);
    },
  );

  test('of this side: a deadline of its own; of the system: one that the system reports', () => {
    expect(ended('ETIMEDOUT')).toBe('local');
    for (const code of ['ETIMEDOUT', 'EHOSTUNREACH', 'ENETDOWN'] as const)
      expect(ended(code, new Error('of the system'))).toBe('system');
  });
});
