import { describe } from '../../core/describe.ts';
import type { ServeOptions } from './serve.ts';

/** @throws TypeError for options of `serve` that are none; those of the server are checked by it. */
export function checkServerOptions(options: ServeOptions): ServeOptions {
  if (typeof options !== 'object' || options === null) {
    throw new TypeError(`the options of serve must be an object, not ${describe(options)}`);
  }
  const { overrideGlobalObjects, onError, tls } = options;
  if (overrideGlobalObjects !== undefined && typeof overrideGlobalObjects !== 'boolean') {
    throw new TypeError(`overrideGlobalObjects must be true or false, not ${describe(overrideGlobalObjects)}`);
  }
  if (onError !== undefined && typeof onError !== 'function') {
    throw new TypeError(`onError must be a function, not ${describe(onError)}`);
  }
  if (Object.hasOwn(options, 'ws')) throw new TypeError('serve has the option websocket in the place of ws');
  if (tls !== undefined && (typeof tls !== 'object' || tls === null)) {
    throw new TypeError(`tls must be an object, not ${describe(tls)}`);
  }
  return options;
}
