/** All of the transmissions; `LossEstimator.rate` counts in parts of it. */
const ALL = 65_536;
/** From 1 of 32 lost on, what is likely to be lost is said twice where it costs no datagram. */
const LOSSY_RATE = ALL / 32;
/** From 5 of 32 lost on, each segment of data gets a datagram of its own. */
const HEAVY_RATE = (ALL * 5) / 32;
/** Samples that count; the older ones fade. */
const MEMORY = 32;

/**
 * Which share of its transmissions a sender sees get lost. What is sampled is each acknowledgement: it names by its time stamp the
 * transmission that arrived (KC-005), so a segment that was sent twice because the line was slow is not taken for a lost one.
 */
export class LossEstimator {
  /** In parts of 65536, a running mean. */
  rate = 0;
  private sampleCount = 0;

  /** A segment was acknowledged: by its last transmission after an earlier one (`isLost`), or by its first. */
  sample(isLost: boolean): void {
    if (this.sampleCount < MEMORY) this.sampleCount++;
    else if (this.rate === 0 && !isLost) return;
    this.rate = (this.rate + ((isLost ? ALL : 0) - this.rate) / this.sampleCount) | 0;
  }

  get isLossy(): boolean {
    return this.rate >= LOSSY_RATE;
  }

  get isHeavy(): boolean {
    return this.rate >= HEAVY_RATE;
  }

  /** 0 to 1. */
  get share(): number {
    return this.rate / ALL;
  }
}
