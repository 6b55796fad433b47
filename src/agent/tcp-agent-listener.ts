import type { AgentHooks, ListenerOf } from '../core/listener.ts';
import type { TcpAgent } from './tcp-agent.ts';
import type { TcpPackAgent } from './tcp-pack-agent.ts';
import type { TcpPullAgent } from './tcp-pull-agent.ts';

// Classes without members: a hook that a subclass leaves out does not exist, and costs nothing.

export interface TcpAgentListener<Extra = unknown> extends AgentHooks<TcpAgent<Extra>, Buffer>, ListenerOf<'push'> {}
/** Base class for listeners of `TcpAgent`: override the hooks that you need. `onReceive` gets bytes as they arrive. */
export class TcpAgentListener<Extra = unknown> {}

export interface TcpPullAgentListener<Extra = unknown>
  extends AgentHooks<TcpPullAgent<Extra>, number>,
    ListenerOf<'pull'> {}
/** Base class for listeners of `TcpPullAgent`: override the hooks that you need. `onReceive` gets the number of bytes held. */
export class TcpPullAgentListener<Extra = unknown> {}

export interface TcpPackAgentListener<Extra = unknown>
  extends AgentHooks<TcpPackAgent<Extra>, Buffer>,
    ListenerOf<'pack'> {}
/** Base class for listeners of `TcpPackAgent`: override the hooks that you need. `onReceive` gets whole packages. */
export class TcpPackAgentListener<Extra = unknown> {}
