import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { listenBare } from './support.ts';

test('a process lives on until what a receive rate held back has been read', async () => {
  await using bare = await listenBare();
  const script = fileURLToPath(new URL('./rate-child.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', script, String(bare.port)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  (await bare.accepted()).end(Buffer.alloc(2_000_000));
  expect(await once(child, 'close')).toEqual([0, null]);
  expect(text).toBe('closed after 2000000\n');
});
