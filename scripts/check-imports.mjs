// Checks what src/ imports against .dependency-cruiser.mjs: no circle, types included, and no arrow to a higher room.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const modules = createRequire(import.meta.url).resolve.paths('dependency-cruiser');
const program = modules
  .map((folder) => join(folder, 'dependency-cruiser/bin/dependency-cruise.mjs'))
  .find((path) => existsSync(path));
const args = [program, 'src', '--config', '.dependency-cruiser.mjs', '--output-type', 'json'];
const { stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28 });
if (!stdout.startsWith('{')) throw new Error(`dependency-cruiser failed: ${stderr || stdout}`);
const { summary } = JSON.parse(stdout);

/** One line for each: a circle has one, whichever of its files it was found from. */
const broken = new Map();
for (const { rule, from, to, cycle } of summary.violations) {
  const path = cycle?.map(({ name }) => name) ?? [];
  // Circles begin with the first of their files by name.
  const start = path.indexOf([...path].sort()[0]);
  const line = path.length > 0 ? [...path.slice(start), ...path.slice(0, start)].join(' -> ') : `${from} -> ${to}`;
  broken.set(`${rule.name}: ${line}`, rule.name);
}
for (const line of [...broken.keys()].sort()) console.log(`BREAKS ${line}`);
console.log(
  `${summary.totalCruised} modules, ${summary.totalDependenciesCruised} imports: ${broken.size} break the rules`,
);
process.exitCode = broken.size === 0 ? 0 : 1;
