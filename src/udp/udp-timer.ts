import { WheelTimer } from '../core/timer-wheel.ts';

/** A timer that knows its object: without a closure of its own, as there may be many thousands. */
export class OwnedTimer<T> extends WheelTimer {
  readonly owner: T;

  /** @param expired Called as a method of the timer, which tells the owner. */
  constructor(owner: T, expired: (this: OwnedTimer<T>) => void) {
    super(expired);
    this.owner = owner;
  }
}
