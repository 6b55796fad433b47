import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Compression } from '../../src/websocket/compression.ts';
import { type CompressionOptions, deflaterBytes, inflaterBytes } from '../../src/websocket/compression-budget.ts';
import { engines, hasNativeEngines } from '../../src/websocket/deflate-engine.ts';
import { FULL_DEFLATE } from '../../src/websocket/deflate-negotiation.ts';
import { InflateError } from '../../src/websocket/zlib-engine.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
const kinds = Object.entries(engines);

const options: CompressionOptions = {
  ...FULL_DEFLATE,
  thresholdBytes: 0,
  level: 6,
  memLevel: 8,
  budgetBytes: 1 << 30,
  laterBytes: 0,
  maxLater: 4,
};

it('finds that this runtime has the quick engines, unless they are switched off', () => {
  expect(hasNativeEngines()).toBe(process.env.HP_SOCKET_FAST_PATH !== 'off');
});

describe.each(kinds)('%s zlib engines', (_kind, make) => {
  describe('the examples of RFC 7692, 7.2.3', () => {
    it('one compressed block (7.2.3.1)', () => {
      expect(Buffer.from(make.deflater(15).deflate(Buffer.from('Hello')))).toEqual(hex('f2 48 cd c9 c9 07 00'));
      expect(make.inflater(15).inflate(hex('f2 48 cd c9 c9 07 00'), 5)).toEqual(Buffer.from('Hello'));
    });

    it('a shared window (7.2.3.2)', () => {
      const deflater = make.deflater(15);
      const inflater = make.inflater(15);
      for (const bytes of ['f2 48 cd c9 c9 07 00', 'f2 00 11 00 00']) {
        expect(Buffer.from(deflater.deflate(Buffer.from('Hello')))).toEqual(hex(bytes));
        expect(inflater.inflate(hex(bytes), 100)).toEqual(Buffer.from('Hello'));
      }
    });

    it('a block without compression (7.2.3.3)', () => {
      expect(make.inflater(15).inflate(hex('00 05 00 fa ff 48 65 6c 6c 6f 00'), 100)).toEqual(Buffer.from('Hello'));
    });

    it('a block with BFINAL (7.2.3.4), and one without the byte behind it, as HPSocket.Net may send (WSS-013)', () => {
      const inflater = make.inflater(15);
      expect(inflater.inflate(hex('f3 48 cd c9 c9 07 00 00'), 100)).toEqual(Buffer.from('Hello'));
      expect(inflater.inflate(hex('f3 48 cd c9 c9 07 00'), 100)).toEqual(Buffer.from('Hello'));
      inflater.reset();
      expect(inflater.inflate(hex('f2 48 cd c9 c9 07 00'), 100)).toEqual(Buffer.from('Hello'));
    });

    it('two blocks in one message (7.2.3.5)', () => {
      const bytes = hex('f2 48 05 00 00 00 ff ff ca c9 c9 07 00');
      expect(make.inflater(15).inflate(bytes, 100)).toEqual(Buffer.from('Hello'));
    });

    it('an empty message (7.2.3.6)', () => {
      expect(make.inflater(15).inflate(hex('00'), 100)).toEqual(Buffer.alloc(0));
      expect(make.inflater(15).inflate(Buffer.alloc(0), 100)).toEqual(Buffer.alloc(0));
    });
  });

  it('makes no more of a bomb than was allowed, and refuses garbage', () => {
    const bomb = Buffer.from(make.deflater(15).deflate(Buffer.alloc(10_000_000)));
    expect(bomb.length).toBeLessThan(20_000);
    expect(make.inflater(15).inflate(bomb, 1_000_000)).toBe(InflateError.TooLong);
    expect(make.inflater(15).inflate(bomb, 9_999_999)).toBe(InflateError.TooLong);
    expect(make.inflater(15).inflate(bomb, 10_000_000)).toHaveLength(10_000_000);
    expect(make.inflater(15).inflate(hex('ff ff ff ff'), 100)).toBe(InflateError.Data);
    expect(make.inflater(15).inflate(Buffer.from('Hello'), 100)).toBe(InflateError.Data);
  });

  it('carries any row of messages, with any window, to either kind of engine', () => {
    const message = fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 200 }).map((text) => Buffer.from(text)),
      fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
      fc.constantFrom(60_000, 65_536, 200_000).map((length) => Buffer.alloc(length, 'long enough for pieces ')),
    );
    fc.assert(
      fc.property(
        fc.array(message, { minLength: 1, maxLength: 6 }),
        fc.integer({ min: 9, max: 15 }),
        (messages, bits) => {
          const deflater = make.deflater(bits);
          const inflaters = kinds.map(([, { inflater }]) => inflater(bits));
          for (const data of messages) {
            if (data.length === 0) continue;
            const out = Buffer.from(deflater.deflate(data));
            for (const inflater of inflaters) {
              const back = inflater.inflate(out, data.length);
              if (!Buffer.isBuffer(back) || !back.equals(data)) throw new Error(`${data.length} bytes came back wrong`);
            }
          }
          deflater.close();
          for (const inflater of inflaters) inflater.close();
        },
      ),
      { numRuns: 40 },
    );
  });
});

