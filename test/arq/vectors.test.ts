import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { isCloseNotify } from '../../src/arq/datagram.ts';
import { handshakePeerId, handshakeSelfId, isHandshake, isHandshakeComplete } from '../../src/arq/handshake.ts';
import { ArqSession, type ArqSessionHost, ArqSettings } from '../../src/arq/session.ts';
import { segmentsOf } from './kcp-bytes.ts';

/*
 * A recording of an HP-Socket server (echo) and client, through a relay. Our session plays one side and the recording the
 * other. Free are IDs, time stamps, and how many segments share a datagram; so IDs in recorded packets are rewritten to
 * ours, and what is compared is what the two sides tell each other.
 */
interface Recorded {
  t_ms: number;
  connection: number;
  from: 'client' | 'server';
  hex: string;
}
const recording = JSON.parse(readFileSync(new URL('../vectors/arq.json', import.meta.url), 'utf8')) as Recorded[];
const CLOSE = 16;

/** Payload of message i in the recording; beyond 256 bytes the position's high byte counts in as well. */
function message(i: number, size: number): Buffer {
  const out = Buffer.alloc(size);
  for (let k = 4; k < size; k++) out[k] = (k * 7 + (k >> 8) + i * 31) % 256;
  out.writeUInt32LE(i, 0);
  return out;
}

/** Short form for comparison: a diff of 3000 bytes helps nobody. */
function head(data: Buffer): string {
  return `${data.length} ${data.toString('hex', 0, 16)} ${createHash('sha1').update(data).digest('hex')}`;
}

/** One side played by us against the recording of the other. */
class Player implements ArqSessionHost {
  readonly sent: Buffer[] = [];
  readonly messages: Buffer[] = [];
  readyAt = -1;
  now: number;
  readonly session: ArqSession;
  private readonly isServer: boolean;

  constructor(isServer: boolean, selfId: number, now: number) {
    this.isServer = isServer;
    this.now = now;
    const settings = new ArqSettings({ noDelay: true, flushInterval: 10 });
    this.session = new ArqSession({ selfId, now, settings, host: this });
    this.session.start(now);
  }
  output(bytes: Buffer, length: number): void {
    this.sent.push(Buffer.from(bytes.subarray(0, length)));
  }
  onReady(): void {
    this.readyAt = this.now;
  }
  onMessage(data: Buffer): void {
    this.messages.push(data);
    if (this.isServer) expect(this.session.send(data, this.now)).toBe(0);
  }
}

interface Outcome {
  handshake: string[];
  pushes: string[];
  acks: number[];
  una: number;
  windows: Set<number>;
}

/** What one side said, without what is free: IDs by name, each push once, each acknowledged number once. */
function outcome(datagrams: Buffer[], self: number): Outcome {
  const result: Outcome = { handshake: [], pushes: [], acks: [], una: 0, windows: new Set() };
  const pushes = new Map<number, string>();
  const acks = new Set<number>();
  for (const datagram of datagrams) {
    if (datagram.length === 0 || datagram.length === CLOSE) continue;
    if (datagram.length === 12) {
      expect(isHandshake(datagram)).toBe(true);
      expect(handshakeSelfId(datagram)).toBe(self);
      const line = `{self,${handshakePeerId(datagram) === 0 ? '0' : 'peer'},f${datagram[3]}}`;
      if (!result.handshake.includes(line)) result.handshake.push(line);
      continue;
    }
    for (const s of segmentsOf(datagram)) {
      expect(s.conv).toBe(self);
      if (s.cmd === 81) pushes.set(s.sn, `${s.sn} ${s.frg} ${s.data.toString('hex')}`);
      if (s.cmd === 82) acks.add(s.sn);
      result.windows.add(s.wnd);
      result.una = Math.max(result.una, s.una);
    }
  }
  result.pushes = [...pushes].sort(([a], [b]) => a - b).map(([, text]) => text);
  result.acks = [...acks].sort((a, b) => a - b);
  return result;
}

/** What we sent is what was recorded, and nothing is left to do. */
function expectSame(ours: Outcome, theirs: Outcome, player: Player): void {
  expect(ours.pushes).toEqual(theirs.pushes);
  expect(ours.acks).toEqual(theirs.acks);
  expect(ours.una).toBe(theirs.una);
  expect(ours.handshake).toEqual(theirs.handshake);
  expect(player.session.waitingSendCount).toBe(0);
  expect(player.session.nextDueMs(player.now)).toBe(Infinity);
}

