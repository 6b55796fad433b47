import { RTO_INITIAL_MS, RTO_MAX_MS } from './constants.ts';

/** Round-trip estimate and retransmission timeout, in whole milliseconds (KC-009, KC-010, KC-018). */
export class RttEstimator {
  /** Last sample. */
  rtt = 0;
  srtt = 0;
  rttvar = 0;
  rto = RTO_INITIAL_MS;
  private readonly interval: number;
  private readonly minRto: number;

  constructor(interval: number, minRto: number) {
    this.interval = interval;
    this.minRto = minRto;
  }

  /**
   * An acknowledgement came back `rtt` ms after its segment left. Samples above the longest timeout are ignored: only a
   * clock that jumped, or a peer that invents time stamps, makes them, and one would spoil the timeout for minutes.
   */
  sample(rtt: number): void {
    if (rtt < 0 || rtt > RTO_MAX_MS) return;
    this.rtt = rtt;
    if (this.srtt === 0) {
      this.srtt = rtt;
      this.rttvar = rtt >> 1;
    } else {
      const delta = rtt > this.srtt ? rtt - this.srtt : this.srtt - rtt;
      this.rttvar = (3 * this.rttvar + delta) >> 2;
      this.srtt = (7 * this.srtt + rtt) >> 3;
      if (this.srtt < 1) this.srtt = 1;
    }
    const rto = this.srtt + Math.max(this.interval, 4 * this.rttvar);
    this.rto = Math.min(Math.max(this.minRto, rto), RTO_MAX_MS);
  }
}
