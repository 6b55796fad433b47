/** One extension of a `Sec-WebSocket-Extensions` header. */
export interface Extension {
  readonly name: string;
  /** Its parameters in order, with the value, or null without one. */
  readonly parameters: readonly (readonly [name: string, value: string | null])[];
}

/** Longest header that is looked at, and most extensions and parameters in it: a hostile one costs no more than that. */
const MAX_HEADER_CHARACTERS = 4096;
const MAX_ITEMS = 32;

const TOKEN = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+/y;
const WHITE = /[ \t]*/y;
const QUOTED = /"((?:[^"\\]|\\.)*)"/y;

/**
 * Reads a `Sec-WebSocket-Extensions` header (RFC 6455, 9.1): several fields joined with commas are one. A quoted value has to be
 * a token when unquoted. Null if it does not keep to the grammar.
 */
export function parseExtensions(header: string): Extension[] | null {
  if (header.length > MAX_HEADER_CHARACTERS) return null;
  const cursor = new Cursor(header);
  const extensions: Extension[] = [];
  let items = 0;
  for (;;) {
    cursor.take(WHITE);
    // RFC 9110, 5.6.1: empty elements of a list are ignored.
    if (cursor.eat(',')) continue;
    if (cursor.isAtEnd) return extensions;
    const name = cursor.take(TOKEN);
    if (name === null) return null;
    const parameters: [string, string | null][] = [];
    for (cursor.take(WHITE); cursor.eat(';'); cursor.take(WHITE)) {
      cursor.take(WHITE);
      const parameter = cursor.take(TOKEN);
      if (parameter === null || ++items > MAX_ITEMS) return null;
      let value: string | null = null;
      cursor.take(WHITE);
      if (cursor.eat('=')) {
        cursor.take(WHITE);
        value = cursor.take(TOKEN) ?? unquoted(cursor.take(QUOTED));
        if (value === null) return null;
      }
      parameters.push([parameter, value]);
    }
    if (++items > MAX_ITEMS) return null;
    extensions.push({ name, parameters });
    if (!cursor.isAtEnd && !cursor.eat(',')) return null;
  }
}

/** A position in a header. */
class Cursor {
  #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#text.length;
  }

  /** What `pattern`, a sticky one, matches here; null if it does not. */
  take(pattern: RegExp): string | null {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match === null) return null;
    this.#at = pattern.lastIndex;
    return match[0];
  }

  eat(character: string): boolean {
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }
}

function unquoted(quoted: string | null): string | null {
  if (quoted === null) return null;
  const value = quoted.slice(1, -1).replace(/\\(.)/g, '$1');
  TOKEN.lastIndex = 0;
  return TOKEN.exec(value)?.[0] === value ? value : null;
}

/** The reverse of `parseExtensions`. */
export function formatExtension({ name, parameters }: Extension): string {
  return [name, ...parameters.map(([parameter, value]) => (value === null ? parameter : `${parameter}=${value}`))].join(
    '; ',
  );
}
