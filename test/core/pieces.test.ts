import { Readable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { type Pieces, piecesOf, type Source } from '../../src/core/pieces.ts';

const pieces = <T>(from: Source<T>): Pieces<T> => piecesOf('it must be pieces', from);

/** All pieces, and how they end: `done`, or what is thrown. */
async function all(source: AsyncIterable<unknown>): Promise<unknown[]> {
  const got: unknown[] = [];
  try {
    for await (const piece of source) got.push(piece);
    return [...got, 'done'];
  } catch (error) {
    return [...got, error];
  }
}

/** Lets every promise that is settled call back. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function* one(): AsyncGenerator<string> {
  yield 'a';
}

describe('the pieces', () => {
  test.each<[string, () => Source<unknown>]>([
    ['an array, with promises in it', () => ['a', Promise.resolve('b')]],
    ['a text', () => 'ab'],
    ['a generator', () => new Set(['a', 'b']).values()],
    [
      'an async generator',
      () =>
        (async function* () {
          yield* ['a', 'b'];
        })(),
    ],
    ['a stream of Node', () => Readable.from(['a', 'b'])],
    ['a web stream', () => new Blob(['a', 'b']).stream().pipeThrough(new TextDecoderStream() as never) as never],
    [
      'an iterator that is made by hand and answers without promises',
      () => {
        const left = ['a', 'b'];
        const next = () => ({ done: left.length === 0, value: left.shift() });
        return { [Symbol.asyncIterator]: () => ({ next }) } as never;
      },
    ],
  ])('of %s are those of for await', async (_what, make) => {
    expect((await all(pieces(make()).source)).join('')).toBe('abdone');
  });

  test('of what has iterators of both kinds come from the one of for await', async () => {
    expect(await all(pieces(Object.assign(one(), { [Symbol.iterator]: () => ['b'].values() })).source)).toEqual([
      'a',
      'done',
    ]);
  });

  test.each([5, null, undefined, {}, { [Symbol.iterator]: 5 }, () => {}])('of %s there are none', (wrong) => {
    expect(() => pieces(wrong as never)).toThrow(/^it must be pieces, not /);
  });

  test('of a web stream that is read elsewhere there are none', () => {
    const stream = new Blob(['a']).stream();
    stream.getReader();
    expect(() => pieces(stream as never)).toThrow(TypeError);
  });

  test('end with what their source throws, or a promise among them is rejected with', async () => {
    const error = new Error('mine');
    const throwing = async function* (): AsyncGenerator<string> {
      yield 'a';
      throw error;
    };
    expect(await all(pieces(throwing()).source)).toEqual(['a', error]);
    expect(await all(pieces(['a', Promise.reject(error)]).source)).toEqual(['a', error]);
    const next = (): never => {
      throw error;
    };
    expect(await all(pieces({ [Symbol.asyncIterator]: () => ({ next }) }).source)).toEqual([error]);
  });

  test('that are left early close their source', async () => {
    const closed: string[] = [];
    const sync = function* (): Generator<string> {
      try {
        yield* ['a', 'b'];
      } finally {
        closed.push('sync');
      }
    };
    const later = async function* (): AsyncGenerator<string> {
      try {
        yield* ['a', 'b'];
      } finally {
        closed.push('async');
      }
    };
    const cancel = (): void => void closed.push('web');
    const web = new ReadableStream<string>({ pull: (controller) => controller.enqueue('a'), cancel });
    for (const source of [sync(), later(), web as never, ['a', 'b']] as Source<string>[])
      for await (const _piece of pieces(source).source) break;
    expect(closed).toEqual(['sync', 'async', 'web']);
  });
});

test('pieces of an iterator that cannot be closed may be left early as well', async () => {
  const next = (): Promise<IteratorResult<string>> => Promise.resolve({ done: false, value: 'a' });
  const got: string[] = [];
  for await (const piece of pieces<string>({ [Symbol.asyncIterator]: () => ({ next }) }).source) {
    got.push(piece);
    break;
  }
  expect(got).toEqual(['a']);
});

describe('pieces that are dropped', () => {
  test('end at once, also while one is awaited that never comes', async () => {
    for (const source of [
      [new Promise(() => {})],
      { [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }) },
      new ReadableStream() as never,
      new Readable({ read() {} }),
    ] as Source<unknown>[]) {
      const { source: from, drop } = pieces(source);
      const ended = all(from);
      await settled();
      drop();
      expect(await ended).toEqual(['done']);
    }
  });

  test('have no more pieces, though the source has', async () => {
    const { source, drop } = pieces(['a', 'b']);
    const iterator = source[Symbol.asyncIterator]();
    expect(await iterator.next()).toEqual({ done: false, value: 'a' });
    drop();
    expect(await iterator.next()).toEqual({ done: true, value: undefined });
  });

  test('tell their source: a stream is destroyed, a web stream cancelled, an iterator closed', async () => {
    const stream = Readable.from(['a']);
    pieces(stream).drop();
    expect(stream.destroyed).toBe(true);
    const told: string[] = [];
    pieces(new ReadableStream({ cancel: () => void told.push('web') }) as never).drop();
    pieces(Object.assign(['a'], { cancel: () => void told.push('cancel') })).drop();
    const both = { destroy: () => void told.push('destroy'), cancel: () => void told.push('not this') };
    pieces(Object.assign(['a'], both)).drop();
    pieces(Object.assign(['a'], { destroy: 5, cancel: 5 })).drop();
    const begun = pieces({
      [Symbol.asyncIterator]: () => ({
        next: () => Promise.resolve({ done: false, value: 'a' }),
        return: () => {
          told.push('return');
          return Promise.resolve({ done: true, value: undefined });
        },
      }),
    });
    await begun.source[Symbol.asyncIterator]().next();
    begun.drop();
    expect(told).toEqual(['web', 'cancel', 'destroy', 'return']);
  });

  test('leave a request alone that node:http received, but not an answer', () => {
    const told: string[] = [];
    const message = (statusCode: number | null): Source<string> =>
      Object.assign(['a'], { httpVersion: '1.1', statusCode, destroy: () => void told.push(`destroy ${statusCode}`) });
    pieces(message(null)).drop();
    pieces(message(200)).drop();
    expect(told).toEqual(['destroy 200']);
  });

  test('are no concern of anybody, should the source fail at that', async () => {
    const error = new Error('mine');
    const raise = (): never => {
      throw error;
    };
    const iterator = (back: () => unknown): Source<string> =>
      ({ [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => {}), return: back }) }) as never;
    for (const source of [
      Object.assign(['a'], { destroy: raise }),
      Object.assign(['a'], { cancel: () => Promise.reject(error) }),
      new ReadableStream({ cancel: raise }) as never,
      iterator(raise),
      iterator(() => Promise.reject(error)),
      iterator(() => ({ done: true, value: undefined })),
    ] as Source<string>[]) {
      const { source: from, drop } = pieces(source);
      const ended = all(from);
      drop();
      expect((await ended).at(-1)).toBe('done');
    }
    await settled(); // a rejection that nobody catches would fail the run
  });
});
