import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Lifetime } from '../../src/protocol/protocol.ts';
import { FULL_DEFLATE } from '../../src/websocket/deflate-negotiation.ts';
import type { WebSocketMessageStream } from '../../src/websocket/message-stream.ts';
import { makePeer } from './fake-port.ts';
import type { Role } from './support.ts';

const piece = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  fc.constantFrom(1, 60, 1000, 20_000, 40_000).map((length) => Buffer.alloc(length, 'what was said, and said again. ')),
);
/** Several pieces are streamed, one is a whole message. */
const messages = fc.array(fc.array(piece, { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 5 });
const cases = fc.record({
  messages,
  role: fc.constantFrom<Role>('server', 'client'),
  keeps: fc.boolean(),
  chunk: fc.integer({ min: 1, max: 3000 }),
  streamBytes: fc.constantFrom(125, 1000, 30_000),
  waits: fc.boolean(),
});

it('any row of streams and messages arrives as it was sent, wherever it is cut and however it is read', async () => {
  await fc.assert(
    fc.asyncProperty(cases, async ({ messages, role, keeps, chunk, streamBytes, waits }) => {
      const deflate = { ...FULL_DEFLATE, serverNoContextTakeover: !keeps, clientNoContextTakeover: !keeps };
      const got: string[] = [];
      const sender = makePeer(role, { deflate });
      const receiver = makePeer(role === 'server' ? 'client' : 'server', {
        deflate,
        streamBytes,
        hooks: {
          message: (_id, data) => void got.push((data as Buffer).toString('hex')),
          messageStream: async (_id, stream: WebSocketMessageStream) => {
            const all: Buffer[] = [];
            for await (const part of stream) {
              if (waits) await new Promise(setImmediate);
              all.push(part);
            }
            got.push(Buffer.concat(all).toString('hex'));
          },
        },
      });
      for (const pieces of messages) {
        if (pieces.length === 1) {
          sender.send(pieces[0]!);
          continue;
        }
        sender.protocol.beginFragments(2);
        for (const part of pieces) expect(sender.protocol.sendFragment(part, false)).toBe(true);
        expect(sender.protocol.sendFragment(Buffer.alloc(0), true)).toBe(true);
      }
      const wire = sender.port.output;
      for (let at = 0; at < wire.length; at += chunk) {
        // As a connection does it: nothing is received while something waits.
        while (receiver.port.pending !== null) await receiver.port.pending;
        receiver.protocol.receive(Buffer.from(wire.subarray(at, at + chunk)), Lifetime.Forever);
      }
      while (receiver.port.pending !== null) await receiver.port.pending;
      expect(receiver.port.log).toEqual([]);
      const expected = messages.map((pieces) => Buffer.concat(pieces).toString('hex'));
      expect(got.length).toBe(expected.length);
      for (const [i, hex] of expected.entries()) if (got[i] !== hex) throw new Error(`message ${i} came back wrong`);
      sender.protocol.closed();
      receiver.protocol.closed();
    }),
    { numRuns: 60 },
  );
});
