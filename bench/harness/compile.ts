import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import ts from 'typescript';

const benchFolder = fileURLToPath(new URL('..', import.meta.url));
// Inside the package, so that `import 'hp-socket'` in a contender still means this package's own dist/.
// One folder per run, for several runs may share a checkout.
const buildFolder = join(benchFolder, '.build', String(process.pid));

/**
 * Turns the modules that run in measured processes into plain JavaScript, once per run.
 *
 * A process started through a TypeScript loader carries the loader's thread (30 MB, with a garbage collector of its own)
 * and its rewritten closures. Both would be measured with the server.
 */
export function compileContenders(): void {
  process.once('exit', () => rmSync(buildFolder, { recursive: true, force: true }));
  for (const folder of ['harness', 'baselines', 'subjects']) {
    for (const file of readdirSync(join(benchFolder, folder))) {
      if (file.endsWith('.ts')) compile(join(folder, file));
    }
  }
}

function compile(relativePath: string): void {
  const { outputText } = ts.transpileModule(readFileSync(join(benchFolder, relativePath), 'utf8'), {
    fileName: relativePath,
    compilerOptions: {
      module: ts.ModuleKind.ESNext,
      target: ts.ScriptTarget.ES2022,
      verbatimModuleSyntax: true,
      rewriteRelativeImportExtensions: true,
    },
  });
  const target = builtPath(relativePath);
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, outputText);
}

/** Path of the compiled twin of a module such as `baselines/net-echo.ts`. */
export function builtPath(relativePath: string): string {
  return join(buildFolder, relativePath.replace(/\.ts$/, '.js'));
}

/** The same as a URL, which is what `import()` takes on every platform. */
export function builtUrl(relativePath: string): string {
  const path = builtPath(relativePath);
  if (!existsSync(path)) throw new Error(`no such contender: bench/${relativePath}`);
  return pathToFileURL(path).href;
}
