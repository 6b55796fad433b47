import { SocketErrorCode, SocketOperation } from '../core/enums.ts';
import { Errno } from '../core/errno.ts';
import { SocketError } from '../core/errors.ts';
import type { UdpHost } from './udp-host.ts';
import type { UdpLink } from './udp-link.ts';
import { OwnedTimer } from './udp-timer.ts';

/** A connection whose peer is watched. */
interface Watched extends UdpLink {
  readonly host: UdpHost;
}

const HEARTBEAT = Buffer.alloc(0);

/**
 * Notices a peer that fell silent. Clients send a heartbeat now and at each interval, and give up when `detectAttempts` of
 * them in a row stayed without any answer (UD-006, UD-008). Servers only watch (UD-009).
 */
export class Heartbeat extends OwnedTimer<Watched> {
  /** Heartbeats since the peer was last heard; set to 0 by each of its datagrams. */
  missed = 0;

  constructor(connection: Watched) {
    super(connection, expired);
    const { host, isClient } = connection;
    const { detectAttempts, detectInterval } = host.settings;
    host.wheel.arm(this, isClient ? detectInterval : detectInterval * (detectAttempts + 1));
    if (isClient) sendHeartbeat(connection);
  }

  /** Whether the settings ask for heartbeats at all. */
  static isWanted({ host }: Watched): boolean {
    return host.settings.detectAttempts > 0 && host.settings.detectInterval > 0;
  }

  beat(): void {
    const { host } = this.owner;
    const { detectAttempts, detectInterval } = host.settings;
    if (this.missed >= detectAttempts) return this.fellSilent();
    this.missed++;
    host.wheel.arm(this, detectInterval);
    sendHeartbeat(this.owner);
  }

  watch(): void {
    const { host, lastHeardAt } = this.owner;
    const { detectAttempts, detectInterval } = host.settings;
    const left = lastHeardAt + detectInterval * (detectAttempts + 1) - host.wheel.clock.now();
    if (left <= 0) return this.fellSilent();
    host.wheel.arm(this, left);
  }

  private fellSilent(): void {
    const { host, id } = this.owner;
    const { detectAttempts, detectInterval } = host.settings;
    host.limits.heartbeat++;
    const error = new SocketError({
      socketError: SocketErrorCode.Network,
      errno: Errno.ETIMEDOUT,
      operation: 'heartbeat',
      connId: id,
      message: `the peer of connection ${id} sent nothing for ${detectAttempts + 1} intervals of ${detectInterval} ms (detectAttempts, detectInterval)`,
    });
    this.owner.close(SocketOperation.Close, 0, error, false);
  }
}

function expired(this: OwnedTimer<Watched>): void {
  const heartbeat = this as Heartbeat;
  if (this.owner.isClient) heartbeat.beat();
  else heartbeat.watch();
}

/** Sends a heartbeat, or the answer to one. */
export function sendHeartbeat(connection: Watched): void {
  const { host, isClient } = connection;
  host.heartbeatsOut++;
  const errno = host.control(HEARTBEAT, connection.source);
  // The system tells once that nobody listens there (CLS-021), and this send may be the one that it tells.
  if (errno === Errno.ECONNREFUSED && isClient) connection.systemFailed(errno, SocketOperation.Close, undefined);
}
