import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Lifetime } from '../../src/protocol/protocol.ts';
import { FrameReader } from '../../src/websocket/frame-reader.ts';
import { buildRawFrame } from '../../src/websocket/frame-writer.ts';
import { byteByByte, everySplit } from '../protocol/support.ts';
import {
  closeBody,
  feed,
  frameOf,
  frameRules,
  MASK,
  maskFor,
  RecordingFrames,
  type Role,
  readFrames,
} from './support.ts';

const roles: Role[] = ['server', 'client'];
const lifetimes = Object.values(Lifetime);

describe.each(roles)('a frame reader of the %s', (role) => {
  const mask = maskFor(role);
  const maskText = mask === null ? '-' : '3d21fa37';
  const stream = Buffer.concat([
    frameOf({ opcode: 1, isFinal: false, payload: 'Hel', mask }),
    frameOf({ opcode: 9, payload: '', mask }),
    frameOf({ opcode: 0, payload: 'lo', mask }),
    frameOf({ opcode: 2, payload: Buffer.alloc(200, 0xa5), mask }),
    frameOf({ opcode: 8, payload: closeBody(1000), mask }),
  ]);
  const log = [
    `header final=false rsv=0 opcode=1 mask=${maskText} length=3`,
    'body 48656c',
    'complete',
    `header final=true rsv=0 opcode=9 mask=${maskText} length=0`,
    'complete',
    `header final=true rsv=0 opcode=0 mask=${maskText} length=2`,
    'body 6c6f',
    'complete',
    `header final=true rsv=0 opcode=2 mask=${maskText} length=200`,
    `body ${'a5'.repeat(200)}`,
    'complete',
    `header final=true rsv=0 opcode=8 mask=${maskText} length=2`,
    'body 03e8',
    'complete',
  ];

  it('gives header, body pieces and end of each frame, empty ones without a body, at every split (WS-005, WS-006, ORD-041)', () => {
    for (const isValidating of [true, false]) {
      for (const lifetime of lifetimes) {
        for (const cuts of [[], ...everySplit(stream.length), byteByByte(stream.length)]) {
          expect(readFrames(role, stream, isValidating, cuts, lifetime).log).toEqual(log);
        }
      }
    }
  });

  it('counts the piece it hands out as received, and keeps the last header (WS-005, HTTP-M-020)', () => {
    const states: string[] = [];
    const reader: FrameReader = new FrameReader(frameRules(role, true), {
      header: () => {
        states.push(`header ${reader.remaining}`);
        return true;
      },
      body: () => {
        states.push(`body ${reader.remaining} of ${reader.current.length}`);
        return true;
      },
      complete: () => true,
      violate: ({ message }) => expect.fail(message),
    });
    expect(reader.hasHeader).toBe(false);
    const bytes = frameOf({ opcode: 2, payload: Buffer.alloc(40), mask });
    const head = bytes.length - 40;
    feed(reader, bytes, [head + 10, head + 25], Lifetime.Call);
    expect(states).toEqual(['header 40', 'body 30 of 40', 'body 15 of 40', 'body 0 of 40']);
    expect(reader.hasHeader).toBe(true);
    expect(reader.current.opcode).toBe(2);
  });

  it('stops at each hook when the sink says so, and goes on there', () => {
    for (const lifetime of lifetimes) {
      for (const cuts of [[], [5], [40], byteByByte(stream.length)]) {
        for (let stopAfter = 1; stopAfter <= log.length; stopAfter++) {
          const sink = new RecordingFrames();
          sink.stopAfter = stopAfter;
          const reader = new FrameReader(frameRules(role, true), sink);
          feed(
            {
              receive(bytes, kind) {
                reader.receive(bytes, kind);
                while (reader.hasBacklog) {
                  sink.stopAfter = stopAfter;
                  reader.resume();
                }
                if (sink.stopAfter <= 0) sink.stopAfter = stopAfter;
              },
            },
            stream,
            cuts,
            lifetime,
          );
          expect(sink.log).toEqual(log);
        }
      }
    }
  });

  it('checks only the masking with wsPolicy hp (WS-002, WS-003)', () => {
    const odd = [
      frameOf({ opcode: 3, payload: 'reserved opcode', mask }),
      frameOf({ opcode: 15, reserved: 7, payload: '', mask }),
      frameOf({ opcode: 9, isFinal: false, payload: Buffer.alloc(300), mask }),
      frameOf({ opcode: 0, payload: 'stray', mask }),
      frameOf({ opcode: 1, payload: 'long form', lengthBytes: 8, mask }),
      frameOf({ opcode: 1, payload: Buffer.from([0xff]), mask }),
      frameOf({ opcode: 8, payload: Buffer.from([1]), mask }),
    ];
    const bytes = Buffer.concat(odd);
    const frames = readFrames(role, bytes, false).log;
    expect(frames.filter((line) => line === 'complete')).toHaveLength(odd.length);
    expect(frames.some((line) => line.startsWith('violation'))).toBe(false);
    for (const one of odd) expect(readFrames(role, one, true).log.at(-1)).toMatch(/^violation:100[27]$/);
    const wrong = frameOf({ opcode: 1, payload: 'x', mask: role === 'server' ? null : MASK });
    expect(readFrames(role, wrong, false).log).toEqual(['violation:1002']);
    expect(readFrames(role, wrong, true).log).toEqual(['violation:1002']);
  });

  it('fails inside a frame at the first byte that is no UTF-8', () => {
    const bytes = frameOf({ opcode: 1, announced: 100, payload: Buffer.from([0x61, 0xc3, 0xff]), mask });
    const sink = readFrames(role, bytes, true, byteByByte(bytes.length));
    expect(sink.log.slice(1)).toEqual(['body 61c3', 'violation:1007']);
  });
});

