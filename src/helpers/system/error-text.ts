import { getSystemErrorMap } from 'node:util';
import { describe } from '../../core/describe.ts';
import { errnoName } from '../../core/errno.ts';

/** Something that knows a system error: a component or codec, or a `SocketError`. */
export type SystemErrorSource = { readonly lastSystemError: number } | { readonly errno: number };

/**
 * The system error of the last call of `source` that failed (`SYS_GetLastError`, SYS-003): a Linux errno. There is none for the
 * whole process, since calls of all components interleave here.
 * @param source A component, a compressor or decompressor, or a `SocketError`.
 * @throws TypeError for what is no object.
 */
export function getLastError(source: SystemErrorSource): number {
  if (typeof source !== 'object' || source === null)
    throw new TypeError(`the source must be a component, a codec or a SocketError, not ${describe(source)}`);
  return 'lastSystemError' in source ? source.lastSystemError : source.errno;
}

/**
 * Text of a system error in English (`SYS_GetLastErrorStr`, SYS-004): `'connection refused'` for 111.
 * @param error A Linux errno, or whatever `getLastError` takes.
 */
export function getLastErrorStr(error: number | SystemErrorSource): string {
  const errno = typeof error === 'number' ? error : getLastError(error);
  if (errno === 0) return 'success';
  const name = errnoName(errno);
  texts ??= new Map(getSystemErrorMap().values());
  return texts.get(name) ?? own[name] ?? name;
}

/** Texts of this platform by name; its numbers may be others than Linux's. */
let texts: Map<string, string> | undefined;

/** Those that libuv has no text for. */
const own: Readonly<Record<string, string>> = {
  EXFULL: 'exchange full',
  ENODATA: 'no data available',
  EBADMSG: 'bad message',
  EPROTOTYPE: 'protocol wrong type for socket',
  EALREADY: 'connection already in progress',
};
