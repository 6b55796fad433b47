import { expect, test } from 'vitest';
import { type GateEntry, HandshakeGate, MUTE_MS, type Slot } from '../../src/ssl/handshake-gate.ts';
import { ManualTime } from '../udp/tools.ts';

/** An entry that notes its turn. */
class Entry implements GateEntry {
  readonly name: string;
  readonly gateAddress: string;
  bytesRead = 0;
  slot: Slot | null = null;
  #turns: string[];

  constructor(name: string, turns: string[], address = '') {
    this.name = name;
    this.gateAddress = address;
    this.#turns = turns;
  }

  go(): void {
    this.#turns.push(this.name);
  }
}

function makeGate(max: number, maxPerAddress = Number.POSITIVE_INFINITY) {
  const time = new ManualTime();
  const turns: string[] = [];
  const strikes = { count: 0 };
  const gate = new HandshakeGate(max, maxPerAddress, time.wheel, () => void strikes.count++);
  const enter = (name: string, address?: string): Entry => {
    const entry = new Entry(name, turns, address);
    gate.enter(entry);
    return entry;
  };
  return { time, turns, strikes, gate, enter };
}

test('entries that wait get their turns in order, those that gave up get none', () => {
  const { turns, strikes, gate, enter } = makeGate(2);
  const [a, b, c, d, e] = Array.from('abcde', (name) => enter(name));
  expect(turns).toEqual(['a', 'b']);
  expect(strikes.count).toBe(3);
  gate.leave(c!);
  gate.leave(a!);
  gate.leave(b!);
  expect(turns).toEqual(['a', 'b', 'd', 'e']);
  expect(gate).toMatchObject({ underWay: 2, waiting: 0 });
  gate.leave(d!);
  gate.leave(e!);
  gate.leave(e!);
  expect(gate.underWay).toBe(0);
});

test('a flood that never lets the row run empty does not make it grow', () => {
  const { turns, gate, enter } = makeGate(1);
  const patient = [enter('first'), enter('first'), enter('first')];
  for (let i = 0; i < 1000; i++) {
    const impatient = enter('impatient');
    patient.push(enter('patient'));
    gate.leave(impatient);
    gate.leave(patient.shift()!);
    expect(gate).toMatchObject({ underWay: 1, waiting: 2 });
  }
  expect(turns).not.toContain('impatient');
});

test('addresses have their turns one after another', () => {
  const { turns, gate, enter } = makeGate(1);
  const entries = new Map(['a1', 'a2', 'a3', 'b1', 'b2', 'c1'].map((name) => [name, enter(name, name[0])]));
  for (let i = 0; i < entries.size; i++) gate.leave(entries.get(turns[i]!)!);
  expect(turns).toEqual(['a1', 'a2', 'b1', 'c1', 'a3', 'b2']);
  expect(gate).toMatchObject({ underWay: 0, waiting: 0 });
});

test('an address gets so many slots and no more, the others go past it', () => {
  const { turns, gate, enter } = makeGate(10, 2);
  const flood = Array.from({ length: 5 }, (_, i) => enter(`flood ${i}`, '192.0.2.1'));
  enter('other', '192.0.2.2');
  expect(turns).toEqual(['flood 0', 'flood 1', 'other']);
  gate.leave(flood[0]!);
  expect(turns.at(-1)).toBe('flood 2');
  gate.leave(flood[4]!);
  gate.leave(flood[1]!);
  gate.leave(flood[2]!);
  expect(turns).toEqual(['flood 0', 'flood 1', 'other', 'flood 2', 'flood 3']);
  expect(gate).toMatchObject({ underWay: 2, waiting: 0 });
});

test('peers without an address do not share a limit per address', () => {
  const { turns, enter } = makeGate(10, 2);
  for (const name of 'abc') enter(name);
  expect(turns).toEqual(['a', 'b', 'c']);
});

test('a peer that falls silent loses its slot to one that waits, one that sends keeps it', () => {
  const { time, turns, gate, enter } = makeGate(2);
  const silent = enter('silent');
  const busy = enter('busy');
  enter('waits');
  enter('waits too');
  for (let ms = 0; ms < MUTE_MS - 50; ms += 50) {
    busy.bytesRead++;
    time.pass(50);
  }
  expect(turns).toEqual(['silent', 'busy']);
  for (let ms = 0; ms < 200; ms += 50) {
    busy.bytesRead++;
    time.pass(50);
  }
  expect(turns).toEqual(['silent', 'busy', 'waits']);
  expect(gate).toMatchObject({ underWay: 2, waiting: 1 });
  gate.leave(silent); // it has none to give back
  expect(turns).toEqual(['silent', 'busy', 'waits']);
  gate.leave(busy);
  expect(turns).toEqual(['silent', 'busy', 'waits', 'waits too']);
});

test('silent peers keep their slots as long as nobody waits, and nothing looks at them', () => {
  const { time, gate, enter } = makeGate(1);
  const silent = enter('silent');
  expect(time.wheel.size).toBe(0);
  const waits = enter('waits');
  expect(time.wheel.size).toBe(1);
  gate.leave(waits);
  expect(time.wheel.size).toBe(0);
  time.pass(10 * MUTE_MS);
  expect(gate.underWay).toBe(1);
  gate.leave(silent);
  expect(gate.underWay).toBe(0);
});

test('silent peers of one address give way when only that address has no slot left', () => {
  const { time, turns, gate, enter } = makeGate(10, 1);
  enter('other', '192.0.2.2');
  enter('silent', '192.0.2.1');
  enter('waits', '192.0.2.1');
  time.pass(2 * MUTE_MS);
  expect(turns).toEqual(['other', 'silent', 'waits']);
  expect(gate.underWay).toBe(2);
});

test('after the process was busy, peers are read before they count as silent', () => {
  const { time, turns, enter } = makeGate(1);
  const sends = enter('sends');
  enter('waits');
  time.jump(10 * MUTE_MS);
  expect(turns).toEqual(['sends']);
  sends.bytesRead = 1; // read behind the timers
  time.pass(MUTE_MS - 50);
  expect(turns).toEqual(['sends']);
  time.pass(100);
  expect(turns).toEqual(['sends', 'waits']);
});
