/**
 * Puts the methods of `source`, a class that is never made, into the prototypes of `components`, beside what they inherit.
 * What a component has itself stays.
 */
export function addMethods(
  components: readonly (abstract new (...args: never) => object)[],
  source: abstract new () => object,
): void {
  for (const { prototype } of components) {
    for (const name of Object.getOwnPropertyNames(source.prototype)) {
      if (Object.hasOwn(prototype, name)) continue;
      Object.defineProperty(prototype, name, Object.getOwnPropertyDescriptor(source.prototype, name)!);
    }
  }
}
