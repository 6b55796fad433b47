import { HttpConnectPreamble } from './http-connect.ts';
import type { PreambleFactory } from './preamble.ts';
import { type ProxyHop, proxyTargetName } from './proxy-url.ts';
import { Socks5Preamble } from './socks5.ts';

/** Asks each proxy for the next, and the last one for the target. The connection is with the first. */
export function tunnelPreambles(hops: readonly ProxyHop[], host: string, port: number): PreambleFactory[] {
  const name = proxyTargetName(host);
  return hops.map((hop, index) => {
    // An IPv6 address may come in brackets, as URLs have it.
    const next = hops[index + 1] ?? { host: name.replace(/^\[(.*)\]$/, '$1'), port };
    const where = hopName(hops, index);
    return hop.kind === 'socks5'
      ? (preamblePort) => new Socks5Preamble(preamblePort, hop, where, next.host, next.port)
      : (preamblePort) => new HttpConnectPreamble(preamblePort, hop, where, next.host, next.port);
  });
}

/** A proxy as messages name it: which one, and its URL without a password. */
export function hopName(hops: readonly ProxyHop[], index: number): string {
  const place = hops.length > 1 ? `${index + 1} of ${hops.length} ` : '';
  return `proxy ${place}(${hops[index]!.name})`;
}
