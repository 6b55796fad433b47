import type { ListenerOf, ServerHooks } from '../core/listener.ts';
import type { TcpPackServer } from './tcp-pack-server.ts';
import type { TcpPullServer } from './tcp-pull-server.ts';
import type { TcpServer } from './tcp-server.ts';

// Classes without members: a hook that a subclass leaves out does not exist, and costs nothing.

export interface TcpServerListener<Extra = unknown> extends ServerHooks<TcpServer<Extra>, Buffer>, ListenerOf<'push'> {}
/** Base class for listeners of `TcpServer`: override the hooks that you need. `onReceive` gets bytes as they arrive. */
export class TcpServerListener<Extra = unknown> {}

export interface TcpPullServerListener<Extra = unknown>
  extends ServerHooks<TcpPullServer<Extra>, number>,
    ListenerOf<'pull'> {}
/** Base class for listeners of `TcpPullServer`: override the hooks that you need. `onReceive` gets the number of bytes held. */
export class TcpPullServerListener<Extra = unknown> {}

export interface TcpPackServerListener<Extra = unknown>
  extends ServerHooks<TcpPackServer<Extra>, Buffer>,
    ListenerOf<'pack'> {}
/** Base class for listeners of `TcpPackServer`: override the hooks that you need. `onReceive` gets whole packages. */
export class TcpPackServerListener<Extra = unknown> {}
