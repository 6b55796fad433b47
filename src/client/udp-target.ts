import { lookup } from 'node:dns/promises';
import { describe, shown } from '../core/describe.ts';
import { SocketErrorCode } from '../core/enums.ts';
import { Errno, errnoOf } from '../core/errno.ts';
import { describeSystemError, SocketError } from '../core/errors.ts';
import { isIP } from '../core/ip.ts';
import type { OptionRule } from '../core/option-names.ts';
import { flag } from '../core/properties.ts';
import { invalidParam } from '../core/start-stop.ts';
import { isPort } from '../stream/stream-properties.ts';
import { ownFamily } from '../udp/udp-start.ts';

/** Where a UDP client sends to. */
export interface UdpClientStartOptions {
  /** Host name or IP address of the server. */
  host?: string | undefined;
  /** 1 to 65535. */
  port?: number | undefined;
  /** Own IP address to send from. */
  localAddress?: string | undefined;
  /** Own port to send from, 1 to 65535; 0, the default, lets the system choose. */
  localPort?: number | undefined;
  /**
   * HP-Socket's asynchronous mode: `start` resolves after `onPrepareConnect`, and `onClose` gets a failure. Default
   * false: `start` resolves when data can be sent (over ARQ after its handshake), and rejects otherwise.
   */
  asyncConnect?: boolean | undefined;
  /** Aborting cancels the start, or ends the connection. */
  signal?: AbortSignal | undefined;
}

export const udpClientStartRules = {
  host: true,
  port: true,
  localAddress: true,
  localPort: true,
  asyncConnect: flag(false),
  signal: true,
} satisfies Record<keyof UdpClientStartOptions, OptionRule>;

/** The error of a target that makes no sense, or null. */
export function checkTarget({ host, port, localAddress, localPort }: UdpClientStartOptions): SocketError | null {
  if (typeof host !== 'string' || host === '')
    return invalidParam(`host must be a host name or an IP address, not ${describe(host)}`);
  if (!isPort(port) || port === 0)
    return invalidParam(`port must be a whole number, 1 to 65535, not ${describe(port)}`);
  if (localPort !== undefined && !isPort(localPort))
    return invalidParam(`localPort must be a whole number, 0 to 65535, not ${describe(localPort)}`);
  if (localAddress !== undefined && typeof localAddress !== 'string')
    return invalidParam(`localAddress must be a string, not ${describe(localAddress)}`);
  return null;
}

/** The address of a target, of the family of the own one. @throws SocketError (SocketCreate) if there is none. */
export async function resolveTarget({
  host = '',
  localAddress = '',
}: UdpClientStartOptions): Promise<{ address: string; family: number }> {
  const own = ownFamily(localAddress);
  const literal = isIP(host.split('%')[0]!);
  if (literal !== 0) {
    if (own !== '' && (own === 'udp6') !== (literal === 6)) {
      throw new SocketError({
        socketError: SocketErrorCode.SocketCreate,
        errno: Errno.EAFNOSUPPORT,
        operation: 'start',
        message: `cannot send from ${localAddress} to ${shown(host)}: one is IPv4, the other IPv6`,
      });
    }
    return { address: host, family: literal };
  }
  try {
    return await lookup(host, { family: own === '' ? 0 : own === 'udp6' ? 6 : 4 });
  } catch (cause) {
    const errno = errnoOf(cause);
    throw new SocketError({
      socketError: SocketErrorCode.SocketCreate,
      errno,
      operation: 'start',
      message: describeSystemError(`cannot resolve ${shown(host)}`, errno, cause),
      cause,
    });
  }
}
