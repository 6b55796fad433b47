import { expect, test } from 'vitest';
import { type GateEntry, HandshakeGate } from '../../src/ssl/handshake-gate.ts';

/** An entry that notes its turn. */
function entryOf(name: string, turns: string[]): GateEntry {
  return { go: () => void turns.push(name) };
}

test('entries that wait get their turns in order, those that gave up get none', () => {
  const turns: string[] = [];
  let struck = 0;
  const gate = new HandshakeGate(2, () => void struck++);
  const entries = Array.from('abcde', (name) => entryOf(name, turns));
  for (const entry of entries) gate.enter(entry);
  expect(turns).toEqual(['a', 'b']);
  expect(struck).toBe(3);
  gate.giveUp(entries[2]!);
  gate.leave();
  gate.leave();
  expect(turns).toEqual(['a', 'b', 'd', 'e']);
  expect(gate).toMatchObject({ underWay: 2, waiting: 0 });
  gate.leave();
  gate.leave();
  expect(gate.underWay).toBe(0);
});

test('a flood that never lets the row run empty does not make it grow', () => {
  const turns: string[] = [];
  const gate = new HandshakeGate(1, () => {});
  for (let i = 0; i < 3; i++) gate.enter(entryOf('first', turns));
  for (let i = 0; i < 1000; i++) {
    const impatient = entryOf('impatient', turns);
    gate.enter(impatient);
    gate.enter(entryOf('patient', turns));
    gate.giveUp(impatient);
    gate.leave();
    expect(gate.waiting).toBe(2);
  }
  expect(turns).not.toContain('impatient');
});
