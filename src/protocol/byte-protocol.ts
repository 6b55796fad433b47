import type { SendQueue } from '../memory/send-queue.ts';
import { AtEnd, type Lifetime, type Protocol } from './protocol.ts';

/** What protocols without messages of their own have in common: bytes are sent as they are, and there is nothing to say at the end. */
export abstract class ByteProtocol implements Protocol {
  abstract readonly deliversBytes: boolean;
  get hasMessages(): boolean {
    return false;
  }

  abstract readonly hasBacklog: boolean;
  abstract readonly bufferedBytes: number;
  abstract receive(bytes: Buffer, lifetime: Lifetime): void;
  abstract resume(): void;
  abstract takeRest(): Buffer | null;

  opened(): void {}

  ended(): AtEnd {
    return AtEnd.Drain;
  }

  drain(): boolean {
    return true;
  }

  closed(): void {}

  sizeOf(length: number): number {
    return length;
  }

  frame(queue: SendQueue, bytes: Uint8Array): void {
    queue.append(bytes, 0, bytes.length);
  }

  frameParts(queue: SendQueue, parts: readonly Uint8Array[], _length: number): void {
    for (const part of parts) queue.append(part, 0, part.length);
  }

  explain(length: number): string {
    return `a message of ${length} bytes is not possible`;
  }
}
