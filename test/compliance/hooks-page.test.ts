import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { SocketErrorCode, SocketOperation } from '../../src/index.ts';
import {
  closeAfterDisconnect,
  hooks,
  maySend,
  type Outcome,
  outcomeOf,
  rejectsConnect,
  startInsideHook,
} from './hook-matrix.ts';

// docs/hooks.md says in words what the hook matrix checks: the two must not drift apart.

const page = readFileSync(new URL('../../docs/hooks.md', import.meta.url), 'utf8');

interface Row {
  hook: string;
  isSecure: boolean | null;
  throws: string;
  refuses: string;
  goesOn: string;
}

const rows = page
  .split('\n')
  .filter((line) => line.startsWith('| `on'))
  .flatMap((line): Row[] => {
    const [names = '', throws = '', second = '', goesOn = ''] = line.split('|').slice(1, -1);
    const refuses = second.trim() === 'the same' ? throws : second;
    const isSecure = names.includes('TLS') ? true : names.includes('plain') ? false : null;
    return [...names.matchAll(/`(on\w+)`/g)].map(([, hook = '']) => ({ hook, isSecure, throws, refuses, goesOn }));
  });

/** The outcome that words of the page tell. */
function outcomeOfWords(words: string): Outcome {
  if (words.includes('connection dropped') || words.includes('`connect` / `start` fails')) return 'refused';
  if (words.includes('`start` fails')) return 'start fails';
  if (words.includes('onClose(')) return 'closed by the hook';
  return 'lives on';
}

/** `onClose` and `onShutdown` decide nothing: the connection is gone anyway. */
function expectedOf(hook: string, words: string): Outcome {
  return hook === 'onClose' || hook === 'onShutdown' ? 'gone' : outcomeOfWords(words);
}

describe('docs/hooks.md', () => {
  test.each([...new Set(Object.values(hooks).flat())])('tells what comes of %s', (hook) => {
    for (const isSecure of [false, true]) {
      const row = rows.find((one) => one.hook === hook && (one.isSecure === null || one.isSecure === isSecure));
      expect(row, `a row for ${hook}`).toBeDefined();
      const { throws, refuses, goesOn } = row!;
      expect(expectedOf(hook, throws)).toBe(outcomeOf(hook, 'throws', isSecure));
      expect(expectedOf(hook, throws)).toBe(outcomeOf(hook, 'rejects', isSecure));
      expect(expectedOf(hook, refuses)).toBe(outcomeOf(hook, 'returns Error', isSecure));
      expect(expectedOf(hook, refuses)).toBe(outcomeOf(hook, 'resolves to Error', isSecure));
      expect(expectedOf(hook, goesOn)).toBe(outcomeOf(hook, 'returns Ignore', isSecure));
    }
  });

  /** What the page says of a call from inside any hook. */
  function wordsOf(call: string): string {
    const [, words] = new RegExp(`^\\| \`${call}\` \\| (.+) \\|$`, 'm').exec(page) ?? [];
    expect(words, `a row for ${call}`).toBeDefined();
    return words!;
  }

  /** Hooks of connections that exist, so that there is something to send on. */
  const ofConnections = [...new Set(Object.values(hooks).flat())].filter(
    (hook) => hook !== 'onPrepareListen' && hook !== 'onShutdown',
  );

  test.each(ofConnections)('says of `send` inside %s what the matrix checks', (hook) => {
    const words = wordsOf('send');
    for (const isSecure of [false, true]) {
      const isFalse =
        (hook === 'onClose' && words.includes('False after `onClose` has begun')) ||
        (hook === 'onPrepareConnect' && words.includes('still connecting')) ||
        (isSecure && ['onAccept', 'onConnect'].includes(hook) && words.includes('shaking hands over TLS')) ||
        !words.startsWith('queued');
      expect(!isFalse, isSecure ? 'TLS' : 'plain').toBe(maySend(hook, isSecure));
    }
  });

  test('says of `disconnect` inside a hook what the matrix checks', () => {
    const [, operation = '', code = ''] = /`onClose\((\w+), (\d+)\)`/.exec(wordsOf('disconnect')) ?? [];
    const { Close, Send, Receive } = SocketOperation;
    expect([{ Close, Send, Receive }[operation], Number(code)]).toEqual(closeAfterDisconnect);
    for (const hook of ofConnections) {
      // `onPrepareConnect` included: what was begun is given up.
      expect(outcomeOf(hook, 'calls disconnect', false), hook).toBe('gone');
    }
  });

  test('says of `stop` inside a hook what the matrix checks', () => {
    const words = wordsOf('stop');
    const [, named = ''] = /Inside ([^.]+?), `connect` \/ `start` rejects/.exec(words) ?? [];
    const said = [...named.matchAll(/`(on\w+)`/g)].map(([, hook]) => hook);
    const checked = ofConnections.filter((hook) => rejectsConnect(hook, 'calls stop'));
    expect(said.sort()).toEqual(checked.sort());
    for (const hook of ofConnections) expect(outcomeOf(hook, 'calls stop', false), hook).toBe('gone');
  });

  test('says of `start` inside a hook what the matrix checks', () => {
    const [, name = ''] = /^rejects with (\w+) unless/.exec(wordsOf('start')) ?? [];
    expect(SocketErrorCode[name as keyof typeof SocketErrorCode]).toBe(startInsideHook);
  });
});
