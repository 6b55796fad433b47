import type { SocketOperation } from './enums.ts';
import type { SocketErrorName } from './error-names.ts';
import type { SocketError } from './errors.ts';

/**
 * Whose doing an end was: `'peer'` closed or reset the connection, or broke off in the middle; `'local'`: this side did, by a
 * call, a hook, a limit or a deadline of its own; `'system'`: the network, or this machine, failed.
 */
export type EndedBy = 'peer' | 'local' | 'system';

/** How a connection ended, the last parameter of `onClose`. */
export interface CloseInfo {
  /** What the connection was doing, as HP-Socket counts it. */
  readonly operation: SocketOperation;
  /** 0 for a graceful end, else a Linux errno, or `SocketErrorCode.DataProc` (13) when a hook failed. */
  readonly errorCode: number;
  /** The `code` of `error`: `'ECONNRESET'`, `'HP_HOOK_FAILED'`, ...; null if there is no error. */
  readonly code: SocketErrorName | null;
  /** The reason in a sentence, with its cause; null for a graceful end. */
  readonly error: SocketError | null;
  /** Bytes that `send` had taken and the system had not. */
  readonly droppedBytes: number;
  /** Which end began it, or the system. */
  readonly endedBy: EndedBy;
}

/** Codes by which the system reports what the peer did. */
const peerCodes: ReadonlySet<SocketErrorName> = new Set([
  'ECONNRESET',
  'ECONNREFUSED',
  'ECONNABORTED',
  'EPIPE',
  'HP_TRUNCATED',
  'HP_MESSAGE_TRUNCATED',
] as const);

/** @param hasPeerEnded Whether the peer ended it before this side did. */
export function endedBy(error: SocketError | undefined, hasPeerEnded: boolean): EndedBy {
  if (error === undefined) return hasPeerEnded ? 'peer' : 'local';
  if (peerCodes.has(error.code) || isAlert(error.cause)) return 'peer';
  // A failure of the system has the system's error as its cause; a deadline of ours has none.
  return error.code.startsWith('HP_') || error.cause === undefined ? 'local' : 'system';
}

/** Whether OpenSSL says that the peer sent a TLS alert. */
function isAlert(cause: unknown): boolean {
  const code = (cause as { code?: unknown } | undefined)?.code;
  return typeof code === 'string' && code.startsWith('ERR_SSL_') && code.includes('_ALERT_');
}
