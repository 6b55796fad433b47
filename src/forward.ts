/** Port forwarding: `hp-socket/forward`. */

export type { ForwardedPair } from './forward/forwarded-pair.ts';
export type { PortForwarderHooks, TargetAnswer } from './forward/forwarder-hooks.ts';
export {
  PortForwarder,
  type PortForwarderOptions,
  type PortForwarderProperties,
  type PortForwarderStartOptions,
  type PortForwarderStats,
} from './forward/port-forwarder.ts';
export { PortForwarderListener } from './forward/port-forwarder-listener.ts';
export type { ForwardTarget } from './forward/target.ts';
export * from './streams.ts';
