/**
 * What of llhttp's C structures is used here, as the 32-bit build lays them out. `checkLayout` proves it when the parser is
 * loaded.
 *
 * ```
 *   parser   20 error position u32 | 32 content_length u64 | 41 method u8 | 42 major u8 | 43 minor u8 | 46 lenient flags u16
 *            48 upgrade u8 | 50 flags u16 | 52 status code u16
 *   settings one u32 for each callback: its index in the function table, 0 for none
 * ```
 */
export const PARSER_BYTES = 64;
export const ERROR_POSITION = 20;
export const CONTENT_LENGTH = 32;
/** Word with the method in its second byte, major and minor version in the others. */
export const METHOD_AND_VERSION = 40;
export const METHOD = 41;
export const LENIENT_FLAGS = 46;
/** Word with `upgrade` in its first byte, the flags in its upper half. */
export const UPGRADE_AND_FLAGS = 48;
export const STATUS_CODE = 52;

/** Words of the settings. More than llhttp has, so that one that is added is 0. */
export const SETTINGS_WORDS = 32;

/** Places in the settings. */
export const Setting = Object.freeze({
  Url: 2,
  Status: 3,
  HeaderField: 6,
  HeaderValue: 7,
  ChunkExtensionName: 8,
  ChunkExtensionValue: 9,
  HeadersComplete: 10,
  Body: 11,
  MessageComplete: 12,
  ChunkHeader: 22,
  ChunkComplete: 23,
} as const);

/** llhttp's F_*: what it knows of a message. */
export const Flag = Object.freeze({
  ConnectionKeepAlive: 1,
  ConnectionClose: 2,
  ConnectionUpgrade: 4,
  Chunked: 8,
  Upgrade: 16,
  ContentLength: 32,
  TransferEncoding: 512,
} as const);

/** llhttp's LENIENT_*: what it is to accept. */
export const Lenient = Object.freeze({
  /** Values with control characters, folded lines. */
  Headers: 1,
  /** Versions other than 0.9, 1.0, 1.1 and 2.0. */
  Version: 16,
  /** LF without CR behind a field. */
  OptionalCrBeforeLf: 256,
  /** `5 ;ext`: blanks behind the size of a chunk. */
  SpacesAfterChunkSize: 512,
} as const);
