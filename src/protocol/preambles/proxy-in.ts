import { Errno } from '../../core/errno.ts';
import type { Preamble, PreamblePort } from './preamble.ts';
import type { ProxyHeader } from './proxy-header.ts';
import { type ProxyReader, ProxyStart } from './proxy-reader.ts';

/** What the PROXY headers of one server have in common. */
export interface ProxyInContext {
  readonly reader: ProxyReader;
  /** Whether connections without a header are let in. */
  readonly isOptional: boolean;
  /** The header of a connection came; null if there is none and none is needed. @returns Why it is refused, or null. */
  arrived(port: PreamblePort, header: ProxyHeader | null): string | null;
}

/** A PROXY header of version 1 or 2, in front of everything else. */
export class ProxyInPreamble implements Preamble {
  readonly awaits = 'the PROXY header';
  readonly maxBytes: number;
  #context: ProxyInContext;
  #port: PreamblePort;
  #hasBytes = false;

  constructor(context: ProxyInContext, port: PreamblePort) {
    this.#context = context;
    this.#port = port;
    this.maxBytes = context.reader.maxBytes;
  }

  receive(bytes: Buffer): number {
    const { reader, isOptional } = this.#context;
    this.#hasBytes = true;
    switch (reader.read(bytes)) {
      case ProxyStart.Part:
        return 0;
      case ProxyStart.Whole:
        this.#settle(reader.header);
        return reader.length;
      case ProxyStart.None:
        if (isOptional) this.#settle(null);
        else this.#port.fail('the peer sent no PROXY header', Errno.EBADMSG);
        return 0;
      default:
        this.#port.fail(`the peer sent a broken PROXY header: ${reader.problem}`, Errno.EBADMSG);
        return 0;
    }
  }

  #settle(header: ProxyHeader | null): void {
    const problem = this.#context.arrived(this.#port, header);
    if (problem === null) this.#port.done();
    else this.#port.fail(problem, Errno.EACCES);
  }

  /** A client of a protocol in which the server speaks first says nothing. */
  expired(): void {
    if (this.#context.isOptional && !this.#hasBytes) this.#settle(null);
  }
}
