import { describe, expect, it } from 'vitest';
import { Lifetime } from '../../src/protocol/protocol.ts';
import { MessageReader } from '../../src/websocket/message-reader.ts';
import { byteByByte, everySplit } from '../protocol/support.ts';
import {
  closeBody,
  feed,
  frameOf,
  MASK,
  maskFor,
  messageRules,
  RecordingMessages,
  type Role,
  readMessages,
} from './support.ts';

const hex = (text: string): Buffer => Buffer.from(text.replace(/[^0-9a-f]/g, ''), 'hex');
const lifetimes = Object.values(Lifetime);
const roles: Role[] = ['server', 'client'];

describe('the examples of RFC 6455, 5.7', () => {
  const examples: [string, Role, string, string[]][] = [
    ['a single-frame unmasked text message', 'client', '81 05 48 65 6c 6c 6f', ['text:Hello']],
    ['a single-frame masked text message', 'server', '81 85 37 fa 21 3d 7f 9f 4d 51 58', ['text:Hello']],
    ['a fragmented unmasked text message', 'client', '01 03 48 65 6c 80 02 6c 6f', ['text:Hello']],
    ['an unmasked ping', 'client', '89 05 48 65 6c 6c 6f', ['ping:48656c6c6f']],
    ['a masked pong', 'server', '8a 85 37 fa 21 3d 7f 9f 4d 51 58', ['pong:48656c6c6f']],
    ['256 bytes of binary', 'client', `82 7e 01 00 ${'5a'.repeat(256)}`, [`binary:${'5a'.repeat(256)}`]],
    [
      '64 KiB of binary',
      'client',
      `82 7f 00 00 00 00 00 01 00 00 ${'5a'.repeat(65_536)}`,
      [`binary:${'5a'.repeat(65_536)}`],
    ],
  ];
  it.each(examples)('%s, for the %s', (_name, role, bytes, log) => {
    const all = hex(bytes);
    for (const lifetime of lifetimes) expect(readMessages(role, all, [], lifetime).log).toEqual(log);
    const splits = all.length < 1000 ? everySplit(all.length) : everySplit(20);
    for (const cuts of [...splits, byteByByte(all.length)]) expect(readMessages(role, all, cuts).log).toEqual(log);
  });
});

