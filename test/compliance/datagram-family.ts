import type { UdpArqClient, UdpArqServer, UdpClient, UdpServer } from '../../src/index.ts';

// The suites work with UDP and ARQ alike, so their hooks are typed for both.
// biome-ignore lint/suspicious/noExplicitAny: see above
type Any = any;
/** Hooks of a listener of any datagram component. */
export type AnyDatagramHooks = Record<string, (...args: Any[]) => unknown>;

/** Server and client over datagrams: what the suites for them are run with. */
export interface DatagramFamily {
  /** For test titles: 'Udp' or 'UdpArq'. */
  name: string;
  /** Whether messages arrive in order, once, and all; and whether there is a handshake. */
  isReliable: boolean;
  server(hooks: AnyDatagramHooks, options?: object): UdpServer | UdpArqServer;
  client(hooks: AnyDatagramHooks, options?: object): UdpClient | UdpArqClient;
}

/** Hooks of a server that echoes. */
export function echoDatagrams(extra: AnyDatagramHooks = {}): AnyDatagramHooks {
  return { onReceive: (server, connId, data) => void server.send(connId, data), ...extra };
}
