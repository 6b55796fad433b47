import { describe, shown } from '../core/describe.ts';
import { ReuseAddressPolicy, SocketErrorCode } from '../core/enums.ts';
import { Errno, errnoOf } from '../core/errno.ts';
import { describeSystemError, SocketError } from '../core/errors.ts';
import { isIP } from '../core/ip.ts';
import type { UdpSocketOptions } from '../transport/udp-socket.ts';
import type { UdpSocketProperties } from './udp-properties.ts';

/** Family of a numeric own address, '' for any. @throws SocketError (SocketCreate, EADDRNOTAVAIL) if it is no IP address. */
export function ownFamily(address: string): 'udp4' | 'udp6' | '' {
  if (address === '') return '';
  const family = isIP(address);
  if (family !== 0) return family === 6 ? 'udp6' : 'udp4';
  throw new SocketError({
    socketError: SocketErrorCode.SocketCreate,
    errno: Errno.EADDRNOTAVAIL,
    operation: 'start',
    message: `cannot bind to ${describe(address)}: it is no IP address; give one of this machine's, 0.0.0.0, or ::`,
  });
}

/** How the socket of a component is made. Sharing an address is asked for by `isShared`, or by the policy (CS-025). */
export function socketOptions(
  component: UdpSocketProperties & { reuseAddressPolicy: ReuseAddressPolicy },
  type: 'udp4' | 'udp6',
  isFast: boolean,
  ipv6Only: boolean,
  isShared: boolean,
): UdpSocketOptions {
  const { reuseAddressPolicy: policy, recvBufferBytes, sendBufferBytes } = component;
  const sharesAll = policy === ReuseAddressPolicy.AddrAndPort;
  return {
    type,
    ipv6Only: ipv6Only && type === 'udp6',
    reuseAddr: sharesAll || (isShared && policy !== ReuseAddressPolicy.None),
    reusePort: sharesAll && hasReusePort(),
    recvBufferBytes,
    sendBufferBytes,
    isFast,
  };
}

/** `reusePort` came with Node 22.12 and 23.1; before, the option is not known, and macOS and Windows lack it. */
function hasReusePort(): boolean {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const isNew = major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12);
  return isNew && process.platform !== 'win32' && process.platform !== 'darwin';
}

/** HP-Socket's component error for what `bind` reported. */
export function bindError(cause: unknown, address: string, port: number): SocketError {
  const name = (cause as NodeJS.ErrnoException).code;
  const isNoSocket = name === 'EMFILE' || name === 'ENFILE' || name === 'EAFNOSUPPORT';
  const errno = errnoOf(cause);
  return new SocketError({
    socketError: isNoSocket ? SocketErrorCode.SocketCreate : SocketErrorCode.SocketBind,
    errno,
    operation: 'start',
    message: describeSystemError(`cannot bind to UDP ${shown(address)}:${port}`, errno, cause),
    cause,
  });
}
