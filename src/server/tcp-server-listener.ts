import type { ServerHooks } from '../core/listener.ts';
import type { StreamServer } from './stream-server.ts';

// Classes without members: a hook that a subclass leaves out does not exist, and costs nothing.

// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the hooks are optional members of the class
export interface TcpServerListener<Extra = unknown> extends ServerHooks<StreamServer<Extra>, Buffer> {}
/** Base class for listeners of push and pack servers, plain or TLS: override the hooks that you need. */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: see above
// biome-ignore lint/correctness/noUnusedVariables: the type parameter is used by the interface
export class TcpServerListener<Extra = unknown> {}

// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: see above
export interface TcpPullServerListener<Extra = unknown> extends ServerHooks<StreamServer<Extra>, number> {}
/** Base class for listeners of pull servers: `onReceive` gets the number of bytes held. */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: see above
// biome-ignore lint/correctness/noUnusedVariables: see above
export class TcpPullServerListener<Extra = unknown> {}
