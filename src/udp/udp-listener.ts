import type { Socket } from 'node:dgram';
import type { SocketAddress } from '../core/address.ts';
import type { CloseInfo } from '../core/close-info.ts';
import type { SocketOperation } from '../core/enums.ts';
import type { CommonHooks, ConnId, HookResult } from '../core/listener.ts';

/**
 * Hooks about one UDP pseudo-connection, or one ARQ connection. `data` belongs to the listener for ever. While a promise
 * of a hook is pending, what else that peer sends waits: datagrams up to `maxQueuedDatagrams`, ARQ messages in the receive
 * window, so that the peer is slowed down.
 */
export interface UdpConnectionHooks<S> extends CommonHooks<S> {
  /**
   * Ready for data: right after `onAccept` / `onConnect`; over ARQ when the ARQ handshake is done (EV-S-03, EV-C-03).
   * Error ends the connection: without `onClose` on plain UDP (NOC-002), over ARQ with `onClose(Receive, ECANCELED)`.
   */
  onHandShake?(sender: S, connId: ConnId): HookResult;
  /** One datagram, or one ARQ message. Error ends the connection with `onClose(Receive, ECANCELED)` (EV-S-04, EV-C-04). */
  onReceive?(sender: S, connId: ConnId, data: Buffer): HookResult;
  /** One unreliable ARQ message; without this hook it goes to `onReceive`. Only between two ends of this library. */
  onReceiveUnreliable?(sender: S, connId: ConnId, data: Buffer): HookResult;
  /**
   * One datagram was handed to the system; over ARQ raw handshake and KCP datagrams. Heartbeats and close notifies are
   * not reported. The result is ignored (EV-S-06, EV-C-06).
   */
  onSend?(sender: S, connId: ConnId, data: Buffer): HookResult;
  /**
   * ARQ: `maxWaitingSendCount` refused a message: stop sending. Once until drained. `waitingCount` is in segments, as
   * `getWaitingSendMessageCount` tells them.
   */
  onSendBlocked?(sender: S, connId: ConnId, waitingCount: number): HookResult;
  /** ARQ: half of them have arrived, and what was refused has room now: go on sending. Once for each `onSendBlocked`. */
  onSendDrained?(sender: S, connId: ConnId, waitingCount: number): HookResult;
  /**
   * The connection ended: exactly once for each that was let in (EV-S-07, EV-C-07). `errorCode` is 0 for a graceful end
   * or a heartbeat time-out, else a Linux errno, or `SocketErrorCode.DataProc` when a hook failed; `info` has the reason in
   * a sentence, and which side ended it.
   */
  onClose?(sender: S, connId: ConnId, operation: SocketOperation, errorCode: number, info: CloseInfo): HookResult;
}

/** Hooks of UDP and ARQ servers (EV-S). */
export interface UdpServerHooks<S> extends UdpConnectionHooks<S> {
  /** The socket is bound and receives nothing yet; Error makes `start` fail with SocketPrepare (EV-S-01). */
  onPrepareListen?(sender: S, socket: Socket): HookResult;
  /**
   * A new peer: its first datagram came, or, for an ARQ server with `arqCookies`, it has proved its address. Error drops
   * it with a close notify and without `onClose` (EV-S-02, NOC-001).
   */
  onAccept?(sender: S, connId: ConnId, peer: SocketAddress): HookResult;
  /** ARQ with `migration`: a client goes on at another address, which it has proved. The result is ignored. */
  onAddressChange?(sender: S, connId: ConnId, address: SocketAddress, before: SocketAddress): HookResult;
  /** The server stopped; nothing follows (EV-S-08). */
  onShutdown?(sender: S): HookResult;
}

/** Hooks of UDP and ARQ clients (EV-C). */
export interface UdpClientHooks<S> extends UdpConnectionHooks<S> {
  /** The socket is bound and not yet connected; Error makes `start` fail with SocketPrepare (EV-C-01). */
  onPrepareConnect?(sender: S, connId: ConnId, socket: Socket): HookResult;
  /** The socket has its peer; nothing was sent yet, the peer need not exist. Error ends the client (EV-C-02, NOC-004). */
  onConnect?(sender: S, connId: ConnId): HookResult;
}

/** Hooks of `UdpCast` (EV-C): those of a client; `onPrepareConnect` comes before the group is joined. */
export interface UdpCastHooks<S>
  extends Omit<UdpClientHooks<S>, 'onReceiveUnreliable' | 'onSendBlocked' | 'onSendDrained'> {}

/** Hooks of `UdpNode` (EV-N). Their results are ignored, but for `onPrepareListen`. */
export interface UdpNodeHooks<S> extends CommonHooks<S> {
  /** The socket is bound, groups are not joined yet; Error makes `start` fail with SocketPrepare (EV-N-01). */
  onPrepareListen?(sender: S, socket: Socket): HookResult;
  /** One datagram was handed to the system (EV-N-02). */
  onSend?(sender: S, remoteAddress: string, remotePort: number, data: Buffer): HookResult;
  /** One datagram, empty ones and close notifies too: here they are data (EV-N-03). */
  onReceive?(sender: S, remoteAddress: string, remotePort: number, data: Buffer): HookResult;
  /**
   * Receiving or sending failed; the node goes on (EV-N-04). A datagram larger than `maxDatagramSize` gives (Receive,
   * EMSGSIZE) with its first bytes. Address and port are empty and 0 when the system does not tell them.
   */
  onError?(
    sender: S,
    operation: SocketOperation,
    errorCode: number,
    remoteAddress: string,
    remotePort: number,
    data: Buffer,
  ): HookResult;
  /** The node stopped; nothing follows (EV-N-05). */
  onShutdown?(sender: S): HookResult;
}

/** Every hook with a connection, as the core calls them. */
export interface AnyUdpHooks {
  onPrepareListen?(sender: unknown, socket: unknown): unknown;
  onAccept?(sender: unknown, connId: ConnId, peer: SocketAddress): unknown;
  onPrepareConnect?(sender: unknown, connId: ConnId, socket: unknown): unknown;
  onConnect?(sender: unknown, connId: ConnId): unknown;
  onHandShake?(sender: unknown, connId: ConnId): unknown;
  onReceive?(sender: unknown, connId: ConnId, data: Buffer): unknown;
  onReceiveUnreliable?(sender: unknown, connId: ConnId, data: Buffer): unknown;
  onAddressChange?(sender: unknown, connId: ConnId, address: SocketAddress, before: SocketAddress): unknown;
  onSend?(sender: unknown, connId: ConnId, data: Buffer): unknown;
  onSendBlocked?(sender: unknown, connId: ConnId, waitingCount: number): unknown;
  onSendDrained?(sender: unknown, connId: ConnId, waitingCount: number): unknown;
  onClose?(sender: unknown, connId: ConnId, operation: SocketOperation, errorCode: number, info: CloseInfo): unknown;
  onShutdown?(sender: unknown): unknown;
}
