import { SocketErrorCode } from '../core/enums.ts';
import { Errno } from '../core/errno.ts';
import { SocketError } from '../core/errors.ts';
import type { ForwardedPair } from './forwarded-pair.ts';

/** Why a client is not forwarded, or no longer. */
export function refusal(pair: ForwardedPair, what: string, errno: number, cause?: unknown): SocketError {
  const isHook = errno === Errno.ECANCELED || what.includes('targetTimeoutMs');
  return new SocketError({
    socketError: isHook ? SocketErrorCode.SocketPrepare : SocketErrorCode.Network,
    ...(errno === Errno.ETIMEDOUT ? { code: 'ETIMEDOUT' as const } : {}),
    errno,
    operation: isHook ? 'onTarget' : 'forward',
    connId: pair.id,
    message: `client ${pair.id} is not forwarded${isHook ? ': the hook onTarget' : ' any longer:'} ${what}`,
    ...(cause === undefined ? {} : { cause }),
  });
}
