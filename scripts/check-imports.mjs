// Checks what src/ imports against .dependency-cruiser.mjs. What breaks a rule and stands in known-imports.json is let pass;
// what stands there and breaks none any more is told, to be taken out. `--write` writes the list anew.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const knownPath = join(root, 'scripts/known-imports.json');
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
if (process.argv.includes('--write')) {
  writeFileSync(knownPath, `${JSON.stringify([...broken.keys()].sort(), null, 2)}\n`);
  console.log(`${broken.size} known`);
  process.exit(0);
}
const known = new Set(existsSync(knownPath) ? JSON.parse(readFileSync(knownPath, 'utf8')) : []);
const news = [...broken.keys()].filter((line) => !known.has(line)).sort();
const gone = [...known].filter((line) => !broken.has(line)).sort();
for (const line of news) console.log(`BREAKS ${line}`);
for (const line of gone) console.log(`mended ${line}; take it out of scripts/known-imports.json`);
console.log(
  `${summary.totalCruised} modules, ${summary.totalDependenciesCruised} imports: ${news.length} break the rules, ${broken.size - news.length} more are known`,
);
process.exitCode = news.length === 0 ? 0 : 1;
