import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Linked, LinkedList } from '../../src/core/linked-list.ts';

class Element implements Linked<Element> {
  previous: Element | null = null;
  next: Element | null = null;
  isListed = false;
}

function elementsOf(list: LinkedList<Element>): Element[] {
  const elements: Element[] = [];
  for (let element = list.first; element !== null; element = element.next) elements.push(element);
  return elements;
}

describe('a linked list', () => {
  test('is what a set is, whatever comes and goes', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(7), { maxLength: 60 }), (moves) => {
        const all = Array.from({ length: 8 }, () => new Element());
        const list = new LinkedList<Element>();
        const set = new Set<Element>();
        for (const move of moves) {
          const element = all[move]!;
          if (set.has(element)) {
            set.delete(element);
            expect(list.remove(element)).toBe(true);
          } else {
            expect(list.remove(element)).toBe(false);
            set.add(element);
            list.add(element);
          }
          expect(elementsOf(list)).toEqual([...set]);
          expect(list.size).toBe(set.size);
        }
      }),
    );
  });

  test('is walked in its order, also while elements go', () => {
    const list = new LinkedList<Element>();
    const elements = [new Element(), new Element(), new Element()];
    for (const element of elements) list.add(element);
    expect([...list]).toEqual(elements);
    const seen: Element[] = [];
    for (const element of list) {
      seen.push(element);
      list.remove(element);
    }
    expect(seen.map((element) => elements.indexOf(element))).toEqual([0, 1, 2]);
    expect([...list]).toEqual([]);
  });

  test('leaves nothing in what was removed', () => {
    const list = new LinkedList<Element>();
    const elements = [new Element(), new Element(), new Element()];
    for (const element of elements) list.add(element);
    list.remove(elements[1]!);
    expect(elements[1]).toEqual(new Element());
    list.remove(elements[0]!);
    list.remove(elements[2]!);
    for (const element of elements) expect(element).toEqual(new Element());
    expect(list.first).toBeNull();
  });
});
