import type { Settings, Started } from '../harness/contract.ts';
import { component, type EchoServerClass } from './component.ts';

/** Starts a secure echo server of ours. */
export async function startSecureEcho(
  name: string,
  settings: Settings,
  options: Record<string, unknown> = {},
): Promise<Started> {
  if (!settings.certificate) throw new Error('a TLS contender needs a certificate');
  const Server = component<EchoServerClass>(name);
  const server = new Server(
    {
      onReceive(sender, connId, data) {
        sender.send(connId, data);
      },
    },
    options,
  );
  await server.setupSSLContextByMemory(settings.certificate);
  const { port } = await server.start('127.0.0.1', 0);
  return { port };
}
