import type { TcpAgentOptions } from '../agent/tcp-agent.ts';
import { describe } from '../core/describe.ts';
import type { OptionRule } from '../core/option-names.ts';
import { custom, integer, type OptionsOf, oneOf, type PropertyRule, type TableOf } from '../core/properties.ts';
import { type ServerStartOptions, serverStartRules } from '../server/stream-server.ts';
import type { TcpServer, TcpServerOptions } from '../server/tcp-server.ts';
import type { SslAgentOptions } from '../ssl/ssl-agent.ts';
import type { SslServerOptions } from '../ssl/ssl-server.ts';
import { checkedTargets, type ForwardTarget } from './target.ts';

/** Properties of a forwarder. Each is also an option of the constructor. */
export interface PortForwarderProperties {
  /**
   * Where connections lead (FWD-001, `TargetAddress`, `TargetPort`): one target, or several that are tried in this order. Null,
   * the default: the hook `onTarget` says it for each.
   */
  target: ForwardTarget | readonly ForwardTarget[] | null;
  /** Milliseconds for each attempt to connect to a target, 1 or more (FWD-001, `ConnectionTimeout`). Default 10,000. */
  connectTimeoutMs: number;
  /** Milliseconds that `onTarget` may take to answer; 0 for no limit. Default 10,000. */
  targetTimeoutMs: number;
  /** Once one side has ended: milliseconds in which something must move, or the pair is broken off; 0 for no limit. Default 300,000. */
  halfCloseTimeoutMs: number;
  /**
   * PROXY header, of this version, that each target's connection begins with, in front of TLS: who the client is, and where it
   * connected to. A target may have its own (`proxyHeader`). Null, the default, for none.
   */
  proxyHeader: 1 | 2 | null;
  /** Break a pair off in which nothing moved either way for so many milliseconds; 0 for never, the default. */
  idleTimeoutMs: number;
}

/** Options of a forwarder: its properties, and those of the two components that it is made of. */
export interface PortForwarderOptions extends OptionsOf<PortForwarderProperties> {
  /** Of the server that clients connect to: limits on clients, above all. With `ssl` it speaks TLS. */
  server?: TcpServerOptions | SslServerOptions | undefined;
  /** Of the agent that connects to targets. With `ssl`, `{}` for the defaults, it speaks TLS. */
  agent?: TcpAgentOptions | SslAgentOptions | undefined;
}

/** Where a forwarder listens, and what it connects from. */
export interface PortForwarderStartOptions extends ServerStartOptions {
  /** Own IP address that targets are connected to from (FWD-001, `LocalBindAddress`). */
  localAddress?: string | undefined;
}

export const forwarderStartRules = { ...serverStartRules, localAddress: true } satisfies Record<
  keyof PortForwarderStartOptions,
  OptionRule
>;

/** Bytes that one side has not taken above which the other is not read, and at which it is read again. */
export const MARKS = { highWaterMarkBytes: 256 * 1024, lowWaterMarkBytes: 64 * 1024 };

/** Most bytes that are read at once. */
const MAX_READ_BYTES = 256 * 1024;

/** Checked where the two components are made of it. */
const inner: PropertyRule = { default: undefined, check: () => {}, isOptionOnly: true };

/** The table of the properties. */
export const forwarderProperties = {
  target: custom(null, (name, value) => {
    if (value !== null) checkedTargets(name, value);
  }),
  connectTimeoutMs: integer(10_000, 1, 0x7fffffff),
  targetTimeoutMs: integer(10_000, 0, 0x7fffffff),
  halfCloseTimeoutMs: integer(300_000, 0, 0x7fffffff),
  proxyHeader: oneOf(null, [null, 1, 2]),
  idleTimeoutMs: integer(0, 0, 0x7fffffff),
  server: inner,
  agent: inner,
} satisfies TableOf<PortForwarderProperties & { server: unknown; agent: unknown }>;

/** @throws TypeError for options of one of the two components that are none. */
export function checkInner(name: string, options: unknown): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw new TypeError(`${name} must be an object of options, not ${describe(options)}`);
}

/**
 * The mark at which the other end is not read any more must be crossed before the limit refuses what was read already; unless
 * connections that reach it are to be closed.
 */
export function checkPendingBytes(
  name: string,
  component: Pick<TcpServer, 'maxPendingBytes' | 'highWaterMarkBytes' | 'pendingPolicy'>,
): void {
  const { maxPendingBytes, highWaterMarkBytes, pendingPolicy } = component;
  const least = highWaterMarkBytes + MAX_READ_BYTES;
  if (maxPendingBytes === 0 || maxPendingBytes >= least || pendingPolicy === 'close') return;
  throw new RangeError(
    `maxPendingBytes of ${name} must be 0, or ${least} at least: its highWaterMarkBytes and one read; or have pendingPolicy 'close'`,
  );
}
