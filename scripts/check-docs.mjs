// Type-checks every ```ts block of README.md and docs/, each as a module of its own, against the built package.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const out = `${root}.build/docs`;
rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
const pages = ['README.md', ...readdirSync(`${root}docs`).map((name) => `docs/${name}`)].filter((name) =>
  name.endsWith('.md'),
);
let count = 0;
for (const page of pages) {
  const blocks = readFileSync(root + page, 'utf8').matchAll(/^```ts\n([\s\S]*?)^```$/gm);
  for (const [, code] of blocks) {
    count++;
    writeFileSync(`${out}/${page.replace(/\W/g, '_')}_${count}.ts`, `// ${page}\n${code}\nexport {};\n`);
  }
}
writeFileSync(
  `${out}/tsconfig.json`,
  JSON.stringify({
    extends: '../../tsconfig.json',
    compilerOptions: { noUnusedLocals: false, noUnusedParameters: false, skipLibCheck: false },
    include: ['*.ts'],
  }),
);
const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
const { status } = spawnSync(process.execPath, [tsc, '-p', out], { stdio: 'inherit' });
console.log(`${count} code blocks of the docs ${status === 0 ? 'compile' : 'do not all compile'}`);
process.exitCode = status ?? 1;
