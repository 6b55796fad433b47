import type { StartContender } from '../harness/contract.ts';
import { startSecureEcho } from './ssl-server.ts';

export const start: StartContender = (settings) => startSecureEcho('SslServer', settings);
