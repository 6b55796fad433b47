/*
 * Arguments that nobody should pass, and what no message may show of them. Their common part is a word that stands in no
 * message for another reason.
 */

/** What must not be seen in any message: neither as text, nor as the numbers of its bytes. */
const word = 'SECRET';
const secret = word.repeat(5000);
const wordBytes = [...Buffer.from(word)].join(',');
/** Longest wait for what a call promised, milliseconds: some promise what only comes with the end of the connection. */
const PROMISE_MS = 10;

class Holder {
  password = secret;
  toString(): string {
    return secret;
  }
}

export const hostile: readonly unknown[] = [
  Buffer.from(secret),
  new Uint8Array(Buffer.from(secret)),
  secret,
  { password: secret },
  { [secret]: 1 },
  new Holder(),
  [secret],
  [{ password: secret }],
  Symbol(secret),
  () => secret,
  10n ** 3000n,
  new Error(secret),
  Number.NaN,
  -1,
  null,
  undefined,
];

/** A part of `text` that shows more than 80 characters of a value, or '' if there is none. */
export function leak(text: string): string {
  if (text.includes(word.repeat(14))) return 'a long text';
  if (text.includes(wordBytes)) return 'the numbers of bytes';
  return text.length > 1000 ? `a message of ${text.length} characters` : '';
}

/** Collects what is wrong with the errors that hostile arguments lead to. */
export class Judge {
  readonly faults: string[] = [];

  error(what: string, thrown: unknown): void {
    if (!(thrown instanceof Error)) this.faults.push(`${what} threw what is no error`);
    // An error that was the argument itself comes back as it is.
    else if (leak(thrown.message) !== '' && !hostile.includes(thrown))
      this.faults.push(`${what} shows ${leak(thrown.message)}: ${thrown.message.slice(0, 200)}`);
  }

  /** Does `act`, and judges what it throws. */
  try(what: string, act: () => unknown): void {
    try {
      act();
    } catch (thrown) {
      this.error(what, thrown);
    }
  }

  /** Calls `method` with each hostile value in each place, valid values before it. */
  async attack(target: object, name: string, method: string, valid: readonly unknown[] = []): Promise<void> {
    const call = (target as Record<string, (...args: unknown[]) => unknown>)[method]!;
    for (let at = 0; at < 4; at++) {
      for (const value of hostile) {
        const args = [...valid.slice(0, at), ...new Array(Math.max(at - valid.length, 0)).fill(undefined), value];
        const what = `${name}.${method}, argument ${at + 1}`;
        try {
          const result = call.apply(target, args);
          if (result instanceof Promise) await this.#promise(what, result);
          (result as { destroy?(): void } | null)?.destroy?.();
        } catch (thrown) {
          this.error(what, thrown);
        }
        const { lastFailure } = target as { lastFailure?: unknown };
        if (lastFailure !== null && lastFailure !== undefined) this.error(`${what}, lastFailure`, lastFailure);
      }
    }
  }

  async #promise(what: string, result: Promise<unknown>): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const enough = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, PROMISE_MS);
    });
    const judged = result.then(
      (value) => (value as { destroy?(): void } | null)?.destroy?.(),
      (thrown: unknown) => this.error(what, thrown),
    );
    await Promise.race([judged, enough]);
    clearTimeout(timer);
  }
}
