// Compiles test/types/ against the built package with each TypeScript that is supported: the oldest, this repository's, and the
// newest. The declarations themselves are checked too (no skipLibCheck).
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const versions = process.argv.length > 2 ? process.argv.slice(2) : ['5.5', '5.9', '7.0'];
const root = fileURLToPath(new URL('..', import.meta.url));
const out = `${root}.build/types`;
mkdirSync(out, { recursive: true });
// Only options that all of them know.
const compilerOptions = {
  target: 'ES2022',
  lib: ['ES2023', 'ESNext.Disposable'],
  module: 'NodeNext',
  moduleResolution: 'NodeNext',
  types: ['node'],
  strict: true,
  exactOptionalPropertyTypes: true,
  noImplicitOverride: true,
  noUncheckedIndexedAccess: true,
  noEmit: true,
  skipLibCheck: false,
};
const files = readdirSync(`${root}test/types`).map((name) => `${root}test/types/${name}`);
writeFileSync(`${out}/tsconfig.json`, JSON.stringify({ compilerOptions, files }));
let failures = 0;
for (const version of versions) {
  const command = ['-y', '-p', `typescript@${version}`, 'tsc', '-p', out];
  const { status, stdout, stderr } = spawnSync('npx', command, { cwd: root, encoding: 'utf8' });
  console.log(`${status === 0 ? 'ok    ' : 'FAILED'} TypeScript ${version}`);
  if (status === 0) continue;
  failures++;
  console.log(stdout, stderr);
}
process.exitCode = failures === 0 ? 0 : 1;
