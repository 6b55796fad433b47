import type { AgentHooks, ClientHooks, ListenerOf, ServerHooks } from '../core/listener.ts';
import type { SslAgent, SslPackAgent, SslPullAgent } from './ssl-agent.ts';
import type { SslClient, SslPackClient, SslPullClient } from './ssl-client.ts';
import type { SslPackServer, SslPullServer, SslServer } from './ssl-server.ts';

// Classes without members: a hook that a subclass leaves out does not exist, and costs nothing.

export interface SslAgentListener<Extra = unknown> extends AgentHooks<SslAgent<Extra>, Buffer>, ListenerOf<'push'> {}
/** Base class for listeners of `SslAgent`: override the hooks that you need. `onReceive` gets bytes as they arrive. */
export class SslAgentListener<Extra = unknown> {}

export interface SslPullAgentListener<Extra = unknown>
  extends AgentHooks<SslPullAgent<Extra>, number>,
    ListenerOf<'pull'> {}
/** Base class for listeners of `SslPullAgent`: override the hooks that you need. `onReceive` gets the number of bytes held. */
export class SslPullAgentListener<Extra = unknown> {}

export interface SslPackAgentListener<Extra = unknown>
  extends AgentHooks<SslPackAgent<Extra>, Buffer>,
    ListenerOf<'pack'> {}
/** Base class for listeners of `SslPackAgent`: override the hooks that you need. `onReceive` gets whole packages. */
export class SslPackAgentListener<Extra = unknown> {}

export interface SslClientListener<Extra = unknown> extends ClientHooks<SslClient<Extra>, Buffer>, ListenerOf<'push'> {}
/** Base class for listeners of `SslClient`: override the hooks that you need. `onReceive` gets bytes as they arrive. */
export class SslClientListener<Extra = unknown> {}

export interface SslPullClientListener<Extra = unknown>
  extends ClientHooks<SslPullClient<Extra>, number>,
    ListenerOf<'pull'> {}
/** Base class for listeners of `SslPullClient`: override the hooks that you need. `onReceive` gets the number of bytes held. */
export class SslPullClientListener<Extra = unknown> {}

export interface SslPackClientListener<Extra = unknown>
  extends ClientHooks<SslPackClient<Extra>, Buffer>,
    ListenerOf<'pack'> {}
/** Base class for listeners of `SslPackClient`: override the hooks that you need. `onReceive` gets whole packages. */
export class SslPackClientListener<Extra = unknown> {}

export interface SslServerListener<Extra = unknown> extends ServerHooks<SslServer<Extra>, Buffer>, ListenerOf<'push'> {}
/** Base class for listeners of `SslServer`: override the hooks that you need. `onReceive` gets bytes as they arrive. */
export class SslServerListener<Extra = unknown> {}

export interface SslPullServerListener<Extra = unknown>
  extends ServerHooks<SslPullServer<Extra>, number>,
    ListenerOf<'pull'> {}
/** Base class for listeners of `SslPullServer`: override the hooks that you need. `onReceive` gets the number of bytes held. */
export class SslPullServerListener<Extra = unknown> {}

export interface SslPackServerListener<Extra = unknown>
  extends ServerHooks<SslPackServer<Extra>, Buffer>,
    ListenerOf<'pack'> {}
/** Base class for listeners of `SslPackServer`: override the hooks that you need. `onReceive` gets whole packages. */
export class SslPackServerListener<Extra = unknown> {}
