/** The method that `console.log` of Node, Bun and Deno calls for what to print (`util.inspect.custom`). */
export const $inspect: unique symbol = Symbol.for('nodejs.util.inspect.custom') as never;

/** `util.inspect`, which Node passes to that method with the options of this level. */
export type Inspect = (value: unknown, options: object) => string;

/** What is being printed: Node does not see that an object which prints itself comes again inside of itself. */
const begun = new Set<object>();

/**
 * What `console.log` prints of an object: the name of its class, and what is worth to know. Not its insides: they are long, and
 * settings and contexts of TLS hold passwords and keys that belong in no log.
 * @param depth How many levels may follow; null for all.
 */
export function inspected(of: object, facts: object, depth: number | null, options: object, inspect: Inspect): string {
  const { name } = of.constructor;
  if ((depth !== null && depth < 0) || begun.has(of)) return `[${name}]`;
  begun.add(of);
  try {
    return `${name} ${inspect(facts, { ...options, depth })}`;
  } finally {
    begun.delete(of);
  }
}
