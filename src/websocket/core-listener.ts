import { checkListener } from '../core/check-listener.ts';
import { describe } from '../core/describe.ts';
import type { AnyHooks } from '../core/listener.ts';

/** Hooks that the core calls by itself, and that go to the user's listener as they are. */
const coreHooks: readonly (keyof AnyHooks)[] = [
  'onPrepareListen',
  'onAccept',
  'onPrepareConnect',
  'onConnect',
  'onHandShake',
  'onEnd',
  'onSend',
  'onSendBlocked',
  'onSendDrained',
  'onClose',
  'onShutdown',
  'onHookError',
];

/**
 * A listener for the core that hands its hooks on to the user's. The hooks about messages, `own`, are called by the protocols.
 * @throws TypeError for a listener that is none, or a plain object with a hook that nobody would call.
 */
export function coreListenerOf(listener: object, own: readonly string[]): AnyHooks {
  const members = listener as Record<string, unknown>;
  if (typeof listener === 'object' && listener !== null) {
    if (members['onReceive'] !== undefined) {
      throw new TypeError('a WebSocket listener has onMessage instead of onReceive');
    }
    for (const name of own) {
      const hook = members[name];
      if (hook !== undefined && typeof hook !== 'function') {
        throw new TypeError(`the hook ${name} must be a function, not ${describe(hook)}`);
      }
    }
    const prototype: unknown = Object.getPrototypeOf(listener);
    if (prototype === Object.prototype || prototype === null) {
      checkListener(Object.fromEntries(Object.entries(members).filter(([name]) => !own.includes(name))));
    } else {
      checkListener(listener);
    }
  } else {
    checkListener(listener);
  }
  const adapter: Record<string, unknown> = {};
  for (const name of coreHooks) {
    const hook = members[name];
    if (typeof hook === 'function') adapter[name] = hook.bind(listener);
  }
  return adapter as AnyHooks;
}
