import type { PortForwarderHooks } from './forwarder-hooks.ts';
import type { PortForwarder } from './port-forwarder.ts';

export interface PortForwarderListener<Extra = unknown> extends PortForwarderHooks<PortForwarder<Extra>, Extra> {}
/** Base class for listeners of `PortForwarder`: override the hooks that you need. */
export class PortForwarderListener<Extra = unknown> {}