describe('the compression of a component', () => {
  const text = Buffer.from('{"user":"somebody","text":"something that was said before"}'.repeat(10));

  it('keeps a window for each connection, and forgets it when there is no take-over', () => {
    const compression = new Compression(options);
    const kept = compression.open(FULL_DEFLATE, true);
    const first = Buffer.from(kept.deflate(text)!).length;
    expect(kept.deflate(text)!.length).toBeLessThan(first / 4);
    const forgets = compression.open({ ...FULL_DEFLATE, serverNoContextTakeover: true }, true);
    const lengths = [1, 2, 3].map(() => forgets.deflate(text)!.length);
    expect(lengths).toEqual([first, first, first]);
    kept.close();
    forgets.close();
    expect(compression.stats).toMatchObject({ contextBytes: 0, contexts: 0 });
    compression.close();
  });

  it('lets messages below the threshold go as they are', () => {
    const compression = new Compression({ ...options, thresholdBytes: 100 });
    const context = compression.open(FULL_DEFLATE, true);
    expect(context.deflate(Buffer.alloc(99))).toBeNull();
    expect(context.deflate(Buffer.alloc(100))).not.toBeNull();
    context.close();
  });

  it('does not compress for a peer that allows a window of 256 bytes, which zlib cannot make', () => {
    const compression = new Compression(options);
    const context = compression.open({ ...FULL_DEFLATE, serverMaxWindowBits: 8 }, true);
    expect(context.deflate(text)).toBeNull();
    context.close();
  });

  it('stays within its budget: beyond it messages go as they are, and clients are asked to keep no context', () => {
    const one = deflaterBytes(15, 8) + inflaterBytes(15);
    const compression = new Compression({ ...options, budgetBytes: 3 * one });
    const contexts = Array.from({ length: 3 }, () =>
      compression.open(compression.answer('permessage-deflate')!.parameters, true),
    );
    for (const context of contexts) expect(context.deflate(text)).not.toBeNull();
    expect(compression.stats).toMatchObject({ contextBytes: 3 * one, contexts: 6 });
    const { header, parameters } = compression.answer('permessage-deflate')!;
    expect(header).toBe('permessage-deflate; client_no_context_takeover');
    const fourth = compression.open(parameters, true);
    expect(fourth.deflate(text)).toBeNull();
    expect(compression.stats).toMatchObject({ contextBytes: 3 * one, overBudget: 1 });
    // Without a context of its own it inflates all the same.
    const peer = new Compression(options).open({ ...FULL_DEFLATE, clientNoContextTakeover: true }, false);
    for (let i = 0; i < 2; i++) expect(fourth.inflate(Buffer.from(peer.deflate(text)!), 10_000)).toEqual(text);
    peer.close();
    contexts[0]!.close();
    expect(fourth.deflate(text)).not.toBeNull();
    for (const context of [...contexts, fourth]) context.close();
    expect(compression.stats).toMatchObject({ contextBytes: 0, contexts: 0 });
  });

  it('takes the compressor of a connection that went silent, whose next message begins with an empty window', () => {
    const one = deflaterBytes(15, 8) + inflaterBytes(15);
    const compression = new Compression({ ...options, budgetBytes: 2 * one + inflaterBytes(15) });
    const contexts = Array.from({ length: 3 }, () => compression.open(FULL_DEFLATE, true));
    const [silent, busy, third] = contexts as [(typeof contexts)[0], (typeof contexts)[0], (typeof contexts)[0]];
    const peer = new Compression(options).open(FULL_DEFLATE, false);
    const first = silent.deflate(text)!;
    expect(peer.inflate(Buffer.from(first), 10_000)).toEqual(text);
    for (let i = 0; i < 20; i++) expect(busy.deflate(text)).not.toBeNull();
    expect(third.deflate(text)).not.toBeNull();
    expect(compression.stats.evictions).toBe(1);
    for (let i = 0; i < 20; i++) third.deflate(text);
    for (let i = 0; i < 3; i++) third.deflate(text);
    const again = silent.deflate(text);
    expect(again).not.toBeNull();
    expect(peer.inflate(Buffer.from(again!), 10_000)).toEqual(text);
    expect(compression.stats.contextBytes).toBeLessThanOrEqual(compression.options.budgetBytes);
    for (const context of [...contexts, peer]) context.close();
  });

  it('says what is wrong with a message that cannot be inflated', () => {
    const compression = new Compression(options);
    const context = compression.open(FULL_DEFLATE, true);
    expect(context.inflate(hex('ff ff'), 100)).toBe(InflateError.Data);
    context.close();
    const other = compression.open(FULL_DEFLATE, true);
    const bomb = Buffer.from(compression.open(FULL_DEFLATE, false).deflate(Buffer.alloc(100_000))!);
    expect(other.inflate(bomb, 99_999)).toBe(InflateError.TooLong);
    other.close();
  });
});
