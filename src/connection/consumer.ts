import type { SocketError } from '../core/errors.ts';

/** Takes the messages of one connection in the place of the listener's `onReceive`: a stream or an iterator. */
export interface Consumer {
  /** The opening hooks, and over TLS the handshake, are over. */
  opened(): void;
  /** One message. @returns false to pause receiving until `resumeConsumer` is called. */
  deliver(message: unknown): boolean;
  /** Something was written, or nothing is left to write: so many bytes are pending now. */
  wrote(pendingBytes: number): void;
  /** Nothing more will come: the peer sent its FIN, or this side drains; what was received has been delivered. */
  ended(): void;
  /** Whether it will send nothing more either. Its connection waits for that before it ends gracefully. */
  readonly isDone: boolean;
  /** The connection is gone. */
  connectionClosed(error: SocketError | undefined): void;
}
