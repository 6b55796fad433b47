import { Errno } from '../../core/errno.ts';
import type { SendQueue } from '../../memory/send-queue.ts';
import type { FrameInput } from './frame-input.ts';
import { checkWhole, Framer } from './framer.ts';

/**
 * Messages of `sizeBytes` bytes each (HPSocket.Net's fixed-size adapter, ADP-007). `send` takes exactly so many (EMSGSIZE).
 * @param sizeBytes 1 to 2^30.
 * @throws TypeError, RangeError
 */
export function fixedSize(sizeBytes: number): Framer {
  return new FixedSizeFramer(checkWhole('the size of fixedSize', sizeBytes, 1, 2 ** 30));
}

class FixedSizeFramer extends Framer {
  readonly deliversBytes = true;
  readonly extraBytes = 0;

  decode(input: FrameInput): Buffer | undefined {
    const { at } = input;
    const end = at + this.maxMessageBytes;
    if (end > input.bytes.length) {
      input.needs = this.maxMessageBytes;
      return undefined;
    }
    input.at = end;
    return input.view(at, end);
  }

  sizeOf(length: number): number {
    return length === this.maxMessageBytes ? length : -Errno.EMSGSIZE;
  }

  override explain(length: number): string {
    return `a message of ${length} bytes is not possible, each has ${this.maxMessageBytes}`;
  }

  frame(queue: SendQueue, bytes: Uint8Array): void {
    queue.append(bytes, 0, bytes.length);
  }

  frameParts(queue: SendQueue, parts: readonly Uint8Array[], _length: number): void {
    for (const part of parts) queue.append(part, 0, part.length);
  }
}
