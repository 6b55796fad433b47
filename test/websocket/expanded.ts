import { InflateError, type Inflater, RunEnd } from '../../src/websocket/zlib-engine.ts';

/** What `data` expands to on threads, or why it does not: null if the engine was closed meanwhile. */
export async function expandedLater(
  inflater: Inflater,
  data: Uint8Array,
  maxBytes: number,
  isLast = true,
): Promise<Buffer | InflateError | null> {
  const slices: Buffer[] = [];
  let total = 0;
  const end = await inflater.inflateLater(data, isLast, (slice) => {
    slices.push(slice);
    total += slice.length;
    return total <= maxBytes;
  });
  if (end === RunEnd.Closed) return null;
  if (end === RunEnd.Stopped) return InflateError.TooLong;
  return end === RunEnd.Data ? InflateError.Data : Buffer.concat(slices);
}
