let dateSecond = -1;
let dateText = '';
let isHeld = false;
let isCurrent = false;

/** A read begins: all answers that are made until `releaseDate` have one date. Reading the clock is 3 % of a pipelined request. */
export function holdDate(): void {
  isHeld = true;
  isCurrent = false;
}

/** The read is dealt with: later answers look at the clock again. */
export function releaseDate(): void {
  isHeld = false;
}

/** `Date: ...` with CRLF, for this second. */
export function dateLine(): string {
  if (isHeld && isCurrent) return dateText;
  const second = Math.floor(Date.now() / 1000);
  if (second !== dateSecond) {
    dateSecond = second;
    dateText = `Date: ${new Date(second * 1000).toUTCString()}\r\n`;
  }
  isCurrent = true;
  return dateText;
}
