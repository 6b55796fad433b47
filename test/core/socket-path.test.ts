import { afterEach, expect, test, vi } from 'vitest';
import { socketPathProblem } from '../../src/core/socket-path.ts';

const platform = Object.getOwnPropertyDescriptor(process, 'platform')!;

afterEach(() => {
  Object.defineProperty(process, 'platform', platform);
  vi.resetModules();
});

test.each([
  ['linux', 107],
  ['win32', 256],
  ['darwin', 103],
  ['freebsd', 103],
])('on %s the path of a socket may have %i bytes and not one more', async (name, limit) => {
  Object.defineProperty(process, 'platform', { ...platform, value: name });
  vi.resetModules();
  const { socketPathProblem: problem } = await import('../../src/core/socket-path.ts');
  expect(problem('x'.repeat(limit))).toBeNull();
  expect(problem('x'.repeat(limit + 1))).toBe(
    `path must have ${limit} bytes or less, which is the system's limit, not ${limit + 1}`,
  );
  // Bytes count, not characters.
  expect(problem(`${'x'.repeat(limit - 1)}ü`)).toMatch(new RegExp(`, not ${limit + 1}$`));
});

test.each(['', 7, null, undefined, Buffer.from('/tmp/a')])('%j is no path', (path) => {
  expect(socketPathProblem(path)).toBe('path must be a string that is not empty');
});
