import { constants, createInflateRaw, inflateRawSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { FULL_DEFLATE } from '../../src/websocket/deflate-negotiation.ts';
import { makePeer } from './fake-port.ts';
import type { Role } from './support.ts';
import { numbers } from './texts.ts';

const TAIL = Buffer.from([0, 0, 0xff, 0xff]);

interface Frame {
  isFinal: boolean;
  isCompressed: boolean;
  opcode: number;
  payload: Buffer;
}

/** The frames of `bytes`, unmasked. */
function framesOf(bytes: Buffer): Frame[] {
  const frames: Frame[] = [];
  for (let at = 0; at < bytes.length; ) {
    const [first, second] = [bytes[at]!, bytes[at + 1]!];
    at += 2;
    let length = second & 127;
    if (length === 126) {
      length = bytes.readUInt16BE(at);
      at += 2;
    } else if (length === 127) {
      length = Number(bytes.readBigUInt64BE(at));
      at += 8;
    }
    const key = second >= 128 ? bytes.subarray(at, (at += 4)) : Buffer.alloc(4);
    const payload = Buffer.from(bytes.subarray(at, at + length).map((byte, i) => byte ^ key[i & 3]!));
    expect(first & 0x30).toBe(0);
    frames.push({ isFinal: first >= 128, isCompressed: (first & 0x40) !== 0, opcode: first & 15, payload });
    at += length;
  }
  return frames;
}

const kinds: [Role, boolean][] = [
  ['server', true],
  ['server', false],
  ['client', true],
  ['client', false],
];

describe.each(kinds)('the frames of a compressed message that a %s streams (context take-over: %s)', (role, keeps) => {
  const deflate = { ...FULL_DEFLATE, serverNoContextTakeover: !keeps, clientNoContextTakeover: !keeps };

  it('have RSV1 on the first alone, hold all that was given with each, and lack the tail at the end', async () => {
    const { protocol, port, send } = makePeer(role, { deflate });
    // As the peer keeps it: nothing is forgotten between two messages.
    const inflater = createInflateRaw();
    let made = '';
    inflater.on('data', (data) => (made += data));
    const inflated = async (data: Buffer): Promise<string> => {
      made = '';
      inflater.write(data);
      await new Promise<void>((done) => inflater.flush(constants.Z_SYNC_FLUSH, () => done()));
      return made;
    };
    let seen = 0;
    const next = (): Frame[] => {
      const all = framesOf(port.output);
      const fresh = all.slice(seen);
      seen = all.length;
      return fresh;
    };
    for (let round = 0; round < 3; round++) {
      const pieces = [numbers(round, 400), numbers(round, 400), 'x', numbers(0, 100)];
      expect(protocol.beginFragments(1)).not.toBeNull();
      const payloads: Buffer[] = [];
      for (const [i, piece] of pieces.entries()) {
        expect(protocol.sendFragment(Buffer.from(piece), false)).toBe(true);
        expect(protocol.ping(Buffer.from('between'))).toBe(true);
        const [frame, ping] = next() as [Frame, Frame];
        expect(ping).toMatchObject({ opcode: 9, isCompressed: false, payload: Buffer.from('between') });
        expect(frame).toMatchObject({ opcode: i === 0 ? 1 : 0, isCompressed: i === 0, isFinal: false });
        expect(frame.payload.subarray(-4)).toEqual(TAIL);
        expect(await inflated(frame.payload)).toBe(piece);
        payloads.push(frame.payload);
      }
      // What was said already is not said again, within a message even without take-over.
      if (!keeps || round === 0) expect(payloads[1]!.length).toBeLessThan(payloads[0]!.length / 3);
      expect(protocol.sendFragment(Buffer.alloc(0), true)).toBe(true);
      const [last] = next() as [Frame];
      expect(last).toMatchObject({ opcode: 0, isCompressed: false, isFinal: true });
      payloads.push(last.payload);
      expect(await inflated(Buffer.concat([last.payload, TAIL]))).toBe('');
      if (!keeps || round === 0) {
        const whole = inflateRawSync(Buffer.concat([...payloads, TAIL]), { finishFlush: constants.Z_SYNC_FLUSH });
        expect(whole.toString()).toBe(pieces.join(''));
      }
      send(numbers(round, 300));
      const [message] = next() as [Frame];
      expect(message).toMatchObject({ opcode: 1, isCompressed: true, isFinal: true });
      expect(await inflated(Buffer.concat([message.payload, TAIL]))).toBe(numbers(round, 300));
    }
    // The last fragment may hold something as well.
    expect(protocol.beginFragments(2)).not.toBeNull();
    expect(protocol.sendFragment(Buffer.from('first and '), false)).toBe(true);
    expect(protocol.sendFragment(Buffer.from('last'), true)).toBe(true);
    const [first, last] = next() as [Frame, Frame];
    expect(first).toMatchObject({ opcode: 2, isCompressed: true, isFinal: false });
    expect(last).toMatchObject({ opcode: 0, isCompressed: false, isFinal: true });
    expect(await inflated(Buffer.concat([first.payload, last.payload, TAIL]))).toBe('first and last');
  });

  it('are uncompressed if the caller says so, or there is nothing in them', () => {
    const { protocol, port } = makePeer(role, { deflate });
    protocol.beginFragments(2, false);
    protocol.sendFragment(Buffer.from(numbers(0, 500)), false);
    protocol.sendFragment(Buffer.alloc(0), true);
    protocol.beginFragments(2, true);
    protocol.sendFragment(Buffer.alloc(0), true);
    for (const frame of framesOf(port.output)) expect(frame.isCompressed).toBe(false);
  });

  it('that are complete cannot be abandoned: the next message goes on', () => {
    const { protocol } = makePeer(role, { deflate });
    const first = protocol.beginFragments(1)!;
    protocol.sendFragment(Buffer.alloc(0), true);
    protocol.beginFragments(1);
    expect(protocol.sendFragment(Buffer.from('begun'), false)).toBe(true);
    protocol.abandonFragments(first);
    expect(protocol.isOpen).toBe(true);
    expect(protocol.sendFragment(Buffer.from('done'), true)).toBe(true);
  });

  it('that could not be queued are forgotten: the next message is understood', () => {
    const { protocol, port, send } = makePeer(role, { deflate });
    const other = makePeer(role === 'server' ? 'client' : 'server', { deflate });
    port.isFull = true;
    const fragments = protocol.beginFragments(1)!;
    expect(protocol.sendFragment(Buffer.from(numbers(0, 500)), false)).toBe(false);
    protocol.abandonFragments(fragments);
    expect(protocol.isOpen).toBe(true);
    port.isFull = false;
    send(numbers(0, 500));
    other.protocol.receive(port.output, 2);
    expect(other.log).toEqual([`text ${numbers(0, 500).length}`]);
  });
});
