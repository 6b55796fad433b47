import type { PeerCertificate, SecureVersion } from 'node:tls';
import type { SSLVerifyMode } from '../core/enums.ts';
import type { SocketError } from '../core/errors.ts';

/** Answers which context serves a name that a client asked for: 0 the default one, above 0 another one, below 0 none. */
export type SNICallback = (serverName: string) => number | Promise<number>;

/** How files of a context are watched. */
export interface SSLWatchOptions {
  /** Milliseconds between looks at the files, 1 or more. Default 1000. */
  intervalMs?: number | undefined;
  /** Called after each change: undefined when the context was replaced, else why the old one stays. */
  onReload?: ((error: SocketError | undefined) => void | Promise<void>) | undefined;
}

/**
 * What both ways to set a context up take. An option that a context would ignore is an error: those for servers on agents and
 * clients and the other way round, and, in a server's further contexts, those that its first one has for all names.
 */
export interface SSLCommonOptions {
  /**
   * HP-Socket's verify mode, 0 to 7; numbers may be combined. The clear names below go before it. Default: `None` on servers, in a further
   * context what the first one has; `Peer` on agents and clients.
   */
  verifyMode?: SSLVerifyMode | number | undefined;
  /** Servers: ask clients for a certificate; one that is sent must verify against the CA. Default false. */
  requestClientCertificate?: boolean | undefined;
  /** Servers: ask clients for a certificate, and refuse those without one. Default false. */
  requireClientCertificate?: boolean | undefined;
  /** Agents and clients: whether the server's certificate chain must verify. Default true; HP-Socket: false (VM-001). */
  verifyServer?: boolean | undefined;
  /** Agents and clients: whether the certificate must name the host. Default: as `verifyServer`; HP-Socket: never (VM-006). */
  verifyHost?: boolean | undefined;
  /** Agents and clients: name for SNI and for the check of the certificate, instead of the host connected to. */
  serverName?: string | undefined;
  /** Password of the key. */
  keyPassword?: string | undefined;
  /** Lowest protocol version. Default `TLSv1.2`. */
  minVersion?: SecureVersion | undefined;
  /** Highest protocol version. Default `TLSv1.3`. */
  maxVersion?: SecureVersion | undefined;
  /** Application protocols in order of preference (ALPN). */
  alpnProtocols?: readonly string[] | undefined;
  /** Servers: chooses the context by the name that the client asked for. Default: what `bindSSLServerName` bound. */
  sniCallback?: SNICallback | undefined;
  /** Servers: 48 secret bytes that session tickets are sealed with; give all processes of a service the same. Default random. */
  ticketKeys?: Buffer | undefined;
  /** Servers: seconds that a session may be resumed. Default: Node's, 300. */
  sessionTimeout?: number | undefined;
}

/** A context from files (`SetupSSLContext`, `AddSSLContext`). */
export interface SSLContextOptions extends SSLCommonOptions {
  /** PEM file of the certificate, its chain behind it. */
  certFile?: string | undefined;
  /** PEM file of the private key. */
  keyFile?: string | undefined;
  /** PEM file with certificates of authorities (and their CRLs), or a directory of such files. */
  caFileOrPath?: string | undefined;
  /** Reload the files when they change. */
  watch?: boolean | SSLWatchOptions | undefined;
}

/** A context from texts in memory (`SetupSSLContextByMemory`, `AddSSLContextByMemory`). */
export interface SSLMemoryContextOptions extends SSLCommonOptions {
  /** PEM text of the certificate, its chain behind it. */
  cert?: string | Buffer | undefined;
  /** PEM text of the private key. */
  key?: string | Buffer | undefined;
  /** PEM text with certificates of authorities, and their CRLs; or several such texts. */
  ca?: string | Buffer | readonly (string | Buffer)[] | undefined;
}

/** Options of a context, from files or memory. */
export type AnyContextOptions = SSLContextOptions & SSLMemoryContextOptions;

/** A context as the option `ssl` of a server takes it. */
export interface SSLNamedContextOptions extends SSLContextOptions, SSLMemoryContextOptions {
  /** Server names that it serves, as `bindSSLServerName` takes them. Names that no context has get the first one. */
  names?: readonly string[] | undefined;
}

/** Option `ssl` of servers: a context, or several, the first of which serves every name that the others do not. */
export interface SslServerContexts {
  /** Sets the contexts up, so that there is no need for `setupSSLContext`, `addSSLContext` and `bindSSLServerName`. */
  ssl?: SSLNamedContextOptions | readonly SSLNamedContextOptions[] | undefined;
}

/** Option `ssl` of agents and clients. */
export interface SslClientContext {
  /** Sets the context up, so that there is no need for `setupSSLContext`. `{}` trusts the authorities that Node knows. */
  ssl?: AnyContextOptions | undefined;
}

/** What there is to tell about the TLS of a connection. */
export interface SSLInfo {
  /** `'TLSv1.3'`, or null before it is settled. */
  protocol: string | null;
  /** OpenSSL's name of the cipher suite. */
  cipher: string | null;
  /** Application protocol that ALPN chose, null if none. */
  alpnProtocol: string | null;
  /** Name that the client asked for (SNI), null if none. */
  serverName: string | null;
  /** Whether an earlier session was resumed. */
  isResumed: boolean;
  /** Whether the handshake is done. */
  isEstablished: boolean;
  /** The peer's certificate, null if it sent none. */
  peerCertificate: PeerCertificate | null;
}
