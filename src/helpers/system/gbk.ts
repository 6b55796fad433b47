/**
 * GBK the other way: Node decodes it, but does not encode it. The table is made when it is first needed, of what the decoder makes of
 * every pair of bytes (NHP-002); that takes some milliseconds, and 128 KiB.
 */
const LEAD_FIRST = 0x81;
const LEAD_LAST = 0xfe;
const TRAIL_FIRST = 0x40;
const TRAIL_LAST = 0xfe;
const NO_TRAIL = 0x7f;
const LINE_END = 0x0a;
/** The one byte above ASCII that is a character of its own. */
const EURO = 0x80;
const REPLACEMENT = 0xfffd;

let table: Uint16Array | undefined;

/** @throws RangeError for a character that GBK lacks. */
export function encodeGbk(text: string, name: string): Buffer {
  table ??= makeTable();
  const bytes = Buffer.allocUnsafe(text.length * 2);
  let length = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) {
      bytes[length++] = unit;
      continue;
    }
    const pair = table[unit]!;
    if (pair === 0) throw new RangeError(`${name} has no U+${unit.toString(16).toUpperCase().padStart(4, '0')}`);
    if (pair > 0xff) bytes[length++] = pair >> 8;
    bytes[length++] = pair & 0xff;
  }
  return bytes.subarray(0, length);
}

/** By UTF-16 unit, the two bytes, or one; 0 where there are none. All of GBK lies in the basic plane. */
function makeTable(): Uint16Array {
  const pairs: number[] = [EURO];
  for (let lead = LEAD_FIRST; lead <= LEAD_LAST; lead++) {
    for (let trail = TRAIL_FIRST; trail <= TRAIL_LAST; trail++) if (trail !== NO_TRAIL) pairs.push((lead << 8) | trail);
  }
  // One call decodes all of them, each on a line of its own: 24,000 calls would take a hundred milliseconds.
  const bytes = new Uint8Array(pairs.length * 3);
  let length = 0;
  for (const pair of pairs) {
    if (pair > 0xff) bytes[length++] = pair >> 8;
    bytes[length++] = pair & 0xff;
    bytes[length++] = LINE_END;
  }
  const lines = new TextDecoder('gbk').decode(bytes.subarray(0, length)).split('\n');
  const units = new Uint16Array(0x10000);
  for (const [i, pair] of pairs.entries()) {
    const line = lines[i]!;
    const unit = line.charCodeAt(0);
    // Of two pairs for one character, the first is the usual one.
    if (line.length === 1 && unit !== REPLACEMENT && units[unit] === 0) units[unit] = pair;
  }
  return units;
}
