import type { SocketError } from '../core/errors.ts';
import type { ProxyHeader } from '../protocol/preambles/proxy-header.ts';
import type { ConnectionHost } from './host.ts';
import { FIRST_FACT_OF_SUBCLASS, Lifecycle } from './lifecycle.ts';
import type { PreambleSide } from './link.ts';

/** Facts of a stream connection, in the same number as those of its life. */
export const MAY_SEND_WHILE_OPENING = FIRST_FACT_OF_SUBCLASS;
export const AWAITS_SENT = FIRST_FACT_OF_SUBCLASS << 1;
export const IS_ENDING = FIRST_FACT_OF_SUBCLASS << 2;
export const IS_SHUT_DOWN = FIRST_FACT_OF_SUBCLASS << 3;
/** What a resumed receiver kept is delivered at the end of this turn. */
export const MUST_RESUME = FIRST_FACT_OF_SUBCLASS << 4;
/** It disconnects at the end of this turn. */
export const DISCONNECTS = FIRST_FACT_OF_SUBCLASS << 5;
/** Its socket is closed, and what came before the peer's end is still to be delivered. */
export const OUTLIVES_SOCKET = FIRST_FACT_OF_SUBCLASS << 6;
export const HAS_SAID_GOODBYE = FIRST_FACT_OF_SUBCLASS << 7;
/** It closes by a reset, whatever has been sent. */
export const RESETS = FIRST_FACT_OF_SUBCLASS << 8;
export const HAD_PREAMBLES = FIRST_FACT_OF_SUBCLASS << 9;
export const IS_TUNNELLED = FIRST_FACT_OF_SUBCLASS << 10;
/** It disconnects, and its last moment runs. */
export const HAS_LAST_MOMENT = FIRST_FACT_OF_SUBCLASS << 11;

const NO_PROXIES: readonly string[] = [];

/** What few connections have, made when one of it is first set. */
class SeldomFacts {
  serverName = '';
  endNote: SocketError | undefined = undefined;
  /** Lets the connection in though an opening hook has not answered. */
  goOn: (() => void) | null = null;
  holds = 0;
  /** Why a write failed, while the last words of the peer are read. */
  failure: Error | null = null;
  /** Bytes that the failed write, and what was queued behind it, did not bring to the peer. */
  lostBytes = 0;
  preambles: PreambleSide | null = null;
  proxyHeader: ProxyHeader | null = null;
  proxies: readonly string[] = NO_PROXIES;
}

/** What is known of a stream connection, in few bytes: there may be a million of them. */
export abstract class StreamFacts extends Lifecycle<ConnectionHost> {
  /** Null while this connection has nothing of it. */
  protected seldom: SeldomFacts | null = null;

  /** Over TLS: whether clear text may be sent before the handshake, because that is started by hand. */
  get canSendWhileOpening(): boolean {
    return (this.facts & MAY_SEND_WHILE_OPENING) !== 0;
  }

  set canSendWhileOpening(isSo: boolean) {
    this.mark(MAY_SEND_WHILE_OPENING, isSo);
  }

  /** Whether `allSent` is to be called when everything that is queued has been written. */
  get awaitsSent(): boolean {
    return (this.facts & AWAITS_SENT) !== 0;
  }

  set awaitsSent(isSo: boolean) {
    this.mark(AWAITS_SENT, isSo);
  }

  /** Whether it drains, or will when its opening hooks are done. */
  get isEnding(): boolean {
    return (this.facts & IS_ENDING) !== 0;
  }

  /** Whether everything was sent and a FIN after it. */
  get isShutDown(): boolean {
    return (this.facts & IS_SHUT_DOWN) !== 0;
  }

  /** Gets what arrives in the place of the receiver; null where there are no preambles, or they are over. */
  get preambles(): PreambleSide | null {
    return this.seldom?.preambles ?? null;
  }

  set preambles(preambles: PreambleSide | null) {
    if (preambles !== this.preambles) this.useSeldom().preambles = preambles;
    if (preambles !== null) this.mark(HAD_PREAMBLES, true);
  }

  /** Whether preambles were spoken on it. */
  get hadPreambles(): boolean {
    return (this.facts & HAD_PREAMBLES) !== 0;
  }

  /** Whether TLS is spoken with a proxy, which gets a close_notify at the end. */
  get isTunnelled(): boolean {
    return (this.facts & IS_TUNNELLED) !== 0;
  }

  set isTunnelled(isSo: boolean) {
    this.mark(IS_TUNNELLED, isSo);
  }

  /** The PROXY header that it came with; null if with none. */
  get proxyHeader(): ProxyHeader | null {
    return this.seldom?.proxyHeader ?? null;
  }

  set proxyHeader(header: ProxyHeader | null) {
    if (header !== this.proxyHeader) this.useSeldom().proxyHeader = header;
  }

  /** The proxies that it goes through, nearest first, as URLs without passwords. */
  get proxies(): readonly string[] {
    return this.seldom?.proxies ?? NO_PROXIES;
  }

  set proxies(proxies: readonly string[]) {
    if (proxies.length > 0) this.useSeldom().proxies = proxies;
  }

  /** The server name given to `connect` (option `serverName`, or behind `^`), over TLS. */
  get serverName(): string {
    return this.seldom?.serverName ?? '';
  }

  set serverName(name: string) {
    if (name !== this.serverName) this.useSeldom().serverName = name;
  }

  /** What `onClose` is to tell about an end that is graceful as far as the system knows. */
  get endNote(): SocketError | undefined {
    return this.seldom?.endNote;
  }

  set endNote(error: SocketError | undefined) {
    this.useSeldom().endNote = error;
  }

  protected useSeldom(): SeldomFacts {
    this.seldom ??= new SeldomFacts();
    return this.seldom;
  }

  protected get failure(): Error | null {
    return this.seldom?.failure ?? null;
  }

  protected get disconnects(): boolean {
    return (this.facts & DISCONNECTS) !== 0;
  }

  protected get outlivesSocket(): boolean {
    return (this.facts & OUTLIVES_SOCKET) !== 0;
  }
}
