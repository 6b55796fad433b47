import type { Admission } from '../connection/admission.ts';
import type { ConnectionHost } from '../connection/host.ts';
import { PreambleStage, type StageOwner, type StagePort } from '../connection/preamble-stage.ts';
import type { StreamConnection } from '../connection/stream-connection.ts';
import { type ProxyProtocolOptions, TrustedProxies } from '../connection/trusted-proxies.ts';
import { SocketOperation } from '../core/enums.ts';
import { Errno } from '../core/errno.ts';
import { type Linked, LinkedList } from '../core/linked-list.ts';
import { WheelTimer } from '../core/timer-wheel.ts';
import type { PreambleFactory, PreamblePort } from '../protocol/preambles/preamble.ts';
import type { ProxyHeader } from '../protocol/preambles/proxy-header.ts';
import { type ProxyInContext, ProxyInPreamble } from '../protocol/preambles/proxy-in.ts';
import { ProxyReader, ProxyStart } from '../protocol/preambles/proxy-reader.ts';

/** Properties of a server that say what stands in front of its connections. */
export interface EntranceSettings {
  readonly proxyProtocol: ProxyProtocolOptions | null;
  readonly preamble: PreambleFactory | null;
  readonly preambleTimeoutMs: number;
}

/** The preambles of an accepted connection. */
class EntranceStage extends PreambleStage implements Linked<EntranceStage> {
  previous: EntranceStage | null = null;
  next: EntranceStage | null = null;
  isListed = false;
  /** When its time is over, in milliseconds of the clock. */
  until = 0;
  readonly #entrance: Entrance;
  /** Called when all are done. */
  readonly opened: () => void;

  constructor(
    connection: StreamConnection,
    factories: readonly PreambleFactory[],
    owner: Entrance,
    opened: () => void,
    isProxied: boolean,
  ) {
    super(connection, factories, true, owner);
    this.#entrance = owner;
    this.opened = opened;
    this.isLazy = isProxied;
  }

  /** Most headers are whole in the first read, and then there is nothing that a preamble would have to remember. */
  protected override takeFirst(bytes: Buffer): number {
    return this.#entrance.takeHeader(this, bytes);
  }
}

/** How a connection comes in. */
export const Passage = Object.freeze({
  /** Not at all: it comes from no trusted proxy. */
  Closed: 0,
  /** With the address of its socket. */
  Direct: 1,
  /** With the address that its PROXY header names. */
  Proxied: 2,
} as const);
export type Passage = (typeof Passage)[keyof typeof Passage];

/**
 * What preambles stand in front of the connections of a server, and for how long. Made by each start.
 *
 * All of them have the same time, so those that began first are the first whose time is over: one timer serves them.
 */
export class Entrance implements StageOwner, ProxyInContext {
  readonly reader: ProxyReader;
  readonly #run: ConnectionHost;
  readonly #proxies: TrustedProxies | null;
  readonly #timeoutMs: number;
  readonly #admission: Admission;
  readonly #count: () => number;
  /** By passage. */
  readonly #factories: readonly (readonly PreambleFactory[])[];
  /** Those that are spoken, oldest first. */
  readonly #waiting = new LinkedList<EntranceStage>();
  #timer = new WheelTimer(() => this.#look());

  /** @param count Connections that the server has. */
  constructor(
    run: ConnectionHost,
    { proxyProtocol, preamble, preambleTimeoutMs }: EntranceSettings,
    admission: Admission,
    count: () => number,
  ) {
    this.#run = run;
    this.#proxies = proxyProtocol === null ? null : new TrustedProxies(proxyProtocol);
    this.reader = new ProxyReader(this.#proxies?.maxHeaderBytes ?? 0);
    this.#timeoutMs = preambleTimeoutMs;
    this.#admission = admission;
    this.#count = count;
    const own = preamble === null ? [] : [preamble];
    this.#factories = [own, own, [(port) => new ProxyInPreamble(this, port), ...own]];
  }

  get isOptional(): boolean {
    return this.#proxies!.isOptional;
  }

  /** @param address Of the socket's peer. */
  passageOf(address: string): Passage {
    if (this.#proxies === null) return Passage.Direct;
    if (this.#proxies.includes(address)) return Passage.Proxied;
    return this.#proxies.letsOthersIn ? Passage.Direct : Passage.Closed;
  }

  /** Whether anything is spoken before the first hook. */
  hasPreambles(passage: Passage): boolean {
    return this.#factories[passage]!.length > 0;
  }

  /** Speaks the preambles of an accepted connection, which is connected then, and calls `opened`. */
  open(connection: StreamConnection, passage: Passage, opened: () => void): void {
    const stage = new EntranceStage(connection, this.#factories[passage]!, this, opened, passage === Passage.Proxied);
    connection.preambles = stage;
    this.#await(stage);
    stage.start();
  }

  #await(stage: EntranceStage): void {
    const { wheel } = this.#run;
    stage.until = wheel.clock.now() + this.#timeoutMs;
    this.#waiting.add(stage);
    if (this.#timeoutMs > 0 && !this.#timer.isArmed) wheel.arm(this.#timer, this.#timeoutMs);
  }

  finished(stage: EntranceStage): void {
    this.#waiting.remove(stage);
    (stage.connection as StreamConnection).connected();
    stage.opened();
  }

  gaveUp(stage: EntranceStage): void {
    this.#waiting.remove(stage);
  }

  /** Ends those whose time is over. */
  #look(): void {
    const { wheel } = this.#run;
    const now = wheel.clock.now();
    for (let stage = this.#waiting.first; stage !== null; stage = this.#waiting.first) {
      if (stage.until > now) return wheel.arm(this.#timer, stage.until - now);
      if (!stage.expired()) {
        this.#waiting.remove(stage);
        this.#late(stage.connection as StreamConnection, stage);
      } else if (this.#waiting.remove(stage)) {
        // Content with that, and another preamble comes behind it, with as much time.
        this.#await(stage);
      }
    }
  }

  #late(connection: StreamConnection, stage: PreambleStage): void {
    this.#run.limits.preambles++;
    const message = `${stage.awaits} of connection ${connection.id} did not come within ${this.#timeoutMs} ms (preambleTimeoutMs)`;
    connection.deadlines.timedOut(SocketOperation.Receive, message);
  }

  /** Takes a header that is whole. @returns Its bytes; 0 if it is not, or no header. */
  takeHeader(stage: EntranceStage, bytes: Buffer): number {
    const { reader } = this;
    if (reader.read(bytes) !== ProxyStart.Whole) return 0;
    const { length } = reader;
    const problem = this.#belongs(stage, reader.header);
    if (problem !== null) stage.fail(problem, Errno.EACCES);
    return length;
  }

  arrived(port: PreamblePort, header: ProxyHeader | null): string | null {
    return this.#belongs((port as StagePort).stage, header);
  }

  /** The connection is whose its header says: now the limits look at it. @returns Why it is refused, or null. */
  #belongs(stage: PreambleStage, header: ProxyHeader | null): string | null {
    const connection = stage.connection as StreamConnection;
    connection.proxyHeader = header;
    const source = header?.source ?? null;
    if (source !== null) {
      connection.remoteAddress = source.address;
      connection.remotePort = source.port;
    }
    // A path is nothing that lists of addresses could know.
    const address = header?.family === 'unix' ? '' : connection.remoteAddress;
    const key = this.#admission.admit(address, this.#count() - 1);
    if (key === null) {
      stage.isCounted = true;
      return `a limit of the server refused ${address || 'a client without an address'}`;
    }
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
