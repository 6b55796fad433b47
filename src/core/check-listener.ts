import { describe, quote } from './describe.ts';
import type { AnyHooks } from './listener.ts';
import { nearest } from './option-names.ts';

/** Every hook of any component. */
const hooks: Record<keyof AnyHooks | 'onReceiveUnreliable' | 'onAddressChange' | 'onError', true> = {
  onPrepareListen: true,
  onAccept: true,
  onPrepareConnect: true,
  onConnect: true,
  onHandShake: true,
  onReceive: true,
  onReceiveUnreliable: true,
  onAddressChange: true,
  onEnd: true,
  onSend: true,
  onSendBlocked: true,
  onSendDrained: true,
  onClose: true,
  onError: true,
  onShutdown: true,
  onHookError: true,
};

const names = Object.keys(hooks);
const lowerCaseNames = new Set(names.map((name) => name.toLowerCase()));

/**
 * Checks that a listener is one: an object whose hooks are functions. In a plain object, a function that is named like a
 * hook must be one, since it would never be called else.
 * @param more Hooks that the component has beside those of all.
 * @throws TypeError if it is not.
 */
export function checkListener(listener: unknown, more: readonly string[] = []): void {
  checkHooks(listener, [...names, ...more]);
}

/** The same for a component that has other hooks than sockets have: `known` are all of them. */
export function checkHooks(listener: unknown, known: readonly string[]): void {
  if (typeof listener !== 'object' || listener === null) {
    throw new TypeError(
      `the listener must be an object with hooks such as ${known.includes('onReceive') ? 'onReceive' : known[0]}, or an instance of a listener class`,
    );
  }
  const members = listener as Record<string, unknown>;
  for (const name of known) {
    const hook = members[name];
    if (hook !== undefined && typeof hook !== 'function') {
      throw new TypeError(`the hook ${name} must be a function, not ${describe(hook)}`);
    }
  }
  const prototype: unknown = Object.getPrototypeOf(listener);
  if (prototype !== Object.prototype && prototype !== null) return;
  for (const name of Object.keys(members)) {
    const isNamedLikeHook = /^on[A-Z]/.test(name) || lowerCaseNames.has(name.toLowerCase());
    if (isNamedLikeHook && !known.includes(name) && typeof members[name] === 'function') {
      throw unknownHook(name, known);
    }
  }
}

/** What other libraries call hooks. */
const foreign: Readonly<Record<string, string>> = {
  onData: 'onReceive',
  onMessage: 'onReceive',
  onConnection: 'onAccept',
  onOpen: 'onAccept',
  onDisconnect: 'onClose',
};

/** The error of a hook that does not exist, with the one that is probably meant. */
export function unknownHook(name: string, known: readonly string[]): TypeError {
  const instead = Object.hasOwn(foreign, name) ? foreign[name]! : '';
  const near = known.includes(instead) ? instead : nearest(name, known);
  const help = near === '' ? '; hooks' : `; did you mean ${near}? Hooks`;
  return new TypeError(`unknown hook ${quote(name)}${help} are ${known.join(', ')}`);
}
