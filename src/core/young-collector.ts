import v8 from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * Bytes that are allocated for received data between two collections. What fits into the caches, and what V8 bears: it begins to mark
 * a heap of 9 MB when 9 MB were allocated, and what a collection finds is free for its count only after the next or the one behind it.
 * (2 MiB cost a tenth more, 8 MiB as much again; with windows of 256 KiB instead of copies, a load that fits gains, and one that
 * does not costs twice as much.)
 */
export const COLLECT_EVERY_BYTES = 4 * 1024 * 1024;
/** Bytes that are allocated before the first one: a process that receives little is spared the search for how to ask. */
export const FIRST_COLLECTION_BYTES = 16 * 1024 * 1024;
/** Collections that take less, in milliseconds, are asked for whenever they are due. */
const CHEAP_MS = 1;
/** Others when this many times as long as one takes have passed since the last one. */
const PAUSE_FACTOR = 15;
/** So often it is asked again, whether what was run was a young one. */
const TRIES = 3;

/** Runs one collection of the young generation. */
export type Collect = () => void;

/** What the collector asks of the process; another one in tests. */
export interface CollectorRuntime {
  /** Whether they pay here. */
  readonly isNeeded: boolean;
  /** How collections are asked for; null if that does not work here. */
  find(): Collect | null;
  /** Milliseconds. */
  now(): number;
  /** CPU time that this thread has taken, in milliseconds. */
  cpu(): number;
  /** Bytes of memory outside of V8's heap that it holds for its objects. */
  external(): number;
  /** Calls when this turn of the event loop is over. */
  atTurnEnd(call: () => void): void;
}

/**
 * Asks V8 for a collection of its young generation now and then while much is received.
 *
 * Received bytes are the listener's for as long as it likes, so only V8 knows when their memory is free. Memory outside of its heap
 * makes it collect: on Node 20 the young generation, every 32 MB, and the whole heap for what outlived two of those; since V8 12 it
 * is counted as if it belonged to the old generation, so a small heap is marked from end to end for every 20 to 64 MB received. That
 * costs 2 to 10 ms, and until then each read lands in memory that is in no cache. A young collection takes 0.2 ms, and after it
 * 4 MB of memory are free that were used a moment ago. (CPU per message relative to bare node:net or node:http, without and with. Node
 * 20, quiet: 1 KiB echo, 16 in flight 1.37 and 0.78; bodies of 64 KiB 1.14 and 0.50; but 64 KiB echo, 4 in flight 0.56 and 0.75. Node
 * 22, quiet: 64 KiB echo 1.55 and 0.80. Busy: the same on Node 24 1.18 and 0.64, on Node 26 1.61 and 0.72.)
 *
 * Many small messages fill the young generation by themselves, with the objects that show their bytes: V8 collects as often then, and
 * nothing is asked for. (64 B packages, 16 in flight, Node 24: asking as well cost 4 % of all CPU time.)
 *
 * The function for it is the one that `--expose-gc` shows; without that, the flag is on while a context is made that has the
 * function, and off again. A process with many young objects alive pays for each collection, so long ones get a
 * sixteenth of the time at most.
 */
export class YoungCollector {
  readonly #runtime: CollectorRuntime;
  #isAllowed = false;
  #hasFailed = false;
  #collect: Collect | null = null;
  #bytes = 0;
  /** Memory outside of the heap when it was last looked at. */
  #external = 0;
  /** Bytes that were allocated since the last collection that was asked for. */
  #used = 0;
  /** What those before freed, and V8 still counts. */
  #uncounted = 0;
  #isScheduled = false;
  #notBefore = 0;
  /** What the last ones took, in milliseconds. */
  readonly #costs = [0, 0, 0, 0];
  /** Collections so far. */
  count = 0;
  readonly #run = (): void => this.#turnEnded();

  constructor(runtime: CollectorRuntime) {
    this.#runtime = runtime;
  }

  /** From now on collections may be asked for, if they pay here. */
  allow(): void {
    this.#isAllowed = this.#runtime.isNeeded;
  }

  /** Whether memory that is not needed any more is soon free again, as far as is known. */
  get frees(): boolean {
    return this.#isAllowed && !this.#hasFailed;
  }

