import type { ClientHooks } from '../core/listener.ts';
import type { StreamClient } from './stream-client.ts';

// Classes without members: a hook that a subclass leaves out does not exist, and costs nothing.

export interface TcpClientListener<Extra = unknown> extends ClientHooks<StreamClient<Extra>, Buffer> {}
/** Base class for listeners of push and pack clients, plain or TLS: override the hooks that you need. */
export class TcpClientListener<Extra = unknown> {}

export interface TcpPullClientListener<Extra = unknown> extends ClientHooks<StreamClient<Extra>, number> {}
/** Base class for listeners of pull clients: `onReceive` gets the number of bytes held. */
export class TcpPullClientListener<Extra = unknown> {}
