import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

test.each(['round-robin', 'shared'])(
  'servers in workers of a %s cluster share a port, stop, and start again',
  async (policy) => {
    const script = fileURLToPath(new URL('./cluster-child.ts', import.meta.url));
    const child = spawn(process.execPath, ['--import', 'tsx', script, policy], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    expect(await once(child, 'close')).toEqual([0, null]);
    const round = { isShared: true, answers: 10, reports: 2 };
    expect(
      text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual([round, round, [0, 0]]);
  },
);
