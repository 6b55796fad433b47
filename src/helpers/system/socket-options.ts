import type { Socket as DatagramSocket } from 'node:dgram';
import type { Socket } from 'node:net';
import { SocketErrorCode } from '../../core/enums.ts';
import { Errno } from '../../core/errno.ts';
import { SocketError } from '../../core/errors.ts';

/** Small segments leave at once (`SYS_SSO_NoDelay`, SYS-009). Components have the property `noDelay`. */
export function ssoNoDelay(socket: Socket, isOn = true): void {
  socket.setNoDelay(isOn);
}

/**
 * What closing does with data that is not sent yet (`SYS_SSO_Linger`, SYS-011). Node knows only the case on with 0 seconds,
 * which is to drop it and reset the connection: this does so at once.
 * @throws SocketError EOPNOTSUPP for anything else.
 */
export function ssoLinger(socket: Socket, isOn: boolean, seconds: number): void {
  if (!isOn || seconds !== 0) {
    throw new SocketError({
      socketError: SocketErrorCode.InvalidParam,
      code: 'EOPNOTSUPP',
      errno: Errno.EOPNOTSUPP,
      operation: 'ssoLinger',
      message: 'Node cannot set SO_LINGER; only ssoLinger(socket, true, 0) is possible, which resets the connection',
    });
  }
  socket.resetAndDestroy();
}

/** Receive buffer of a bound datagram socket in bytes (`SYS_SSO_RecvBuffSize`, SYS-012). Stream sockets have no such call. */
export function ssoRecvBuffSize(socket: DatagramSocket, bytes: number): void {
  socket.setRecvBufferSize(bytes);
}

/** Send buffer of a bound datagram socket in bytes (`SYS_SSO_SendBuffSize`, SYS-012). Stream sockets have no such call. */
export function ssoSendBuffSize(socket: DatagramSocket, bytes: number): void {
  socket.setSendBufferSize(bytes);
}
