import { describe, expect, it } from 'vitest';
import { Lifetime } from '../../src/protocol/protocol.ts';
import { byteByByte } from '../protocol/support.ts';
import { makePeer } from './fake-port.ts';
import { closeBody, feed, frameOf, maskFor, type Role, readMessages, type TestFrame } from './support.ts';

/*
 * The public catalogue of the Autobahn testsuite, sections 1 to 7, as cases of our own: an endpoint that echoes gets these frames,
 * whole, in pieces and byte by byte, and has to answer exactly so. Sections 9, 12 and 13 are in autobahn-sizes.test.ts.
 */

/** What comes in, and what has to come out as lines of `RecordingMessages`. */
type Case = [id: string, frames: TestFrame[], answer: string[]];

const roles: Role[] = ['server', 'client'];
const text = (payload: string | Uint8Array, rest: Partial<TestFrame> = {}): TestFrame => ({
  opcode: 1,
  payload,
  ...rest,
});
const binary = (payload: string | Uint8Array, rest: Partial<TestFrame> = {}): TestFrame => ({
  opcode: 2,
  payload,
  ...rest,
});
const more = (payload: string | Uint8Array, isFinal = false): TestFrame => ({ opcode: 0, payload, isFinal });
const ping = (payload: string | Uint8Array = ''): TestFrame => ({ opcode: 9, payload });
const pong = (payload = ''): TestFrame => ({ opcode: 10, payload });
const close = (body: Uint8Array | string = closeBody(1000)): TestFrame => ({ opcode: 8, payload: body });
const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex');
const hexOf = (payload: string): string => Buffer.from(payload).toString('hex');
const open = { isFinal: false };

const NORMAL = 'close:1000:';
const PROTOCOL = 'close:1002:';
const TEXT = 'close:1007:';

const framing: Case[] = [0, 125, 126, 127, 128, 65_535, 65_536].flatMap((length, i): Case[] => [
  [`1.1.${i + 1}`, [text('*'.repeat(length)), close()], [`text:${'*'.repeat(length)}`, NORMAL]],
  [`1.2.${i + 1}`, [binary(Buffer.alloc(length, 0xfe)), close()], [`binary:${'fe'.repeat(length)}`, NORMAL]],
]);

const pings: Case[] = [
  ['2.1', [ping(), close()], ['pong:', NORMAL]],
  ['2.2', [ping('Hello, world!'), close()], [`pong:${hexOf('Hello, world!')}`, NORMAL]],
  ['2.3', [ping(bytes('00ff fefd fcfb 00ff')), close()], ['pong:00fffefdfcfb00ff', NORMAL]],
  ['2.4', [ping(Buffer.alloc(125, 0xfe)), close()], [`pong:${'fe'.repeat(125)}`, NORMAL]],
  ['2.5', [ping(Buffer.alloc(126, 0xfe))], [PROTOCOL]],
  ['2.6', [ping(Buffer.alloc(125, 0xfe)), close()], [`pong:${'fe'.repeat(125)}`, NORMAL]],
  ['2.7', [pong(), close()], [NORMAL]],
  ['2.8', [pong('unsolicited'), close()], [NORMAL]],
  ['2.9', [pong('unsolicited'), ping('x'), close()], ['pong:78', NORMAL]],
  [
    '2.10, 2.11',
    [...Array.from({ length: 10 }, (_, i) => ping(`payload-${i}`)), close()],
    [...Array.from({ length: 10 }, (_, i) => `pong:${hexOf(`payload-${i}`)}`), NORMAL],
  ],
];

const reserved: Case[] = [
  ['3.1', [text('Hello', { reserved: 1 })], [PROTOCOL]],
  ['3.2', [text('Hello'), text('Hello', { reserved: 2 }), ping()], ['text:Hello', PROTOCOL]],
  ['3.3, 3.4', [text('Hello'), text('Hello', { reserved: 3 }), ping()], ['text:Hello', PROTOCOL]],
  ['3.5', [binary('abc', { reserved: 5 })], [PROTOCOL]],
  ['3.6', [{ ...ping('abc'), reserved: 6 }], [PROTOCOL]],
  ['3.7', [{ ...close(), reserved: 7 }], [PROTOCOL]],
];

const opcodes: Case[] = [3, 4, 5, 6, 7, 11, 12, 13, 14, 15].flatMap((opcode, i): Case[] => [
  [`4.${i < 5 ? 1 : 2}, opcode ${opcode} without payload`, [{ opcode }], [PROTOCOL]],
  [
    `4.${i < 5 ? 1 : 2}, opcode ${opcode} behind a message`,
    [text('Hello'), { opcode, payload: 'reserved' }, ping()],
    ['text:Hello', PROTOCOL],
  ],
]);

