import { Errno } from '../../../src/core/errno.ts';
import type { ServerHooks } from '../../../src/core/listener.ts';
import type { SendQueue } from '../../../src/memory/send-queue.ts';
import { ByteProtocol } from '../../../src/protocol/byte-protocol.ts';
import { AtEnd, type Lifetime, type Port } from '../../../src/protocol/protocol.ts';
import { StreamServer } from '../../../src/server/stream-server.ts';

const LF = 10;
const EMPTY = Buffer.alloc(0);
export const MAX_LINE_BYTES = 64;

/** Lines that end with LF, as text: a protocol by somebody who knows only `Protocol` and `Port`. */
export class LineProtocol extends ByteProtocol {
  readonly deliversBytes = false;
  override get hasMessages(): boolean {
    return true;
  }

  #port: Port;
  /** What was not handed on: the beginning of a line, or whole lines while the port said stop. */
  #kept: Buffer = EMPTY;
  hasBacklog = false;

  constructor(port: Port) {
    super();
    this.#port = port;
  }

  get bufferedBytes(): number {
    return this.#kept.length;
  }

  get isMidMessage(): boolean {
    return this.#kept.length > 0 && !this.hasBacklog;
  }

  receive(bytes: Buffer, _lifetime: Lifetime): void {
    this.#kept = Buffer.concat([this.#kept, bytes]);
    this.#deliverLines();
  }

  resume(): void {
    if (this.hasBacklog) this.#deliverLines();
  }

  #deliverLines(): void {
    this.hasBacklog = false;
    let end = this.#kept.indexOf(LF);
    while (end >= 0) {
      const line = this.#kept.toString('utf8', 0, end);
      this.#kept = this.#kept.subarray(end + 1);
      end = this.#kept.indexOf(LF);
      if (this.#port.deliver(line)) continue;
      this.hasBacklog = end >= 0;
      return;
    }
    if (this.#kept.length > MAX_LINE_BYTES) {
      this.#kept = EMPTY;
      this.#port.violate(Errno.EMSGSIZE, `the peer sent a line of more than ${MAX_LINE_BYTES} bytes`);
    }
  }

  override ended(): AtEnd {
    return this.#kept.length > 0 ? AtEnd.Truncated : AtEnd.Drain;
  }

  takeRest(): Buffer | null {
    const rest = this.#kept;
    this.#kept = EMPTY;
    this.hasBacklog = false;
    return rest.length > 0 ? rest : null;
  }

  override sizeOf(length: number): number {
    return length > MAX_LINE_BYTES ? -Errno.EMSGSIZE : length + 1;
  }

  override frame(queue: SendQueue, bytes: Uint8Array): void {
    super.frame(queue, bytes);
    queue.append(newline, 0, 1);
  }

  override frameParts(queue: SendQueue, parts: readonly Uint8Array[], length: number): void {
    super.frameParts(queue, parts, length);
    queue.append(newline, 0, 1);
  }
}

const newline = Buffer.from('\n');

export class LineServer extends StreamServer {
  constructor(listener: ServerHooks<LineServer, string>, options?: object) {
    super(listener, options, () => (port) => new LineProtocol(port));
  }
}
