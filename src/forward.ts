/** Port forwarding: `hp-socket/forward`. */

export type { ForwardedPair } from './forward/forwarded-pair.ts';
export type { PortForwarderHooks, TargetAnswer } from './forward/forwarder-hooks.ts';
export type {
  PortForwarderOptions,
  PortForwarderProperties,
  PortForwarderStartOptions,
} from './forward/forwarder-properties.ts';
export type { PortForwarderStats } from './forward/forwarder-stats.ts';
export { PortForwarder } from './forward/port-forwarder.ts';
export { PortForwarderListener } from './forward/port-forwarder-listener.ts';
export type { ForwardTarget } from './forward/target.ts';
export * from './streams.ts';
