import type { Component } from '../core/component.ts';
import type { LimitCounters } from '../core/stats.ts';
import type { Port, Protocol } from '../protocol/protocol.ts';

/** Values of properties as a component stores them. */
type Settings = Readonly<Record<string, unknown>>;

/** Makes the protocol of a new connection. */
export type ProtocolFactory = (port: Port) => Protocol;

/** What a protocol model gets when a component starts. */
export interface ProtocolModelInit {
  /** Values of the component's properties. */
  readonly settings: Settings;
  /** Counters of the present run. */
  readonly limits: () => LimitCounters | undefined;
  /** The listener, for protocols with hooks of their own. */
  readonly listener: object;
  /** What those hooks get as their sender. */
  readonly component: Component;
}

/** Which protocol the connections of a component speak: fixed by its class, given its settings by each start. */
export interface ProtocolModel {
  (init: ProtocolModelInit): ProtocolFactory;
  /** Names of the hooks that it calls beside those of all components. */
  readonly hooks?: readonly string[];
}
