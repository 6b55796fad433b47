import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { beginsConversation, hasFecHeader } from '../../src/arq/datagram.ts';
import { type ArqOptions, ArqSession, type ArqSessionHost, ArqSettings } from '../../src/arq/session.ts';
import { stockKcp } from '../../src/arq/settings.ts';
import { Errno } from '../../src/core/errno.ts';

/*
 * Recordings of two ends of the stock C library (skywind3000/kcp 2.1.1), one of which echoes. Our session plays one side and the
 * recording the other. Free are time stamps, how many segments share a datagram, and when something is sent again; what is
 * compared is what the two sides tell each other.
 */
const CONV = 0x11223344;

interface Row {
  t_ms: number;
  from: 'client' | 'server';
  hex: string;
  dropped?: boolean;
}

interface Segment {
  cmd: number;
  sn: number;
  frg: number;
  data: Buffer;
}

const rowsOf = (file: string): Row[] =>
  JSON.parse(readFileSync(new URL(`../vectors/${file}`, import.meta.url), 'utf8')) as Row[];

function segments(datagram: Buffer): Segment[] {
  const all: Segment[] = [];
  for (let at = 0; at < datagram.length; ) {
    const end = at + 24 + datagram.readUInt32LE(at + 20);
    expect(datagram.readUInt32LE(at)).toBe(CONV);
    const [cmd, frg] = [datagram[at + 4]!, datagram[at + 5]!];
    all.push({ cmd, frg, sn: datagram.readUInt32LE(at + 12), data: datagram.subarray(at + 24, end) });
    at = end;
  }
  return all;
}

/** The pushes and acknowledgements among datagrams, each once, in order. */
function said(datagrams: Buffer[]): { pushes: string[]; acks: number[] } {
  const all = datagrams.flatMap(segments);
  const pushes = new Map(
    all.filter(({ cmd }) => cmd === 81).map((s) => [s.sn, `${s.sn} ${s.frg} ${s.data.toString('hex')}`]),
  );
  const acks = new Set(all.filter(({ cmd }) => cmd === 82).map(({ sn }) => sn));
  return {
    pushes: [...pushes].sort(([a], [b]) => a - b).map(([, text]) => text),
    acks: [...acks].sort((a, b) => a - b),
  };
}

/** The messages that one side sent. */
function messagesOf(rows: Row[], side: string): Buffer[] {
  const bySn = new Map<number, Segment>();
  for (const { from, hex } of rows) {
    if (from === side) for (const s of segments(Buffer.from(hex, 'hex'))) if (s.cmd === 81) bySn.set(s.sn, s);
  }
  const messages: Buffer[] = [];
  let parts: Buffer[] = [];
  for (let sn = 0; sn < bySn.size; sn++) {
    const { data, frg } = bySn.get(sn)!;
    parts.push(data);
    if (frg > 0) continue;
    messages.push(Buffer.concat(parts));
    parts = [];
  }
  return messages;
}

class Player implements ArqSessionHost {
  readonly sent: Buffer[] = [];
  readonly messages: string[] = [];
  readonly session: ArqSession;
  isReady = false;
  private readonly echoes: boolean;
  private now: number;
  private readonly timeOf = new Map<number, number>();

  constructor(options: ArqOptions, echoes: boolean, now: number) {
    this.echoes = echoes;
    this.now = now;
    const settings = new ArqSettings({ ...stockKcp, ...options });
    this.session = new ArqSession({ selfId: CONV, now, settings, host: this });
    this.session.start(now);
  }

  output(bytes: Buffer, length: number): void {
    const datagram = Buffer.from(bytes.subarray(0, length));
    for (const { cmd, sn } of segments(datagram)) if (cmd === 81) this.timeOf.set(sn, this.now);
    this.sent.push(datagram);
  }

  onReady(): void {
    this.isReady = true;
  }

  onMessage(message: Buffer): void {
    this.messages.push(message.toString('hex'));
    if (this.echoes) expect(this.session.send(message, this.now)).toBe(0);
  }

  until(time: number): void {
    for (let due = this.session.nextDueMs(this.now); due <= time; due = this.session.nextDueMs(this.now)) {
      this.now = Math.max(due, this.now);
      expect(this.session.update(this.now)).toBe(0);
    }
    this.now = time;
  }

