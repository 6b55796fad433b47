import type { ClientHooks, ListenerOf } from '../core/listener.ts';
import type { TcpClient } from './tcp-client.ts';
import type { TcpPackClient } from './tcp-pack-client.ts';
import type { TcpPullClient } from './tcp-pull-client.ts';

// Classes without members: a hook that a subclass leaves out does not exist, and costs nothing.

export interface TcpClientListener<Extra = unknown> extends ClientHooks<TcpClient<Extra>, Buffer>, ListenerOf<'push'> {}
/** Base class for listeners of `TcpClient`: override the hooks that you need. `onReceive` gets bytes as they arrive. */
export class TcpClientListener<Extra = unknown> {}

export interface TcpPullClientListener<Extra = unknown>
  extends ClientHooks<TcpPullClient<Extra>, number>,
    ListenerOf<'pull'> {}
/** Base class for listeners of `TcpPullClient`: override the hooks that you need. `onReceive` gets the number of bytes held. */
export class TcpPullClientListener<Extra = unknown> {}

export interface TcpPackClientListener<Extra = unknown>
  extends ClientHooks<TcpPackClient<Extra>, Buffer>,
    ListenerOf<'pack'> {}
/** Base class for listeners of `TcpPackClient`: override the hooks that you need. `onReceive` gets whole packages. */
export class TcpPackClientListener<Extra = unknown> {}
