import { expect, test } from 'vitest';
import { addMethods } from '../../src/core/add-methods.ts';

abstract class Source {
  get size(): number {
    return 5;
  }

  greet(): string {
    return `source ${this.size}`;
  }

  own(): string {
    return 'source';
  }
}

class One {
  own(): string {
    return 'one';
  }
}

class Other {}

test('methods and accessors of a class become those of others, but for what they have themselves', () => {
  addMethods([One, Other], Source);
  const one = new One() as unknown as Source;
  const other = new Other() as unknown as Source;
  expect([one.greet(), one.size, one.own()]).toEqual(['source 5', 5, 'one']);
  expect([other.greet(), other.size, other.own()]).toEqual(['source 5', 5, 'source']);
  expect([one.constructor, other.constructor]).toEqual([One, Other]);
  expect([Object.keys(one), Object.keys(One.prototype)]).toEqual([[], []]);
});
