/** What a frame carries (RFC 6455, 5.2). 3 to 7 and 11 to 15 are reserved. */
export const Opcode = Object.freeze({
  /** A further fragment. */
  Continuation: 0,
  /** UTF-8 text. */
  Text: 1,
  /** Bytes. */
  Binary: 2,
  /** Close, with a code and a reason or without. */
  Close: 8,
  /** Ping, up to 125 bytes. */
  Ping: 9,
  /** Pong, up to 125 bytes. */
  Pong: 10,
} as const);
export type Opcode = (typeof Opcode)[keyof typeof Opcode];

/** Largest payload of a control frame (RFC 6455, 5.5). */
export const MAX_CONTROL_BYTES = 125;

/**
 * Close codes (RFC 6455, 7.4.1, and the IANA registry). 3000 to 3999 are registered with IANA by libraries, 4000 to 4999 are
 * free for private use.
 */
export const CloseCode = Object.freeze({
  /** The purpose was fulfilled. */
  Normal: 1000,
  /** A server goes down, or a page is left. */
  GoingAway: 1001,
  /** The peer broke the protocol. */
  ProtocolError: 1002,
  /** A type of data that this end cannot accept. */
  UnsupportedData: 1003,
  /** Never on the wire: the close frame held no code. */
  NoStatus: 1005,
  /** Never on the wire: the connection was lost without a close frame. */
  Abnormal: 1006,
  /** Text that is not UTF-8. */
  InvalidPayload: 1007,
  /** A message that violates a policy, when no other code fits. */
  PolicyViolation: 1008,
  /** A message that is too big. */
  MessageTooBig: 1009,
  /** A client misses an extension that the server did not negotiate. */
  MandatoryExtension: 1010,
  /** A server met a condition that it did not expect. */
  InternalError: 1011,
  /** The service restarts. */
  ServiceRestart: 1012,
  /** Overload: try again later. */
  TryAgainLater: 1013,
  /** A gateway got an invalid answer from its upstream. */
  BadGateway: 1014,
  /** Never on the wire: the TLS handshake failed. */
  TlsHandshake: 1015,
} as const);
export type CloseCode = (typeof CloseCode)[keyof typeof CloseCode];

/** Whether `code` may stand in a close frame: 1000 to 1014 without 1004 to 1006, and 3000 to 4999 (RFC 6455, 7.4). */
export function isWireCloseCode(code: number): boolean {
  if (code >= 3000) return code <= 4999;
  return code >= 1000 && code <= 1014 && (code < 1004 || code > 1006);
}

/** What the peer did wrong: the code of the close frame that answers it, and a sentence without any of the peer's bytes. */
export interface Violation {
  readonly closeCode: number;
  readonly message: string;
}

function violation(closeCode: number, message: string): Violation {
  return Object.freeze({ closeCode, message });
}

/** Everything that a frame can violate, each with the section that says so. */
export const Violations = Object.freeze({
  reservedBits: violation(
    1002,
    'the peer sent a frame with reserved bits for which no extension was negotiated (RFC 6455, 5.2)',
  ),
  compressedContinuation: violation(
    1002,
    'the peer set the compression bit on a frame that does not begin a message (RFC 7692, 6)',
  ),
  opcode: violation(1002, 'the peer sent a frame with a reserved opcode (RFC 6455, 5.2)'),
  unmasked: violation(1002, 'the client sent a frame that is not masked (RFC 6455, 5.1)'),
  masked: violation(1002, 'the server sent a masked frame (RFC 6455, 5.1)'),
  lengthNotMinimal: violation(1002, 'the peer did not use the shortest form of a frame length (RFC 6455, 5.2)'),
  lengthSign: violation(1002, 'the peer sent a frame length of 2^63 or more (RFC 6455, 5.2)'),
  controlLength: violation(1002, 'the peer sent a control frame of more than 125 bytes (RFC 6455, 5.5)'),
  controlFragmented: violation(1002, 'the peer sent a control frame in fragments (RFC 6455, 5.5)'),
  strayContinuation: violation(1002, 'the peer sent a continuation without a message to continue (RFC 6455, 5.4)'),
  interleaved: violation(1002, 'the peer began a message inside another one (RFC 6455, 5.4)'),
  closeLength: violation(1002, 'the peer sent a close frame with a body of one byte (RFC 6455, 5.5.1)'),
  closeCode: violation(1002, 'the peer sent a close code that may not be on the wire (RFC 6455, 7.4)'),
  closeReason: violation(1007, 'the reason in the close frame of the peer is not UTF-8 (RFC 6455, 5.5.1)'),
  text: violation(1007, 'the peer sent text that is not UTF-8 (RFC 6455, 8.1)'),
  inflate: violation(1007, 'the peer sent a compressed message that cannot be inflated (RFC 7692, 7.2.2)'),
  messageBytes: violation(1009, 'the peer sent a message that is larger than maxMessageBytes allows'),
  fragments: violation(1008, 'the peer cut a message into more fragments than maxFragments allows'),
});
