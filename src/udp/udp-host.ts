import type { LifecycleOwner } from '../connection/lifecycle.ts';
import { SendPolicy, SocketOperation } from '../core/enums.ts';
import { Errno, errnoOf } from '../core/errno.ts';
import { $settings, $wheel } from '../core/internals.ts';
import type { TimerWheel } from '../core/timer-wheel.ts';
import { TurnEnd, type TurnTask } from '../core/turn-end.ts';
import { copyBytes } from '../memory/slab-pool.ts';
import { isFastPathAllowed } from '../transport/fast-io.ts';
import { nameOf, QUEUED, type UdpSocket } from '../transport/udp-socket.ts';
import type { DatagramSource } from './datagram-source.ts';
import type { UdpLink } from './udp-link.ts';
import type { AnyUdpHooks } from './udp-listener.ts';
import { newUdpDrops, newUdpLimits, type UdpDropCounters, type UdpLimitCounters, type UdpStats } from './udp-stats.ts';

/** What a UDP connection asks of the component that it belongs to. */
export type UdpOwner = LifecycleOwner;

/** Properties that the connections of a UDP component read, as they stood when it started. */
export interface UdpSettings {
  readonly maxDatagramSize: number;
  readonly fastPath: boolean;
  readonly maxSendQueueBytes: number;
  readonly maxQueuedDatagrams: number;
  readonly markSilence: boolean;
  readonly openingTimeoutMs: number;
  readonly detectAttempts: number;
  readonly detectInterval: number;
  readonly sendPolicy: SendPolicy;
}

/** Datagrams of up to this size are copied before they are sent, so that the caller has its memory back at once. */
const COPY_LIMIT_BYTES = 4096;
const EMPTY = Buffer.alloc(0);

/**
 * What all connections of one run of a UDP component share: socket, listener, settings, counters, and the end
 * of the turn of the event loop.
 */
export class UdpHost {
  readonly owner: UdpOwner;
  readonly listener: AnyUdpHooks;
  readonly settings: UdpSettings;
  readonly wheel: TimerWheel;
  readonly limits: UdpLimitCounters = newUdpLimits();
  readonly drops: UdpDropCounters = newUdpDrops();
  readonly reportsSends: boolean;
  readonly isFast: boolean;
  readonly isDirect: boolean;
  socket: UdpSocket<UdpLink | null> | null = null;
  opened = 0;
  closed = 0;
  refused = 0;
  datagramsIn = 0;
  datagramsOut = 0;
  bytesIn = 0;
  bytesOut = 0;
  messagesIn = 0;
  messagesOut = 0;
  heartbeatsIn = 0;
  heartbeatsOut = 0;
  closeNotifiesIn = 0;
  closeNotifiesOut = 0;
  receiveErrors = 0;
  sendErrors = 0;
  #buffers = { receive: 0, send: 0 };
  #scratch = Buffer.allocUnsafeSlow(COPY_LIMIT_BYTES);
  #view: Buffer = EMPTY;
  readonly #turnEnd: TurnEnd<TurnTask>;

  constructor(owner: UdpOwner, listener: object) {
    this.owner = owner;
    this.listener = listener as AnyUdpHooks;
    this.settings = { ...owner[$settings] } as unknown as UdpSettings;
    this.wheel = owner[$wheel];
    this.#turnEnd = new TurnEnd(owner[$wheel]);
    this.reportsSends = typeof this.listener.onSend === 'function';
    this.isFast = this.settings.fastPath && isFastPathAllowed();
    this.isDirect = this.settings.sendPolicy === SendPolicy.Direct;
  }

  /** The socket is bound. */
  attach(socket: UdpSocket<UdpLink | null>): void {
    this.socket = socket;
    this.#buffers = socket.bufferSizes();
  }

  /** Asks for `connection.turnEnded()` at the end of this turn of the event loop. */
  schedule(connection: TurnTask): void {
    this.#turnEnd.schedule(connection);
  }

