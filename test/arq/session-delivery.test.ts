import { describe, expect, test } from 'vitest';
import { type ArqOptions, ArqSession, type ArqSessionHost, ArqSettings } from '../../src/arq/session.ts';
import { Errno } from '../../src/core/errno.ts';

/** One end of a session; ready at time 0 unless `isReady` is false. `sent` is without its first handshake packet. */
class End implements ArqSessionHost {
  readonly sent: Buffer[] = [];
  readonly log: string[] = [];
  readonly session: ArqSession;
  whenOutput: () => void = () => {};
  whenMessage: (text: string) => void = () => {};

  constructor(options: ArqOptions = {}, isReady = true) {
    const settings = new ArqSettings({ turnoffCongestCtrl: true, ...options });
    const proved = { peerId: 2, isPeerComplete: true };
    this.session = new ArqSession({ selfId: 1, now: 0, settings, host: this, ...(isReady ? { proved } : {}) });
    this.session.start(0);
    this.sent.shift();
  }
  output(bytes: Buffer, length: number): void {
    this.sent.push(Buffer.from(bytes.subarray(0, length)));
    this.whenOutput();
  }
  onReady(): void {}
  onMessage(message: Buffer): void {
    const text = message.toString();
    this.log.push(`begin ${text}`);
    this.whenMessage(text);
    this.log.push(`end ${text}`);
  }
  /** Kinds and data of the segments of each datagram sent since the last call. */
  get said(): string[] {
    return this.sent.splice(0).map((datagram) => {
      const segments: string[] = [];
      for (let at = 0; at < datagram.length; ) {
        const end = at + 24 + datagram.readUInt32LE(at + 20);
        segments.push(`${datagram[at + 4]}${datagram.toString('latin1', at + 24, end)}`);
        at = end;
      }
      return segments.join(' ');
    });
  }
}

/** A data segment, built independently of the code under test. */
function push(sn: number, text: string, frg = 0): Buffer {
  const header = Buffer.alloc(24);
  header.writeUInt8(81, 4);
  header.writeUInt8(frg, 5);
  header.writeUInt16LE(512, 6);
  header.writeUInt32LE(sn, 12);
  header.writeUInt32LE(text.length, 20);
  return Buffer.concat([header, Buffer.from(text)]);
}

describe('messages of one datagram', () => {
  test('AQ-038: all answers leave together, behind the acknowledgements', () => {
    const end = new End();
    end.whenMessage = (text) => void end.session.send(Buffer.from(text.toUpperCase()), 1);
    expect(end.session.input(Buffer.concat([push(0, 'a'), push(1, 'b'), push(2, 'c')]), 1)).toBe(0);
    expect(end.said).toEqual(['82 82 82 81A 81B 81C']);
  });

  test('one is delivered after the other, also to a host that pauses and resumes in between', () => {
    const end = new End();
    end.whenMessage = () => {
      end.session.pause();
      expect(end.session.resume(1)).toBe(0);
    };
    end.session.input(Buffer.concat([push(0, 'a'), push(1, 'b')]), 1);
    expect(end.log).toEqual(['begin a', 'end a', 'begin b', 'end b']);
    expect(end.said).toEqual(['82 82']);
  });

  test('for a host that closes in onMessage no fault behind it is reported, and nothing is sent', () => {
    const datagram = Buffer.concat([push(0, 'ok'), push(1, 'x', 1), push(2, 'y', 1)]);
    const open = new End();
    expect(open.session.input(datagram, 1)).toBe(Errno.EBADMSG);
    expect(open.log).toEqual(['begin ok', 'end ok']);
    const closing = new End();
    closing.whenMessage = () => closing.session.close();
    expect(closing.session.input(datagram, 1)).toBe(0);
    expect(closing.said).toEqual([]);
  });

  test('AQ-039: a fault is EMSGSIZE for what is too large, EBADMSG for fragments out of order; not while paused', () => {
    for (const [second, errno] of [
      [push(1, 'x'.repeat(100)), Errno.EMSGSIZE],
      [push(1, 'x', 1), Errno.EBADMSG],
    ] as const) {
      const end = new End({ maxMessageSize: 100 });
      end.session.pause();
      expect(end.session.input(Buffer.concat([push(0, 'x', 1), second]), 1)).toBe(0);
      expect([end.session.resume(2), end.session.isReady]).toEqual([errno, false]);
    }
  });
});

