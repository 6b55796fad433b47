import { type ArqSettings, MigrationKeys, nextConversationId } from '../arq/index.ts';
import { describe } from '../core/describe.ts';
import { SendPolicy, SocketErrorCode } from '../core/enums.ts';
import { Errno } from '../core/errno.ts';
import type { SocketError } from '../core/errors.ts';
import {
  $connected,
  $failed,
  $link,
  $makeConnection,
  $makeFace,
  $prepareRun,
  $rebindSocket,
  $sendLimit,
  $settings,
} from '../core/internals.ts';
import { isIP } from '../core/ip.ts';
import { checkOptions, foreignAddresses, type OptionRule } from '../core/option-names.ts';
import { integer, type OptionsOf } from '../core/properties.ts';
import type { SingleSocketProperties } from '../core/single-socket.ts';
import { startCancelled } from '../core/start-stop.ts';
import { WheelTimer } from '../core/timer-wheel.ts';
import { type Sendable, toBytes } from '../memory/sendable.ts';
import type { DatagramPort } from '../udp/datagram-protocol.ts';
import type { DatagramSource } from '../udp/datagram-source.ts';
import { UdpArqConnection } from '../udp/udp-arq-connection.ts';
import { type ArqProperties, arqSettings, defineArqProperties, withPreset } from '../udp/udp-arq-properties.ts';
import { type ArqConnection, ArqProtocol, checkDeadline } from '../udp/udp-arq-protocol.ts';
import { UdpConnection } from '../udp/udp-connection.ts';
import type { UdpHost } from '../udp/udp-host.ts';
import type { UdpClientHooks } from '../udp/udp-listener.ts';
import { type DetectProperties, detectProperties, type UdpClientProperties } from '../udp/udp-properties.ts';
import { DatagramClient } from './udp-datagram-client.ts';

/** Options of an ARQ client: any of its properties. */
export type UdpArqClientOptions = OptionsOf<SingleSocketProperties & UdpClientProperties & ArqProperties>;

/** Where a client goes on, see `rebind`. */
export interface RebindOptions {
  /** Own IP address; the system's choice if left out. */
  localAddress?: string | undefined;
  /** Own port, 1 to 65535; 0, the default, lets the system choose. */
  localPort?: number | undefined;
}

const rebindRules = { localAddress: true, localPort: true } satisfies Record<keyof RebindOptions, OptionRule>;

/** Pause between two attempts to get a socket again, milliseconds. */
const RECOVER_MS = 250;

export interface UdpArqClient<Extra = unknown> extends ArqProperties, DetectProperties {
  /** The connection, with the sends that ARQ has; null while there is none. Inside `onClose` it is still there. */
  get connection(): UdpArqConnection<Extra> | null;
}

/**
 * A reliable UDP client (HP-Socket's `UdpArqClient`, byte for byte): messages arrive whole, once, and in order, over KCP.
 * `start` resolves when the ARQ handshake is done.
 *
 * ```ts
 * const client = new UdpArqClient({
 *   onReceive(client, connId, message) { console.log(message.toString()); },
 * }, { preset: 'interactive' });
 * await client.start('127.0.0.1', 5555);
 * client.send('hello');
 * ```
 */
export class UdpArqClient<Extra = unknown> extends DatagramClient<ArqConnection, Extra> {
  #arq: ArqSettings | null = null;
  #keys: MigrationKeys | null = null;
  #isRecovering = false;

  constructor(listener: UdpClientHooks<UdpArqClient<Extra>>, options?: UdpArqClientOptions) {
    super(listener, withPreset(options));
  }

  /** @internal */
  protected override [$prepareRun](): void {
    try {
      this.#arq = arqSettings(this[$settings], this.sendPolicy === SendPolicy.Direct);
    } catch (error) {
      throw this[$failed](error as SocketError);
    }
    this.#keys = this.#arq.migration ? new MigrationKeys() : null;
  }

