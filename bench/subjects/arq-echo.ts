/** Echo over reliable UDP; also serves the idle sessions. */
import type { StartContender } from '../harness/contract.ts';
import { component, type EchoServerClass } from './component.ts';

export const start: StartContender = async ({ options }) => {
  const UdpArqServer = component<EchoServerClass>('UdpArqServer');
  const server = new UdpArqServer(
    {
      onReceive(sender, connId, data) {
        sender.send(connId, data);
      },
    },
    options,
  );
  const { port } = await server.start('127.0.0.1', 0);
  return { port };
};
