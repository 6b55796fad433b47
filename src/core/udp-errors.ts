import { SocketErrorCode } from './enums.ts';
import { Errno } from './errno.ts';
import { SocketError } from './errors.ts';

/** The error of a connection that one of its first hooks refused. */
export function refusalError(connId: number, hook: string, thrown: unknown, hasThrown: boolean): SocketError {
  return new SocketError({
    code: hasThrown ? SocketErrorCode.DataProc : SocketErrorCode.ConnectServer,
    errno: Errno.ECANCELED,
    operation: hook,
    connId,
    message: hasThrown
      ? `the hook ${hook} failed, so connection ${connId} was refused`
      : `the hook ${hook} refused connection ${connId}`,
    ...(hasThrown ? { cause: thrown } : {}),
  });
}

/** The error of a connection that a hook ended. @param what What the hook did: `failed`, ... */
export function hookError(connId: number, hook: string, what: string, cause?: unknown): SocketError {
  return new SocketError({
    code: SocketErrorCode.DataProc,
    errno: Errno.ECANCELED,
    operation: hook,
    connId,
    message: `the hook ${hook} ${what}, so connection ${connId} was closed`,
    ...(cause === undefined ? {} : { cause }),
  });
}

/** Why a connection is not open, though no hook refused it. */
export function closedBefore(
  connection: { id: number; closeError: SocketError | undefined; closeErrorCode: number },
  hook: string,
): SocketError {
  const { id, closeError, closeErrorCode } = connection;
  return (
    closeError ??
    new SocketError({
      code: SocketErrorCode.ConnectServer,
      errno: closeErrorCode || Errno.ECONNABORTED,
      operation: hook,
      connId: id,
      message: `connection ${id} closed before it was ready`,
    })
  );
}
