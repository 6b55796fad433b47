import { CLOSE_NOTIFY } from '../arq/index.ts';
import { Lifecycle } from '../connection/lifecycle.ts';
import { ConnectionState } from '../connection/state.ts';
import type { SocketAddress } from '../core/address.ts';
import { datagramError, hookError } from '../core/connection-errors.ts';
import { SocketErrorCode, SocketOperation } from '../core/enums.ts';
import { Errno, errnoName } from '../core/errno.ts';
import { SocketError } from '../core/errors.ts';
import type { DatagramSource } from './datagram-source.ts';
import type { UdpHost } from './udp-host.ts';

/** The life of a UDP pseudo-connection: its peer, how it opens by hooks, and how it ends. What it carries comes on top. */
export abstract class UdpLifecycle extends Lifecycle<UdpHost> {
  readonly isClient: boolean;
  /** Where its peer is; another one when that has moved. */
  source: DatagramSource;
  /** Its key in the count of connections per address; '' if that is not kept. */
  limitKey = '';
  /** For `stop`: all that was queued is known to have arrived, or nothing was. */
  hasDrained = true;
  #disconnects = false;
  #isHookPending = false;

  /** @param now The present, as the wheel's clock tells it. */
  constructor(host: UdpHost, source: DatagramSource, isClient: boolean, now: number) {
    super(host, ConnectionState.Opening, now);
    this.isClient = isClient;
    this.source = source;
  }

  get remoteAddress(): string {
    return this.source.remoteAddress;
  }

  get remotePort(): number {
    return this.source.remotePort;
  }

  get localAddress(): SocketAddress | null {
    const address = this.isValid ? (this.host.socket?.address() ?? null) : null;
    return address === null ? null : { address: address.address, port: address.port };
  }

  get awaitsHook(): boolean {
    return this.#isHookPending;
  }

  awaitHook(goOn: (() => void) | null): void {
    this.#isHookPending = goOn !== null && !this.wasLetIn && !this.isAbandoned;
  }

  // ---- ending ----------------------------------------------------------------------------------------------------

  /** The peer broke a rule: the connection ends, and the peer gets a close notify (UD-013). */
  violated(errno: number, message: string): void {
    const error = new SocketError({
      socketError: SocketErrorCode.DataProc,
      errno,
      operation: 'receive',
      connId: this.id,
      message: `${message} (${errnoName(errno)})`,
    });
    this.close(SocketOperation.Receive, errno, error, true);
  }

  protected listenerRefused(hook: string): void {
    const error = hookError(this.id, hook, 'answered HandleResult.Error');
    this.close(SocketOperation.Receive, Errno.ECANCELED, error, true);
  }

  /** An error of the system ends it. On a connected socket, ICMP's answer that nobody listens (CLS-021). */
  protected closeBySystem(errno: number, operation: SocketOperation, cause: Error | undefined): void {
    const error = datagramError(this, operation, errno, cause);
    this.close(errno === Errno.ECONNREFUSED ? SocketOperation.Close : operation, errno, error, false);
  }

  /** Closes the connection at the end of this turn, with a close notify. */
  disconnect(): void {
    this.#disconnects = true;
    this.host.schedule(this);
  }

  protected closeTransport(isPeerTold: boolean): void {
    this.closed();
    if (isPeerTold && this.hasPeer) {
      this.host.closeNotifiesOut++;
      this.host.control(CLOSE_NOTIFY, this.source);
    }
    this.host.schedule(this);
  }

  /** Whether there is a peer that gets a close notify. */
  protected abstract readonly hasPeer: boolean;
  /** The connection is closing, before the peer gets its close notify. */
  protected abstract closed(): void;

  /** End of a turn in which something was left to do. `onClose` comes then, so that no call fires it from inside itself. */
  turnEnded(_now: number): void {
    if (this.#disconnects) this.close(SocketOperation.Close, 0, undefined, true);
    this.endNow();
  }

  /** If it is closing, it is gone now, and not at the end of this turn. */
  endNow(): void {
    if (this.state === ConnectionState.Closing) this.transportClosed();
  }
}
