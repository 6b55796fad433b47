import type { BlockList } from 'node:net';
import { limitKey } from '../core/address.ts';
import type { Clock } from '../core/clock.ts';
import { TokenBucket } from '../core/token-bucket.ts';
import { type AddressList, isListed, toBlockList } from '../transport/address-list.ts';

/** The limits of a server on the clients that it lets in. */
export interface AdmissionSettings {
  readonly maxConnectionCount: number;
  readonly maxConnectionsPerAddress: number;
  readonly acceptsPerSecond: number;
  readonly allowList: AddressList | null;
  readonly blockList: AddressList | null;
}

/** Counters of what was refused, by limit. */
export interface AdmissionCounters {
  connections: number;
  perAddress: number;
  acceptRate: number;
  blockedAddresses: number;
}

/** Decides which peers a server lets in, before anything is allocated for them. Made anew by each start. */
export class Admission {
  #settings: AdmissionSettings;
  #counters: AdmissionCounters;
  #clock: Clock;
  #perAddress = new Map<string, number>();
  #rate: TokenBucket | null;
  #allowed: BlockList | null;
  #blocked: BlockList | null;
  #haveAddresses: boolean;

  /** @param haveAddresses Whether peers have addresses: not those of Unix domain sockets. */
  constructor(settings: AdmissionSettings, counters: AdmissionCounters, clock: Clock, haveAddresses = true) {
    const { maxConnectionCount, maxConnectionsPerAddress, acceptsPerSecond, allowList, blockList } = settings;
    // A copy: `settings` may be a component, whose properties are slower to read.
    this.#settings = { maxConnectionCount, maxConnectionsPerAddress, acceptsPerSecond, allowList, blockList };
    this.#counters = counters;
    this.#clock = clock;
    this.#haveAddresses = haveAddresses;
    this.#rate = acceptsPerSecond > 0 ? new TokenBucket(acceptsPerSecond, clock.now()) : null;
    this.#allowed = allowList === null ? null : toBlockList('allowList', allowList);
    this.#blocked = blockList === null ? null : toBlockList('blockList', blockList);
  }

  /**
   * Whether the lists keep this peer out; counted. Peers that were gone before they were accepted have no address any more,
   * so lists cannot let them in.
   */
  isBlocked(address: string): boolean {
    if ((this.#allowed === null && this.#blocked === null) || !this.#haveAddresses) return false;
    const isOut =
      address === '' ||
      (this.#allowed !== null && !isListed(this.#allowed, address)) ||
      (this.#blocked !== null && isListed(this.#blocked, address));
    if (isOut) this.#counters.blockedAddresses++;
    return isOut;
  }

  /**
   * Whether a peer may come in: null if not, else its key in the count per address ('' if that is not kept), to be given
   * back by `leave`.
   * @param count Connections there are now.
   */
  admit(address: string, count: number): string | null {
    if (this.isBlocked(address) || !this.hasRoom(count)) return null;
    const { maxConnectionsPerAddress } = this.#settings;
    // The rate comes last: one address that is over its limit must not use up what is for all.
    const key = this.#keyOf(address);
    const inUse = key === '' ? 0 : (this.#perAddress.get(key) ?? 0);
    if (key !== '' && inUse >= maxConnectionsPerAddress) {
      this.#counters.perAddress++;
      return null;
    }
    if (this.#rate !== null && !this.#rate.tryTake(1, this.#clock.now())) {
      this.#counters.acceptRate++;
      return null;
    }
    if (key !== '') this.#perAddress.set(key, inUse + 1);
    return key;
  }

  /** Whether there may be one connection more than `count`; counted. What `admit` asks as well. */
  hasRoom(count: number): boolean {
    if (count < this.#settings.maxConnectionCount) return true;
    this.#counters.connections++;
    return false;
  }

  /**
   * A peer that `admit` let in has another address now.
   * @param key What `admit` returned for it.
   * @returns Its key from now on; null if it may not be there.
   */
  move(key: string, address: string): string | null {
    if (this.isBlocked(address)) return null;
    const next = this.#keyOf(address);
    if (next === key) return key;
    const inUse = this.#perAddress.get(next) ?? 0;
    if (next !== '' && inUse >= this.#settings.maxConnectionsPerAddress) {
      this.#counters.perAddress++;
      return null;
    }
    if (next !== '') this.#perAddress.set(next, inUse + 1);
    this.leave(key);
    return next;
  }

  /** What the connections of an address are counted by; '' if they are not: without a limit, and where there is no address. */
  #keyOf(address: string): string {
    return this.#settings.maxConnectionsPerAddress === 0 || address === '' ? '' : limitKey(address);
  }

  /** A peer that `admit` let in is gone. */
  leave(key: string): void {
    if (key === '') return;
    const count = this.#perAddress.get(key) ?? 0;
    if (count <= 1) this.#perAddress.delete(key);
    else this.#perAddress.set(key, count - 1);
  }
}