  /** Memory for received bytes was allocated. */
  allocated(bytes: number): void {
    if (!this.frees) return;
    this.#bytes += bytes;
    if (this.#isScheduled) return;
    if (this.#bytes < (this.#collect === null ? FIRST_COLLECTION_BYTES : COLLECT_EVERY_BYTES)) return;
    // Not from within a read: the stack is looked through, and what is being delivered would count as in use.
    this.#isScheduled = true;
    this.#runtime.atTurnEnd(this.#run);
  }

  #turnEnded(): void {
    this.#isScheduled = false;
    const { now, cpu } = this.#runtime;
    if (this.#notBefore > 0 && now() < this.#notBefore) return;
    const bytes = this.#bytes;
    this.#bytes = 0;
    if (this.#collect === null) {
      this.#collect = this.#runtime.find();
      this.#hasFailed = this.#collect === null;
      this.#external = this.#runtime.external();
      this.#used = bytes;
      return;
    }
    if (this.#isCollected(bytes)) return;
    const costs = this.#costs;
    try {
      const cpuBefore = cpu();
      const before = now();
      this.#collect();
      // Each alone misleads: on a busy machine most of the time that passes is waiting for a processor, and some virtual machines
      // charge CPU time late, which gives a collection of 0.1 ms all that was done since the one before.
      costs[this.count++ % costs.length] = Math.min(now() - before, cpu() - cpuBefore);
    } catch {
      this.#hasFailed = true;
      return;
    }
    if (this.count % costs.length !== 0) return;
    // The shortest of them: others may have ended a marking of the whole heap, which V8 had begun, or freed all that came together
    // in a pause. (A pause after each one never ended: there were always 20 MB to free then, which takes more than CHEAP_MS.)
    const usual = Math.min(costs[0]!, costs[1]!, costs[2]!, costs[3]!);
    this.#notBefore = usual < CHEAP_MS ? 0 : now() + PAUSE_FACTOR * costs.length * usual;
  }

  /**
   * Whether V8 has collected by itself since the last look, when `bytes` were allocated: more is free than what was asked for
   * can have freed. That leaves V8's count only while the next bytes are allocated, and now and then the ones behind those.
   */
  #isCollected(bytes: number): boolean {
    const external = this.#runtime.external();
    const freed = this.#external + bytes - external;
    const isCollected = freed > this.#uncounted + bytes / 2;
    this.#external = external;
    // Some of it may never be free: it is in use, or was freed by V8 before. Nor can one wrong answer bring about the next.
    this.#uncounted = Math.min(Math.max(this.#uncounted - freed, 0), bytes);
    this.#used = isCollected ? Math.min(this.#used + bytes, 2 * bytes) : this.#used + bytes;
    if (isCollected) return true;
    this.#uncounted += this.#used;
    this.#used = 0;
    return false;
  }
}

/**
 * The Nodes whose V8 was seen to need it, and to take a flag while it runs. A later one may not: V8 ends a process that sets a
 * flag which is frozen.
 */
const MAJORS: readonly number[] = [20, 22, 24, 25, 26];

/** Whether this is such a Node, and not another runtime that calls itself one. */
export function needsCollections(versions: { readonly [name: string]: string | undefined }): boolean {
  const major = Number.parseInt(versions.node ?? '', 10);
  const isNode = versions.bun === undefined && versions.deno === undefined;
  return isNode && MAJORS.includes(major);
}

type GarbageCollector = (options: { type: 'minor' }) => void;

/** V8's own function, wherever it is to be had. */
function exposedCollector(): unknown {
  const { gc } = globalThis as { gc?: unknown };
  if (typeof gc === 'function') return gc;
  v8.setFlagsFromString('--expose-gc');
  try {
    return runInNewContext('gc');
  } finally {
    v8.setFlagsFromString('--no-expose-gc');
  }
}

/** How young collections are asked for in this process; null if that does not work. */
export function findCollect(): Collect | null {
  try {
    const gc = exposedCollector() as GarbageCollector;
    const options = { type: 'minor' } as const;
    const collect = (): void => gc(options);
    for (let left = TRIES; left > 0; left--) if (isYoung(collect)) return collect;
    return null;
  } catch {
    return null;
  }
}

/** Whether `collect` runs collections of the young generation, and none of the whole heap. */
export function isYoung(collect: Collect): boolean {
  const profiler = new v8.GCProfiler();
  profiler.start();
  try {
    collect();
  } catch {
    profiler.stop();
    return false;
  }
  const { statistics } = profiler.stop();
  return statistics.length > 0 && statistics.every(({ gcType }) => gcType === 'Scavenge');
}

/** What the types of Node 20 do not have: it came with Node 23.9. */
interface NewProcess {
  threadCpuUsage?(): NodeJS.CpuUsage;
}

/** That of this process, or worker. */
export const youngCollector: YoungCollector = new YoungCollector({
  isNeeded: needsCollections(process.versions),
  find: findCollect,
  now: () => performance.now(),
  cpu: () => {
    // That of the whole process is more where other threads are at work: collections are then rarer than they could be.
    const { user, system } = (process as unknown as NewProcess).threadCpuUsage?.() ?? process.cpuUsage();
    return (user + system) / 1000;
  },
  external: () => v8.getHeapStatistics().external_memory,
  atTurnEnd: setImmediate,
});
