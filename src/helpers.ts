/** What HP-Socket has beside sockets: `hp-socket/helpers`. */

export type { SocketAddress } from './core/address.ts';
export { getSocketErrorDesc } from './core/enums.ts';
export type { Codec, CodecCallback } from './helpers/codec/codec.ts';
export { CodecResult, codecResultOf } from './helpers/codec/codec-error.ts';
export {
  type Compressor,
  createBrotliCompressor,
  createGZipCompressor,
  createZLibCompressor,
  createZstdCompressor,
} from './helpers/codec/compressor.ts';
export {
  createBrotliDecompressor,
  createGZipDecompressor,
  createZLibDecompressor,
  createZstdDecompressor,
  type Decompressor,
} from './helpers/codec/decompressor.ts';
export { hasZstd } from './helpers/codec/engine.ts';
export {
  brotliCompress,
  brotliUncompress,
  compress,
  gzipCompress,
  gzipUncompress,
  rawCompress,
  rawUncompress,
  uncompress,
  zstdCompress,
  zstdUncompress,
} from './helpers/codec/one-shot.ts';
export type {
  BrotliOptions,
  CodecFormat,
  DecompressOptions,
  DeflateOptions,
  ZstdOptions,
} from './helpers/codec/options.ts';
export { type ByteSource, compressStream, decompressStream } from './helpers/codec/streams.ts';
export { RejectedPolicy, TaskBufferType } from './helpers/enums.ts';
export {
  enumHostIPAddresses,
  getIPAddress,
  getSocketLocalAddress,
  getSocketRemoteAddress,
  type IPAddr,
  isIPAddress,
} from './helpers/system/address.ts';
export { brotliGuessCompressBound, guessCompressBound, gzipGuessUncompressBound } from './helpers/system/bounds.ts';
export {
  charsetConvert,
  gbkToUnicode,
  gbkToUtf8,
  unicodeToGbk,
  unicodeToUtf8,
  utf8ToGbk,
  utf8ToUnicode,
} from './helpers/system/charset.ts';
export { hToN64, isLittleEndian, nToH64, swapEndian16, swapEndian32 } from './helpers/system/endian.ts';
export { getLastError, getLastErrorStr, type SystemErrorSource } from './helpers/system/error-text.ts';
export { ssoLinger, ssoNoDelay, ssoRecvBuffSize, ssoSendBuffSize } from './helpers/system/socket-options.ts';
export {
  base64Decode,
  base64Encode,
  guessBase64DecodeBound,
  guessBase64EncodeBound,
  guessUrlDecodeBound,
  guessUrlEncodeBound,
  urlDecode,
  urlEncode,
} from './helpers/system/text.ts';
export { getHPSocketVersion, getVersion } from './helpers/system/version.ts';
export { type ThreadPoolHooks, ThreadPoolListener } from './helpers/thread-pool/listener.ts';
export type {
  SubmitOptions,
  ThreadPoolProperties,
  ThreadPoolStartOptions,
  ThreadPoolStopOptions,
  ThreadPoolStopReport,
} from './helpers/thread-pool/settings.ts';
export {
  createSocketTask,
  type SocketTask,
  type SocketTaskArgument,
  type SocketTaskOptions,
} from './helpers/thread-pool/socket-task.ts';
export type { ThreadPoolStats } from './helpers/thread-pool/stats.ts';
export type { TaskRef } from './helpers/thread-pool/task-ref.ts';
export { type AnyTasks, ThreadPool } from './helpers/thread-pool/thread-pool.ts';
export { type Transferable, type TransferredResult, transferResult } from './helpers/thread-pool/transfer.ts';
