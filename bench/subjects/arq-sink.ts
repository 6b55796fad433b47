/** Takes numbered messages over reliable UDP, and checks that each is whole and in its turn. */
import type { StartContender } from '../harness/contract.ts';
import { component, type EchoServerClass } from './component.ts';

export const start: StartContender = async ({ options, messageSize = 1024 }) => {
  const UdpArqServer = component<EchoServerClass>('UdpArqServer');
  let receivedBytes = 0;
  let expected = 0;
  let failure: Error | undefined;
  const server = new UdpArqServer(
    {
      onReceive(_sender, _connId, message) {
        if (message.length !== messageSize || message.readUInt32LE(0) !== expected) {
          failure ??= new Error(`message ${expected} came as ${message.readUInt32LE(0)} with ${message.length} bytes`);
        }
        expected = (expected + 1) >>> 0;
        receivedBytes += message.length;
      },
    },
    options,
  );
  const { port } = await server.start('127.0.0.1', 0);
  return {
    port,
    receivedBytes: () => {
      if (failure) throw failure;
      return receivedBytes;
    },
  };
};
