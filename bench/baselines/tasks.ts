/** What threads run, of a pool of ours or of piscina's. */
import { createHash } from 'node:crypto';

export function empty(): void {}

export function hash(data: Uint8Array): Uint8Array {
  return createHash('sha256').update(data).digest();
}

/** As long as an image or a large document takes. */
export function hashForLong(data: Uint8Array): Uint8Array {
  const sum = createHash('sha512');
  for (let round = 0; round < 4; round++) sum.update(data);
  return sum.digest();
}
