import type { UdpServerHooks } from '../udp/udp-listener.ts';
import type { UdpArqServer } from './udp-arq-server.ts';
import type { UdpServer } from './udp-server.ts';

// A class without members: a hook that a subclass leaves out does not exist, and costs nothing.

export interface UdpServerListener<Extra = unknown> extends UdpServerHooks<UdpServer<Extra> | UdpArqServer<Extra>> {}
/** Base class for listeners of UDP and ARQ servers: override the hooks that you need. */
export class UdpServerListener<Extra = unknown> {}
