import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Wasm } from '../../core/wasm.ts';

/** Names of llhttp's two builds: in the package, and in undici, where the build of the package takes them from. */
const builds = {
  simd: { file: './llhttp-simd.wasm', source: 'undici/lib/llhttp/llhttp_simd-wasm.js' },
  plain: { file: './llhttp.wasm', source: 'undici/lib/llhttp/llhttp-wasm.js' },
} as const;

/**
 * llhttp as WebAssembly: the build with vector instructions, or the one without where the machine has none.
 * @throws Error if the package is incomplete.
 */
export function llhttpBinary(): Uint8Array {
  const simd = readBuild('simd');
  return Wasm.validate(simd) ? simd : readBuild('plain');
}

/** One of the builds, from beside this file; sources that were not built find it in the devDependency. */
export function readBuild(name: keyof typeof builds): Uint8Array {
  const { file, source } = builds[name];
  try {
    return Uint8Array.from(readFileSync(new URL(file, import.meta.url)));
  } catch (cause) {
    try {
      return Uint8Array.from(createRequire(import.meta.url)(source) as Uint8Array);
    } catch {
      throw new Error(`hp-socket: the HTTP parser ${file} is missing from the package; install it again`, { cause });
    }
  }
}

/** The first text that llhttp 9.3 brought; the binary carries no version number. */
const SINCE_9_3 = 'HPE_CB_PROTOCOL_COMPLETE';

/** Whether a binary is llhttp 9.3 or later. */
export function isRecentLlhttp(binary: Uint8Array): boolean {
  return Buffer.from(binary.buffer, binary.byteOffset, binary.length).includes(SINCE_9_3);
}
