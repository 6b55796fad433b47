import type { UdpClientHooks } from '../udp/udp-listener.ts';
import type { UdpArqClient } from './udp-arq-client.ts';
import type { UdpClient } from './udp-client.ts';

// Classes without members: a hook that a subclass leaves out does not exist, and costs nothing.

export interface UdpClientListener<Extra = unknown> extends UdpClientHooks<UdpClient<Extra>> {}
/** Base class for listeners of `UdpClient`: override the hooks that you need. `onReceive` gets one datagram. */
export class UdpClientListener<Extra = unknown> {}

export interface UdpArqClientListener<Extra = unknown> extends UdpClientHooks<UdpArqClient<Extra>> {}
/** Base class for listeners of `UdpArqClient`: override the hooks that you need. `onReceive` gets one message. */
export class UdpArqClientListener<Extra = unknown> {}
