/** The method that `console.log` of Node, Bun and Deno calls for what to print (`util.inspect.custom`). */
export const $inspect: unique symbol = Symbol.for('nodejs.util.inspect.custom') as never;

/** `util.inspect`, which Node passes to that method with the options of this level. */
export type Inspect = (value: unknown, options: object) => string;

/**
 * What `console.log` prints of an object: the name of its class, and what is worth to know. Not its insides: they are long, and
 * settings and contexts of TLS hold passwords and keys that belong in no log.
 */
export function inspected(of: object, facts: object, options: object, inspect: Inspect): string {
  return `${of.constructor.name} ${inspect(facts, options)}`;
}
