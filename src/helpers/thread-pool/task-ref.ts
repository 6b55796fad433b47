import { isAbsolute } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe } from '../../core/describe.ts';
import type { TaskFunctionRef } from './task.ts';

/** A function of a module other than the pool's own. */
export interface TaskRef {
  /** A URL, best `new URL('./tasks.js', import.meta.url)`, or an absolute path. */
  module: string | URL;
  /** Name of the exported function; `default` if left out. */
  name?: string;
}

/** Most functions that one pool knows: names come from code, and not from data. */
const MAX_FUNCTIONS = 4096;

/** The functions that a pool was asked to run, each with its number. */
export class TaskFunctions {
  readonly #refs = new Map<string, Map<string, TaskFunctionRef>>();
  #count = 0;

  /** @throws TypeError if `task` names no function, RangeError for too many different ones. */
  find(task: string | TaskRef, module: string | null): TaskFunctionRef {
    if (typeof task === 'string' && module !== null) {
      // The usual case costs two look-ups.
      const known = this.#refs.get(module)?.get(task);
      if (known !== undefined) return known;
    }
    const url = typeof task === 'string' ? module : moduleUrl('module', (task as TaskRef | null)?.module);
    if (url === null) {
      throw new TypeError(`which module exports ${describe(task)}? Give the pool the option module, or the task one`);
    }
    const name = typeof task === 'string' ? task : (task.name ?? 'default');
    if (typeof name !== 'string') throw new TypeError(`the name of a task must be a string, not ${describe(name)}`);
    let names = this.#refs.get(url);
    if (names === undefined) this.#refs.set(url, (names = new Map()));
    let ref = names.get(name);
    if (ref === undefined) {
      if (this.#count >= MAX_FUNCTIONS) {
        throw new RangeError(`a pool runs at most ${MAX_FUNCTIONS} different functions; pass what differs as argument`);
      }
      ref = { id: this.#count++, url, name };
      names.set(name, ref);
    }
    return ref;
  }
}

/** The URL of a module, as a string. @throws TypeError for what depends on the directory or the importing file. */
export function moduleUrl(option: string, module: unknown): string {
  if (module instanceof URL) return module.href;
  if (typeof module === 'string') {
    if (isAbsolute(module)) return pathToFileURL(module).href;
    if (/^(file|data):/.test(module)) return module;
  }
  throw new TypeError(
    `${option} must be a URL such as new URL('./tasks.js', import.meta.url), or an absolute path, not ${describe(module)}`,
  );
}
