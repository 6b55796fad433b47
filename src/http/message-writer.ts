import type { Port } from '../protocol/protocol.ts';
import { writeLatin1 } from './latin1.ts';

/** A body that is at hand. Text is sent as UTF-8. */
export type BodyBytes = string | Uint8Array | null | undefined;

/** Messages up to this length are written into one place, and copied by the send queue. */
const SCRATCH_BYTES = 4096;
const scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
const CRLF = Buffer.from('\r\n');
const views = new Map<number, Buffer>();

/** The first `length` bytes of the scratch. */
function scratchView(length: number): Buffer {
  let view = views.get(length);
  if (view === undefined) {
    view = scratch.subarray(0, length);
    if (views.size < 256) views.set(length, view);
  }
  return view;
}

/** Length of a body in bytes. */
export function bodyLength(body: BodyBytes): number {
  if (body === null || body === undefined) return 0;
  return typeof body === 'string' ? Buffer.byteLength(body) : body.length;
}

/**
 * Sends a head and its body as one unit (RES-002). The head is text of characters up to 0xff.
 * @param length `bodyLength` of the body.
 */
export function sendMessage(
  port: Pick<Port, 'send' | 'sendAll'>,
  head: string,
  body: BodyBytes,
  length: number,
): boolean {
  const total = head.length + length;
  if (total <= SCRATCH_BYTES) {
    writeLatin1(scratch, head, 0);
    if (typeof body === 'string') {
      if (length === body.length)
        writeLatin1(scratch, body, head.length); // one byte each
      else scratch.write(body, head.length, 'utf8');
    } else if (body !== null && body !== undefined) {
      scratch.set(body, head.length);
    }
    return port.send(scratchView(total));
  }
  if (length === 0) return port.send(Buffer.from(head, 'latin1'));
  if (typeof body === 'string') {
    const message = Buffer.allocUnsafe(total);
    writeLatin1(message, head, 0);
    message.write(body, head.length, 'utf8');
    return port.send(message);
  }
  return port.sendAll([latin1(head), body!], total);
}

/** Text of characters up to 0xff as bytes, to be sent at once: short ones lie in the scratch, and are copied by the send queue. */
function latin1(text: string): Buffer {
  if (text.length > SCRATCH_BYTES) return Buffer.from(text, 'latin1');
  writeLatin1(scratch, text, 0);
  return scratchView(text.length);
}

/** Sends text of characters up to 0xff. */
export function sendText(port: Pick<Port, 'send'>, text: string): boolean {
  return port.send(latin1(text));
}

/** Line in front of the bytes of a chunk (CHK-001). An extension that does not begin with `;` gets one. */
export function chunkHeader(length: number, extensions: string | null | undefined): string {
  const size = length.toString(16);
  if (extensions === null || extensions === undefined || extensions === '') return `${size}\r\n`;
  return extensions.startsWith(';') ? `${size} ${extensions}\r\n` : `${size} ;${extensions}\r\n`;
}

/**
 * Sends one chunk as a unit; no bytes are the last chunk (CHK-001 to CHK-003).
 * @throws TypeError for extensions that cannot be sent.
 */
export function sendChunk(
  port: Pick<Port, 'send' | 'sendAll'>,
  body: BodyBytes,
  extensions: string | null | undefined,
  trailers = '',
): boolean {
  if (extensions && !/^[\t\x20-\x7e]*$/.test(extensions)) {
    throw new TypeError('chunk extensions must be printable ASCII without line breaks');
  }
  const length = bodyLength(body);
  const header = chunkHeader(length, extensions);
  if (length === 0) return sendText(port, `${header}${trailers}\r\n`);
  if (header.length + length + 2 > SCRATCH_BYTES && typeof body !== 'string') {
    return port.sendAll([latin1(header), body!, CRLF], header.length + length + 2);
  }
  const total = header.length + length + 2;
  const bytes = total <= SCRATCH_BYTES ? scratch : Buffer.allocUnsafe(total);
  writeLatin1(bytes, header, 0);
  if (typeof body === 'string') bytes.write(body, header.length, 'utf8');
  else bytes.set(body!, header.length);
  writeLatin1(bytes, '\r\n', header.length + length);
  return port.send(bytes === scratch ? scratchView(total) : bytes);
}
