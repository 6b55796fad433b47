import type { EncodedAnswer } from './encoded-answer.ts';
import { type HeaderText, type HttpHeaders, headerText } from './header-list.ts';

/** Field lines as text, as `headerText` makes them, which may be asked for again. */
export class RecentFields implements Readonly<HeaderText> {
  readonly text: string;
  readonly has: number;
  readonly connection: string;
  /** Names and values that they were made of, in turns. */
  readonly parts: readonly string[];
  /** Whether they were asked for more than once. */
  isRepeated = false;
  /** The last answer with these fields; null while there is none. */
  answer: EncodedAnswer | null = null;

  constructor({ text, has, connection }: HeaderText, parts: readonly string[]) {
    this.text = text;
    this.has = has;
    this.connection = connection;
    this.parts = parts;
  }
}

/** How many are kept, each in the place that its lengths lead to. */
const PLACES = 64;
/** Those with more fields, or more text, are not kept. */
const MAX_FIELDS = 16;
const MAX_CHARACTERS = 1024;

const kept: (RecentFields | null)[] = Array.from({ length: PLACES }, () => null);
const parts: string[] = [];
const made: HeaderText = { text: '', has: 0, connection: '' };
const none = new RecentFields(made, []);
none.isRepeated = true;

/**
 * The field lines of `headers`. Most answers of a program have few sets of fields, so the last ones are kept. They are compared
 * by what they hold: the caller may have changed them.
 * @throws TypeError as `headerText`.
 */
export function recentFields(headers: HttpHeaders | null | undefined): RecentFields {
  if (headers === null || headers === undefined) return none;
  const place = placeOf(headers);
  if (place >= 0) {
    const known = kept[place]!;
    if (known !== null && areEqual(known.parts, parts)) {
      known.isRepeated = true;
      return known;
    }
  }
  headerText(headers, made);
  if (place < 0 || made.text.length > MAX_CHARACTERS) return new RecentFields(made, []);
  const fields = new RecentFields(made, parts.slice());
  kept[place] = fields;
  return fields;
}

function areEqual(one: readonly string[], other: readonly string[]): boolean {
  if (one.length !== other.length) return false;
  for (let i = 0; i < one.length; i++) if (one[i] !== other[i]) return false;
  return true;
}

/** Writes names and values to `parts`. @returns Their place; -1 for what is not kept. */
function placeOf(headers: HttpHeaders): number {
  parts.length = 0;
  if (Array.isArray(headers)) return placeOfPairs(headers);
  if (typeof headers !== 'object' || Symbol.iterator in headers) return -1;
  let hash = 0;
  for (const name of Object.keys(headers)) {
    hash = add(add(hash, name), (headers as Readonly<Record<string, unknown>>)[name]);
  }
  return parts.length <= 2 * MAX_FIELDS && hash >= 0 ? hash % PLACES : -1;
}

function placeOfPairs(pairs: readonly unknown[]): number {
  if (pairs.length > MAX_FIELDS) return -1;
  let hash = 0;
  for (let i = 0; i < pairs.length; i++) {
    const pair = pairs[i];
    if (!Array.isArray(pair)) return -1;
    hash = add(add(hash, pair[0]), pair[1]);
  }
  return hash >= 0 ? hash % PLACES : -1;
}

function add(hash: number, part: unknown): number {
  if (hash < 0 || typeof part !== 'string') return -1;
  parts.push(part);
  return (hash * 31 + part.length) & 0xffff;
}
