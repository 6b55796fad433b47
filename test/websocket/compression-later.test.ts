import { describe, expect, it } from 'vitest';
import { engines } from '../../src/websocket/deflate-engine.ts';
import { InflateError } from '../../src/websocket/zlib-engine.ts';
import { expandedLater } from './expanded.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
const text = (length: number): Buffer =>
  Buffer.from(Array.from({ length }, (_, i) => 97 + ((i * i) % 23) + (i % 1000 === 0 ? 1 : 0)));

describe.each(Object.entries(engines))('%s zlib engines on a thread', (_kind, make) => {
  it('make the same bytes as at once, and the two can take turns over one window', async () => {
    const [now, later] = [make.deflater(15), make.deflater(15)];
    const [inflater, back] = [make.inflater(15), make.inflater(15)];
    for (const [i, length] of [10, 100_000, 300, 1 << 20, 5, 70_000].entries()) {
      const message = text(length);
      const expected = Buffer.from(now.deflate(message));
      const made = i % 2 === 0 ? Buffer.from(later.deflate(message)) : await later.deflateLater(message);
      expect(Buffer.compare(Buffer.from(made!), expected)).toBe(0);
      const one = i % 2 === 0 ? await expandedLater(inflater, expected, 1 << 21) : inflater.inflate(expected, 1 << 21);
      expect(Buffer.compare(one as Buffer, message)).toBe(0);
      expect(Buffer.compare(back.inflate(expected, 1 << 21) as Buffer, message)).toBe(0);
    }
  });

  it('take blocks with BFINAL, and empty messages', async () => {
    const inflater = make.inflater(15);
    for (let i = 0; i < 3; i++) {
      expect(await expandedLater(inflater, hex('f3 48 cd c9 c9 07 00 00'), 100)).toEqual(Buffer.from('Hello'));
      expect(await expandedLater(inflater, hex('f3 48 cd c9 c9 07 00'), 100)).toEqual(Buffer.from('Hello'));
    }
    expect(inflater.inflate(hex('f2 48 cd c9 c9 07 00'), 100)).toEqual(Buffer.from('Hello'));
    expect(await expandedLater(make.inflater(15), hex('00'), 100)).toEqual(Buffer.alloc(0));
    expect(await expandedLater(make.inflater(15), Buffer.alloc(0), 100)).toEqual(Buffer.alloc(0));
  });

  it('say what cannot be inflated, and stop at the limit', async () => {
    expect(await expandedLater(make.inflater(15), hex('ff ff ff'), 100)).toBe(InflateError.Data);
    const bomb = Buffer.from(make.deflater(15).deflate(Buffer.alloc(1 << 22)));
    expect(await expandedLater(make.inflater(15), bomb, 100_000)).toBe(InflateError.TooLong);
    const all = await expandedLater(make.inflater(15), bomb, 1 << 22);
    expect(Buffer.compare(all as Buffer, Buffer.alloc(1 << 22))).toBe(0);
  });
});

it('a native engine that is closed while it works answers null', async () => {
  const deflater = engines.native.deflater(15);
  const made = deflater.deflateLater(text(1 << 20));
  deflater.close();
  expect(await made).toBeNull();
  const bytes = Buffer.from(engines.native.deflater(15).deflate(text(1 << 20)));
  const inflater = engines.native.inflater(15);
  const got = expandedLater(inflater, bytes, 1 << 21);
  inflater.close();
  expect(await got).toBeNull();
});
