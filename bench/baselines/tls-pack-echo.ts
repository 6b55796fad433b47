/** Framing by hand on `node:tls`. */
import type { StartContender } from '../harness/contract.ts';
import { echoPackages } from './framing-by-hand.ts';
import { startTls } from './tls-server.ts';

export const start: StartContender = (settings) => startTls(settings, echoPackages);
