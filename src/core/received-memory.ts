/** From here on V8 counts memory outside of its heap so that it needs help; see below. */
const V8_THAT_COUNTS = 13;

const isCounted = Number.parseInt(process.versions.v8, 10) >= V8_THAT_COUNTS;

/** Bytes of received memory that come with one byte of garbage in V8's heap. */
const MEMORY_PER_GARBAGE = 16;
const SLOT_BYTES = 8;

/** Written, never read: it only keeps V8 from leaving the allocation out. */
const latest: { garbage: unknown } = { garbage: null };

/**
 * Memory for received bytes, whose views are handed to listeners; V8 frees it when the last of them is gone.
 *
 * V8 looks for dead views when the young part of its heap is full, which is cheap. But we make so few objects for so many
 * bytes that in Node 24 a limit for memory outside of the heap is reached first, and then V8 goes through the whole heap:
 * every 75 ms in an echo of 1 KiB messages, for a third of the CPU. So there the memory brings garbage along, about as much
 * as `node:net` makes for as many bytes. (CPU relative to bare node:net, Node 24: 1 KiB echo, 16 in flight, 1.26 to 1.38
 * without and 0.92 to 1.08 with; 64 KiB echo 0.97 to 1.04 and 0.55 to 0.90. More garbage costs more than it saves.)
 */
export function allocateReceived(byteLength: number): Buffer {
  if (isCounted) latest.garbage = new Array(Math.trunc(byteLength / (MEMORY_PER_GARBAGE * SLOT_BYTES)));
  return Buffer.allocUnsafeSlow(byteLength);
}
