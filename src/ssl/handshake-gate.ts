import { type Linked, LinkedList } from '../core/linked-list.ts';
import { type TimerWheel, WheelTimer } from '../core/timer-wheel.ts';

/** A handshake, as the gate sees it. */
export interface GateEntry {
  /** Those of one address share its limit; '' for peers without an address. */
  readonly gateAddress: string;
  /** Changes when bytes arrive from the peer. */
  readonly bytesRead: number;
  /** Kept by the gate. */
  slot: Slot | null;
  /** It has its turn. */
  go(): void;
}

/** Milliseconds that a peer may keep a slot without a byte while others wait for one. */
export const MUTE_MS = 250;

/** How often mute peers are looked for, while others wait. */
const LOOK_MS = 50;

/** So many slots at most are taken from mute peers in one look: each makes another handshake begin in the same turn. */
const MAX_TAKEN_PER_LOOK = 64;

/** What a handshake has that is under way. */
export class Slot implements Linked<Slot> {
  previous: Slot | null = null;
  next: Slot | null = null;
  isListed = false;
  readonly entry: GateEntry;
  /** Since when no byte was seen. */
  muteSince: number;
  bytesRead: number;

  constructor(entry: GateEntry, now: number) {
    this.entry = entry;
    this.muteSince = now;
    this.bytesRead = entry.bytesRead;
  }
}

interface AddressRow {
  readonly address: string;
  underWay: number;
  /** In order. An entry that closes while it waits is taken out at once, so that a flood leaves nothing behind. */
  readonly waiting: Set<GateEntry>;
}

/**
 * Lets so many handshakes be under way at once, and so many with one address; the others wait in a row per address, and the
 * rows have their turns one after another.
 *
 * ```
 *   enter --> slot --> leave              a slot whose peer is mute for MUTE_MS while others
 *     |        ^                          wait goes to one of them; its handshake goes on without
 *     +--> row of its address
 * ```
 */
export class HandshakeGate {
  readonly max: number;
  readonly maxPerAddress: number;
  #wheel: TimerWheel;
  #struck: () => void;
  /** Oldest first. */
  readonly #slots = new LinkedList<Slot>();
  #rows = new Map<string, AddressRow>();
  /** Rows whose first entry may go as soon as there is a slot, in the order of their turns. */
  #ready = new Set<AddressRow>();
  #waitingCount = 0;
  readonly #look = new WheelTimer(() => this.#takeFromMute());
  #looksAt = 0;

  /** @param struck Called for each entry that has to wait. */
  constructor(max: number, maxPerAddress: number, wheel: TimerWheel, struck: () => void) {
    this.max = max;
    this.maxPerAddress = maxPerAddress;
    this.#wheel = wheel;
    this.#struck = struck;
  }

  get underWay(): number {
    return this.#slots.size;
  }

  get waiting(): number {
    return this.#waitingCount;
  }

  enter(entry: GateEntry): void {
    const row = this.#rowOf(entry.gateAddress);
    const isFirst = row.waiting.size === 0 && this.#isBelowLimit(row);
    if (isFirst && this.#slots.size < this.max) return this.#go(entry, row);
    this.#struck();
    row.waiting.add(entry);
    this.#rows.set(row.address, row);
    this.#waitingCount++;
    if (this.#isBelowLimit(row)) this.#ready.add(row);
    if (!this.#look.isArmed) this.#lookLater();
  }

  /** An entry is through, has failed, or gives up before its turn. */
  leave(entry: GateEntry): void {
    const row = this.#rows.get(entry.gateAddress);
    if (row?.waiting.delete(entry) === true) {
      this.#waitingCount--;
      if (row.waiting.size === 0) this.#ready.delete(row);
      this.#forgetIfEmpty(row);
    } else if (this.#free(entry)) {
      this.#admitWaiting();
    }
    if (this.#waitingCount === 0) this.#wheel.cancel(this.#look);
  }

  #rowOf(address: string): AddressRow {
    return this.#rows.get(address) ?? { address, underWay: 0, waiting: new Set() };
  }

  #forgetIfEmpty(row: AddressRow): void {
    if (row.underWay === 0 && row.waiting.size === 0) this.#rows.delete(row.address);
  }

  #isBelowLimit(row: AddressRow): boolean {
    return row.underWay < this.maxPerAddress || row.address === '';
  }

  #go(entry: GateEntry, row: AddressRow): void {
    row.underWay++;
    this.#rows.set(row.address, row);
    entry.slot = new Slot(entry, this.#wheel.clock.now());
    this.#slots.add(entry.slot);
    // Behind the other addresses.
    if (row.waiting.size > 0 && this.#isBelowLimit(row)) this.#ready.add(row);
    entry.go();
  }

  /** Frees the slot of an entry; false if it has none. */
  #free(entry: GateEntry): boolean {
    const { slot } = entry;
    if (slot === null) return false;
    entry.slot = null;
    this.#slots.remove(slot);
    const row = this.#rows.get(entry.gateAddress)!;
    row.underWay--;
    if (row.waiting.size > 0) this.#ready.add(row);
    else this.#forgetIfEmpty(row);
    return true;
  }

  #admitWaiting(): void {
    while (this.#slots.size < this.max) {
      const [row] = this.#ready;
      if (row === undefined) return;
      const [entry] = row.waiting;
      row.waiting.delete(entry!);
      this.#waitingCount--;
      this.#ready.delete(row);
      this.#go(entry!, row);
    }
  }

  /**
   * Frees the slot of the peer that is mute for longest, if that is long enough; unless any slot helps, only one of an
   * address that has entries waiting for it.
   */
  #takeMuteSlot(doesAnyHelp: boolean): boolean {
    const now = this.#wheel.clock.now();
    for (const slot of this.#slots) {
      const { entry } = slot;
      if (now - slot.muteSince < MUTE_MS) return false;
      if (entry.bytesRead === slot.bytesRead) {
        if (doesAnyHelp || this.#rows.get(entry.gateAddress)!.waiting.size > 0) return this.#free(entry);
      } else {
        slot.bytesRead = entry.bytesRead;
        slot.muteSince = now;
        // To the end, where the younger ones are.
        this.#slots.remove(slot);
        this.#slots.add(slot);
      }
    }
    return false;
  }

  #lookLater(): void {
    this.#looksAt = this.#wheel.clock.now() + LOOK_MS;
    this.#wheel.arm(this.#look, LOOK_MS);
  }

  #takeFromMute(): void {
    // This process was busy elsewhere: what peers sent meanwhile is still to be read.
    if (this.#wheel.clock.now() - this.#looksAt > LOOK_MS) return this.#lookLater();
    for (let i = 0; i < MAX_TAKEN_PER_LOOK && this.#waitingCount > 0; i++) {
      if (!this.#takeMuteSlot(this.#ready.size > 0)) break;
      this.#admitWaiting();
    }
    if (this.#waitingCount > 0) this.#lookLater();
  }
}
