// Prints the path of another runtime's program: `node scripts/runtime.mjs node@24`. Runtimes come from the npm registry, into
// .build/runtimes/, so that neither this package nor the machine depends on them. Without a version: the runtime of this script.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../.build/runtimes', import.meta.url));
const programs = { node: 'node/bin/node', bun: 'bun/bin/bun.exe', deno: 'deno/deno' };

/** Path of the program of a runtime such as `node@24`, installed if it is not there. Throws if that fails. */
export function programOf(runtime) {
  if (runtime === 'node') return process.execPath;
  const [name, version] = runtime.split('@');
  if (programs[name] === undefined || version === undefined) {
    throw new Error(`${runtime} is no runtime such as node@24, bun@1.4.5 or deno@2.9.6`);
  }
  const folder = `${root}/${name}-${version}`;
  const program = `${folder}/node_modules/${programs[name]}`;
  if (existsSync(program)) return program;
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}/package.json`, '{ "private": true }\n');
  const args = ['install', '--no-audit', '--no-fund', '--no-package-lock', '--loglevel=error', runtime];
  const { status } = spawnSync('npm', args, {
    cwd: folder,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  });
  if (status !== 0 || !existsSync(program)) throw new Error(`npm could not install ${runtime}`);
  return program;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(programOf(process.argv[2] ?? 'node'));
