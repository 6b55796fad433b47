import { lookup } from 'node:dns/promises';
import { normalizeAddress, type SocketAddress } from '../core/address.ts';
import type { Component } from '../core/component.ts';
import { describe, shown } from '../core/describe.ts';
import { type ReuseAddressPolicy, SocketErrorCode, SocketOperation } from '../core/enums.ts';
import { Errno, errnoOf } from '../core/errno.ts';
import { notifyHook } from '../core/hooks.ts';
import { $refuse, $reportHookError } from '../core/internals.ts';
import { isIP } from '../core/ip.ts';
import { isPort } from '../stream/stream-properties.ts';
import { isFastPathAllowed } from '../transport/fast-io.ts';
import { nameOf, UdpSocket, type UdpSocketEvents } from '../transport/udp-socket.ts';
import type { UdpNodeHooks } from '../udp/udp-listener.ts';
import type { UdpSocketProperties } from '../udp/udp-properties.ts';
import { bindError, socketOptions } from '../udp/udp-start.ts';
import { newUdpDrops, newUdpLimits, type UdpDropCounters, type UdpStats } from '../udp/udp-stats.ts';

/** A datagram on its way. */
interface Outgoing {
  readonly address: string;
  readonly port: number;
  readonly data: Buffer;
}

/** How a node binds. */
export interface NodeBinding {
  address: string;
  port: number;
  ipv6Only: boolean;
  /** Whether others may bind to the same address, as casts need it. */
  isShared: boolean;
}

/** Throws for what can be no address and no host name. */
export function checkRemoteAddress(remoteAddress: string): void {
  if (typeof remoteAddress !== 'string' || remoteAddress === '')
    throw new TypeError(`remoteAddress must be a string, not ${describe(remoteAddress)}`);
}