  /**
   * Sends `bytes[0, length)` of a connection as one datagram. They may be overwritten after the call unless it returns
   * `QUEUED` and they are more than 4 KiB, or `isOwned`.
   * @returns `SENT`, `QUEUED`, or minus the Linux errno of why it was dropped.
   */
  transmit(connection: UdpLink, bytes: Uint8Array, length: number, isOwned: boolean): number {
    const { socket } = this;
    if (socket === null) return -Errno.EPERM;
    if (socket.queuedCount > 0 && socket.queuedBytes + length > this.settings.maxSendQueueBytes) {
      this.drops.sendQueueFull++;
      return -Errno.ENOBUFS;
    }
    let out: Uint8Array;
    let isScratch = false;
    if (this.reportsSends) {
      out = Buffer.from(length === bytes.length ? bytes : bytes.subarray(0, length));
    } else if (isOwned || length > COPY_LIMIT_BYTES) {
      out = bytes;
    } else {
      // Datagrams of one size come in rows, so the view of the last one usually fits.
      let view = this.#view;
      if (view.length !== length) {
        view = this.#scratch.subarray(0, length);
        this.#view = view;
      }
      copyBytes(bytes, 0, length, view, 0);
      out = view;
      isScratch = true;
    }
    const status = socket.send(out, length, connection.source.sendPort, connection.source.sendAddress, connection);
    if (status < 0) return -this.#sendFailed(connection, nameOf(status));
    this.datagramsOut++;
    this.bytesOut += length;
    connection.datagramsOut++;
    connection.bytesOut += length;
    if (status === QUEUED) {
      connection.pendingBytes += length;
      if (isScratch) {
        this.#scratch = Buffer.allocUnsafeSlow(COPY_LIMIT_BYTES);
        this.#view = EMPTY;
      }
    }
    if (this.reportsSends) connection.report(out as Buffer);
    return status;
  }

  /** Sends a heartbeat or a close notify. Failure is counted (UD-018) and returned as a Linux errno. */
  control(bytes: Uint8Array, to: DatagramSource): number {
    const status = this.socket?.send(bytes, bytes.length, to.sendPort, to.sendAddress, null) ?? 0;
    if (status >= 0) {
      this.datagramsOut++;
      return 0;
    }
    this.sendErrors++;
    return errnoOf({ code: nameOf(status) });
  }

  /** A queued datagram left, or did not. */
  completed(connection: UdpLink | null, length: number, error: Error | null): void {
    if (connection !== null) connection.pendingBytes -= length;
    if (error === null) return;
    const { code = 'EIO' } = error as NodeJS.ErrnoException;
    if (connection === null) this.sendErrors++;
    else if (code !== 'ECANCELED') this.#sendFailed(connection, code);
  }

  /** Returns the Linux errno. Trouble of the moment costs the datagram, as it may on any link; the rest the connection. */
  #sendFailed(connection: UdpLink, name: string): number {
    const errno = errnoOf({ code: name });
    if (name === 'ENOBUFS' || name === 'EAGAIN' || name === 'ENOMEM') {
      this.drops.noBuffers++;
      return Errno.ENOBUFS;
    }
    if (name === 'EMSGSIZE') this.drops.tooLarge++;
    else this.sendErrors++;
    connection.systemFailed(errno, SocketOperation.Send, undefined);
    return errno;
  }

  stats(connections: number): UdpStats {
    return {
      connections,
      opened: this.opened,
      closed: this.closed,
      refused: this.refused,
      datagramsIn: this.datagramsIn,
      datagramsOut: this.datagramsOut,
      bytesIn: this.bytesIn,
      bytesOut: this.bytesOut,
      messagesIn: this.messagesIn,
      messagesOut: this.messagesOut,
      heartbeatsIn: this.heartbeatsIn,
      heartbeatsOut: this.heartbeatsOut,
      closeNotifiesIn: this.closeNotifiesIn,
      closeNotifiesOut: this.closeNotifiesOut,
      receiveErrors: this.receiveErrors,
      sendErrors: this.sendErrors,
      pendingBytes: this.socket?.queuedBytes ?? 0,
      drops: { ...this.drops },
      limits: { ...this.limits },
      socketBuffers: { ...this.#buffers },
    };
  }
}
