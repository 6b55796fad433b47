import { type ArqSettings, nextConversationId } from '../arq/index.ts';
import { SendPolicy } from '../core/enums.ts';
import type { SocketError } from '../core/errors.ts';
import { $connected, $failed, $link, $makeConnection, $prepareRun, $sendLimit, $settings } from '../core/internals.ts';
import type { OptionsOf } from '../core/properties.ts';
import type { SingleSocketProperties } from '../core/single-socket.ts';
import { type Sendable, toBytes } from '../memory/sendable.ts';
import { ArqConnection } from '../udp/udp-arq-connection.ts';
import { type ArqProperties, arqSettings, defineArqProperties, withPreset } from '../udp/udp-arq-properties.ts';
import type { UdpHost } from '../udp/udp-host.ts';
import type { PeerAddress } from '../udp/udp-lifecycle.ts';
import type { UdpClientHooks } from '../udp/udp-listener.ts';
import { type DetectProperties, detectProperties, type UdpClientProperties } from '../udp/udp-properties.ts';
import { DatagramClient } from './udp-datagram-client.ts';

/** Options of an ARQ client: any of its properties. */
export type UdpArqClientOptions = OptionsOf<SingleSocketProperties & UdpClientProperties & ArqProperties>;

export interface UdpArqClient<Extra = unknown> extends ArqProperties, DetectProperties {}

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
  }

  /** @internal */
  protected override [$makeConnection](run: UdpHost, peer: PeerAddress, now: number): ArqConnection {
    return new ArqConnection(run, peer, true, now, { settings: this.#arq!, selfId: this.#conversationId() });
  }

  #conversationId(): number {
    return this.checkConv && this.conv !== 0 ? this.conv : nextConversationId();
  }

  /** @internal */
  protected override [$sendLimit](): number {
    return this.maxMessageSize;
  }

  /** As the server's: drops the message if it could not begin to leave within `deadlineMs`. */
  sendWithin(data: Sendable, deadlineMs: number): boolean {
    return this[$connected]('sendWithin')?.send('sendWithin', toBytes(data, 0, undefined), deadlineMs) ?? false;
  }

  /** As the server's: sends one message unreliably, beside the reliable stream. */
  sendUnreliable(data: Sendable): boolean {
    return this[$connected]('sendUnreliable')?.sendUnreliable(toBytes(data, 0, undefined)) ?? false;
  }

  /** Segments (not messages) that wait or are unacknowledged; 0 when not connected (ARQ-C-023, AQ-043). */
  get waitingSendMessageCount(): number {
    return this[$link]?.waitingSendCount ?? 0;
  }
}

defineArqProperties(UdpArqClient.prototype, detectProperties);
