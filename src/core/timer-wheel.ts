import type { Clock } from './clock.ts';
import { systemClock } from './clock.ts';
import { MAX_DELAY_MS } from './delay.ts';

/** How a wheel is woken: `setTimeout` of the platform, or a simulated one in tests. */
export interface TimerHost {
  set(callback: () => void, delayMs: number): unknown;
  clear(handle: unknown): void;
  /** Calls back when what waits in the system has been read: behind one turn of reading. Left out, nothing is put off. */
  afterReading?(callback: () => void): void;
  /** Whether the process is to live until that callback. */
  hold?(handle: unknown, isHeld: boolean): void;
}

const systemHost: TimerHost = {
  set: (callback, delayMs) => {
    const timer = setTimeout(callback, delayMs);
    timer.unref(); // sockets keep the process alive, deadlines do not
    return timer;
  },
  clear: (handle) => clearTimeout(handle as NodeJS.Timeout),
  afterReading: (callback) => void setImmediate(callback),
  hold: (handle, isHeld) => {
    if (isHeld) (handle as NodeJS.Timeout).ref();
    else (handle as NodeJS.Timeout).unref();
  },
};

/**
 * What can have one deadline in a wheel: a `WheelTimer`, or an object that is its own timer, which spares it another one. Arm
 * it with `TimerWheel.arm`. It is reusable and belongs to at most one wheel position at a time.
 */
export abstract class WheelNode {
  /** @internal */ next: WheelNode | null = null;
  /** @internal */ previous: WheelNode | null = null;
  /** Tick in which it expires; -1 while not armed. @internal */
  tick = -1;

  /** The deadline has passed. */
  abstract onExpire(): void;

  /** Whether the process lives on while this is armed, though nothing else asks for it. */
  get holdsProcess(): boolean {
    return false;
  }

  /** Whether it waits in a wheel. */
  get isArmed(): boolean {
    return this.tick >= 0;
  }
}

/** One deadline in a wheel. */
export class WheelTimer extends WheelNode {
  readonly #expired: () => void;
  readonly #holdsProcess: boolean;

  constructor(expired: () => void, holdsProcess = false) {
    super();
    this.#expired = expired;
    this.#holdsProcess = holdsProcess;
  }

  override onExpire(): void {
    this.#expired();
  }

  override get holdsProcess(): boolean {
    return this.#holdsProcess;
  }
}

/** Milliseconds per tick: the finest interval of KCP, far finer than any deadline needs. */
export const TICK_MS = 10;
/** How late the system timer may come without anything having waited for it. */
const LATE_MS = 30;
const SLOTS = 1024;
const MASK = SLOTS - 1;

/**
 * A hashed timing wheel: all deadlines of all components, with arming, re-arming and cancelling in constant time and one
 * system timer for all of them.
 *
 * ```
 *   slot = tick & 1023            each slot: a ring of timers, list head <-> timer <-> timer <-> list head
 *   [0][1][2] ... [1023]          one turn = 10.24 s; a timer further away stays for another turn
 *          ^ current
 * ```
 *
 * There is no periodic tick: the system timer is set to the next slot that holds anything, so a wheel with nothing to do
 * costs nothing.
 */
export class TimerWheel {
  readonly clock: Clock;
  #host: TimerHost;
  #slots: WheelNode[] = [];
  #occupied = new Uint32Array(SLOTS / 32);
  #current: number;
  #count = 0;
  /** Armed timers that hold the process. */
  #holding = 0;
  #wake: unknown = null;
  #wakeTick = Number.POSITIVE_INFINITY;
  #running = false;

  constructor(clock: Clock = systemClock, host: TimerHost = systemHost) {
    this.clock = clock;
    this.#host = host;
    this.#current = Math.floor(clock.now() / TICK_MS);
    for (let i = 0; i < SLOTS; i++) {
      const head = new WheelTimer(() => {});
      head.next = head;
      head.previous = head;
      this.#slots.push(head);
    }
  }

  /** Number of armed timers. */
  get size(): number {
    return this.#count;
  }

  /**
   * The present in whole milliseconds, for times that are kept: V8 gives a number with a fraction 16 bytes of its own, and there may be
   * a million connections. Rounded up, so that no period looks longer than it was.
   */
  now(): number {
    return Math.ceil(this.clock.now());
  }

  /** Milliseconds since a time that `now` told. */
  since(time: number): number {
    return Math.max(this.clock.now() - time, 0);
  }

