import { ServiceState } from '../core/enums.ts';
import { $settings } from '../core/internals.ts';
import { applyOptions, type PropertyTable } from '../core/properties.ts';

/** Options with the defaults filled in. */
export type Filled<Options> = { [Name in keyof Options]-?: Exclude<Options[Name], undefined> };

/**
 * The options of a function, checked against a table of rules, with the defaults filled in.
 * @throws TypeError for an unknown name (it suggests the nearest one), TypeError or RangeError for a wrong value.
 */
export function readOptions<T>(owner: string, table: PropertyTable, options: object | undefined): T {
  const settings: Record<string, unknown> = {};
  for (const [name, rule] of Object.entries(table)) settings[name] = rule.default;
  if (options === undefined) return settings as T;
  const given: Record<string, unknown> = {};
  applyOptions(
    Object.assign(given, { state: ServiceState.Stopped, [$settings]: settings, constructor: { name: owner } }),
    options,
  );
  for (const [name, rule] of Object.entries(table)) {
    if (!Object.hasOwn(given, name)) continue;
    rule.check(name, given[name]);
    settings[name] = given[name];
  }
  return settings as T;
}

/** A rule for an `AbortSignal` that may be left out. */
export const signalRule = {
  default: undefined,
  check(name: string, value: unknown): void {
    if (typeof (value as AbortSignal | null)?.addEventListener !== 'function') {
      throw new TypeError(`${name} must be an AbortSignal`);
    }
  },
};

/** Milliseconds of which 0 and -1 both mean "for ever", as HP-Socket's INFINITE. */
export const maxWaitRule = {
  default: -1,
  check(name: string, value: unknown): void {
    if (typeof value !== 'number') throw new TypeError(`${name} must be a number of milliseconds`);
    if (Number.isNaN(value) || (value < 0 && value !== -1)) {
      throw new RangeError(`${name} must be milliseconds above 0, or 0 or -1 for ever, not ${value}`);
    }
  },
};
