/**
 * Linux errno numbers, which HP-Socket reports as `errorCode` of `onClose` and as system error. They are the same here on
 * every platform, so that a listener written once reads the same numbers everywhere.
 */
export const Errno = Object.freeze({
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  EBUSY: 16,
  EEXIST: 17,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  EFBIG: 27,
  ENOSPC: 28,
  EROFS: 30,
  EPIPE: 32,
  ENAMETOOLONG: 36,
  ELOOP: 40,
  EXFULL: 54,
  ENOANO: 55,
  EBADSLT: 57,
  ENODATA: 61,
  ENOSR: 63,
  EPROTO: 71,
  EBADMSG: 74,
  ENOTSOCK: 88,
  EMSGSIZE: 90,
  EPROTOTYPE: 91,
  ENOPROTOOPT: 92,
  EPROTONOSUPPORT: 93,
  EOPNOTSUPP: 95,
  EPFNOSUPPORT: 96,
  EAFNOSUPPORT: 97,
  EADDRINUSE: 98,
  EADDRNOTAVAIL: 99,
  ENETDOWN: 100,
  ENETUNREACH: 101,
  ECONNABORTED: 103,
  ECONNRESET: 104,
  ENOBUFS: 105,
  EISCONN: 106,
  ENOTCONN: 107,
  ETIMEDOUT: 110,
  ECONNREFUSED: 111,
  EHOSTDOWN: 112,
  EHOSTUNREACH: 113,
  EALREADY: 114,
  ECANCELED: 125,
} as const);
export type Errno = (typeof Errno)[keyof typeof Errno];

const names = new Map<number, string>(Object.entries(Errno).map(([name, value]) => [value, name]));

/** Name of a Linux errno number, for messages: `errnoName(104) === 'ECONNRESET'`. */
export function errnoName(errno: number): string {
  return names.get(errno) ?? `errno ${errno}`;
}

/** Linux errno number of an error that Node raised, by its `code`, so that it is right on every platform; EIO if unknown. */
export function errnoOf(error: unknown): number {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  if (typeof code === 'string') {
    if (Object.hasOwn(Errno, code)) return Errno[code as keyof typeof Errno];
    // Resolver failures have no errno of their own. HP-Socket reports an unresolvable host as EHOSTUNREACH.
    if (code === 'ENOTFOUND' || code.startsWith('EAI_')) return Errno.EHOSTUNREACH;
    if (code === 'ABORT_ERR') return Errno.ECANCELED;
    if (code === 'ERR_SOCKET_CLOSED' || code === 'ERR_STREAM_DESTROYED') return Errno.EPIPE;
  }
  return Errno.EIO;
}
