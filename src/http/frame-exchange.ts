import type { SocketError } from '../core/errors.ts';
import type { FrameHooks, WSMessageState } from '../websocket/frame-protocol.ts';

/** A WebSocket frame that came. */
export interface WSMessage extends WSMessageState {
  /** Its payload, the caller's own. */
  readonly body: Buffer;
}

/** What an exchange asks of the client that it belongs to. */
export interface FrameExchangeHost {
  /** State of the current frame. */
  state(): WSMessageState | null;
  /** Longest payload, 0 for any. */
  maxBodyBytes(): number;
  /** A frame is longer than that. */
  tooLong(): void;
}

/** Collects the frames that come, one at a time, and hands the next one to the call that waits for it (SYN-006). */
export class FrameExchange {
  /** The last frame that was complete; null without one. */
  last: WSMessage | null = null;
  #host: FrameExchangeHost;
  #resolve: ((frame: WSMessage) => void) | null = null;
  #reject: ((error: SocketError) => void) | null = null;

  constructor(host: FrameExchangeHost) {
    this.#host = host;
  }

  /** Whether a call waits for a frame. */
  get isAwaited(): boolean {
    return this.#resolve !== null;
  }

  /** The next frame that is complete. */
  next(): Promise<WSMessage> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** No frame comes. */
  fail(error: () => SocketError): void {
    const reject = this.#reject;
    this.#resolve = this.#reject = null;
    reject?.(error());
  }

  /** The hooks of a listener, which go on being called. */
  hooksOver(listener: FrameHooks): FrameHooks {
    let pieces: Buffer[] = [];
    let length = 0;
    return {
      onWSMessageHeader: (sender, connId, ...header) => {
        pieces = [];
        length = 0;
        return listener.onWSMessageHeader?.(sender, connId, ...header);
      },
      onWSMessageBody: (sender, connId, data) => {
        length += data.length;
        const maxBytes = this.#host.maxBodyBytes();
        if (maxBytes > 0 && length > maxBytes) this.#host.tooLong();
        else pieces.push(data);
        return listener.onWSMessageBody?.(sender, connId, data);
      },
      onWSMessageComplete: (sender, connId) => {
        this.#complete(Buffer.concat(pieces));
        pieces = [];
        return listener.onWSMessageComplete?.(sender, connId);
      },
    };
  }

  #complete(body: Buffer): void {
    const state = this.#host.state();
    if (state === null) return;
    this.last = { ...state, body };
    const resolve = this.#resolve;
    this.#resolve = this.#reject = null;
    resolve?.(this.last);
  }
}
