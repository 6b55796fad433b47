import { Lifetime, type ReceiveContext, type ReceiveLayer, type ReceiveSink } from './protocol.ts';

/** What push connections of one component share. */
export interface PushContext extends ReceiveContext {
  /** Most bytes of one `onReceive`; 0 for as many as a read brings. */
  readonly maxChunkBytes: number;
}

/** Push: every read is one `onReceive`, cut to `maxChunkBytes` if that is set (EV-S-04). */
export class PushLayer implements ReceiveLayer {
  readonly deliversBytes = true;
  #context: PushContext;
  #sink: ReceiveSink;
  #backlog: Buffer | null = null;

  constructor(context: PushContext, sink: ReceiveSink) {
    this.#context = context;
    this.#sink = sink;
  }

  get hasBacklog(): boolean {
    return this.#backlog !== null;
  }

  get bufferedBytes(): number {
    return this.#backlog?.length ?? 0;
  }

  receive(bytes: Buffer, lifetime: Lifetime): void {
    if (this.#backlog !== null) {
      this.#backlog = Buffer.concat([this.#backlog, bytes]);
      return;
    }
    const own = lifetime === Lifetime.Call ? this.#context.pool.copy(bytes, 0, bytes.length) : bytes;
    const max = this.#context.maxChunkBytes;
    if (max === 0 || own.length <= max) this.#sink.deliver(own);
    else this.#deliverInChunks(own, max, lifetime === Lifetime.Loan);
  }

  resume(): void {
    const backlog = this.#backlog;
    if (backlog === null) return;
    this.#backlog = null;
    this.#deliverInChunks(backlog, this.#context.maxChunkBytes || backlog.length, false);
  }

  takeRest(): Buffer | null {
    const rest = this.#backlog;
    this.#backlog = null;
    return rest;
  }

  #deliverInChunks(bytes: Buffer, max: number, isLoan: boolean): void {
    let at = 0;
    while (at < bytes.length) {
      const end = Math.min(at + max, bytes.length);
      const goesOn = this.#sink.deliver(bytes.subarray(at, end));
      at = end;
      if (!goesOn) break;
    }
    if (at === bytes.length) return;
    const rest = bytes.subarray(at);
    this.#backlog = isLoan ? Buffer.from(rest) : rest;
  }
}
