import type { SSLContextOptions, SSLMemoryContextOptions } from '../../ssl/options.ts';
import type { WebSocketServing } from '../../websocket/websocket-properties.ts';
import { HttpServer, type HttpServerOptions } from '../http-server.ts';
import { HttpsServer, type HttpsServerOptions } from '../https-server.ts';
import type { FetchHandler } from './fetch-handler.ts';
import { overrideGlobalObjects } from './override.ts';
import { checkServerOptions } from './serve-options.ts';

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

/**
 * Serves a fetch handler.
 *
 * ```ts
 * const server = await serve((request) => new Response(`Hello, ${new URL(request.url).pathname}`), { port: 8080 });
 * ```
 *
 * With WebSockets on the same port:
 *
 * ```ts
 * await serve((request, info) => (request.url.endsWith('/echo') ? info.upgradeWebSocket() : new Response('page')), {
 *   websocket: { onMessage: (server, connId, data, isBinary) => server.send(connId, isBinary ? data : String(data)) },
 * });
 * ```
 * @returns The started server; stop it with `server.stop({ drainTimeoutMs: 10_000 })`.
 * @throws TypeError, RangeError for wrong options; SocketError as `start`.
 */
export async function serve(
  handler: FetchHandler | { fetch: FetchHandler },
  options: ServeOptions = {},
): Promise<HttpServer> {
  const {
    host,
    port,
    path,
    tls,
    overrideGlobalObjects: overrides,
    signal,
    onError,
    websocket = false,
    ...rest
  } = checkServerOptions(options);
  const properties: HttpServerOptions = websocket === false ? rest : { ...rest, ws: websocket };
  const fetch = typeof handler === 'function' ? handler : handler.fetch.bind(handler);
  const listener = {
    fetch,
    ...(onError === undefined ? {} : { onHookError: (_s: unknown, _hook: string, error: unknown) => onError(error) }),
  };
  if (overrides === true) overrideGlobalObjects();
  let server: HttpServer;
  if (tls === undefined) server = new HttpServer(listener, properties);
  else {
    const secure = new HttpsServer(listener, properties as HttpsServerOptions);
    secure.setupSSLContext(tls);
    server = secure;
  }
  await server.start({
    ...(path === undefined ? { ...(host === undefined ? {} : { host }), port: port ?? 0 } : { path }),
    ...(signal === undefined ? {} : { signal }),
  });
  return server;
}
