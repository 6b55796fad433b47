import { DocumentedDeflater, DocumentedInflater } from './documented-engines.ts';
import { NativeDeflater, NativeInflater } from './native-engines.ts';
import { type Deflater, InflateError, type Inflater } from './zlib-engine.ts';

let nativeWorks: boolean | null = null;

/** Whether the undocumented calls are there and right: they are believed only after they have carried bytes. */
export function hasNativeEngines(): boolean {
  nativeWorks ??= process.env.HP_SOCKET_FAST_PATH !== 'off' && probe();
  return nativeWorks;
}

function probe(): boolean {
  const messages = ['first message', 'first message, again', 'x'.repeat(100_000)].map((text) => Buffer.from(text));
  try {
    const deflater = new NativeDeflater(15, 6, 8);
    const inflater = new NativeInflater(15);
    const isRight = messages.every((message) => {
      const back = inflater.inflate(Buffer.from(deflater.deflate(message)), 1 << 20);
      return Buffer.isBuffer(back) && back.equals(message);
    });
    const refuses = inflater.inflate(Buffer.from([0xff, 0xff]), 100) === InflateError.Data;
    deflater.close();
    inflater.close();
    return isRight && refuses;
  } catch {
    return false;
  }
}

/** zlib has no raw deflate with a window of 256 bytes (bits 8): it makes one of 512 of it, which the peer need not understand. */
export const MIN_DEFLATE_BITS = 9;

/** @param windowBits 9 to 15. @param level 0 to 9, -1 for zlib's own. @param memLevel 1 to 9. */
export function createDeflater(windowBits: number, level: number, memLevel: number): Deflater {
  return hasNativeEngines()
    ? new NativeDeflater(windowBits, level, memLevel)
    : new DocumentedDeflater(windowBits, level, memLevel);
}

/** @param windowBits 8 to 15. */
export function createInflater(windowBits: number): Inflater {
  return hasNativeEngines() ? new NativeInflater(windowBits) : new DocumentedInflater(windowBits);
}

/** For tests: both kinds of engines. */
export const engines = {
  native: {
    deflater: (bits: number): Deflater => new NativeDeflater(bits, 6, 8),
    inflater: (bits: number): Inflater => new NativeInflater(bits),
  },
  documented: {
    deflater: (bits: number): Deflater => new DocumentedDeflater(bits, 6, 8),
    inflater: (bits: number): Inflater => new DocumentedInflater(bits),
  },
};
