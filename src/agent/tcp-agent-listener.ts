import type { AgentHooks } from '../core/listener.ts';
import type { StreamAgent } from './stream-agent.ts';

// Classes without members: a hook that a subclass leaves out does not exist, and costs nothing.

export interface TcpAgentListener<Extra = unknown> extends AgentHooks<StreamAgent<Extra>, Buffer> {}
/** Base class for listeners of push and pack agents, plain or TLS: override the hooks that you need. */
export class TcpAgentListener<Extra = unknown> {}

export interface TcpPullAgentListener<Extra = unknown> extends AgentHooks<StreamAgent<Extra>, number> {}
/** Base class for listeners of pull agents: `onReceive` gets the number of bytes held. */
export class TcpPullAgentListener<Extra = unknown> {}
