import type { UdpCastHooks } from '../udp/udp-listener.ts';
import type { UdpCast } from './udp-cast.ts';

// A class without members: a hook that a subclass leaves out does not exist, and costs nothing.

export interface UdpCastListener<Extra = unknown> extends UdpCastHooks<UdpCast<Extra>> {}
/** Base class for listeners of `UdpCast`: override the hooks that you need. */
export class UdpCastListener<Extra = unknown> {}
