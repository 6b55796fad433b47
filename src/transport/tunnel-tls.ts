import type { Socket } from 'node:net';
import tls, { type SecureContext, type TLSSocket } from 'node:tls';
import { isIP } from '../core/ip.ts';
import type { SocketOwner } from './socket-owner.ts';
import { loadMaterial, type MaterialOptions } from './tls-material.ts';
import { closeWithNotify, wrapForTunnel } from './tls-socket.ts';

export { reasonInWords } from './tls-reasons.ts';

// TLS with a proxy. Loaded when the first such proxy is used, so that components without one do not load `node:tls`.

/** Refuse to renegotiate, since only the certificate of the first handshake is looked at. Not in Node's list of constants. */
const SSL_OP_NO_RENEGOTIATION = 0x40000000;

/** What can be said of it. */
export interface TunnelOptions extends MaterialOptions {
  readonly serverName?: string | undefined;
  readonly verifyServer?: boolean | undefined;
  readonly verifyHost?: boolean | undefined;
  readonly minVersion?: 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3' | undefined;
  readonly maxVersion?: 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3' | undefined;
}

/** How one proxy is spoken TLS with. */
export interface Tunnel {
  readonly secureContext: SecureContext;
  readonly verifiesServer: boolean;
  readonly verifiesHost: boolean;
  /** What its certificate must name. */
  readonly name: string;
}

/** Contexts by the object that they were made of, with a copy of it: loading authorities takes milliseconds. */
const contexts = new WeakMap<TunnelOptions, { copy: TunnelOptions; secureContext: SecureContext }>();

/** @throws SocketError for certificates and keys that cannot be used; what OpenSSL throws. */
export function makeTunnel(options: TunnelOptions, host: string): Tunnel {
  let made = contexts.get(options);
  if (made === undefined || !isSame(made.copy, options)) {
    made = { copy: { ...options }, secureContext: makeContext(options) };
    contexts.set(options, made);
  }
  const { serverName, verifyServer = true, verifyHost = verifyServer } = options;
  const name = serverName || host;
  return {
    secureContext: made.secureContext,
    verifiesServer: verifyServer,
    verifiesHost: verifyHost,
    name: name.endsWith('.') ? name.slice(0, -1) : name,
  };
}

function isSame(copy: TunnelOptions, options: TunnelOptions): boolean {
  const names = Object.keys(options) as (keyof TunnelOptions)[];
  return names.length === Object.keys(copy).length && names.every((name) => copy[name] === options[name]);
}

function makeContext(options: TunnelOptions): SecureContext {
  const { minVersion = 'TLSv1.2', maxVersion = 'TLSv1.3' } = options;
  const { cert, key, keyPassword, ca, crl } = loadMaterial('connect', options);
  return tls.createSecureContext({
    minVersion,
    maxVersion,
    secureOptions: SSL_OP_NO_RENEGOTIATION,
    ...(ca === null ? {} : { ca }),
    ...(crl.length > 0 ? { crl } : {}),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(keyPassword === undefined ? {} : { passphrase: keyPassword }),
  });
}

/**
 * Begins TLS with a proxy over `raw`, which is connected.
 * @param secured Called when it is there, with what is wrong with the proxy's name, null if nothing. Other failures are events of the socket.
 */
export function openTunnel(
  raw: Socket,
  { secureContext, verifiesServer, verifiesHost, name }: Tunnel,
  owner: SocketOwner,
  surplus: Buffer | null,
  secured: (problem: Error | null) => void,
): TLSSocket {
  const options = {
    secureContext,
    host: name,
    rejectUnauthorized: verifiesServer,
    // It is looked at below, whether the chain has to verify or not.
    checkServerIdentity: () => undefined,
    ...(isIP(name) === 0 ? { servername: name } : {}),
  };
  const socket = wrapForTunnel(raw, options, owner, surplus);
  socket.once('secureConnect', () => {
    const problem = verifiesHost ? (tls.checkServerIdentity(name, socket.getPeerCertificate()) ?? null) : null;
    if (problem === null) closeWithNotify(socket, raw);
    secured(problem);
  });
  return socket;
}