/** One run of a `UdpNode`: its socket, the datagrams that come and go, and the hooks that are called for them. */
export class NodeRun<N extends Component & UdpSocketProperties & { reuseAddressPolicy: ReuseAddressPolicy }>
  implements UdpSocketEvents<Outgoing>
{
  readonly #node: N;
  readonly #listener: UdpNodeHooks<N>;
  readonly #isIPv6: boolean;
  readonly #maxDatagramSize: number;
  readonly #maxSendQueueBytes: number;
  readonly #maxLookups: number;
  readonly #drops: UdpDropCounters = newUdpDrops();
  #socket: UdpSocket<Outgoing> | null = null;
  /** From Started until the stop. */
  #isOpen = false;
  /** Datagrams that wait for their host name to be resolved, all in all, and by name: those to one name keep their order. */
  #waitingCount = 0;
  readonly #waiting = new Map<string, Outgoing[]>();
  #reports: Array<() => void> = [];
  #isReporting = false;
  #datagramsIn = 0;
  #datagramsOut = 0;
  #bytesIn = 0;
  #bytesOut = 0;
  #messagesIn = 0;
  #messagesOut = 0;
  #receiveErrors = 0;
  #sendErrors = 0;

  constructor(node: N, listener: UdpNodeHooks<N>, isIPv6: boolean) {
    this.#node = node;
    this.#listener = listener;
    this.#isIPv6 = isIPv6;
    this.#maxDatagramSize = node.maxDatagramSize;
    this.#maxSendQueueBytes = node.maxSendQueueBytes;
    this.#maxLookups = node.maxQueuedDatagrams;
  }

  async bind({ address, port, ipv6Only, isShared }: NodeBinding): Promise<UdpSocket<Outgoing>> {
    const isFast = this.#node.fastPath && isFastPathAllowed();
    const type = this.#isIPv6 ? 'udp6' : 'udp4';
    const socket = new UdpSocket<Outgoing>(socketOptions(this.#node, type, isFast, ipv6Only, isShared), this);
    try {
      await socket.bind(address, port, true);
    } catch (cause) {
      await socket.close();
      throw bindError(cause, address, port);
    }
    this.#socket = socket;
    return socket;
  }

  /** The node is started: datagrams flow. */
  open(): void {
    this.#isOpen = true;
  }

  async close(): Promise<void> {
    this.#isOpen = false;
    await this.#socket?.close();
  }

  /** Own address, null when the node is not started. */
  get address(): SocketAddress | null {
    const address = this.#isOpen ? (this.#socket?.address() ?? null) : null;
    return address === null ? null : { address: address.address, port: address.port };
  }

  get pendingBytes(): number {
    return this.#isOpen && this.#socket !== null ? this.#socket.queuedBytes : 0;
  }

  // ---- receiving -------------------------------------------------------------------------------------------------

  received(bytes: Buffer, from: string, port: number): void {
    if (!this.#isOpen) return;
    this.#datagramsIn++;
    this.#bytesIn += bytes.length;
    const address = normalizeAddress(from);
    if (bytes.length > this.#maxDatagramSize) {
      this.#drops.oversize++;
      const beginning = bytes.subarray(0, this.#maxDatagramSize);
      this.#failed(SocketOperation.Receive, Errno.EMSGSIZE, address, port, beginning);
      return;
    }
    this.#messagesIn++;
    this.#call('onReceive', () => this.#listener.onReceive?.(this.#node, address, port, bytes));
  }

  receiveFailed(error: Error): void {
    this.#receiveErrors++;
    this.#failed(SocketOperation.Receive, errnoOf(error), '', 0, Buffer.alloc(0));
  }

  // ---- sending ---------------------------------------------------------------------------------------------------

  /** Copies the bytes and sends them as one datagram; a host name is resolved before. */
  send(operation: string, remoteAddress: string, port: number, bytes: Uint8Array): boolean {
    const socket = this.#socket!;
    const refuse = (code: SocketErrorCode, errno: number, message: string): false =>
      this.#node[$refuse](operation, code, errno, message);
    checkRemoteAddress(remoteAddress);
    if (!isPort(port) || port === 0)
      return refuse(SocketErrorCode.InvalidParam, Errno.EINVAL, `port must be 1 to 65535, not ${describe(port)}`);
    if (bytes.length > this.#maxDatagramSize) {
      const message = `a datagram of ${bytes.length} bytes is not possible, allowed are 0 to ${this.#maxDatagramSize} (maxDatagramSize)`;
      return refuse(SocketErrorCode.InvalidParam, Errno.EINVAL, message);
    }
    if (socket.queuedCount > 0 && socket.queuedBytes + bytes.length > this.#maxSendQueueBytes) {
      this.#drops.sendQueueFull++;
      return refuse(SocketErrorCode.DataSend, Errno.ENOBUFS, 'maxSendQueueBytes wait already');
    }
    const family = isIP(remoteAddress.split('%')[0]!);
    if (family === 6 && !this.#isIPv6) {
      const message = `${shown(remoteAddress)} is IPv6, and the node is bound to an IPv4 address`;
      return refuse(SocketErrorCode.InvalidParam, Errno.EAFNOSUPPORT, message);
    }
    const data = Buffer.from(bytes);
    if (family !== 0) this.#transmit(socket, remoteAddress, port, data);
    else if (this.#waitingCount >= this.#maxLookups) {
      return refuse(SocketErrorCode.DataSend, Errno.ENOBUFS, 'too many datagrams wait for host names to be resolved');
    } else this.#sendWhenResolved(socket, { address: remoteAddress, port, data });
    this.#messagesOut++;
    return true;
  }

  #sendWhenResolved(socket: UdpSocket<Outgoing>, outgoing: Outgoing): void {
    this.#waitingCount++;
    const name = outgoing.address;
    const waiting = this.#waiting.get(name);
    if (waiting !== undefined) {
      waiting.push(outgoing);
      return;
    }
    const all = [outgoing];
    this.#waiting.set(name, all);
    this.#resolve(name).then((address) => {
      this.#waiting.delete(name);
      this.#waitingCount -= all.length;
      for (const { port, data } of all) {
        if (!this.#isOpen) return;
        if (address !== null) this.#transmit(socket, address, port, data);
        else this.#sendFailed({ address: name, port, data }, Errno.EHOSTUNREACH);
      }
    });
  }

  /** The address of a host, null if it has none. */
  async #resolve(name: string): Promise<string | null> {
    try {
      // An IPv6 node reaches IPv4 too, by mapped addresses.
      return (await lookup(name, { family: this.#isIPv6 ? 0 : 4 })).address;
    } catch {
      return null;
    }
  }

  #transmit(socket: UdpSocket<Outgoing>, address: string, port: number, data: Buffer): void {
    const numeric = this.#isIPv6 && isIP(address) === 4 ? `::ffff:${address}` : address;
    const outgoing: Outgoing = { address, port, data };
    const status = socket.send(data, data.length, port, numeric, outgoing);
    if (status < 0) {
      const errno = errnoOf({ code: nameOf(status) });
      this.#later(() => this.#sendFailed(outgoing, errno));
    } else if (status === 0) this.#sent(outgoing);
  }

  completed(outgoing: Outgoing, _length: number, error: Error | null): void {
    if (error === null) this.#sent(outgoing);
    else if ((error as NodeJS.ErrnoException).code !== 'ECANCELED') this.#sendFailed(outgoing, errnoOf(error));
  }

  #sent({ address, port, data }: Outgoing): void {
    this.#datagramsOut++;
    this.#bytesOut += data.length;
    if (this.#listener.onSend === undefined) return;
    this.#later(() => this.#call('onSend', () => this.#listener.onSend?.(this.#node, address, port, data)));
  }

  #sendFailed({ address, port, data }: Outgoing, errno: number): void {
    if (errno === Errno.ENOBUFS) this.#drops.noBuffers++;
    else if (errno === Errno.EMSGSIZE) this.#drops.tooLarge++;
    else this.#sendErrors++;
    this.#failed(SocketOperation.Send, errno, address, port, data);
  }

  // ---- hooks -----------------------------------------------------------------------------------------------------

  #failed(operation: SocketOperation, errno: number, address: string, port: number, data: Buffer): void {
    this.#call('onError', () => this.#listener.onError?.(this.#node, operation, errno, address, port, data));
  }

  #call(hook: string, call: () => unknown): void {
    notifyHook(call, (thrown) => this.#node[$reportHookError](this.#listener, hook, thrown, 0, false));
  }

  /** Acts at the end of this turn: no hook runs inside the call that causes it. */
  #later(act: () => void): void {
    this.#reports.push(act);
    if (this.#isReporting) return;
    this.#isReporting = true;
    setImmediate(() => {
      this.#isReporting = false;
      const reports = this.#reports;
      this.#reports = [];
      for (const each of reports) if (this.#isOpen) each();
    });
  }

  stats(): UdpStats {
    return {
      connections: 0,
      opened: 0,
      closed: 0,
      refused: 0,
      datagramsIn: this.#datagramsIn,
      datagramsOut: this.#datagramsOut,
      bytesIn: this.#bytesIn,
      bytesOut: this.#bytesOut,
      messagesIn: this.#messagesIn,
      messagesOut: this.#messagesOut,
      heartbeatsIn: 0,
      heartbeatsOut: 0,
      closeNotifiesIn: 0,
      closeNotifiesOut: 0,
      receiveErrors: this.#receiveErrors,
      sendErrors: this.#sendErrors,
      pendingBytes: this.pendingBytes,
      drops: { ...this.#drops },
      limits: newUdpLimits(),
      socketBuffers: this.#isOpen && this.#socket !== null ? this.#socket.bufferSizes() : { receive: 0, send: 0 },
    };
  }
}
