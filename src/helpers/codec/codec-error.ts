import { SocketErrorCode } from '../../core/enums.ts';
import { Errno } from '../../core/errno.ts';
import { SocketError } from '../../core/errors.ts';

/** What HP-Socket's codec functions return; here `codecResultOf` gives it for an error that one threw (NHP-001). */
export const CodecResult = Object.freeze({
  /** It went well. */
  Ok: 0,
  /** The input is damaged, ends too early, or is of another format. */
  BadInput: -3,
  /** The output is larger than is allowed. */
  BufferTooSmall: -5,
} as const);
export type CodecResult = (typeof CodecResult)[keyof typeof CodecResult];

/**
 * HP-Socket's number for what a codec function threw (NHP-001): `BufferTooSmall` if a limit of the output struck, else
 * `BadInput`; `Ok` for undefined.
 */
export function codecResultOf(error: unknown): CodecResult {
  if (error === undefined) return CodecResult.Ok;
  return error instanceof SocketError && error.errno === Errno.EMSGSIZE
    ? CodecResult.BufferTooSmall
    : CodecResult.BadInput;
}

/** The input is not what the format asks for. */
export function badInput(operation: string, what: string, cause?: unknown): SocketError {
  return new SocketError({
    socketError: SocketErrorCode.DataProc,
    code: 'HP_BAD_MESSAGE',
    errno: Errno.EBADMSG,
    operation,
    message: `${operation} failed: ${what}`,
    ...(cause !== undefined && { cause }),
  });
}

/** The input ends in the middle. */
export function truncatedInput(operation: string): SocketError {
  return new SocketError({
    socketError: SocketErrorCode.DataProc,
    code: 'HP_TRUNCATED',
    errno: Errno.EBADMSG,
    operation,
    message: `${operation} failed: the compressed data ends too early`,
  });
}

/** The output would be larger than is allowed. */
export function outputTooLarge(operation: string, maxOutputBytes: number): SocketError {
  return new SocketError({
    socketError: SocketErrorCode.DataProc,
    code: 'HP_MESSAGE_TOO_LARGE',
    errno: Errno.EMSGSIZE,
    operation,
    message: `${operation} gave more than maxOutputBytes, ${maxOutputBytes}; raise it if that much is expected`,
  });
}

/** The output is not wanted any more. */
export function codecCancelled(operation: string, what: string): SocketError {
  return new SocketError({
    socketError: SocketErrorCode.DataProc,
    code: 'HP_ABORTED',
    errno: Errno.ECANCELED,
    operation,
    message: `${operation} ended early: ${what}`,
  });
}
