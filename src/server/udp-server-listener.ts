import type { UdpServerHooks } from '../udp/udp-listener.ts';
import type { UdpArqServer } from './udp-arq-server.ts';
import type { UdpServer } from './udp-server.ts';

// Classes without members: a hook that a subclass leaves out does not exist, and costs nothing.

export interface UdpServerListener<Extra = unknown> extends UdpServerHooks<UdpServer<Extra>> {}
/** Base class for listeners of `UdpServer`: override the hooks that you need. `onReceive` gets one datagram. */
export class UdpServerListener<Extra = unknown> {}

export interface UdpArqServerListener<Extra = unknown> extends UdpServerHooks<UdpArqServer<Extra>> {}
/** Base class for listeners of `UdpArqServer`: override the hooks that you need. `onReceive` gets one message. */
export class UdpArqServerListener<Extra = unknown> {}
