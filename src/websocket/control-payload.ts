import { describe } from '../core/describe.ts';
import { CloseCode, isWireCloseCode, MAX_CONTROL_BYTES, type Violation, Violations } from './opcode.ts';
import { isWholeUtf8 } from './utf8.ts';

const EMPTY = Buffer.alloc(0);

/** The code of a close body that has one. */
export function closeCodeOf(body: Uint8Array): number {
  return (body[0]! << 8) | body[1]!;
}

/** What is wrong with the body of a close frame (RFC 6455, 5.5.1 and 7.4). */
export function checkCloseBody(body: Buffer): Violation | null {
  const { length } = body;
  if (length === 0) return null;
  if (length === 1) return Violations.closeLength;
  if (!isWireCloseCode(closeCodeOf(body))) return Violations.closeCode;
  return isWholeUtf8(body, 2, length) ? null : Violations.closeReason;
}

/** Body of a close frame; empty for 1005. Throws for a code that may not be on the wire, and a reason that does not fit. */
export function closeBodyOf(code: number, reason: string): Buffer {
  if (code === CloseCode.NoStatus && reason === '') return EMPTY;
  if (!Number.isInteger(code) || !isWireCloseCode(code)) {
    throw new RangeError('a close code has to be 1000 to 1003, 1007 to 1014, or 3000 to 4999');
  }
  if (typeof reason !== 'string') throw new TypeError(`a close reason must be a string, not ${describe(reason)}`);
  if (reason === '') return Buffer.from([code >> 8, code & 255]);
  const text = Buffer.from(reason);
  if (text.length > MAX_CONTROL_BYTES - 2) {
    throw new RangeError(`a close reason has at most ${MAX_CONTROL_BYTES - 2} bytes, not ${text.length}`);
  }
  return Buffer.concat([Buffer.from([code >> 8, code & 255]), text]);
}

/** The payload of a ping or a pong. Throws for one that does not fit. */
export function checkedControl(data: Uint8Array): Uint8Array {
  if (data.length > MAX_CONTROL_BYTES) {
    throw new RangeError(`the payload of a ping or pong has at most ${MAX_CONTROL_BYTES} bytes, not ${data.length}`);
  }
  return data;
}
