import type { StagePort } from '../connection/preamble-stage.ts';
import { isIP } from '../core/ip.ts';
import { custom, type TableOf } from '../core/properties.ts';
import type { PreambleFactory, PreamblePort } from '../protocol/preambles/preamble.ts';
import { type ProxyHop, type ProxyOption, parseProxies } from '../protocol/preambles/proxy-url.ts';
import { checkProxyHeader, type ProxyHeaderOptions, writeChecked } from '../protocol/preambles/proxy-writer.ts';
import { tunnelPreambles } from '../protocol/preambles/tunnels.ts';
import { ProxyTls } from './proxy-tls.ts';

/** A PROXY header that is sent: its version, or what it is to say; null for none. */
export type ProxyHeaderOption = 1 | 2 | ProxyHeaderOptions | null;

/** Properties of agents and clients about proxies. Each is also an option of `connect` and `start`, for one connection. */
export interface ProxyProperties {
  /**
   * Proxies that connections go through, nearest first (PXY-001): `socks5://user:password@host:port`, `http://host:port` for CONNECT,
   * `https://host:port` for CONNECT over TLS. They resolve the host's name. Null, the default, for none.
   */
  proxy: ProxyOption;
  /**
   * PROXY header that each connection begins with, in front of TLS: its version, or what it says. Addresses that are left out
   * are those of the connection. Null, the default, for none.
   */
  proxyHeader: ProxyHeaderOption;
}

function checkProxyHeaderOption(name: string, value: unknown): void {
  if (value !== null && value !== 1 && value !== 2) checkProxyHeader(name, value);
}

export const proxyProperties = {
  proxy: custom(null, (name, value) => void parseProxies(name, value as ProxyOption)),
  proxyHeader: custom(null, checkProxyHeaderOption),
} satisfies TableOf<ProxyProperties>;

/** What a connection may say of it for itself. */
export interface ProxyTarget {
  /** Proxies of this connection, null for none. Default: the component's. */
  proxy?: ProxyOption | undefined;
  /** PROXY header of this connection, null for none. Default: the component's. */
  proxyHeader?: ProxyHeaderOption | undefined;
}

/** The proxies of one connection. */
export function hopsOf(settings: object, target: ProxyTarget): readonly ProxyHop[] {
  const { proxy } = settings as Partial<ProxyProperties>;
  return parseProxies('proxy', target.proxy === undefined ? (proxy ?? null) : target.proxy);
}

/** TLS with those of the proxies that want it; null if none does. */
export function proxyTls(hops: readonly ProxyHop[]): ProxyTls | null {
  return hops.some(({ ssl }) => ssl !== null) ? new ProxyTls(hops) : null;
}

/** What is spoken on a connection to `host` before its first hook. */
export function outgoingPreambles(
  settings: object,
  target: ProxyTarget,
  hops: readonly ProxyHop[],
  host: string,
  port: number,
  tls: ProxyTls | null,
): readonly PreambleFactory[] {
  const { proxyHeader: ofAll = null, preamble = null } = settings as Partial<
    ProxyProperties & { preamble: PreambleFactory | null }
  >;
  const header = target.proxyHeader === undefined ? ofAll : target.proxyHeader;
  if (hops.length === 0 && header === null && preamble === null) return NONE;
  const factories = tunnelPreambles(hops, host, port).flatMap((factory, index) =>
    tls === null || hops[index]!.ssl === null
      ? [factory]
      : [(preamblePort: PreamblePort) => tls.preamble(index, preamblePort as StagePort), factory],
  );
  if (header !== null) factories.push(headerPreamble(typeof header === 'number' ? { version: header } : header));
  if (preamble !== null) factories.push(preamble);
  return factories;
}

const NONE: readonly PreambleFactory[] = [];

function headerPreamble(options: ProxyHeaderOptions): PreambleFactory {
  return (port) => ({
    begin() {
      const source = options.source ?? endOf(port.localAddress, port.localPort);
      const destination = options.destination ?? endOf(port.remoteAddress, port.remotePort);
      port.send(writeChecked({ ...options, source, destination }));
      port.done();
    },
    receive: () => 0,
  });
}

/** One end of a connection; undefined if it has no address, or that is not known here. */
function endOf(address: PreamblePort['localAddress'], port: number): { address: string; port: number } | undefined {
  return isIP(address) === 0 ? undefined : { address, port };
}
