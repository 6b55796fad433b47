import type { ServerHooks } from '../core/listener.ts';
import type { StreamServer } from './stream-server.ts';

// Classes without members: a hook that a subclass leaves out does not exist, and costs nothing.

export interface TcpServerListener<Extra = unknown> extends ServerHooks<StreamServer<Extra>, Buffer> {}
/** Base class for listeners of push and pack servers, plain or TLS: override the hooks that you need. */
export class TcpServerListener<Extra = unknown> {}

export interface TcpPullServerListener<Extra = unknown> extends ServerHooks<StreamServer<Extra>, number> {}
/** Base class for listeners of pull servers: `onReceive` gets the number of bytes held. */
export class TcpPullServerListener<Extra = unknown> {}