describe('when it flushes', () => {
  test('the option decides whether datagrams are gathered', () => {
    expect(new ArqSettings().isGathered).toBe(false);
    expect(new ArqSettings({ immediateFlush: true }).isGathered).toBe(false);
    expect(new ArqSettings({ immediateFlush: false }).isGathered).toBe(true);
  });

  test('without immediateFlush, a flush is due at once after a send and after an input, once', () => {
    const end = new End({ immediateFlush: false });
    const { session } = end;
    for (const act of [() => session.send(Buffer.from('x'), 10), () => session.input(push(0, 'y'), 10)]) {
      expect(act()).toBe(0);
      expect([end.said, session.nextDueMs(10)]).toEqual([[], 10]);
      session.update(10);
      expect(end.said).toHaveLength(1);
      expect(session.nextDueMs(10)).toBeGreaterThan(10);
    }
  });

  test('an update before the interval is over resends nothing; the interval begins when the handshake is done', () => {
    const end = new End({ flushInterval: 1_000 }, false);
    const { session } = end;
    session.update(1_000);
    const answer = Buffer.from('4fbb01010200000001000000', 'hex');
    expect([session.input(answer, 1_500), session.isReady]).toEqual([0, true]);
    session.input(answer, 1_500);
    session.send(Buffer.from('x'), 1_500);
    expect(end.sent.splice(0).at(-1)!.toString('latin1', 24)).toBe('x');
    // Its own timeout, 200 ms and an eighth, is over long before.
    expect(session.nextDueMs(1_500)).toBe(2_500);
    session.update(2_499);
    expect(end.said).toEqual([]);
    session.update(2_500);
    expect(end.said).toEqual(['81x']);
  });
});

describe('a line that loses nothing', () => {
  test('is not taken for a lossy one: a segment that was sent once, and acknowledged, is no loss', () => {
    const { session } = new End();
    session.send(Buffer.from('x'), 1);
    const ack = push(0, '');
    ack.writeUInt8(82, 4);
    ack.writeUInt32LE(1, 8); // the time of the segment
    expect([session.input(ack, 30), session.waitingSendCount]).toEqual([0, 0]);
    expect(session.stats()).toMatchObject({ loss: 0, lost: 0, rtt: 29 });
  });
});

describe('closing', () => {
  test('in output: the datagrams that were to follow do not leave', () => {
    const end = new End();
    end.whenOutput = () => end.session.close();
    end.session.send(Buffer.alloc(4_000), 1);
    expect(end.sent).toHaveLength(1);
  });

  test('before a flush that was due: it sends and counts nothing', () => {
    const end = new End({ immediateFlush: false });
    end.session.send(Buffer.from('x'), 1);
    end.session.close();
    end.session.flush(1);
    expect([end.said, end.session.stats().datagramsOut]).toEqual([[], 0]);
  });

  test('AQ-044: what comes afterwards is not looked at', () => {
    const end = new End();
    end.session.close();
    expect([end.session.input(Buffer.alloc(5), 1), end.session.input(push(0, 'x'), 1)]).toEqual([0, 0]);
    expect([end.log, end.session.stats().datagramsIn]).toEqual([[], 0]);
  });
});

describe('the memory of a handshake packet', () => {
  test('is the host that keeps it: the next session writes into other memory', () => {
    const kept: Buffer[] = [];
    const start = (selfId: number, isKept: boolean): void => {
      const output = (bytes: Buffer): boolean => kept.push(bytes) > 0 && isKept;
      const host: ArqSessionHost = { output, onReady: () => {}, onMessage: () => {} };
      new ArqSession({ selfId, now: 0, settings: new ArqSettings(), host }).start(0);
    };
    start(1, true);
    start(2, false);
    start(3, true);
    start(4, true);
    expect(kept.map((bytes) => bytes.readUInt32LE(4))).toEqual([1, 3, 3, 4]);
  });
});
