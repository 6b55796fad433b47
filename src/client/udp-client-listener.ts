import type { UdpClientHooks } from '../udp/udp-listener.ts';
import type { UdpArqClient } from './udp-arq-client.ts';
import type { UdpClient } from './udp-client.ts';

// A class without members: a hook that a subclass leaves out does not exist, and costs nothing.

export interface UdpClientListener<Extra = unknown> extends UdpClientHooks<UdpClient<Extra> | UdpArqClient<Extra>> {}
/** Base class for listeners of UDP and ARQ clients: override the hooks that you need. */
export class UdpClientListener<Extra = unknown> {}
