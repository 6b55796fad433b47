/**
 * Where a connection is in its messages.
 *
 * | from       | on                                     | to                                   |
 * |------------|----------------------------------------|--------------------------------------|
 * | Raw        | `startHttp`                            | Idle                                 |
 * | Idle       | a byte that is neither CR nor LF       | Head                                 |
 * | Head       | the head is complete, and lets in      | HeadHooks                            |
 * | HeadHooks  | its hooks let it pass                  | Body, Chunked, UntilClose, Complete  |
 * | Body, Chunked, UntilClose | the body is complete    | Complete                             |
 * | Complete   | `onMessageComplete` lets it pass       | Idle, Upgrade, Over                  |
 * | Upgrade    | `onUpgrade` lets it pass               | Raw, Gone                            |
 * | any        | the message is refused                 | Refused                              |
 */
export const Phase = Object.freeze({
  /** Bytes go to `onReceive`: before `startHttp`, and behind an upgrade. */
  Raw: 0,
  Idle: 1,
  Head: 2,
  HeadHooks: 3,
  Body: 4,
  Chunked: 5,
  UntilClose: 6,
  Complete: 7,
  Upgrade: 8,
  /** The last message is over: bytes behind it are dropped (HP-032). */
  Over: 9,
  /** A message was refused: what follows is dropped until the connection closes. */
  Refused: 10,
  /** Another protocol has taken the connection, or it closes. */
  Gone: 11,
  /** The end of a chunk: the hooks about trailers, and `onChunkComplete`. Back to Chunked. */
  ChunkEnd: 12,
} as const);
export type Phase = (typeof Phase)[keyof typeof Phase];
