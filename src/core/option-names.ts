import { describe, quote } from './describe.ts';

/** What is checked of an option besides its name: `true` for nothing here, or a rule such as `flag(false)`. */
export type OptionRule = true | { check(name: string, value: unknown): void };

/** Options by name. `satisfies Record<keyof TheInterface, OptionRule>` ties the table to their interface. */
export type OptionRules = Readonly<Record<string, OptionRule>>;

/** What other libraries, Node among them, call it: the own name, or a sentence that says what there is instead. */
export type ForeignNames = Readonly<Record<string, string>>;

/** Node's names for where to listen or connect to. */
export const foreignAddresses: ForeignNames = {
  hostname: 'host',
  address: 'host',
  localhost: 'host',
  ip: 'host',
  bindAddress: 'localAddress',
  fd: 'only TCP and TLS servers listen on a file descriptor; give host and port',
  servername: 'serverName',
  timeout: 'the time to connect is the property syncConnectTimeout',
};

/**
 * Checks an object of options: what is misspelt would be ignored, and a server then listen where it must not.
 * @param what Whose options they are, for the message: `start`, `stop`, ...
 * @param foreign What others call the options, for the message.
 * @throws TypeError if it is no object, or for a name that is not in `known`, suggesting the nearest one; what the rules throw.
 */
export function checkOptions(what: string, options: unknown, known: OptionRules, foreign: ForeignNames = {}): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new TypeError(`the options of ${what} must be an object, not ${describe(options)}`);
  }
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(known, name)) throw unknownName(what, name, Object.keys(known), foreign);
    const rule = known[name]!;
    if (rule !== true && value !== undefined) rule.check(name, value);
  }
}

/** The error of an option that does not exist. */
export function unknownName(
  what: string,
  name: string,
  known: readonly string[],
  foreign: ForeignNames = {},
): TypeError {
  const instead = Object.hasOwn(foreign, name) ? foreign[name]! : '';
  const isName = known.includes(instead);
  const near = isName ? instead : nearest(name, known);
  let help = near === '' ? '' : `; did you mean ${near}?`;
  if (isName) help = `; it is called ${near} here`;
  else if (instead.includes(' ')) help = `; ${instead}`;
  return new TypeError(`unknown option ${quote(name)} of ${what}${help}`);
}

/** The one of `names` that `name` is most likely a misspelling of, or ''. */
export function nearest(name: string, names: readonly string[]): string {
  if (name.length > 64) return '';
  let best = '';
  let bestDistance = Math.max(3, Math.floor(name.length / 2));
  for (const candidate of names) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  if (best !== '' || name.length < 3) return best;
  return names.find((candidate) => candidate.toLowerCase().startsWith(name.toLowerCase())) ?? '';
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length]!;
}