describe.each(roles)('a message reader of the %s', (role) => {
  const mask = maskFor(role);
  const conversation = Buffer.concat([
    frameOf({ opcode: 1, payload: 'first', mask }),
    frameOf({ opcode: 2, payload: Buffer.alloc(70, 0xa5), mask }),
    frameOf({ opcode: 9, payload: 'p1', mask }),
    frameOf({ opcode: 1, isFinal: false, payload: 'frag €', mask }),
    frameOf({ opcode: 9, payload: '', mask }),
    frameOf({ opcode: 0, isFinal: false, payload: '', mask }),
    frameOf({ opcode: 0, isFinal: false, payload: Buffer.from('€').subarray(0, 2), mask }),
    frameOf({ opcode: 10, payload: 'unasked', mask }),
    frameOf({ opcode: 0, payload: Buffer.concat([Buffer.from('€').subarray(2), Buffer.from(' end')]), mask }),
    frameOf({ opcode: 2, payload: '', mask }),
    frameOf({ opcode: 1, payload: '', mask }),
    frameOf({ opcode: 1, payload: 'ä'.repeat(100), mask }),
    frameOf({ opcode: 2, payload: Buffer.alloc(300, 7), mask }),
    frameOf({ opcode: 8, payload: closeBody(1000, 'bye €'), mask }),
  ]);
  const expected = [
    'text:first',
    `binary:${'a5'.repeat(70)}`,
    'ping:7031',
    'ping:',
    `pong:${Buffer.from('unasked').toString('hex')}`,
    'text:frag €€ end',
    'binary:',
    'text:',
    `text:${'ä'.repeat(100)}`,
    `binary:${'07'.repeat(300)}`,
    'close:1000:bye €',
  ];

  it('reads the same conversation at every split, byte by byte and whole, whatever becomes of the bytes', () => {
    for (const lifetime of lifetimes) {
      for (const cuts of [[], ...everySplit(conversation.length), byteByByte(conversation.length)]) {
        expect(readMessages(role, conversation, cuts, lifetime).log).toEqual(expected);
      }
    }
  });

  it('goes on where it stood when the sink said stop, at each message and with any split', () => {
    for (const lifetime of lifetimes) {
      for (const cuts of [[], [3], [100], [conversation.length - 4], byteByByte(conversation.length)]) {
        for (let stopAfter = 1; stopAfter <= expected.length; stopAfter++) {
          const sink = new RecordingMessages();
          sink.stopAfter = stopAfter;
          const reader = new MessageReader(messageRules(role), sink);
          feed(
            {
              // What the core does: it never hands on a read while there is a backlog.
              receive(bytes, kind) {
                reader.receive(bytes, kind);
                while (reader.hasBacklog) {
                  sink.stopAfter = stopAfter;
                  reader.resume();
                }
                if (sink.stopAfter <= 0) sink.stopAfter = stopAfter;
              },
            },
            conversation,
            cuts,
            lifetime,
          );
          expect(sink.log).toEqual(expected);
        }
      }
    }
  });

  it('delivers nothing after it was told to stop, not even what the same read held', () => {
    const sink = new RecordingMessages();
    const reader: MessageReader = new MessageReader(messageRules(role), {
      message: (data, isBinary, isCompressed) => {
        reader.stop();
        return sink.message(data, isBinary, isCompressed);
      },
      compressedBegins: (isBinary) => sink.compressedBegins(isBinary),
      compressedPart: (data, isLast) => sink.compressedPart(data, isLast),
      streamBegins: (isBinary) => sink.streamBegins(isBinary),
      streamPiece: (data) => sink.streamPiece(data),
      streamEnds: () => sink.streamEnds(),
      control: (opcode, data) => sink.control(opcode, data),
      closedByPeer: (code, reason) => sink.closedByPeer(code, reason),
      violate: (violation) => sink.violate(violation),
    });
    reader.receive(Buffer.from(conversation), Lifetime.Forever);
    reader.receive(Buffer.from(conversation), Lifetime.Forever);
    expect(sink.log).toEqual(['text:first']);
    expect(reader.bufferedBytes).toBe(0);
  });

  it('ignores what follows a close frame', () => {
    const bytes = Buffer.concat([
      frameOf({ opcode: 8, payload: closeBody(4999), mask }),
      frameOf({ opcode: 1, payload: 'late', mask }),
    ]);
    for (const cuts of [[], ...everySplit(bytes.length)]) {
      expect(readMessages(role, bytes, cuts).log).toEqual(['close:4999:']);
    }
  });

  it('knows when it stands between two messages', () => {
    const reader = new MessageReader(messageRules(role), new RecordingMessages());
    const bytes = frameOf({ opcode: 1, payload: 'abc', mask });
    const states: boolean[] = [reader.isBetweenMessages];
    for (const byte of bytes) {
      reader.receive(Buffer.from([byte]), Lifetime.Call);
      states.push(reader.isBetweenMessages);
    }
    expect(states).toEqual([true, ...Array.from({ length: bytes.length - 1 }, () => false), true]);
  });

  it('holds no more memory than a few times what came of an announced length', () => {
    const reader = new MessageReader(messageRules(role, { maxMessageBytes: 1 << 30 }), new RecordingMessages());
    reader.receive(frameOf({ opcode: 2, announced: 1 << 29, payload: Buffer.alloc(100), mask }), Lifetime.Call);
    expect(reader.bufferedBytes).toBeLessThanOrEqual(4096);
    reader.receive(Buffer.alloc(100_000), Lifetime.Call);
    expect(reader.bufferedBytes).toBeLessThanOrEqual(4 * 100_100);
  });

  it('holds 131,000 fragments of one byte in as many bytes, and no more than maxMessageBytes', () => {
    const rules = messageRules(role, { maxMessageBytes: 131_000, maxFragments: 200_000 });
    const sink = new RecordingMessages();
    const reader = new MessageReader(rules, sink);
    const fragment = frameOf({ opcode: 0, isFinal: false, payload: 'x', mask });
    const many = Buffer.concat(Array.from({ length: 1000 }, () => fragment));
    reader.receive(frameOf({ opcode: 2, isFinal: false, mask }), Lifetime.Call);
    for (let i = 0; i < 131; i++) {
      reader.receive(Buffer.from(many), Lifetime.Call);
      expect(reader.bufferedBytes).toBeLessThanOrEqual(131_000);
    }
    expect(sink.log).toEqual([]);
    reader.receive(fragment, Lifetime.Call);
    expect(sink.log).toEqual(['violation:1009']);
    expect(reader.bufferedBytes).toBe(0);
  });

  it('ends a message of too many fragments, empty ones too', () => {
    const rules = messageRules(role, { maxFragments: 100 });
    const sink = new RecordingMessages();
    const reader = new MessageReader(rules, sink);
    reader.receive(frameOf({ opcode: 1, isFinal: false, mask }), Lifetime.Call);
    for (let i = 0; i < 99; i++) reader.receive(frameOf({ opcode: 0, isFinal: false, mask }), Lifetime.Call);
    expect(sink.log).toEqual([]);
    reader.receive(frameOf({ opcode: 0, isFinal: false, mask }), Lifetime.Call);
    expect(sink.log).toEqual(['violation:1008']);
  });

  it('refuses a message that is too big by its header, before any of it came', () => {
    const rules = { maxMessageBytes: 1000 };
    for (const announced of [1001, 70_000, 2n ** 62n, 2n ** 63n - 1n]) {
      const head = frameOf({ opcode: 2, announced, mask });
      expect(readMessages(role, head, [], Lifetime.Call, rules).log).toEqual(['violation:1009']);
    }
    const whole = frameOf({ opcode: 2, payload: Buffer.alloc(1001), mask });
    expect(readMessages(role, whole, [], Lifetime.Call, rules).log).toEqual(['violation:1009']);
    const short = frameOf({ opcode: 2, payload: Buffer.alloc(101), mask });
    expect(readMessages(role, short, [], Lifetime.Call, { maxMessageBytes: 100 }).log).toEqual(['violation:1009']);
    const fits = frameOf({ opcode: 2, payload: Buffer.alloc(1000), mask });
    expect(readMessages(role, fits, [], Lifetime.Call, rules).log).toEqual([`binary:${'00'.repeat(1000)}`]);
  });

  it('refuses the wrong masking as soon as two bytes of the frame are there', () => {
    const other = role === 'server' ? null : MASK;
    for (const payload of ['', 'abc', Buffer.alloc(200)]) {
      for (const opcode of [1, 2, 8, 9, 10]) {
        if (opcode >= 8 && payload.length > 125) continue;
        const bytes = frameOf({ opcode, payload, mask: other });
        for (const cuts of [[], [1], byteByByte(bytes.length)]) {
          expect(readMessages(role, bytes, cuts).log).toEqual(['violation:1002']);
        }
        expect(readMessages(role, bytes.subarray(0, 2)).log).toEqual(['violation:1002']);
      }
    }
  });

  it('hands on compressed messages as they are, if compression was negotiated, and refuses the bit elsewhere', () => {
    const rules = { allowedReserved: 4 };
    const bytes = Buffer.concat([
      frameOf({ opcode: 1, reserved: 4, payload: hex('f248cdc9c90700'), mask }),
      frameOf({ opcode: 2, reserved: 4, isFinal: false, payload: hex('f248cd'), mask }),
      frameOf({ opcode: 0, payload: hex('c9c90700'), mask }),
      frameOf({ opcode: 1, payload: 'plain', mask }),
    ]);
    const log = ['compressed text:f248cdc9c90700', 'compressed binary:f248cdc9c90700', 'text:plain'];
    for (const cuts of [[], ...everySplit(bytes.length)]) {
      expect(readMessages(role, bytes, cuts, Lifetime.Call, rules).log).toEqual(log);
    }
    for (const bad of [
      frameOf({ opcode: 9, reserved: 4, mask }),
      frameOf({ opcode: 1, reserved: 2, mask }),
      Buffer.concat([frameOf({ opcode: 1, isFinal: false, mask }), frameOf({ opcode: 0, reserved: 4, mask })]),
    ]) {
      expect(readMessages(role, bad, [], Lifetime.Call, rules).log).toEqual(['violation:1002']);
    }
  });
});
