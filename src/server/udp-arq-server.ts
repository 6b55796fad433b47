import {
  ArqCookies,
  type ArqSettings,
  beginsConversation,
  CLOSE_NOTIFY,
  CookieVerdict,
  HANDSHAKE_BYTES,
  handshakePeerId,
  handshakeSelfId,
  hasFecHeader,
  isCloseNotify,
  isHandshake,
  KCP_HEADER_BYTES,
  nextConversationId,
  writeHandshake,
} from '../arq/index.ts';
import type { ComplexSocketProperties } from '../core/complex-socket.ts';
import { SendPolicy, ServiceState, SocketErrorCode } from '../core/enums.ts';
import { Errno } from '../core/errno.ts';
import { notifyHook } from '../core/hooks.ts';
import {
  $admit,
  $failed,
  $host,
  $makeFace,
  $move,
  $peers,
  $prepareRun,
  $receivedFrom,
  $refuse,
  $refusePeer,
  $reportHookError,
  $sendLimit,
  $settings,
  $table,
  $unknownId,
  $unknownPeer,
  $wheel,
} from '../core/internals.ts';
import type { ConnId } from '../core/listener.ts';
import { flag, type OptionsOf } from '../core/properties.ts';
import type { StopReport } from '../core/stats.ts';
import type { StopOptions } from '../core/stop-options.ts';
import { type Sendable, toBytes } from '../memory/sendable.ts';
import type { DatagramSource } from '../udp/datagram-source.ts';
import type { UdpProxyProperties } from '../udp/proxied-datagrams.ts';
import { UdpArqConnection } from '../udp/udp-arq-connection.ts';
import { FEC_REFUSED, foreignConversation } from '../udp/udp-arq-errors.ts';
import { ArqMoves } from '../udp/udp-arq-moves.ts';
import { type ArqProperties, arqSettings, defineArqProperties, withPreset } from '../udp/udp-arq-properties.ts';
import { type ArqConnection, ArqProtocol, type ArqStart, checkDeadline } from '../udp/udp-arq-protocol.ts';
import { ArqStrangers } from '../udp/udp-arq-strangers.ts';
import { UdpConnection } from '../udp/udp-connection.ts';
import type { UdpHost } from '../udp/udp-host.ts';
import type { UdpServerHooks } from '../udp/udp-listener.ts';
import type { UdpServerProperties } from '../udp/udp-properties.ts';
import type { UdpStats } from '../udp/udp-stats.ts';
import { DatagramServer } from './udp-datagram-server.ts';

/** Properties of ARQ servers beside those of all ARQ components. */
export interface ArqServerProperties {
  /**
   * Keep nothing about a peer until it has proved that it receives at its address; `onAccept` comes then. Default true; a
   * flood of false addresses costs no memory. False: a connection for every first datagram, as in HP-Socket.
   */
  arqCookies: boolean;
}

/** Options of an ARQ server: any of its properties. */
export type UdpArqServerOptions = OptionsOf<
  ComplexSocketProperties & UdpServerProperties & UdpProxyProperties & ArqProperties & ArqServerProperties
>;

export interface UdpArqServer<Extra = unknown> extends ArqProperties, ArqServerProperties {
  /** One connection, with the sends that ARQ has; null for an unknown ID. Inside `onClose` it is still there. */
  connection(connId: ConnId): UdpArqConnection<Extra> | null;
}

/** First command of KCP; the four follow each other (KC-002). */
const FIRST_COMMAND = 81;
const LAST_COMMAND = 84;

/**
 * A reliable UDP server (HP-Socket's `UdpArqServer`, byte for byte): messages arrive whole, once, and in order, over KCP.
 * `send` works from `onHandShake` on.
 *
 * ```ts
 * const echo = new UdpArqServer({
 *   onReceive(server, connId, message) { server.send(connId, message); },
 * }, { preset: 'interactive' });
 * const { port } = await echo.start('127.0.0.1', 0);
 * ```
 */
export class UdpArqServer<Extra = unknown> extends DatagramServer<ArqConnection, Extra> {
  #arq: ArqSettings | null = null;
  #cookies: ArqCookies | null = null;
  #strangers: ArqStrangers | null = null;
  /** Null without `migration`. */
  #moves: ArqMoves | null = null;
  readonly #question = Buffer.alloc(HANDSHAKE_BYTES);

  constructor(listener: UdpServerHooks<UdpArqServer<Extra>>, options?: UdpArqServerOptions) {
    super(listener, withPreset(options));
  }

