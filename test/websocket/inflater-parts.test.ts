import { createHook } from 'node:async_hooks';
import { describe, expect, it } from 'vitest';
import { engines } from '../../src/websocket/deflate-engine.ts';
import { InflateError, type Inflater, RunEnd } from '../../src/websocket/zlib-engine.ts';
import { expandedLater } from './expanded.ts';
import { noise } from './texts.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
const words = 'she sells sea shells on the sea shore and the shells she sells are sea shells '.split(' ');
const text = (length: number, seed = 1): Buffer => {
  let state = seed;
  let out = '';
  while (out.length < length) {
    state = (state * 48_271) % 2_147_483_647;
    out += `${words[state % words.length]} ${state % 1000} `;
  }
  return Buffer.from(out.slice(0, length));
};
const most = 1 << 20;

/** A part, at once if the engine can, else on a thread. */
async function part(inflater: Inflater, data: Buffer, isLast: boolean): Promise<Buffer> {
  const now = inflater.inflate(data, most, isLast);
  if (Buffer.isBuffer(now)) return now;
  expect(now).toBe(InflateError.TooLong);
  const made = inflater.takeMade();
  const rest = await expandedLater(inflater, data.subarray(inflater.used), most, isLast);
  if (!Buffer.isBuffer(rest)) throw new Error(`cannot be inflated: ${rest}`);
  return Buffer.concat([made, rest]);
}

/** Several parts, the last of which ends the message. */
async function parts(inflater: Inflater, data: Buffer, cuts: readonly number[]): Promise<Buffer> {
  const made: Buffer[] = [];
  let from = 0;
  for (const to of [...cuts, data.length]) {
    made.push(await part(inflater, data.subarray(from, to), to === data.length));
    from = to;
  }
  return Buffer.concat(made);
}

