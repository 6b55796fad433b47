/**
 * Seeded random numbers (sfc32): the same seed gives the same run on every machine, so a failing random test is replayed by
 * the seed that it prints.
 */
export class Random {
  private a: number;
  private b: number;
  private c: number;
  private counter = 1;
  readonly seed: number;

  constructor(seed: number) {
    this.seed = seed;
    this.a = seed | 0;
    this.b = (seed ^ 0x9e3779b9) | 0;
    this.c = Math.imul(seed, 0x85ebca6b);
    for (let i = 0; i < 15; i++) this.uint32();
  }

  uint32(): number {
    const t = (((this.a + this.b) | 0) + this.counter) | 0;
    this.counter = (this.counter + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = (((this.c << 21) | (this.c >>> 11)) + t) | 0;
    return t >>> 0;
  }

  /** 0 <= x < 1 */
  next(): number {
    return this.uint32() / 4294967296;
  }

  /** Whole number, min <= x <= max. */
  int(min: number, max: number): number {
    return min + Math.floor(this.next() * (max - min + 1));
  }

  chance(rate: number): boolean {
    return rate > 0 && this.next() < rate;
  }

  bytes(length: number): Buffer {
    const out = Buffer.alloc(length);
    for (let i = 0; i < length; i++) out[i] = this.uint32();
    return out;
  }
}