  /** @internal */
  protected override [$prepareRun](): void {
    try {
      this.#arq = arqSettings(this[$settings], this.sendPolicy === SendPolicy.Direct);
    } catch (error) {
      throw this[$failed](error as never);
    }
    this.#moves = this.#arq.migration ? new ArqMoves((connection, source) => this.#moveTo(connection, source)) : null;
    const hasCookies = this.arqCookies && !this.checkConv;
    this.#cookies = hasCookies ? new ArqCookies(this.#arq.handshakeTimeoutMs) : null;
    this.#strangers?.clear();
    this.#strangers = null;
    if (hasCookies) {
      this.#strangers = new ArqStrangers(this[$wheel], (source) => this.#disown(source));
    }
  }

  /** @internal */
  protected override [$makeFace](connection: ArqConnection): UdpArqConnection<Extra> {
    return new UdpArqConnection(this, connection, false);
  }

  /** @internal */
  override [$sendLimit](): number {
    return this.maxMessageSize;
  }

  /** @internal */
  protected override [$unknownPeer](run: UdpHost, source: DatagramSource, bytes: Buffer, now: number): void {
    if (bytes.length > run.settings.maxDatagramSize) run.drops.oversize++;
    else if (isCloseNotify(bytes)) run.drops.unknownPeer++;
    else if (this.#moves?.came(run, source, bytes, now) === true) return;
    else if (this.checkConv) this.#acceptStock(run, source, bytes, now);
    else if (this.#cookies === null) this.#acceptAny(run, source, bytes, now);
    else this.#askForProof(run, this.#cookies, source, bytes, now);
  }

  /** HP-Socket's way: any first datagram makes a connection (UD-002). */
  #acceptAny(run: UdpHost, source: DatagramSource, bytes: Buffer, now: number): void {
    // A client of a connection that has moved here: a new one would end soon, with a close notify that means that client.
    if (this.#moves !== null && isOfConversation(bytes)) {
      run.drops.unknownPeer++;
      this.#tellStranger(source);
      return;
    }
    const start = { settings: this.#arq!, selfId: nextConversationId(), ...this.#moves?.start };
    this.#accept(run, source, now, start)?.received(bytes, now);
  }

  /** Plain KCP: the first data of a conversation makes a connection. */
  #acceptStock(run: UdpHost, source: DatagramSource, bytes: Buffer, now: number): void {
    const conv = bytes.length >= KCP_HEADER_BYTES ? bytes.readUInt32LE(0) : 0;
    if (this.conv !== 0 && this.conv !== conv && beginsConversation(bytes)) {
      run.drops.foreignConversation++;
      const message = `${source.remoteAddress}:${source.remotePort}: ${foreignConversation(bytes, this.conv)}`;
      this[$refuse]('receive', SocketErrorCode.DataProc, Errno.EBADMSG, message);
      return;
    }
    if (!beginsConversation(bytes) || (this.conv !== 0 && this.conv !== conv)) {
      run.drops.unknownPeer++;
      if (hasFecHeader(bytes)) this[$refuse]('receive', SocketErrorCode.DataProc, Errno.EPROTO, FEC_REFUSED);
      return;
    }
    const start = { settings: this.#arq!, selfId: conv };
    this.#accept(run, source, now, start)?.received(bytes, now);
  }

  /** Makes a connection if the limits allow it. `admitted` is called before any hook. */
  #accept(
    run: UdpHost,
    source: DatagramSource,
    now: number,
    start: ArqStart,
    admitted?: () => void,
  ): ArqConnection | null {
    const make = (): ArqConnection =>
      new UdpConnection(run, source, false, now, (lent) => new ArqProtocol(lent, start));
    const connection = this[$admit](run, source, make);
    if (connection === null) return null;
    admitted?.();
    connection.open('onAccept', { address: connection.remoteAddress, port: connection.remotePort }, () => {});
    return connection;
  }

  /** Tells a peer that has no connection here so, by an ID that it cannot know (AQ-018). */
  #disown(source: DatagramSource): void {
    if (this[$host] === null || this.state !== ServiceState.Started) return;
    if (this[$peers].find(source.key, source.remotePort) !== undefined) return;
    this.#tellStranger(source);
  }

