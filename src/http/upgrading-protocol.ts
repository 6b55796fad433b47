import type { UpgradeVerdict } from '../websocket/upgrade-verdict.ts';
import { HttpServerProtocol } from './server-protocol.ts';

/** HTTP of a connection that may become a WebSocket. */
export class UpgradingProtocol extends HttpServerProtocol {
  /** What was decided about the request for a WebSocket that is being read. */
  verdict: UpgradeVerdict | null = null;

  override closed(): void {
    super.closed();
    this.verdict = null;
  }
}
