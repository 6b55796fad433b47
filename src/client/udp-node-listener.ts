import type { UdpNodeHooks } from '../udp/udp-listener.ts';
import type { UdpNode } from './udp-node.ts';

// A class without members: a hook that a subclass leaves out does not exist, and costs nothing.

export interface UdpNodeListener<Extra = unknown> extends UdpNodeHooks<UdpNode<Extra>> {}
/** Base class for listeners of `UdpNode`: override the hooks that you need. */
export class UdpNodeListener<Extra = unknown> {}
