/** Hello, an echo of bodies and a file on `node:http`, as anyone would write them. */
import { createReadStream } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream';
import type { StartContender } from '../harness/contract.ts';

export const start: StartContender = async ({ certificate, options }) => {
  const file = options?.file as string | undefined;
  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    if (request.method === 'POST') {
      response.writeHead(200, { 'Content-Length': request.headers['content-length']! });
      request.pipe(response);
    } else if (file !== undefined) {
      response.writeHead(200, { 'Content-Length': options!.fileBytes as number });
      pipeline(createReadStream(file), response, () => {});
    } else {
      response.writeHead(200, { 'Content-Type': 'text/plain' });
      response.end('Hello, World!');
    }
  };
  const server = certificate === undefined ? createServer(handle) : createSecureServer({ ...certificate }, handle);
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: (server.address() as AddressInfo).port };
};
