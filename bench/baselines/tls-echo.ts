/** Echo on bare `node:tls`; also the baseline for handshakes and for the memory of idle connections. */
import type { StartContender } from '../harness/contract.ts';
import { startTls } from './tls-server.ts';

export const start: StartContender = (settings) =>
  startTls(settings, (socket) => {
    socket.on('data', (data) => socket.write(data));
    socket.on('error', () => socket.destroy());
  });