  /** Takes a recorded datagram in; its acknowledgements get the time stamps of what we really sent. */
  take(datagram: Buffer): void {
    for (let at = 0; at < datagram.length; at += 24 + datagram.readUInt32LE(at + 20)) {
      const ts = this.timeOf.get(datagram.readUInt32LE(at + 12));
      if (datagram[at + 4] === 82 && ts !== undefined) datagram.writeInt32LE(ts | 0, at + 8);
    }
    expect(this.session.input(datagram, this.now)).toBe(0);
  }
}

describe.each([
  { file: 'kcp-stock.json', options: { noDelay: true, flushInterval: 10, resendByAcks: 2, turnoffCongestCtrl: true } },
  {
    file: 'kcp-stock-loss.json',
    options: { noDelay: true, flushInterval: 10, resendByAcks: 2, turnoffCongestCtrl: true },
  },
  { file: 'kcp-stock-normal.json', options: { flushInterval: 40 } },
])('against the recording $file', ({ file, options }) => {
  const rows = rowsOf(file);

  test.each([
    ['client', true],
    ['client', false],
    ['server', true],
    ['server', false],
  ] as const)('we are the %s, flushing at once: %s', (role, immediateFlush) => {
    const player = new Player({ ...options, immediateFlush }, role === 'server', rows[0]!.t_ms);
    expect([player.isReady, player.sent]).toEqual([true, []]); // no handshake, not a byte
    const own = messagesOf(rows, role);
    if (role === 'client') for (const message of own) expect(player.session.send(message, rows[0]!.t_ms)).toBe(0);
    player.session.flush(rows[0]!.t_ms);
    for (const { t_ms, from, hex, dropped } of rows) {
      if (from === role || dropped === true) continue;
      player.until(t_ms);
      player.take(Buffer.from(hex, 'hex'));
      player.session.flush(t_ms);
    }
    player.until(rows.at(-1)!.t_ms + 5_000);
    const ours = said(player.sent);
    const theirs = said(rows.filter(({ from }) => from === role).map(({ hex }) => Buffer.from(hex, 'hex')));
    expect(ours).toEqual(theirs);
    const peer = role === 'client' ? 'server' : 'client';
    expect(player.messages).toEqual(messagesOf(rows, peer).map((message) => message.toString('hex')));
    expect([player.session.waitingSendCount, player.session.nextDueMs(1e9)]).toEqual([0, Infinity]);
  });
});

describe('what is no datagram of the conversation', () => {
  const open = (): Player => new Player({}, false, 0);
  const push = Buffer.from(`4433221151008000000000000000000000000000010000${'00'}2a`, 'hex');

  test('another conv, and what is too short for KCP, is dropped and counted; the conversation goes on', () => {
    const player = open();
    const foreign = Buffer.from(push);
    foreign[0] = 0x45;
    for (const datagram of [foreign, Buffer.alloc(12), Buffer.alloc(16), push.subarray(0, 23), Buffer.from('hello')]) {
      expect(player.session.input(datagram, 1)).toBe(0);
    }
    expect([player.session.foreignDatagrams, player.messages, player.sent]).toEqual([5, [], []]);
    expect(player.session.input(push, 2)).toBe(0);
    expect(player.messages).toEqual(['2a']);
  });

  test("kcp-go's forward error correction ends it", () => {
    for (const flag of [0xf1, 0xf2]) {
      const fec = Buffer.concat([Buffer.from([1, 0, 0, 0, flag, 0, 27, 0]), push]);
      expect(hasFecHeader(fec)).toBe(true);
      expect(open().session.input(fec, 1)).toBe(Errno.EPROTO);
    }
    expect(hasFecHeader(push)).toBe(false);
    const header = Buffer.from('01000000f1001b00', 'hex');
    expect([header, header.subarray(0, 7)].map(hasFecHeader)).toEqual([true, false]);
    expect(hasFecHeader(Buffer.from('01000000f1011b00', 'hex'))).toBe(false);
  });

  test('a conversation begins with data that a first window lets through', () => {
    const changed = (at: number, value: number): Buffer => {
      const bytes = Buffer.from(push);
      bytes[at] = value;
      return bytes;
    };
    expect(beginsConversation(push)).toBe(true);
    expect(beginsConversation(changed(12, 127))).toBe(true);
    expect(beginsConversation(changed(20, 0).subarray(0, 24))).toBe(true);
    for (const bytes of [
      changed(12, 128),
      changed(15, 0x80),
      changed(4, 82),
      changed(20, 2),
      changed(23, 0x80),
      push.subarray(0, 23),
    ]) {
      expect(beginsConversation(bytes)).toBe(false);
    }
  });
});
