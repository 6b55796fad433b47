import { describe } from '../core/describe.ts';
import { checkOptions, foreignAddresses, type OptionRule } from '../core/option-names.ts';
import { type ConnectOptions, checkTarget } from '../stream/connecting.ts';
import { proxyProperties } from '../stream/proxying.ts';

/** Where a forwarder connects to: host and port, or the path of a Unix domain socket. */
export type ForwardTarget = Omit<ConnectOptions, 'signal' | 'socket'>;

const targetRules = {
  host: true,
  port: true,
  path: true,
  localAddress: true,
  localPort: true,
  serverName: true,
  proxy: proxyProperties.proxy,
  proxyHeader: proxyProperties.proxyHeader,
} satisfies Record<keyof ForwardTarget, OptionRule>;

/**
 * A target, or several to be tried in this order, as a list of them that are known to make sense.
 * @param what What they are, for the message.
 * @throws TypeError, or SocketError (InvalidParam, SocketCreate).
 */
export function checkedTargets(what: string, value: unknown): readonly ForwardTarget[] {
  if (typeof value !== 'object' || value === null)
    throw new TypeError(
      `${what} must be a target such as { host: '10.0.0.5', port: 5432 }, or an array of them, not ${describe(value)}`,
    );
  const targets: readonly ForwardTarget[] = Array.isArray(value) ? value : [value as ForwardTarget];
  if (targets.length === 0) throw new TypeError(`${what} must name one target at least`);
  for (const target of targets) {
    checkOptions(what, target, targetRules, foreignAddresses);
    const problem = checkTarget(target, 'connect');
    if (problem !== null) throw problem;
  }
  return targets;
}