const fragmentation: Case[] = [
  ['5.1', [{ ...ping('frag'), isFinal: false }, more('ment', true)], [PROTOCOL]],
  ['5.2', [{ ...pong('frag'), isFinal: false }, more('ment', true)], [PROTOCOL]],
  ['5.3 to 5.5', [text('frag', open), more('ment', true), close()], ['text:fragment', NORMAL]],
  [
    '5.6 to 5.8',
    [text('frag', open), ping('ping'), more('ment', true), close()],
    [`pong:${hexOf('ping')}`, 'text:fragment', NORMAL],
  ],
  ['5.9, 5.10', [more('non-continuation', true), text('Hello')], [PROTOCOL]],
  ['5.11', [more('non-continuation', true), text('Hello'), close()], [PROTOCOL]],
  ['5.12 to 5.14', [more('non-continuation'), text('Hello')], [PROTOCOL]],
  ['5.15', [text('frag', open), more('ment', true), more('stray'), text('Hello')], ['text:fragment', PROTOCOL]],
  ['5.16', [more('stray'), text('frag', open), more('ment', true)], [PROTOCOL]],
  ['5.17', [more('stray', true), text('frag', open), more('ment', true)], [PROTOCOL]],
  ['5.18', [text('fragment1', open), text('fragment2')], [PROTOCOL]],
  [
    '5.19, 5.20',
    [text('f1', open), more('f2'), ping('p1'), more('f3'), more('f4'), ping('p2'), more('f5', true), close()],
    ['pong:7031', 'pong:7032', 'text:f1f2f3f4f5', NORMAL],
  ],
];

const kosme = 'κόσμε';
const sentence = `Hello-µ@ßöäüàá-UTF-8!!`;
const invalid = Buffer.concat([Buffer.from(kosme), bytes('eda080'), Buffer.from('edited')]);

const validTexts: [string, string[]][] = [
  ['6.5', [kosme].map(hexOf)],
  ['6.6, at characters', ['ceba', 'cebae1bdb9', 'cebae1bdb9cf83', 'cebae1bdb9cf83cebc', 'cebae1bdb9cf83cebcceb5']],
  ['6.7', ['00', 'c280', 'e0a080', 'f0908080']],
  ['6.9', ['7f', 'dfbf', 'efbfbf', 'f48fbfbf']],
  ['6.11', ['ed9fbf', 'ee8080', 'efbfbd', 'f48fbfbf']],
  [
    '6.22, noncharacters',
    ['efbfbe', 'efbfbf'].concat(
      Array.from({ length: 16 }, (_, i) =>
        [0xfffe, 0xffff].map((low) => hexOf(String.fromCodePoint((i + 1) * 65_536 + low))),
      ).flat(),
    ),
  ],
  ['6.23, specials', ['efbfb9', 'efbfba', 'efbfbb', 'efbfbc', 'efbfbd', 'efbfbe', 'efbfbf']],
];

const invalidTexts: [string, string[]][] = [
  ['6.6, in characters', ['ce', 'cebae1', 'cebae1bd', 'cebae1bdb9cf', 'cebae1bdb9cf83ce', 'cebae1bdb9cf83cebcce']],
  ['6.8', ['f888808080', 'fc8480808080']],
  ['6.10', ['f7bfbfbf', 'fbbfbfbfbf', 'fdbfbfbfbfbf']],
  ['6.11', ['f4908080']],
  [
    '6.12',
    [
      '80',
      'bf',
      '80bf',
      '80bf80',
      '80bf80bf',
      '80bf80bf80',
      '80bf80bf80bf',
      Buffer.from(Array.from({ length: 62 }, (_, i) => 0x80 + i)).toString('hex'),
    ],
  ],
  [
    '6.13',
    [
      [0xc0, 32],
      [0xe0, 16],
      [0xf0, 8],
      [0xf8, 4],
      [0xfc, 2],
    ].map(([from, count]) => Array.from({ length: count! }, (_, i) => `${(from! + i).toString(16)}20`).join('')),
  ],
  ['6.14', ['c0', 'e080', 'f08080', 'f8808080', 'fc80808080', 'df', 'efbf', 'f7bfbf', 'fbbfbfbf', 'fdbfbfbfbf']],
  ['6.15', ['c0e080f08080f8808080fc80808080dfefbff7bfbffbbfbfbffdbfbfbfbf']],
  ['6.16', ['fe', 'ff', 'fefeffff']],
  ['6.17', ['c0af', 'e080af', 'f08080af', 'f8808080af', 'fc80808080af']],
  ['6.18', ['c1bf', 'e09fbf', 'f08fbfbf', 'f887bfbfbf', 'fc83bfbfbfbf']],
  ['6.19', ['c080', 'e08080', 'f0808080', 'f880808080', 'fc8080808080']],
  ['6.20', ['eda080', 'edadbf', 'edae80', 'edafbf', 'edb080', 'edbe80', 'edbfbf']],
  ['6.21', ['eda080', 'edadbf', 'edae80', 'edafbf'].flatMap((high) => ['edb080', 'edbfbf'].map((low) => high + low))],
];

