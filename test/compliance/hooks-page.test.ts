import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { hooks, type Outcome, outcomeOf } from './hook-matrix.ts';

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

  test.each(['send', 'disconnect', 'stop', 'start'])('tells what `%s` does inside a hook', (call) => {
    expect(page).toMatch(new RegExp(`^\\| \`${call}\` \\| `, 'm'));
  });
});
