import type { AgentHooks } from '../core/listener.ts';
import type { StreamAgent } from './stream-agent.ts';

// Classes without members: a hook that a subclass leaves out does not exist, and costs nothing.

// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the hooks are optional members of the class
export interface TcpAgentListener<Extra = unknown> extends AgentHooks<StreamAgent<Extra>, Buffer> {}
/** Base class for listeners of push and pack agents, plain or TLS: override the hooks that you need. */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: see above
// biome-ignore lint/correctness/noUnusedVariables: the type parameter is used by the interface
export class TcpAgentListener<Extra = unknown> {}

// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: see above
export interface TcpPullAgentListener<Extra = unknown> extends AgentHooks<StreamAgent<Extra>, number> {}
/** Base class for listeners of pull agents: `onReceive` gets the number of bytes held. */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: see above
// biome-ignore lint/correctness/noUnusedVariables: see above
export class TcpPullAgentListener<Extra = unknown> {}
