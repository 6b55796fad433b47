import type { Port } from '../protocol/protocol.ts';
import type { ServedWebSockets } from '../websocket/serving.ts';
import type { HttpContext } from './context.ts';
import { HttpServerProtocol } from './server-protocol.ts';

/** HTTP of a connection that may become a WebSocket. */
export class UpgradingProtocol extends HttpServerProtocol {
  #webSockets: ServedWebSockets;

  constructor(context: HttpContext, port: Port, webSockets: ServedWebSockets) {
    super(context, port);
    this.#webSockets = webSockets;
  }

  override closed(): void {
    super.closed();
    this.#webSockets.upgrade.forgetVerdict(this.port.id);
  }
}
