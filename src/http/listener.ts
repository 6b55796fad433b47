import type { ConnId, HookResult } from '../core/listener.ts';
import type { HttpUpgradeType } from './enums.ts';

/**
 * What an HTTP hook may return: an `HttpParseResult`, or a promise of one; anything else means `Ok`. While a promise is
 * pending, its connection is not parsed further.
 */
export type HttpHookResult = HookResult;

/**
 * The hooks about HTTP messages (EV-H), in the order in which they fire (ORD-036 to ORD-040):
 *
 * ```
 *   onMessageBegin, onRequestLine | onStatusLine, onHeader*, onHeadersComplete,
 *     ( onBody* | ( onChunkHeader, onBody*, onChunkComplete )* with onHeader for each trailer ),
 *   onMessageComplete [, onUpgrade ]
 * ```
 *
 * The hooks about a head fire when all of it is there, or when it turns out that it is none. `HttpParseResult.Error` from any
 * of them refuses the message: `onParseError`, then the connection closes.
 */
export interface HttpHooks<S> {
  /** A message begins (EV-H-01). Error code of a refusal: 16. */
  onMessageBegin?(sender: S, connId: ConnId): HttpHookResult;
  /**
   * Method and target of a request (EV-H-02); servers only. Not called if the target cannot be split (HP-012).
   * A refusal is honoured here and in `onStatusLine` and `onHeader`, with code 24; HP-Socket ignores it (ACC-003).
   */
  onRequestLine?(sender: S, connId: ConnId, method: string, url: string): HttpHookResult;
  /** Status of a response (EV-H-03); agents and clients only. `reason` may be empty. */
  onStatusLine?(sender: S, connId: ConnId, statusCode: number, reason: string): HttpHookResult;
  /** A field of the head or, behind the last chunk, a trailer (EV-H-04). */
  onHeader?(sender: S, connId: ConnId, name: string, value: string): HttpHookResult;
  /** The head is complete (EV-H-05). `SkipBody`: there is no body. `Upgrade`: what follows is not HTTP. Code 17. */
  onHeadersComplete?(sender: S, connId: ConnId): HttpHookResult;
  /** A piece of the body (EV-H-06), the listener's own for ever. Code 24. */
  onBody?(sender: S, connId: ConnId, data: Buffer): HttpHookResult;
  /** A chunk of `length` bytes follows, the last one is 0 (EV-H-07). Code 19. */
  onChunkHeader?(sender: S, connId: ConnId, length: number): HttpHookResult;
  /** End of a chunk, of the last one behind the trailers (EV-H-08). Code 20. */
  onChunkComplete?(sender: S, connId: ConnId): HttpHookResult;
  /** The message is complete (EV-H-09). Code 18. */
  onMessageComplete?(sender: S, connId: ConnId): HttpHookResult;
  /**
   * The peer wants another protocol, or `HttpParseResult.Upgrade` said so (EV-H-10). Send the answer here (101, or 200 to
   * CONNECT); from then on bytes go to `onReceive`. A refusal closes the connection without `onParseError` (UPG-010).
   */
  onUpgrade?(sender: S, connId: ConnId, upgradeType: HttpUpgradeType): HttpHookResult;
  /**
   * The message is refused, and the connection closes (EV-H-11). `errorCode` is an `HttpParseErrorCode`. What it returns
   * means nothing.
   */
  onParseError?(sender: S, connId: ConnId, errorCode: number, description: string): HttpHookResult;
}

/**
 * The hooks about WebSocket frames, on connections that were upgraded: on servers by the hook `onUpgrade`, on agents and clients by an
 * answer 101. With none of them, the bytes go to `onReceive`.
 */
export interface WSFrameHooks<S> {
  /**
   * The header of a WebSocket frame (EV-H-12). `mask` has four bytes, or is null for a frame that is not masked. Frames are not
   * answered, put together or inflated (WS-004).
   */
  onWSMessageHeader?(
    sender: S,
    connId: ConnId,
    isFinal: boolean,
    reserved: number,
    opcode: number,
    mask: Buffer | null,
    bodyLength: number,
  ): HookResult;
  /** A piece of the payload, unmasked (EV-H-13). None for an empty one. */
  onWSMessageBody?(sender: S, connId: ConnId, data: Buffer): HookResult;
  /** The end of the frame (EV-H-14). */
  onWSMessageComplete?(sender: S, connId: ConnId): HookResult;
}

/** The hooks as the protocol calls them. */
export type AnyHttpHooks = HttpHooks<unknown>;
