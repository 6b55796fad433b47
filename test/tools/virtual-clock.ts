/** A clock that things can be scheduled on; the impairment link runs on either kind. */
export interface LinkClock {
  now(): number;
  schedule(atMs: number, run: () => void): void;
}

interface Entry {
  at: number;
  order: number;
  run: () => void;
}

/**
 * Simulated time: nothing passes until `advance`, `runUntil` or `step` says so, and then everything due runs in order of time, equal
 * times in order of scheduling. A binary heap.
 */
export class VirtualClock implements LinkClock {
  private time: number;
  private order = 0;
  private heap: Entry[] = [];

  constructor(startMs = 0) {
    this.time = startMs;
  }

  now(): number {
    return this.time;
  }

  get pendingCount(): number {
    return this.heap.length;
  }

  /** Time of the next entry, `Infinity` if there is none. */
  get nextMs(): number {
    return this.heap[0]?.at ?? Infinity;
  }

  schedule(atMs: number, run: () => void): void {
    const heap = this.heap;
    const entry = { at: Math.max(atMs, this.time), order: this.order++, run };
    let i = heap.push(entry) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!before(entry, heap[parent]!)) break;
      heap[i] = heap[parent]!;
      i = parent;
    }
    heap[i] = entry;
  }

  /** Runs the next entry; false if there is none. */
  step(): boolean {
    const first = this.pop();
    if (first === undefined) return false;
    this.time = first.at;
    first.run();
    return true;
  }

  /** Runs everything due up to `atMs`, which becomes the time. */
  runUntil(atMs: number): void {
    while (this.nextMs <= atMs) this.step();
    this.time = Math.max(this.time, atMs);
  }

  advance(ms: number): void {
    this.runUntil(this.time + ms);
  }

  private pop(): Entry | undefined {
    const heap = this.heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
      if (!before(heap[child]!, last)) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = last;
    return first;
  }
}

/** Real time, on timers. `close` drops what is scheduled. */
export class RealClock implements LinkClock {
  private readonly timers = new Set<NodeJS.Timeout>();

  now(): number {
    return performance.now();
  }

  schedule(atMs: number, run: () => void): void {
    const timer = setTimeout(
      () => {
        this.timers.delete(timer);
        run();
      },
      Math.max(0, atMs - this.now()),
    );
    this.timers.add(timer);
  }

  close(): void {
    for (const timer of this.timers) clearTimeout(timer);
    this.timers.clear();
  }
}

function before(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
