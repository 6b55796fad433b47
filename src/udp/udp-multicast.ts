import { networkInterfaces } from 'node:os';
import { shown } from '../core/describe.ts';
import { CastMode, SocketErrorCode } from '../core/enums.ts';
import { Errno, errnoOf } from '../core/errno.ts';
import { describeSystemError, SocketError } from '../core/errors.ts';
import { isIP } from '../core/ip.ts';
import { flag, integer, type TableOf } from '../core/properties.ts';
import type { UdpSocket } from '../transport/udp-socket.ts';

/** How a group is joined, part of the start options of `UdpCast` and `UdpNode`. */
export interface JoinOptions {
  /**
   * On which interfaces the group is joined, besides the one of the own address: `'all'` that have the group's family, or
   * some, each by one of its addresses. Default: the one of the own address, or the system's choice.
   */
  joinOn?: 'all' | readonly string[] | undefined;
  /** Only what these addresses send (source-specific multicast). Default: any sender. */
  sources?: readonly string[] | undefined;
}

/** Multicast properties of `UdpCast` and `UdpNode`. */
export interface MulticastProperties {
  /** Routers that a multicast datagram may pass, 0 to 255 (CAST-005, NODE-020). Default 1: the local network. */
  multiCastTtl: number;
  /** Whether own multicasts come back to this machine (CAST-007, NODE-022). Default false. */
  multiCastLoop: boolean;
}

export const multicastProperties = {
  multiCastTtl: integer(1, 0, 255),
  multiCastLoop: flag(false),
} satisfies TableOf<MulticastProperties>;

export const IPV4_BROADCAST = '255.255.255.255';

/** What a cast goes to, and how. */
export interface CastTarget extends JoinOptions, MulticastProperties {
  castMode: CastMode;
  /** Numeric address of the group or for broadcasts. */
  castAddress: string;
  /** Numeric own address, or '' for the system's choice. */
  ownAddress: string;
}

/** Sets up a bound socket for broadcast, or for multicast with its joins. @throws SocketError (ConnectServer, CA-003). */
export function prepareCast({ socket }: Pick<UdpSocket<unknown>, 'socket'>, target: CastTarget): void {
  const { castMode, castAddress, ownAddress, multiCastTtl, multiCastLoop } = target;
  if (castMode === CastMode.Unicast) return;
  try {
    if (castMode === CastMode.Broadcast) {
      socket.setBroadcast(true);
      return;
    }
    socket.setMulticastTTL(multiCastTtl);
    socket.setMulticastLoopback(multiCastLoop);
    const isIPv6 = isIP(castAddress.split('%')[0]!) === 6;
    const own = ownAddress === '' || isWildcard(ownAddress) ? undefined : interfaceOf(ownAddress, isIPv6);
    if (own !== undefined) socket.setMulticastInterface(own);
    join(socket, target, own, isIPv6);
  } catch (cause) {
    if (cause instanceof SocketError) throw cause;
    throw castError(target, cause);
  }
}

/** What is wrong with how a group is to be joined; null if nothing is. */
export function joinProblem({ joinOn, sources }: JoinOptions): string | null {
  if (joinOn !== undefined && joinOn !== 'all' && !isAddresses(joinOn)) {
    return "joinOn must be 'all', or an array with an own IP address for each interface";
  }
  return sources === undefined || isAddresses(sources) ? null : 'sources must be an array of IP addresses';
}

function isAddresses(value: unknown): boolean {
  return (
    Array.isArray(value) && value.length > 0 && value.every((each) => typeof each === 'string' && isIP(each) !== 0)
  );
}

function join(
  socket: UdpSocket<unknown>['socket'],
  target: CastTarget,
  own: string | undefined,
  isIPv6: boolean,
): void {
  const { castAddress: group, joinOn, sources } = target;
  const interfaces: Array<string | undefined> =
    joinOn === undefined
      ? [own]
      : joinOn === 'all'
        ? allInterfaces(isIPv6)
        : joinOn.map((address) => interfaceOf(address, isIPv6));
  let joined = 0;
  let problem: unknown;
  for (const each of new Set(interfaces)) {
    try {
      if (sources === undefined) socket.addMembership(group, each);
      else for (const source of sources) socket.addSourceSpecificMembership(source, group, each);
      joined++;
    } catch (thrown) {
      problem = thrown;
      // Of all interfaces, some may not do multicast; those that were named must.
      if (joinOn !== 'all') throw thrown;
    }
  }
  if (joined === 0) throw problem ?? Object.assign(new Error('no interface'), { code: 'ENODEV' });
}

function isWildcard(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}

/** An interface as the socket wants it: IPv4 one of its addresses, IPv6 `::%name`. */
function interfaceOf(address: string, isIPv6: boolean): string {
  if (!isIPv6) return address;
  const scope = address.split('%')[1];
  if (scope !== undefined) return `::%${scope}`;
  for (const [name, addresses] of Object.entries(networkInterfaces())) {
    if (addresses?.some((each) => each.address === address)) return scoped(name, addresses);
  }
  throw Object.assign(new Error(`no interface has the address ${shown(address)}`), { code: 'EADDRNOTAVAIL' });
}

/** Windows knows interfaces by number, others by name. */
function scoped(name: string, addresses: ReadonlyArray<{ scopeid?: number | undefined }>): string {
  return process.platform === 'win32' ? `::%${addresses.find(({ scopeid }) => scopeid)?.scopeid ?? 0}` : `::%${name}`;
}

function allInterfaces(isIPv6: boolean): string[] {
  const found: string[] = [];
  for (const [name, addresses = []] of Object.entries(networkInterfaces())) {
    const match = addresses.find(({ family }) => family === (isIPv6 ? 'IPv6' : 'IPv4'));
    if (match !== undefined) found.push(isIPv6 ? scoped(name, addresses) : match.address);
  }
  return found;
}

function castError({ castAddress, castMode }: CastTarget, cause: unknown): SocketError {
  const errno = errnoOf(cause);
  const isUnicast = castMode === CastMode.Multicast && !isGroup(castAddress);
  const what = `cannot ${castMode === CastMode.Multicast ? `join ${shown(castAddress)}` : 'broadcast'}`;
  return new SocketError({
    socketError: SocketErrorCode.ConnectServer,
    errno,
    operation: 'start',
    message: isUnicast
      ? `${what}: it is no multicast address; groups are 224.0.0.0 to 239.255.255.255 and ff00::/8 (EINVAL)`
      : describeSystemError(what, errno, cause),
    cause,
  });
}

function isGroup(address: string): boolean {
  if (address.includes(':')) return address.toLowerCase().startsWith('ff');
  const first = Number.parseInt(address, 10);
  return first >= 224 && first <= 239;
}

/** The errors of a cast address that can be told without the system (CA-003, CA-004, NODE-001); null if there is none. */
export function checkCastAddress(castMode: CastMode, castAddress: string, isIPv6: boolean): SocketError | null {
  const fail = (errno: number, message: string): SocketError =>
    new SocketError({ socketError: SocketErrorCode.SocketCreate, errno, operation: 'start', message });
  if (castMode === CastMode.Broadcast && isIPv6) {
    return fail(
      Errno.EPFNOSUPPORT,
      'IPv6 has no broadcast; use multicast, for example to ff02::1 (all nodes of the link)',
    );
  }
  if (castAddress !== '' && isIP(castAddress.split('%')[0]!) !== (isIPv6 ? 6 : 4)) {
    return fail(
      Errno.EAFNOSUPPORT,
      `the cast address ${shown(castAddress)} and the own address are of different families, IPv4 and IPv6`,
    );
  }
  return null;
}
