import { describe } from '../../core/describe.ts';
import { HttpServer, type HttpServerOptions } from '../http-server.ts';
import { HttpsServer, type HttpsServerOptions } from '../https-server.ts';
import type { FetchHandler } from './fetch-handler.ts';
import { overrideGlobalObjects } from './override.ts';
import { checkServerOptions, type ServeOptions } from './serve-options.ts';

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
  checkHandler(handler);
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

function checkHandler(handler: unknown): void {
  const fetch = typeof handler === 'object' && handler !== null ? (handler as { fetch?: unknown }).fetch : handler;
  if (typeof fetch !== 'function')
    throw new TypeError(
      `serve needs a fetch handler, a function or an object that has one such as a Hono app, not ${describe(handler)}`,
    );
}
