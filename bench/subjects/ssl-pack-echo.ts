import { maxPackSize, packFlag } from '../baselines/framing-by-hand.ts';
import type { StartContender } from '../harness/contract.ts';
import { startSecureEcho } from './ssl-server.ts';

export const start: StartContender = (settings) =>
  startSecureEcho('SslPackServer', settings, { maxPackSize, packHeaderFlag: packFlag });
