import * as zlib from 'node:zlib';
import { expect } from 'vitest';
import {
  type ByteSource,
  type CodecFormat,
  type DecompressOptions,
  decompressStream,
  hasZstd,
} from '../../../src/helpers.ts';

/** What Node makes of the same bytes. */
export const nodeCompress: Record<CodecFormat, (data: Uint8Array) => Buffer> = {
  zlib: (data) => zlib.deflateSync(data),
  gzip: (data) => zlib.gzipSync(data),
  raw: (data) => zlib.deflateRawSync(data),
  brotli: (data) => zlib.brotliCompressSync(data, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 4 } }),
  zstd: (data) => (zlib as unknown as { zstdCompressSync(data: Uint8Array): Buffer }).zstdCompressSync(data),
};
export const nodeUncompress: Record<CodecFormat, (data: Uint8Array) => Buffer> = {
  zlib: (data) => zlib.inflateSync(data),
  gzip: (data) => zlib.gunzipSync(data),
  raw: (data) => zlib.inflateRawSync(data),
  brotli: (data) => zlib.brotliDecompressSync(data),
  zstd: (data) => (zlib as unknown as { zstdDecompressSync(data: Uint8Array): Buffer }).zstdDecompressSync(data),
};

/** Formats that this Node has. */
export const formats: CodecFormat[] = ['zlib', 'gzip', 'raw', 'brotli', ...(hasZstd ? (['zstd'] as const) : [])];

export async function collect(pieces: AsyncIterable<Buffer>): Promise<Buffer> {
  const all: Buffer[] = [];
  for await (const piece of pieces) all.push(piece);
  return Buffer.concat(all);
}

export function cut(data: Buffer, cuts: readonly number[]): Buffer[] {
  const ends = [...new Set(cuts.map((at) => at % (data.length + 1)))].sort((a, b) => a - b);
  return [...ends, data.length].map((end, i) => data.subarray(i === 0 ? 0 : ends[i - 1], end));
}

export function inflate(source: ByteSource, format: CodecFormat, options?: DecompressOptions): Promise<Buffer> {
  return collect(decompressStream(source, format, options));
}

/** The code of the error that a promise rejects with; '' if it does not. */
export async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return '';
  } catch (error) {
    expect(error).toMatchObject({ name: 'SocketError' });
    return (error as { code: string }).code;
  }
}