describe('a frame as sendWSMessage makes it', () => {
  const data = Buffer.from('Hello');

  it('has the header of WS-001 and the data behind it, in one piece (WS-007, WS-010)', () => {
    const frame = { isFinal: true, reserved: 0, opcode: 1, mask: null, data, bodyLength: 0 };
    expect(buildRawFrame(frame).toString('hex')).toBe('810548656c6c6f');
    expect(buildRawFrame({ ...frame, mask: Buffer.from(MASK) }).toString('hex')).toBe('818537fa213d7f9f4d5158');
    expect(buildRawFrame({ ...frame, isFinal: false, reserved: 12, opcode: 0x32 })[0]).toBe(0x42);
  });

  it('announces bodyLength, and the mask goes on in what is sent later (WS-008)', () => {
    const frame = { isFinal: true, reserved: 0, opcode: 2, mask: Buffer.from(MASK), data, bodyLength: 300 };
    const bytes = buildRawFrame(frame);
    expect(bytes.subarray(0, 4).toString('hex')).toBe('82fe012c');
    expect(bytes.length).toBe(8 + 5);
  });

  it('leaves the bytes of the caller alone (WS-009)', () => {
    const own = Buffer.from(data);
    buildRawFrame({ isFinal: true, reserved: 0, opcode: 1, mask: Buffer.from(MASK), data: own, bodyLength: 0 });
    expect(own).toEqual(data);
  });
});

describe('what HP-Socket 5.8.3 sent (vectors/websocket.json)', () => {
  interface Row {
    from: 'client' | 'server';
    hex?: string;
  }
  const rows = JSON.parse(readFileSync(new URL('../vectors/websocket.json', import.meta.url), 'utf8')) as Row[];
  const bytesOf = (from: string): Buffer =>
    Buffer.concat(
      rows.filter((row) => row.from === from && row.hex !== undefined).map((row) => Buffer.from(row.hex!, 'hex')),
    );

  it.each(roles)('is read by the frame reader of the %s, byte by byte as well', (role) => {
    const all = bytesOf(role === 'server' ? 'client' : 'server');
    const frames = all.subarray(all.indexOf('\r\n\r\n') + 4);
    for (const isValidating of [true, false]) {
      const whole = readFrames(role, frames, isValidating);
      expect(whole.log.filter((line) => line.startsWith('header final=true rsv=0 opcode=2'))).toHaveLength(5);
      expect(whole.log.at(-1)).toBe('complete');
      expect(readFrames(role, frames, isValidating, byteByByte(frames.length)).log).toEqual(whole.log);
    }
  });

  it('holds the same payloads in both directions, as the echo that it was', () => {
    const bodies = roles.map((role) => {
      const all = bytesOf(role === 'server' ? 'client' : 'server');
      const { log } = readFrames(role, all.subarray(all.indexOf('\r\n\r\n') + 4), true);
      return log.filter((line) => line.startsWith('body ')).slice(0, 5);
    });
    expect(bodies[0]).toEqual(bodies[1]);
    expect(bodies[0]).toHaveLength(5);
    for (const body of bodies[0]!) expect(body).toHaveLength('body '.length + 2 * 48);
  });
});
