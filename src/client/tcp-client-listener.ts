import type { ClientHooks } from '../core/listener.ts';
import type { StreamClient } from './stream-client.ts';

// Classes without members: a hook that a subclass leaves out does not exist, and costs nothing.

// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the hooks are optional members of the class
export interface TcpClientListener<Extra = unknown> extends ClientHooks<StreamClient<Extra>, Buffer> {}
/** Base class for listeners of push and pack clients, plain or TLS: override the hooks that you need. */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: see above
// biome-ignore lint/correctness/noUnusedVariables: the type parameter is used by the interface
export class TcpClientListener<Extra = unknown> {}

// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: see above
export interface TcpPullClientListener<Extra = unknown> extends ClientHooks<StreamClient<Extra>, number> {}
/** Base class for listeners of pull clients: `onReceive` gets the number of bytes held. */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: see above
// biome-ignore lint/correctness/noUnusedVariables: see above
export class TcpPullClientListener<Extra = unknown> {}
