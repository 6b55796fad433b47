import type { AddressInfo } from 'node:net';
import { createServer, type TLSSocket } from 'node:tls';
import type { Settings, Started } from '../harness/contract.ts';

/** A bare `node:tls` server with Node's own defaults, `noDelay` on as for the plain one. */
export async function startTls(settings: Settings, onConnection: (socket: TLSSocket) => void): Promise<Started> {
  if (!settings.certificate) throw new Error('a TLS contender needs a certificate');
  const server = createServer({ ...settings.certificate, noDelay: true }, onConnection);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: (server.address() as AddressInfo).port };
}
