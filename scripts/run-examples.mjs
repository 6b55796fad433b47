// Runs every file of examples/ against the built package; each must end by itself, with 0.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const folder = new URL('../examples/', import.meta.url);
const tsx = createRequire(import.meta.url).resolve('tsx/cli');
let failures = 0;
for (const name of readdirSync(folder).filter((file) => file.endsWith('.ts'))) {
  const { status, stdout, stderr, error } = spawnSync(process.execPath, [tsx, fileURLToPath(new URL(name, folder))], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  const isOk = status === 0;
  console.log(`${isOk ? 'ok    ' : 'FAILED'} examples/${name}`);
  if (!isOk) {
    failures++;
    console.log(stdout, stderr, error?.message ?? '');
  }
}
process.exitCode = failures === 0 ? 0 : 1;