describe.each(Object.entries(engines))('%s zlib engines, part by part', (_kind, make) => {
  it('expand to the same wherever a message is cut, and keep their window for the next', async () => {
    const deflater = make.deflater(15);
    const messages = [text(300), text(300, 2), Buffer.concat([text(300), text(100, 3)])];
    const compressed = messages.map((message) => Buffer.from(deflater.deflate(message)));
    for (let cut = 1; cut < compressed[0]!.length; cut += 7) {
      const inflater = make.inflater(15);
      for (const [i, data] of compressed.entries()) {
        const back = i === 1 ? inflater.inflate(data, most) : await parts(inflater, data, [Math.min(cut, data.length)]);
        expect(back).toEqual(messages[i]);
      }
      inflater.close();
    }
    const byByte = make.inflater(15);
    for (const [i, data] of compressed.entries()) {
      const each = Array.from({ length: data.length - 1 }, (_, at) => at + 1);
      expect(await parts(byByte, data, each)).toEqual(messages[i]);
    }
    byByte.close();
    deflater.close();
  });

  it('take an empty last part, an empty message and blocks with BFINAL in any part', async () => {
    const inflater = make.inflater(15);
    const hello = Buffer.from('Hello');
    for (let i = 0; i < 3; i++) {
      expect(await parts(inflater, hex('f2 48 cd c9 c9 07 00'), [7])).toEqual(hello);
      expect(await parts(inflater, Buffer.alloc(0), [])).toEqual(Buffer.alloc(0));
      expect(await parts(inflater, hex('f3 48 cd c9 c9 07 00 00'), [7])).toEqual(hello);
      expect(await parts(inflater, hex('f3 48 cd c9 c9 07 00'), [7])).toEqual(hello);
      // Two deflate streams in one message, cut between them and elsewhere.
      const two = hex('f3 48 cd c9 c9 07 00 f2 48 cd c9 c9 07 00');
      for (const cut of [3, 6, 7, 8, 10])
        expect(await parts(inflater, two, [cut])).toEqual(Buffer.concat([hello, hello]));
    }
    inflater.close();
  });

  it('refuse garbage behind a whole part', async () => {
    const inflater = make.inflater(15);
    await part(inflater, hex('f3 48 cd c9 c9 07 00'), false);
    expect(await expandedLater(inflater, hex('ff ff ff ff'), most, true)).toBe(InflateError.Data);
  });

  it('go on behind what did not fit, without a byte lost or made twice', async () => {
    const deflater = make.deflater(15);
    const inflater = make.inflater(15);
    for (const length of [100_000, 70_000, 400_000]) {
      const message = Buffer.concat([text(length / 2), Buffer.alloc(length / 2, 'x')]);
      const data = Buffer.from(deflater.deflate(message));
      expect(inflater.inflate(data, 60_000)).toBe(InflateError.TooLong);
      const { used } = inflater;
      const made = inflater.takeMade();
      expect(made.length).toBeLessThanOrEqual(60_001);
      const rest = await expandedLater(inflater, data.subarray(used), most);
      expect(Buffer.compare(Buffer.concat([made, rest as Buffer]), message)).toBe(0);
    }
    // And at every limit of a short one.
    const message = text(200, 9);
    const data = Buffer.from(make.deflater(15).deflate(message));
    for (let limit = 1; limit < message.length; limit += 3) {
      const one = make.inflater(15);
      expect(one.inflate(data, limit)).toBe(InflateError.TooLong);
      const made = one.takeMade();
      const rest = await expandedLater(one, data.subarray(one.used), most);
      expect(Buffer.concat([made, rest as Buffer])).toEqual(message);
      one.close();
    }
  });

  it('make a bomb in slices, none ahead of a taker that waits but what one buffer of a stream holds', async () => {
    const bomb = Buffer.from(make.deflater(15).deflate(Buffer.alloc(8_000_000)));
    const inflater = make.inflater(15);
    let taken = 0;
    let isTaking = false;
    const end = await inflater.inflateLater(bomb, true, async (slice) => {
      expect(isTaking).toBe(false);
      expect(slice.length).toBeLessThanOrEqual(64 * 1024);
      isTaking = true;
      // Turns enough for what is made ahead, were it made.
      for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate);
      isTaking = false;
      taken += slice.length;
      return true;
    });
    expect(end).toBe(RunEnd.Done);
    expect(taken).toBe(8_000_000);
  });

  it('stop when no more is wanted, and when they are closed while their taker waits', async () => {
    const bomb = Buffer.from(make.deflater(15).deflate(Buffer.alloc(4_000_000)));
    const stopped = make.inflater(15);
    let count = 0;
    expect(await stopped.inflateLater(bomb, true, () => ++count < 3)).toBe(RunEnd.Stopped);
    expect(count).toBe(3);
    const refused = make.inflater(15);
    expect(await refused.inflateLater(bomb, true, () => Promise.resolve(false))).toBe(RunEnd.Stopped);
    const closed = make.inflater(15);
    const end = closed.inflateLater(bomb, true, () => {
      closed.close();
      return new Promise(() => {});
    });
    expect(await end).toBe(RunEnd.Closed);
  });

  it('refuse data that is cut off, unless that is in the description of a code', async () => {
    for (const message of [text(5000), Buffer.alloc(100, 'abc'), noise(1000)]) {
      const data = Buffer.from(make.deflater(15).deflate(message));
      for (let length = 120; length < data.length - 1; length += 7) {
        for (const isLater of [false, true]) {
          const inflater = make.inflater(15);
          const cut = data.subarray(0, length);
          const made = isLater ? await expandedLater(inflater, cut, 1e6) : inflater.inflate(cut, 1e6);
          expect(made).toBe(InflateError.Data);
          inflater.close();
        }
      }
    }
  });

  it('make all of a part at once, though it is a little longer than may be made at once', async () => {
    const deflater = make.deflater(15);
    const inflater = make.inflater(15);
    for (let more = 1; more < 300; more += 23) {
      const part = Buffer.alloc(10_000 + more, 'x');
      const data = Buffer.from(deflater.deflate(part, false));
      let made: Buffer = Buffer.alloc(0);
      let rest = data;
      const first = inflater.inflate(data, 10_000, false);
      if (first === InflateError.TooLong) {
        rest = data.subarray(inflater.used);
        made = inflater.takeMade();
      }
      const later = await expandedLater(inflater, rest, most, false);
      expect(made.length + (later as Buffer).length).toBe(part.length);
    }
    deflater.close();
    inflater.close();
  });

  it('go on behind blocks with BFINAL, in a whole message as well', async () => {
    const hello = hex('f3 48 cd c9 c9 07 00');
    for (const count of [2, 3, 3000]) {
      const inflater = make.inflater(15);
      const data = Buffer.concat(Array.from({ length: count }, () => hello));
      const expected = 'Hello'.repeat(count);
      expect(String(inflater.inflate(data, most))).toBe(expected);
      expect(String(await expandedLater(inflater, data, most))).toBe(expected);
      expect(inflater.inflate(Buffer.concat([hello, hex('ff ff')]), most)).toBe(InflateError.Data);
      inflater.close();
    }
  });
});

it('a native engine takes few streams of Node for thousands of deflate streams in one message', async () => {
  let count = 0;
  const hook = createHook({ init: (_id, type) => void (count += type === 'ZLIB' ? 1 : 0) }).enable();
  try {
    const inflater = engines.native.inflater(15);
    const data = Buffer.concat(Array.from({ length: 10_000 }, () => hex('03 00')));
    expect(await expandedLater(inflater, Buffer.concat([data, hex('f2 48 cd c9 c9 07 00')]), most)).toEqual(
      Buffer.from('Hello'),
    );
    expect(count).toBeLessThan(20);
    inflater.close();
  } finally {
    hook.disable();
  }
});