  /** A packet of an unknown ID. */
  #tellStranger(source: DatagramSource): void {
    writeHandshake(this.#question, nextConversationId(), 0, false);
    this[$host]!.control(this.#question, source);
  }

  #askForProof(run: UdpHost, cookies: ArqCookies, source: DatagramSource, bytes: Buffer, now: number): void {
    const { length } = bytes;
    const { key, remotePort } = source;
    if (length === 0) {
      run.drops.unknownPeer++;
      this.#strangers?.heard(source, now);
      return;
    }
    if (length >= KCP_HEADER_BYTES && bytes[4]! >= FIRST_COMMAND && bytes[4]! <= LAST_COMMAND) {
      // Segments of a peer that thinks that there is a connection. Their conv is that peer's own ID (AQ-023), so they
      // can be answered like a first packet: a peer whose proof got lost sees what it knows and sends the proof again; one
      // whose connection is gone sees another ID than it knows, and resets (AQ-018). 12 bytes for 24 or more.
      writeHandshake(this.#question, bytes.readUInt32LE(0), 0, false);
      run.drops.unknownPeer++;
      if (cookies.input(this.#question, key, remotePort, now) !== CookieVerdict.Ignore) {
        run.control(cookies.out, source);
      }
      return;
    }
    if (length === HANDSHAKE_BYTES) this.#strangers?.spoke(source);
    switch (cookies.input(bytes, key, remotePort, now)) {
      case CookieVerdict.Answer:
      case CookieVerdict.Spent:
        run.control(cookies.out, source);
        return;
      case CookieVerdict.Proved:
        this.#acceptProved(run, cookies, source, now);
        return;
      default:
        run.drops.unknownPeer++;
    }
  }

  #acceptProved(run: UdpHost, cookies: ArqCookies, source: DatagramSource, now: number): void {
    const { selfId, peerId, isPeerComplete } = cookies;
    const proved = { peerId, isPeerComplete };
    const start = { settings: this.#arq!, selfId, proved, ...this.#moves?.start };
    // Not before: a peer that was refused for now may come again with the same cookie.
    this.#accept(run, source, now, start, () => cookies.spend(now));
  }

  // ---- clients with another address ------------------------------------------------------------------------------

  /** A client has proved that it is at another address now. False if the limits do not let it be there. */
  #moveTo(connection: ArqConnection, source: DatagramSource): boolean {
    const { id, remoteAddress, remotePort } = connection;
    // The client that had that address before has it no more: what is sent there now reaches the one that has just proved it.
    const before = this[$peers].find(source.key, source.remotePort);
    if (before !== undefined) this[$peers].delete(before);
    if (!this[$move](connection, source)) {
      if (before !== undefined) this[$peers].add(before);
      return false;
    }
    this.#moves!.counters.moved++;
    before?.protocol.supersede();
    before?.endNow();
    // Behind a proxy, it may be that alone which sends from another port.
    if (connection.remoteAddress === remoteAddress && connection.remotePort === remotePort) return true;
    const { listener } = connection.host;
    notifyHook(
      () =>
        listener.onAddressChange?.(
          this,
          id,
          { address: connection.remoteAddress, port: connection.remotePort },
          { address: remoteAddress, port: remotePort },
        ),
      (thrown) => this[$reportHookError](listener, 'onAddressChange', thrown, id, false),
    );
    return true;
  }

  /**
   * With cookies, a handshake packet of another peer than the one connected (a client that was restarted and got the same
   * port, or a forgery) is treated like one of a stranger: a client that proves itself takes the connection's place.
   * @internal
   */
  protected override [$receivedFrom](
    connection: ArqConnection,
    source: DatagramSource,
    bytes: Buffer,
    now: number,
  ): void {
    const cookies = this.#cookies;
    const { host } = connection;
    if (this.#moves !== null) {
      if (this.#moves.came(host, source, bytes, now)) return;
      if (isOfAnother(connection, bytes)) {
        if (cookies !== null) return this.#askForProof(host, cookies, source, bytes, now);
        host.drops.unknownPeer++;
        if (bytes.length >= KCP_HEADER_BYTES) this.#tellStranger(source);
        return;
      }
    }
    if (cookies === null || bytes.length !== HANDSHAKE_BYTES || !isStranger(connection, bytes)) {
      connection.received(bytes, now);
      return;
    }
    const { key, remotePort } = source;
    const verdict = cookies.input(bytes, key, remotePort, now);
    // A spent cookie is a late copy of a packet of a client that had that address before: a reset would hit the one that has it now.
    if (verdict === CookieVerdict.Answer) host.control(cookies.out, source);
    // A server that is stopping lets no client in, and the old connection may still be drained.
    if (verdict !== CookieVerdict.Proved || this.state !== ServiceState.Started) return;
    connection.protocol.supersede();
    connection.endNow();
    const isFree = this[$peers].find(key, remotePort) === undefined;
    if (isFree && this.hasStarted) this.#acceptProved(host, cookies, source, now);
  }

  /** @internal */
  protected override [$refusePeer](run: UdpHost, source: DatagramSource): void {
    run.closeNotifiesOut++;
    run.control(CLOSE_NOTIFY, source);
  }

  /**
   * Sends one message unless it could not begin to leave within `deadlineMs`: then it is dropped, and counted in
   * `kcp.expiredMessages`. For data that is worth nothing when it is late. Results as `send`.
   * @param deadlineMs Milliseconds, also Infinity; 0 or less drops it.
   * @throws TypeError if that is no number.
   */
  sendWithin(connId: ConnId, data: Sendable, deadlineMs: number): boolean {
    const connection = this[$table].get(connId);
    const bytes = toBytes(data, 0, undefined);
    if (connection !== undefined) return connection.protocol.send('sendWithin', bytes, deadlineMs);
    checkDeadline(deadlineMs);
    return this[$unknownId]('sendWithin', connId);
  }

  /**
   * Sends one message at once, unreliably, beside the reliable stream: it may be lost, repeated, reordered. Only if both
   * ends are of this library with the option `unreliable`; a peer of HP-Socket never sees one.
   * @returns false with `lastError`: EOPNOTSUPP (the peer does not take it, or has not said so yet), EMSGSIZE (larger than
   *   `maxTransUnit - 24`), else as `send`.
   */
  sendUnreliable(connId: ConnId, data: Sendable): boolean {
    const connection = this[$table].get(connId);
    const bytes = toBytes(data, 0, undefined);
    if (connection === undefined) return this[$unknownId]('sendUnreliable', connId);
    return connection.protocol.sendUnreliable(bytes);
  }

  /** Segments (not messages) that wait or are unacknowledged, null for an unknown ID (ARQ-S-023, AQ-043). */
  getWaitingSendMessageCount(connId: ConnId): number | null {
    const connection = this[$table].get(connId);
    if (connection === undefined || !connection.isValid) {
      this[$unknownId]('getWaitingSendMessageCount', connId);
      return null;
    }
    return connection.protocol.waitingSendCount;
  }

  /** @internal */
  override async stop(options: StopOptions = {}): Promise<StopReport> {
    const stopped = super.stop(options);
    this.#strangers?.clear();
    return stopped;
  }

  override stats(): UdpStats {
    const stats = super.stats();
    if (this.#cookies !== null) {
      const { answered, proved, ignored } = this.#cookies;
      stats.cookies = { answered, proved, ignored, disowned: this.#strangers?.answered ?? 0 };
    }
    if (this.#moves !== null) stats.moves = { ...this.#moves.counters };
    return stats;
  }
}

/** Whether a datagram is of a client that has had an answer of a server: new clients begin otherwise. */
function isOfConversation(bytes: Buffer): boolean {
  if (bytes.length >= KCP_HEADER_BYTES) return bytes[4]! >= FIRST_COMMAND && bytes[4]! <= LAST_COMMAND;
  return isHandshake(bytes) && handshakePeerId(bytes) !== 0;
}

/**
 * Whether a datagram is for another connection than this: its client has moved to where this one's was, or what it sent from there
 * made this one (without cookies). This one would take in segments that are not its own, or end with a close notify, which that
 * client would take for its own.
 */
function isOfAnother(connection: ArqConnection, bytes: Buffer): boolean {
  const { peerId } = connection.protocol;
  if (bytes.length >= KCP_HEADER_BYTES) return peerId !== 0 && bytes.readUInt32LE(0) !== peerId;
  if (connection.protocol.isReady || !isHandshake(bytes)) return false;
  const to = handshakePeerId(bytes);
  return to !== 0 && to !== connection.protocol.selfId;
}

/** Whether a handshake packet says that it comes from another peer than that of the connection. */
function isStranger(connection: ArqConnection, bytes: Buffer): boolean {
  const { peerId } = connection.protocol;
  return peerId !== 0 && isHandshake(bytes) && handshakeSelfId(bytes) !== peerId;
}

defineArqProperties(UdpArqServer.prototype, { arqCookies: flag(true) });
