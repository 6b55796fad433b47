import { describe } from '../core/describe.ts';

/**
 * Fields of a message that is sent: pairs in their order (a list, a `Headers`, a `Map`), or an object whose values are texts or
 * lists of texts.
 */
export type HttpHeaders =
  | readonly (readonly [name: string, value: string])[]
  | Iterable<readonly [name: string, value: string]>
  | Readonly<Record<string, string | readonly string[]>>;

/** Fields that are added unless the caller gave them; bits of `HeaderText.has`. */
export const Has = Object.freeze({
  ContentLength: 1,
  TransferEncoding: 2,
  Connection: 4,
  Host: 8,
  Date: 16,
  Cookie: 32,
  ContentType: 64,
} as const);

const known: ReadonlyMap<string, number> = new Map([
  ['content-length', Has.ContentLength],
  ['transfer-encoding', Has.TransferEncoding],
  ['connection', Has.Connection],
  ['host', Has.Host],
  ['date', Has.Date],
  ['cookie', Has.Cookie],
  ['content-type', Has.ContentType],
]);

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const badValue = /[^\t\x20-\x7e\x80-\xff]/;

/** Names that were checked, and what they are: bits of `Has`, 0 for others. Bounded, for names may come from a peer. */
const checkedNames = new Map<string, number>();
const MAX_CHECKED_NAMES = 1024;

/** Field lines as text, and which of the automatic ones are among them. */
export interface HeaderText {
  text: string;
  has: number;
  /** The first `Connection`, '' without. */
  connection: string;
}

/**
 * The field lines of `headers`, each with CRLF. Entries with an empty name are skipped (RES-002).
 * @throws TypeError for a name that is no token, or a value with a line break or another control character.
 */
export function headerText(headers: HttpHeaders | null | undefined, into: HeaderText): void {
  into.text = '';
  into.has = 0;
  into.connection = '';
  if (headers === null || headers === undefined) return;
  if (typeof headers !== 'object')
    throw new TypeError(`headers must be a list of pairs or an object, not ${describe(headers)}`);
  if (isIterable(headers)) {
    for (const [name, value] of headers) addField(into, name, value);
    return;
  }
  for (const name of Object.keys(headers)) {
    const value = (headers as Record<string, string | readonly string[]>)[name]!;
    if (Array.isArray(value)) for (const one of value) addField(into, name, one);
    else addField(into, name, value as string);
  }
}

/** Pairs, whatever holds them: its own properties are no fields. */
function isIterable(headers: object): headers is Iterable<readonly [string, string]> {
  return Array.isArray(headers) || typeof (headers as Iterable<unknown>)[Symbol.iterator] === 'function';
}

function addField(into: HeaderText, name: string, value: string): void {
  if (name === '') return;
  const is = checkedNames.get(name) ?? checkName(name);
  if (typeof value !== 'string') {
    if (typeof value !== 'number') throw new TypeError(`the value of the header ${name} must be a text`);
    value = String(value);
  }
  if (badValue.test(value)) {
    throw new TypeError(`the value of the header ${name} has a line break or another character that cannot be sent`);
  }
  if (is === Has.Connection && (into.has & Has.Connection) === 0) into.connection = value;
  into.has |= is;
  into.text += `${name}: ${value}\r\n`;
}

/** @throws TypeError if it is no token. */
function checkName(name: string): number {
  if (typeof name !== 'string' || !token.test(name)) {
    throw new TypeError('the name of a header must be a token: letters, digits and some signs, without blanks');
  }
  const is = known.get(name.toLowerCase()) ?? 0;
  if (checkedNames.size < MAX_CHECKED_NAMES) checkedNames.set(name, is);
  return is;
}

/** Whether a text is a token (RFC 9110 5.6.2). */
export function isToken(text: string): boolean {
  return token.test(text);
}

/** Whether a reason phrase or a field value can be sent. */
export function isFieldText(text: string): boolean {
  return !badValue.test(text);
}

/** Whether fields have one of this name, which is in lower case. */
export function hasHeader(headers: HttpHeaders | null | undefined, name: string): boolean {
  if (headers === null || headers === undefined) return false;
  const names = isIterable(headers) ? Array.from(headers, (pair) => pair[0]) : Object.keys(headers);
  return names.some((one) => typeof one === 'string' && one.toLowerCase() === name);
}

/** Fields as a list of pairs. */
export function pairsOf(headers: HttpHeaders | null): (readonly [string, string])[] {
  if (headers === null) return [];
  if (isIterable(headers)) return [...headers];
  return Object.entries(headers as Record<string, string | readonly string[]>).flatMap(([name, value]) =>
    Array.isArray(value) ? value.map((one) => [name, one] as const) : [[name, value] as const],
  );
}