/**
 * Plays `role` in connection `number`. The recording's packets name the recorded ID of our side; it is replaced by ours.
 * Its acknowledgements echo our time stamps: they are given those of the segments we really sent.
 */
function play(
  role: 'client' | 'server',
  number: number,
  messages: Buffer[],
): { ours: Outcome; theirs: Outcome; player: Player } {
  const all = recording.filter((r) => r.connection === number);
  const idOf = (side: string): number =>
    Buffer.from(all.find((r) => r.from === side && r.hex.length === 24)!.hex, 'hex').readUInt32LE(4);
  const recordedSelf = idOf(role);
  const self = 0xcafe0001;
  const start = all[0]!.t_ms;
  const player = new Player(role === 'server', self, start);
  const log: Buffer[] = [];
  const timeOf = new Map<number, number>();
  const collect = (): void => {
    for (const datagram of player.sent.splice(0)) {
      log.push(datagram);
      if (datagram.length >= 24) for (const s of segmentsOf(datagram)) if (s.cmd === 81) timeOf.set(s.sn, s.ts);
    }
  };
  const until = (time: number): void => {
    for (let due = player.session.nextDueMs(player.now); due <= time; due = player.session.nextDueMs(player.now)) {
      player.now = Math.max(due, player.now);
      expect(player.session.update(player.now)).toBe(0);
      collect();
    }
    player.now = time;
  };
  let queued = 0;
  for (const r of all) {
    if (r.from === role) continue;
    until(r.t_ms);
    // The recorded client sent its messages one after the other; ours has sent them all before the server's first segment.
    const datagram = Buffer.from(r.hex, 'hex');
    if (datagram.length === 12 && datagram.readUInt32LE(8) === recordedSelf) datagram.writeUInt32LE(self, 8);
    if (datagram.length >= 24) {
      for (; queued < messages.length && role === 'client'; queued++) {
        expect(player.session.send(messages[queued]!, player.now)).toBe(0);
        collect();
      }
      for (let at = 0; at < datagram.length; at += 24 + datagram.readUInt32LE(at + 20)) {
        if (datagram[at + 4] === 82) {
          const ts = timeOf.get(datagram.readUInt32LE(at + 12));
          if (ts !== undefined) datagram.writeUInt32LE(ts, at + 8);
        }
      }
    }
    if (datagram.length === 0 || isCloseNotify(datagram)) continue;
    expect(player.session.input(datagram, player.now)).toBe(0);
    collect();
  }
  const own = all.filter((r) => r.from === role).map((r) => Buffer.from(r.hex, 'hex'));
  until(all.at(-1)!.t_ms + 6000);
  return {
    ours: outcome(log, self),
    theirs: outcome(own, recordedSelf),
    player: player,
  };
}

const connections = [
  { number: 1, messages: Array.from({ length: 4 }, (_, i) => message(i, 100)) },
  { number: 2, messages: Array.from({ length: 3 }, (_, i) => message(i, 3000)) },
];

describe('against the recording of HP-Socket', () => {
  test('AQ-001 AQ-002 AQ-003 AQ-004 AQ-022: what the recording holds is what we take it for', () => {
    for (const { hex } of recording) {
      const datagram = Buffer.from(hex, 'hex');
      if (datagram.length === 12) expect(isHandshake(datagram)).toBe(true);
      else if (datagram.length === CLOSE) expect(isCloseNotify(datagram)).toBe(true);
      else if (datagram.length !== 0) expect(datagram.length).toBeGreaterThanOrEqual(24);
    }
    const flags = recording
      .filter((r) => r.hex.length === 24)
      .map((r) => isHandshakeComplete(Buffer.from(r.hex, 'hex')));
    expect(flags).toContain(true);
  });

  for (const { number, messages } of connections) {
    test(`AQ-022 AQ-023 KC-029: our server against the recorded client, connection ${number}`, () => {
      const { ours, theirs, player } = play('server', number, []);
      expect(player.messages.map(head)).toEqual(messages.map(head));
      // The echo of each message, in the same segments, and an acknowledgement of each of the client's.
      expectSame(ours, theirs, player);
      expect(Math.max(...ours.windows)).toBe(512);
    });

    test(`AQ-022 AQ-023 KC-029: our client against the recorded server, connection ${number}`, () => {
      const { ours, theirs, player } = play('client', number, messages);
      expect(player.messages.map(head)).toEqual(messages.map(head));
      expectSame(ours, theirs, player);
      expect(player.session.stats().srtt).toBeLessThan(20);
    });
  }
});