const utf8: Case[] = [
  ['6.1.1', [text(''), close()], ['text:', NORMAL]],
  ['6.1.2', [text('', open), more(''), more('', true), close()], ['text:', NORMAL]],
  ['6.1.3', [text('', open), more('middle'), more('', true), close()], ['text:middle', NORMAL]],
  ['6.2.1', [text(sentence), close()], [`text:${sentence}`, NORMAL]],
  ['6.2.2', [text(sentence.slice(0, 10), open), more(sentence.slice(10), true), close()], [`text:${sentence}`, NORMAL]],
  [
    '6.2.3, 6.2.4',
    [
      text('', open),
      ...[...Buffer.from(sentence + kosme)].map((byte) => more(Buffer.from([byte]))),
      more('', true),
      close(),
    ],
    [`text:${sentence}${kosme}`, NORMAL],
  ],
  ['6.3.1', [text(invalid)], [TEXT]],
  ['6.3.2', [text('', open), ...[...invalid].map((byte) => more(Buffer.from([byte]))), more('', true)], [TEXT]],
  // Fails fast: nothing behind the bad byte is there, neither the rest of the frame nor the end of the message.
  ['6.4.1', [text(kosme, open), more(bytes('f4908080'))], [TEXT]],
  ['6.4.2', [text(Buffer.concat([Buffer.from(kosme), bytes('f4')]), open), more(bytes('90'))], [TEXT]],
  ['6.4.3', [text(Buffer.concat([Buffer.from(kosme), bytes('f490')]), { announced: 100 })], [TEXT]],
  ['6.4.4', [text(Buffer.concat([Buffer.from(kosme), bytes('f490')]), { announced: 70_000 })], [TEXT]],
  ...validTexts.flatMap(([id, texts]) =>
    texts.map((hex): Case => [`${id}: ${hex}`, [text(bytes(hex)), close()], [`text:${bytes(hex).toString()}`, NORMAL]]),
  ),
  ...invalidTexts.flatMap(([id, texts]) => texts.map((hex): Case => [`${id}: ${hex}`, [text(bytes(hex))], [TEXT]])),
];

const closing: Case[] = [
  ['7.1.1', [text('Hello World!'), close()], ['text:Hello World!', NORMAL]],
  ['7.1.2', [close(), close()], [NORMAL]],
  ['7.1.3', [close(), ping()], [NORMAL]],
  ['7.1.4', [close(), text('Hello World!')], [NORMAL]],
  ['7.1.5', [text('fragment1', open), close(), more('fragment2', true)], [NORMAL]],
  [
    '7.1.6',
    [text('BAsd7&jh23'.repeat(26_214)), text('Hello World!'), close(), ping()],
    [`text:${'BAsd7&jh23'.repeat(26_214)}`, 'text:Hello World!', NORMAL],
  ],
  ['7.3.1', [close('')], ['close:1005:']],
  ['7.3.2', [close('a')], [PROTOCOL]],
  ['7.3.3', [close(closeBody(1000))], [NORMAL]],
  ['7.3.4', [close(closeBody(1000, 'Hello World!'))], [NORMAL]],
  ['7.3.5', [close(closeBody(1000, '*'.repeat(123)))], [NORMAL]],
  ['7.3.6', [close(closeBody(1000, '*'.repeat(124)))], [PROTOCOL]],
  ['7.5.1', [close(closeBody(1000, invalid))], [TEXT]],
  ...[1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999].map(
    (code): Case => [`7.7: ${code}`, [close(closeBody(code))], [`close:${code}:`]],
  ),
  ...[0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535].map(
    (code): Case => [`7.9, 7.13: ${code}`, [close(closeBody(code))], [PROTOCOL]],
  ),
];

/** What an endpoint that echoes answers; its close frame of a failed connection as well. */
function answerOf(role: Role, input: Buffer, cuts: readonly number[], lifetime: Lifetime): string[] {
  const peer = makePeer(role, { echoes: true });
  feed(peer.protocol, input, cuts, lifetime);
  const { log } = readMessages(role === 'server' ? 'client' : 'server', peer.port.output);
  peer.protocol.closed();
  return log;
}

describe.each(roles)('the %s', (role) => {
  const sections: [string, Case[]][] = [
    ['1, framing', framing],
    ['2, pings and pongs', pings],
    ['3, reserved bits', reserved],
    ['4, opcodes', opcodes],
    ['5, fragmentation', fragmentation],
    ['6, UTF-8', utf8],
    ['7, close handling', closing],
  ];
  describe.each(sections)('section %s', (_name, cases) => {
    it.each(cases)('case %s', (_id, frames, answer) => {
      const input = Buffer.concat(frames.map((frame) => frameOf({ ...frame, mask: maskFor(role) })));
      const chops = Array.from({ length: Math.floor(input.length / 997) }, (_, i) => (i + 1) * 997);
      const ways = input.length < 4096 ? [[], chops, byteByByte(input.length)] : [[], chops];
      for (const cuts of ways) {
        for (const lifetime of [Lifetime.Call, Lifetime.Forever]) {
          const got = answerOf(role, input, cuts, lifetime);
          // (As one string: a mismatch of long messages is not worth a diff.)
          expect(got.length).toBe(answer.length);
          got.forEach((line, i) => {
            if (line !== answer[i]) expect(line.slice(0, 200)).toBe(answer[i]!.slice(0, 200));
          });
        }
      }
    });
  });
});
