import type { Admission } from '../connection/admission.ts';
import type { ConnectionHost } from '../connection/host.ts';
import { PreambleStage } from '../connection/preamble-stage.ts';
import type { StreamConnection } from '../connection/stream-connection.ts';
import { type ProxyProtocolOptions, TrustedProxies } from '../connection/trusted-proxies.ts';
import { SocketOperation } from '../core/enums.ts';
import type { PreambleFactory } from '../protocol/preambles/preamble.ts';
import type { ProxyHeader } from '../protocol/preambles/proxy-header.ts';
import { ProxyInPreamble } from '../protocol/preambles/proxy-in.ts';
import { ProxyReader } from '../protocol/preambles/proxy-reader.ts';

/** How a connection comes in. */
export const Passage = Object.freeze({
  /** Not at all: it comes from no trusted proxy. */
  Closed: 0,
  /** As whom it comes from. */
  Direct: 1,
  /** As whom its PROXY header names. */
  Proxied: 2,
} as const);
export type Passage = (typeof Passage)[keyof typeof Passage];

/** What preambles stand in front of the connections of a server. Made by each start. */
export class Entrance {
  readonly #proxies: TrustedProxies | null;
  readonly #preamble: PreambleFactory | null;
  readonly #reader: ProxyReader;
  readonly #timeoutMs: number;
  readonly #admission: Admission;
  readonly #count: () => number;

  /** @param count Connections that the server has. */
  constructor(
    proxyProtocol: ProxyProtocolOptions | null,
    preamble: PreambleFactory | null,
    timeoutMs: number,
    admission: Admission,
    count: () => number,
  ) {
    this.#proxies = proxyProtocol === null ? null : new TrustedProxies(proxyProtocol);
    this.#preamble = preamble;
    this.#reader = new ProxyReader(this.#proxies?.maxHeaderBytes ?? 0);
    this.#timeoutMs = timeoutMs;
    this.#admission = admission;
    this.#count = count;
  }

  /** @param address Of the socket's peer. */
  passageOf(address: string): Passage {
    if (this.#proxies === null) return Passage.Direct;
    if (this.#proxies.includes(address)) return Passage.Proxied;
    return this.#proxies.letsOthersIn ? Passage.Direct : Passage.Closed;
  }

  /** Whether anything is spoken before the first hook. */
  hasPreambles(passage: Passage): boolean {
    return passage === Passage.Proxied || this.#preamble !== null;
  }

  /** Speaks the preambles of an accepted connection, then calls `finished`. */
  open(run: ConnectionHost, connection: StreamConnection, passage: Passage, finished: () => void): void {
    const factories: PreambleFactory[] = [];
    if (passage === Passage.Proxied) factories.push((port) => new ProxyInPreamble(this.#contextOf(connection), port));
    if (this.#preamble !== null) factories.push(this.#preamble);
    const stage = new PreambleStage(connection, factories, true);
    connection.preambles = stage;
    const timeoutMs = this.#timeoutMs;
    if (timeoutMs > 0) {
      connection.deadlines.armStage(timeoutMs, () => {
        if (stage.expired()) return;
        run.limits.preambles++;
        const message = `${stage.awaits} of connection ${connection.id} did not come within ${timeoutMs} ms (preambleTimeoutMs)`;
        connection.deadlines.timedOut(SocketOperation.Receive, message);
      });
    }
    stage.start(finished);
  }

  #contextOf(connection: StreamConnection) {
    return {
      reader: this.#reader,
      isOptional: this.#proxies!.isOptional,
      arrived: (_port: unknown, header: ProxyHeader | null) => this.#arrived(connection, header),
    };
  }

  /** The connection is whose its header says: now the limits look at it. */
  #arrived(connection: StreamConnection, header: ProxyHeader | null): string | null {
    connection.proxyHeader = header;
    const source = header?.source ?? null;
    if (source !== null) {
      connection.remoteAddress = source.address;
      connection.remotePort = source.port;
    }
    // A path is nothing that lists of addresses could know.
    const address = header?.family === 'unix' ? '' : connection.remoteAddress;
    const key = this.#admission.admit(address, this.#count() - 1);
    if (key === null) return `a limit of the server refused ${address || 'a client without an address'}`;
    if (key !== '') {
      const { onReleased } = connection;
      connection.onReleased = () => {
        onReleased?.();
        this.#admission.leave(key);
      };
    }
    return null;
  }
}
