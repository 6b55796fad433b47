/** Longest text of a value in a message, characters. */
const LONGEST = 80;

/** A text on one line, cut off where it becomes long. */
export function clip(text: string, longest = LONGEST): string {
  const line = text.replace(/\s+/g, ' ');
  return line.length <= longest ? line : `${line.slice(0, longest - 3)}...`;
}

/**
 * A value as a message shows it: at most 80 characters, and never the bytes or members of an object. Every message that names
 * what a user passed goes through here, for what was passed by mistake may be a secret, or megabytes.
 */
export function describe(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return quote(value);
    case 'number':
    case 'boolean':
    case 'undefined':
      return String(value);
    case 'bigint':
      return clip(`${value}n`);
    case 'function':
      return 'a function';
    case 'symbol':
      return clip(String(value));
    default:
      return value === null ? 'null' : describeObject(value as object);
  }
}

/** A host name, address or path that a message names without quotes. */
export function shown(text: unknown): string {
  return typeof text === 'string' ? clip(text) : describe(text);
}

/** A text in quotes, cut off where it becomes long. */
export function quote(text: string): string {
  // Escapes make a character up to six: cut what they made.
  const quoted = JSON.stringify(text.length > LONGEST ? text.slice(0, LONGEST) : text);
  return quoted.length <= LONGEST && text.length <= LONGEST ? quoted : `${quoted.slice(0, LONGEST - 4)}..."`;
}

function describeObject(value: object): string {
  if (Array.isArray(value)) return 'an array';
  if (ArrayBuffer.isView(value)) return `bytes (${value.byteLength})`;
  if (value instanceof Error) return 'an error';
  return value instanceof Promise ? 'a promise' : 'an object';
}
