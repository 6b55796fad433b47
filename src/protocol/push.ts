import { ByteProtocol } from './byte-protocol.ts';
import { Lifetime, type Port, type ReceiveContext } from './protocol.ts';

/** What push connections of one component share. */
export interface PushContext extends ReceiveContext {
  /** Most bytes of one `onReceive`; 0 for as many as a read brings. */
  readonly maxChunkBytes: number;
}

/** Push: every read is one `onReceive`, cut to `maxChunkBytes` if that is set (EV-S-04). */
export class PushProtocol extends ByteProtocol {
  get deliversBytes(): boolean {
    return true;
  }

  #context: PushContext;
  #port: Pick<Port, 'deliver'>;
  #backlog: Buffer | null = null;

  constructor(context: PushContext, port: Pick<Port, 'deliver'>) {
    super();
    this.#context = context;
    this.#port = port;
  }

  get hasBacklog(): boolean {
    return this.#backlog !== null;
  }

  get bufferedBytes(): number {
    return this.#backlog?.length ?? 0;
  }

  receive(bytes: Buffer, lifetime: Lifetime): void {
    const own = lifetime === Lifetime.Call ? this.#context.pool.copy(bytes, 0, bytes.length) : bytes;
    const max = this.#context.maxChunkBytes;
    if (max === 0 || own.length <= max) this.#port.deliver(own);
    else this.deliverInChunks(own, max, lifetime === Lifetime.Loan);
  }

  resume(): void {
    const backlog = this.#backlog;
    if (backlog === null) return;
    this.#backlog = null;
    this.deliverInChunks(backlog, this.#context.maxChunkBytes || backlog.length, false);
  }

  takeRest(): Buffer | null {
    const rest = this.#backlog;
    this.#backlog = null;
    return rest;
  }

  private deliverInChunks(bytes: Buffer, max: number, isLoan: boolean): void {
    let at = 0;
    while (at < bytes.length) {
      const end = Math.min(at + max, bytes.length);
      const goesOn = this.#port.deliver(bytes.subarray(at, end));
      at = end;
      if (!goesOn) break;
    }
    if (at === bytes.length) return;
    const rest = bytes.subarray(at);
    this.#backlog = isLoan ? Buffer.from(rest) : rest;
  }
}
