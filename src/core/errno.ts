/**
 * Linux errno numbers, which HP-Socket reports as `errorCode` of `onClose` and as system error. They are the same here on
 * every platform, so that a listener written once reads the same numbers everywhere.
 */
export const Errno = Object.freeze({
  /** Not permitted, or not in this state. */
  EPERM: 1,
  /** No such file. */
  ENOENT: 2,
  /** Interrupted. */
  EINTR: 4,
  /** Input or output failed. */
  EIO: 5,
  /** No such device. */
  ENXIO: 6,
  /** Bad file descriptor. */
  EBADF: 9,
  /** Not now; try again. */
  EAGAIN: 11,
  /** Out of memory. */
  ENOMEM: 12,
  /** Permission denied. */
  EACCES: 13,
  /** Bad address in memory. */
  EFAULT: 14,
  /** In use. */
  EBUSY: 16,
  /** Exists already. */
  EEXIST: 17,
  /** No such device. */
  ENODEV: 19,
  /** Not a folder. */
  ENOTDIR: 20,
  /** A folder. */
  EISDIR: 21,
  /** An argument makes no sense. */
  EINVAL: 22,
  /** Too many open files in the system. */
  ENFILE: 23,
  /** Too many open files in this process. */
  EMFILE: 24,
  /** The file is too large. */
  EFBIG: 27,
  /** The disk is full. */
  ENOSPC: 28,
  /** The file system is read-only. */
  EROFS: 30,
  /** The peer takes nothing any more. */
  EPIPE: 32,
  /** The name is too long. */
  ENAMETOOLONG: 36,
  /** Too many symbolic links. */
  ELOOP: 40,
  /** The exchange is full. */
  EXFULL: 54,
  /** No anode. */
  ENOANO: 55,
  /** No such slot: an unknown or closed connection ID. */
  EBADSLT: 57,
  /** There is no data. */
  ENODATA: 61,
  /** Out of stream resources. */
  ENOSR: 63,
  /** The peer broke the protocol. */
  EPROTO: 71,
  /** What the peer sent makes no sense. */
  EBADMSG: 74,
  /** Not a socket. */
  ENOTSOCK: 88,
  /** The message is too long. */
  EMSGSIZE: 90,
  /** Wrong kind of protocol for the socket. */
  EPROTOTYPE: 91,
  /** The protocol has no such option. */
  ENOPROTOOPT: 92,
  /** The protocol is not supported. */
  EPROTONOSUPPORT: 93,
  /** Not supported. */
  EOPNOTSUPP: 95,
  /** The protocol family is not supported. */
  EPFNOSUPPORT: 96,
  /** The address family is not supported. */
  EAFNOSUPPORT: 97,
  /** The address is in use. */
  EADDRINUSE: 98,
  /** No interface has that address. */
  EADDRNOTAVAIL: 99,
  /** The network is down. */
  ENETDOWN: 100,
  /** No route to the network. */
  ENETUNREACH: 101,
  /** The connection was aborted from this side. */
  ECONNABORTED: 103,
  /** The peer reset the connection. */
  ECONNRESET: 104,
  /** No room for more. */
  ENOBUFS: 105,
  /** Connected already. */
  EISCONN: 106,
  /** Not connected. */
  ENOTCONN: 107,
  /** It took too long. */
  ETIMEDOUT: 110,
  /** Nobody listens there. */
  ECONNREFUSED: 111,
  /** The host is down. */
  EHOSTDOWN: 112,
  /** No route to the host. */
  EHOSTUNREACH: 113,
  /** Under way already. */
  EALREADY: 114,
  /** Cancelled, or refused by a hook. */
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
