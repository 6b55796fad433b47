import { describe } from '../../core/describe.ts';
import type { SSLContextOptions, SSLMemoryContextOptions } from '../../ssl/options.ts';
import type { WebSocketServing } from '../../websocket/websocket-properties.ts';
import type { HttpServer, HttpServerOptions } from '../http-server.ts';

/** How `serve` listens. The rest are properties of `HttpServer`. */
export interface ServeOptions extends Omit<HttpServerOptions, 'ws'> {
  /**
   * WebSockets on the same port: hooks and options, or true. The handler gets their requests like any other, and opens them by
   * `info.upgradeWebSocket()`; those of a hub's path (`addHub`), and all of them if there is a hook `onUpgradeRequest`, do not
   * come to the handler.
   */
  websocket?: WebSocketServing<HttpServer> | boolean | undefined;
  /** Local address; default `0.0.0.0`. */
  host?: string | undefined;
  /** Port; 0, the default, lets the system choose: `getListenAddress` tells. */
  port?: number | undefined;
  /** Path of a Unix domain socket instead. */
  path?: string | undefined;
  /** Material for TLS: the server is an HTTPS server. */
  tls?: SSLContextOptions | SSLMemoryContextOptions | undefined;
  /** Whether `globalThis.Response` and `Request` become the light ones. Default false. */
  overrideGlobalObjects?: boolean | undefined;
  /** Aborting stops the server. */
  signal?: AbortSignal | undefined;
  /** Told of what the handler throws; without it a process warning. */
  onError?: ((error: unknown) => void) | undefined;
}

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
