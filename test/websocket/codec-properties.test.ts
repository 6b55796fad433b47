import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SendQueue } from '../../src/memory/send-queue.ts';
import { SendSlabPool } from '../../src/memory/slab-pool.ts';
import { appendFrame, appendFrameParts, buildFrame, FINAL } from '../../src/websocket/frame-writer.ts';
import { anyLifetime } from '../protocol/support.ts';
import { readNaively } from './naive-codec.ts';
import { closeBody, frameOf, type Role, readMessages, type TestFrame } from './support.ts';

const role = fc.constantFrom<Role>('server', 'client');
const anyMask = fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255));
const anyPayload = fc.oneof(
  fc.uint8Array({ maxLength: 20 }),
  fc.string({ unit: 'grapheme', maxLength: 30 }).map((text) => new Uint8Array(Buffer.from(text))),
  fc.integer({ min: 120, max: 140 }).map((length) => new Uint8Array(length).fill(0x61)),
  fc.constantFrom(1000, 1005, 1015, 2999, 4999).map((code) => new Uint8Array(closeBody(code, 'why'))),
  fc.constantFrom(65_535, 65_536).map((length) => new Uint8Array(length).fill(0x62)),
);

/** Mostly frames as they should be, now and then one that breaks a rule. */
const anyFrame = fc.record({
  opcode: fc.oneof({ weight: 20, arbitrary: fc.constantFrom(0, 1, 2, 9, 10) }, { weight: 1, arbitrary: fc.nat(15) }),
  isFinal: fc.oneof({ weight: 3, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.boolean() }),
  reserved: fc.oneof({ weight: 30, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(7) }),
  payload: anyPayload,
  isWrongWay: fc.oneof({ weight: 40, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.boolean() }),
  mask: anyMask,
  lengthBytes: fc.oneof(
    { weight: 30, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: fc.constantFrom<2 | 8>(2, 8) },
  ),
});

describe('the codec against a naive one', () => {
  it('says the same of any row of frames, however they are cut and whatever becomes of the bytes', () => {
    fc.assert(
      fc.property(
        role,
        fc.array(anyFrame, { maxLength: 8 }),
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 5 }),
        anyLifetime,
        fc.constantFrom(100, 140, 1 << 24),
        fc.constantFrom(3, 100),
        fc.nat(30),
        (reader, frames, cutsAt, lifetime, maxMessageBytes, maxFragments, missing) => {
          const bytes = Buffer.concat(
            frames.map(({ isWrongWay, mask, lengthBytes, ...frame }) => {
              const isMasked = (reader === 'server') !== isWrongWay;
              const fits = lengthBytes === undefined || (lengthBytes === 2 && frame.payload.length > 65_535);
              return frameOf({
                ...frame,
                mask: isMasked ? mask : null,
                ...(fits ? {} : { lengthBytes: lengthBytes! }),
              } satisfies TestFrame);
            }),
          );
          const cut = bytes.subarray(0, Math.max(0, bytes.length - (missing > 20 ? missing - 20 : 0)));
          const cuts = cutsAt.map((x) => Math.floor(x * cut.length)).sort((a, b) => a - b);
          const limits = { maxMessageBytes, maxFragments };
          const naive = readNaively(cut, reader === 'server', limits);
          const { log } = readMessages(reader, cut, cuts, lifetime, limits);
          expect(log).toEqual(naive);
        },
      ),
      { numRuns: 400 },
    );
  });

  it('reads back what it writes, in one piece or as parts, masked or not', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.uint8Array({ maxLength: 300 }), fc.boolean(), fc.constantFrom(0, 0, 0, 4000, 70_000)), {
          minLength: 1,
          maxLength: 6,
        }),
        fc.boolean(),
        (messages, isMasked) => {
          const written: Uint8Array[] = [];
          const queue = new SendQueue(new SendSlabPool(), {
            write(chunks) {
              for (const chunk of chunks) written.push(Buffer.from(chunk));
              return 0;
            },
          });
          const expected: string[] = [];
          for (const [data, inParts, more] of messages) {
            const payload = Buffer.concat([data, Buffer.alloc(more, 0x33)]);
            const before = Buffer.from(payload);
            if (inParts) appendFrameParts(queue, FINAL | 2, [data, Buffer.alloc(more, 0x33)], payload.length, isMasked);
            else appendFrame(queue, FINAL | 2, payload, isMasked);
            expect(before.equals(payload)).toBe(true);
            expected.push(`binary:${payload.toString('hex')}`);
          }
          const ping = buildFrame(FINAL | 9, Buffer.from('are you there'), isMasked);
          queue.append(ping, 0, ping.length);
          expected.push(`ping:${Buffer.from('are you there').toString('hex')}`);
          queue.flush();
          const { log } = readMessages(isMasked ? 'server' : 'client', Buffer.concat(written));
          expect(log.join() === expected.join()).toBe(true);
        },
      ),
      { numRuns: 60 },
    );
  });
});
