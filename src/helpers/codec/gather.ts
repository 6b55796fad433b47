/** Bytes copied in one turn of the event loop: some 0.3 ms. */
const STEP_BYTES = 1024 * 1024;

/** One Buffer of all pieces. A large one is put together over several turns, so that the event loop is not blocked. */
export async function gather(pieces: AsyncIterable<Buffer>): Promise<Buffer> {
  const all: Buffer[] = [];
  let length = 0;
  for await (const piece of pieces) {
    all.push(piece);
    length += piece.length;
  }
  if (length <= STEP_BYTES) return Buffer.concat(all, length);
  const whole = Buffer.allocUnsafeSlow(length);
  let at = 0;
  let next = STEP_BYTES;
  for (const piece of all) {
    at += piece.copy(whole, at);
    if (at < next) continue;
    next = at + STEP_BYTES;
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  return whole;
}
