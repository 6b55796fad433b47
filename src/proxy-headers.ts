// PROXY headers, which streams and datagrams have in common.

export type { ProxyProtocolOptions } from './connection/trusted-proxies.ts';
export {
  type ProxyFamily,
  ProxyHeader,
  type ProxySsl,
  type ProxyTlv,
  ProxyTlvType,
} from './protocol/preambles/proxy-header.ts';
export { type ProxyHeaderOptions, writeProxyHeader } from './protocol/preambles/proxy-writer.ts';