  /** Arms `timer` to expire in `delayMs` milliseconds, never early, at most one tick and the system's delay late. Re-arms if armed. */
  arm(timer: WheelNode, delayMs: number): void {
    const due = Math.ceil((this.clock.now() + Math.max(delayMs, 0)) / TICK_MS);
    if (this.#count === 0 && !this.#running) this.#current = Math.floor(this.clock.now() / TICK_MS);
    if (timer.tick >= 0) this.#unlink(timer);
    timer.tick = Math.max(due, this.#current + 1);
    const index = timer.tick & MASK;
    const head = this.#slots[index]!;
    timer.previous = head.previous;
    timer.next = head;
    head.previous!.next = timer;
    head.previous = timer;
    this.#occupied[index >> 5]! |= 1 << (index & 31);
    this.#count++;
    if (timer.tick < this.#wakeTick && !this.#running) this.#setWake(timer.tick);
    if (timer.holdsProcess && this.#holding++ === 0) this.#hold(true);
  }

  /** Cancels `timer`; nothing happens if it is not armed. */
  cancel(timer: WheelNode): void {
    if (timer.tick < 0) return;
    this.#unlink(timer);
    if (this.#count === 0 && this.#wake !== null && !this.#running) {
      this.#host.clear(this.#wake);
      this.#wake = null;
      this.#wakeTick = Number.POSITIVE_INFINITY;
    }
  }

  /**
   * The system timer. When it comes late, this process was busy or stopped, and bytes may wait in the system that were there
   * in time: timers come before reads in a turn of the event loop, so the deadlines wait for one turn of reading.
   */
  #woken(): void {
    const lateMs = this.clock.now() - this.#wakeTick * TICK_MS;
    if (lateMs > LATE_MS && this.#host.afterReading !== undefined) this.#host.afterReading(() => this.advance());
    else this.advance();
  }

  /** Runs everything that is due. Called by the system timer; a simulation calls it itself. */
  advance(): void {
    this.#wake = null;
    this.#wakeTick = Number.POSITIVE_INFINITY;
    this.#running = true;
    const target = Math.floor(this.clock.now() / TICK_MS);
    // After a long sleep one turn visits every slot, which is enough: the tick of a timer says whether it is due.
    let tick = Math.max(this.#current + 1, target - SLOTS + 1);
    try {
      for (; tick <= target; tick++) {
        this.#current = tick;
        if ((this.#occupied[(tick & MASK) >> 5]! & (1 << (tick & 31))) !== 0) this.#expire(tick & MASK, target);
      }
      if (target > this.#current) this.#current = target;
    } finally {
      if (tick <= target) this.#current = tick - 1; // one threw: the others of its slot are still due
      this.#running = false;
      if (this.#count > 0) this.#setWake(this.#nextOccupied());
    }
  }

  #expire(index: number, target: number): void {
    const head = this.#slots[index]!;
    let timer = head.next!;
    while (timer !== head) {
      // A hook may cancel any timer, also the next one; so take the list up again from the front after each call.
      if (timer.tick <= target) {
        this.#unlink(timer);
        timer.onExpire();
        timer = head.next!;
      } else {
        timer = timer.next!;
      }
    }
  }

  #unlink(timer: WheelNode): void {
    const index = timer.tick & MASK;
    timer.previous!.next = timer.next;
    timer.next!.previous = timer.previous;
    timer.next = null;
    timer.previous = null;
    timer.tick = -1;
    this.#count--;
    if (timer.holdsProcess && --this.#holding === 0) this.#hold(false);
    const head = this.#slots[index]!;
    if (head.next === head) this.#occupied[index >> 5]! &= ~(1 << (index & 31));
  }

  #nextOccupied(): number {
    for (let tick = this.#current + 1; tick <= this.#current + SLOTS; ) {
      const word = this.#occupied[(tick & MASK) >> 5]! >>> (tick & 31);
      if (word !== 0) return tick + (31 - Math.clz32(word & -word));
      tick += 32 - (tick & 31);
    }
    return this.#current + SLOTS;
  }

  #setWake(tick: number): void {
    if (this.#wake !== null) this.#host.clear(this.#wake);
    this.#wakeTick = tick;
    const delayMs = Math.min(Math.max(tick * TICK_MS - this.clock.now(), 1), MAX_DELAY_MS);
    this.#wake = this.#host.set(() => this.#woken(), delayMs);
    if (this.#holding > 0) this.#hold(true);
  }

  #hold(isHeld: boolean): void {
    if (this.#wake !== null) this.#host.hold?.(this.#wake, isHeld);
  }
}

let shared: TimerWheel | undefined;

/** The wheel that every component of this process shares. */
export function sharedTimerWheel(): TimerWheel {
  shared ??= new TimerWheel();
  return shared;
}
