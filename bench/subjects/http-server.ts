import { HttpServer, type HttpServerHooks, HttpsServer } from 'hp-socket/http';
import type { StartContender } from '../harness/contract.ts';

const headers = [['Content-Type', 'text/plain']] as const;

/** By `options.by`: whole requests, hooks, an echo of bodies by hooks, or a file. */
export const start: StartContender = async ({ options, certificate }) => {
  const file = options?.file as string | undefined;
  const listeners: Record<string, HttpServerHooks<HttpServer>> = {
    requests: {
      onRequest(_server, _connId, request) {
        request.respond({ headers, body: 'Hello, World!' });
      },
    },
    hooks: {
      onHeadersComplete(server, connId) {
        server.sendResponse(connId, 200, null, headers, 'Hello, World!');
      },
    },
    echo: {
      onHeadersComplete(server, connId) {
        server.sendResponse(connId, 200, null, [['Content-Length', String(server.getContentLength(connId))]]);
      },
      onBody(server, connId, data) {
        server.send(connId, data);
      },
    },
    file: {
      async onMessageComplete(server, connId) {
        await server.sendLocalFile(connId, file!);
      },
    },
  };
  const listener = listeners[(options?.by as string | undefined) ?? 'requests']!;
  const properties = { maxConnectionCount: 20_000 };
  const server =
    certificate === undefined ? new HttpServer(listener, properties) : new HttpsServer(listener, properties);
  if (certificate !== undefined) (server as HttpsServer).setupSSLContext(certificate);
  const { port } = await server.start('127.0.0.1', 0);
  return { port };
};
