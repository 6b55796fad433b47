import { describe } from './describe.ts';
import { ServiceState, SocketErrorCode } from './enums.ts';
import { Errno } from './errno.ts';
import { SocketError } from './errors.ts';
import { $settings } from './internals.ts';
import { unknownName } from './option-names.ts';

/**
 * Properties of components: HP-Socket's `SetX` / `GetX` pairs as one property `x`, which is also an option of the
 * constructor. Written once as a table per interface; the accessors are made from it.
 */
export interface PropertyRule {
  readonly default: unknown;
  /** Throws a TypeError or RangeError that names the property. */
  readonly check: (name: string, value: unknown) => void;
  /** It is an option of the constructor, but no property: its class takes it from the options. */
  readonly isOptionOnly?: true;
}

export type PropertyTable = Readonly<Record<string, PropertyRule>>;

/** A table with a rule for each property of an interface, and no other: `{ ... } satisfies TableOf<TheInterface>`. */
export type TableOf<Properties> = Readonly<Record<keyof Properties, PropertyRule>>;

/** Options of a constructor: any of the properties; undefined counts as left out. */
export type OptionsOf<Properties> = { [Name in keyof Properties]?: Properties[Name] | undefined };

/** What the accessors work on. */
interface PropertyOwner {
  readonly state: ServiceState;
  readonly [$settings]: Record<string, unknown>;
}

/** An integer in [min, max]; with `orZero`, also 0. */
export function integer(
  defaultValue: number,
  min: number,
  max: number = Number.MAX_SAFE_INTEGER,
  orZero = false,
): PropertyRule {
  return {
    default: defaultValue,
    check(name, value) {
      if (typeof value !== 'number') throw new TypeError(`${name} must be a number, not ${describe(value)}`);
      if (orZero && value === 0) return;
      if (!Number.isInteger(value) || value < min || value > max) {
        const upper = max === Number.MAX_SAFE_INTEGER ? 'or more' : `to ${max}`;
        throw new RangeError(`${name} must be ${orZero ? '0, or ' : ''}a whole number, ${min} ${upper}, not ${value}`);
      }
    },
  };
}

/** True or false. */
export function flag(defaultValue: boolean): PropertyRule {
  return {
    default: defaultValue,
    check(name, value) {
      if (typeof value !== 'boolean') throw new TypeError(`${name} must be true or false, not ${describe(value)}`);
    },
  };
}

/** Milliseconds, 0 or more, `Infinity` too. */
export const duration: PropertyRule = {
  default: 0,
  check(name, value) {
    if (typeof value !== 'number') throw new TypeError(`${name} must be a number, not ${describe(value)}`);
    if (!(value >= 0)) throw new RangeError(`${name} must be 0 milliseconds or more, not ${value}`);
  },
};

/** One of a few values. */
export function oneOf<T>(defaultValue: T, values: readonly T[]): PropertyRule {
  return {
    default: defaultValue,
    check(name, value) {
      if (!values.includes(value as T)) {
        throw new RangeError(`${name} must be one of ${values.map(String).join(', ')}, not ${describe(value)}`);
      }
    },
  };
}

/** Any value that `check` lets pass. */
export function custom(defaultValue: unknown, check: (name: string, value: unknown) => void): PropertyRule {
  return { default: defaultValue, check };
}

const tables = new WeakMap<object, PropertyTable>();

/** Defines the accessors of `table` on `prototype`; those of its parents stay in force. */
export function defineProperties(prototype: object, table: PropertyTable): void {
  tables.set(prototype, table);
  for (const [name, rule] of Object.entries(table)) {
    if (rule.isOptionOnly) continue;
    Object.defineProperty(prototype, name, {
      configurable: true,
      enumerable: true,
      get(this: PropertyOwner) {
        return this[$settings][name];
      },
      set(this: PropertyOwner, value: unknown) {
        if (this.state !== ServiceState.Stopped) {
          throw new SocketError({
            socketError: SocketErrorCode.IllegalState,
            errno: Errno.EPERM,
            operation: `set ${name}`,
            message: `${name} can only be set while the component is stopped; await stop() first`,
          });
        }
        rule.check(name, value);
        this[$settings][name] = value;
      },
    });
  }
}

/** Default values of every property that `component` has. */
export function defaultSettings(component: object): Record<string, unknown> {
  const settings: Record<string, unknown> = {};
  for (let p: object | null = component; p !== null; p = Object.getPrototypeOf(p)) {
    for (const [name, rule] of Object.entries(tables.get(p) ?? {})) settings[name] ??= rule.default;
  }
  return settings;
}

/** Sets each option as a property; an unknown name is an error that suggests the nearest one. */
export function applyOptions(component: PropertyOwner, options: object | undefined): void {
  if (options === undefined) return;
  const what = component.constructor.name;
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw new TypeError(`the options of ${what} must be an object, not ${describe(options)}`);
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(component[$settings], name)) throw unknownName(what, name, Object.keys(component[$settings]));
    if (value !== undefined && !isOptionOnly(component, name))
      (component as unknown as Record<string, unknown>)[name] = value;
  }
}

function isOptionOnly(component: object, name: string): boolean {
  for (let p: object | null = component; p !== null; p = Object.getPrototypeOf(p)) {
    const rule = tables.get(p)?.[name];
    if (rule !== undefined) return rule.isOptionOnly === true;
  }
  return false;
}