  /** @internal */
  protected override [$makeConnection](run: UdpHost, source: DatagramSource, now: number): ArqConnection {
    const start = { settings: this.#arq!, selfId: this.#conversationId(), keys: this.#keys };
    const lost = (giveUp: () => void): boolean => this.#recover(connection, giveUp);
    const protocol = (port: DatagramPort): ArqProtocol => new ArqProtocol(port, { ...start, lost });
    const connection = new UdpConnection(run, source, true, now, protocol);
    return connection;
  }

  /** Whether the server is known to let this client go on under another address (`migration`). */
  get canMigrate(): boolean {
    return this[$link]?.protocol.isMovable ?? false;
  }

  /**
   * Goes on with a new socket, from another own address or port, without the connection noticing: what is on its way arrives. To be
   * called when the network has changed; that a NAT has forgotten this client is noticed without it. Needs `migration` at both ends.
   * @returns when the server has answered at the new address.
   * @throws SocketError: IllegalState (EPERM, not connected; EOPNOTSUPP, the server does not take it), SocketBind; ECONNRESET
   *   if the server does not answer within `handshakeTimeoutMs`, and then the connection is closed.
   */
  async rebind(options: RebindOptions = {}): Promise<void> {
    checkOptions('rebind', options, rebindRules, foreignAddresses);
    const { localAddress = '', localPort = 0 } = options;
    if (localAddress !== '' && isIP(localAddress) === 0)
      throw new TypeError(`localAddress must be an IP address, not ${describe(localAddress)}`);
    integer(0, 0, 65_535).check('localPort', localPort);
    const { [$link]: connection } = this;
    if (connection?.protocol.isMovable !== true) {
      const isConnected = connection?.isConnected === true;
      throw this[$failed]({
        socketError: SocketErrorCode.IllegalState,
        errno: isConnected ? Errno.EOPNOTSUPP : Errno.EPERM,
        operation: 'rebind',
        message: isConnected
          ? 'the server is not known to let clients change their address; set the option migration at both ends'
          : 'the client is not connected',
      });
    }
    const isBound = await this[$rebindSocket]({ localAddress, localPort });
    const error = isBound ? await connection.protocol.claim() : (connection.closeReason.error ?? startCancelled(this));
    if (error !== null) throw this[$failed](error);
  }

  /** The own address is gone: another one is tried until there is one, or the time of a handshake has passed. */
  #recover(connection: ArqConnection, giveUp: () => void): boolean {
    if (this.#isRecovering) return true;
    this.#isRecovering = true;
    const { wheel } = connection.host;
    const deadline = wheel.clock.now() + this.#arq!.handshakeTimeoutMs;
    const attempt = async (): Promise<void> => {
      const isBound = await this[$rebindSocket]({ localAddress: '', localPort: 0 }).catch(() => null);
      if (isBound === null && connection.isValid) {
        if (wheel.clock.now() < deadline) return wheel.arm(new WheelTimer(() => void attempt(), true), RECOVER_MS);
        giveUp();
      }
      this.#isRecovering = false;
      if (isBound === true && connection.protocol.isMovable) void connection.protocol.claim();
    };
    void attempt();
    return true;
  }

  #conversationId(): number {
    return this.checkConv && this.conv !== 0 ? this.conv : nextConversationId();
  }

  /** @internal */
  protected override [$makeFace](connection: ArqConnection): UdpArqConnection<Extra> {
    return new UdpArqConnection(this, connection, true);
  }

  /** @internal */
  override [$sendLimit](): number {
    return this.maxMessageSize;
  }

  /** As the server's: drops the message if it could not begin to leave within `deadlineMs`. */
  sendWithin(data: Sendable, deadlineMs: number): boolean {
    const bytes = toBytes(data, 0, undefined);
    if (this[$link]?.isConnected !== true) checkDeadline(deadlineMs);
    return this[$connected]('sendWithin')?.protocol.send('sendWithin', bytes, deadlineMs) ?? false;
  }

  /** As the server's: sends one message unreliably, beside the reliable stream. */
  sendUnreliable(data: Sendable): boolean {
    const bytes = toBytes(data, 0, undefined);
    return this[$connected]('sendUnreliable')?.protocol.sendUnreliable(bytes) ?? false;
  }

  /** Segments (not messages) that wait or are unacknowledged; 0 when not connected (ARQ-C-023, AQ-043). */
  get waitingSendMessageCount(): number {
    return this[$link]?.protocol.waitingSendCount ?? 0;
  }
}

defineArqProperties(UdpArqClient.prototype, detectProperties);
