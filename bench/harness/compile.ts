import { AsyncLocalStorage } from 'node:async_hooks';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import ts from 'typescript';

const benchFolder = fileURLToPath(new URL('..', import.meta.url));

/** The `bench/` folder whose contenders are started: another checkout's inside of `fromCheckout`. */
const otherFolder = new AsyncLocalStorage<string>();

// Inside the package, so that `import 'hp-socket'` in a contender still means that package's own dist/.
// One folder per run, for several runs may share a checkout.
const buildFolderOf = (folder: string): string => join(folder, '.build', String(process.pid));

/**
 * Turns the modules that run in measured processes into plain JavaScript, once per run.
 *
 * A process started through a TypeScript loader carries the loader's thread (30 MB, with a garbage collector of its own)
 * and its rewritten closures. Both would be measured with the server.
 *
 * @param checkouts other checkouts of this package, built, whose contenders are needed as well
 */
export function compileContenders(checkouts: readonly string[] = []): void {
  for (const bench of [benchFolder, ...checkouts.map((checkout) => join(resolve(checkout), 'bench'))]) {
    process.once('exit', () => rmSync(buildFolderOf(bench), { recursive: true, force: true }));
    for (const folder of ['harness', 'baselines', 'subjects']) {
      for (const file of readdirSync(join(bench, folder))) {
        if (file.endsWith('.ts')) compile(bench, join(folder, file));
      }
    }
  }
}

function compile(bench: string, relativePath: string): void {
  const { outputText } = ts.transpileModule(readFileSync(join(bench, relativePath), 'utf8'), {
    fileName: relativePath,
    compilerOptions: {
      module: ts.ModuleKind.ESNext,
      target: ts.ScriptTarget.ES2022,
      verbatimModuleSyntax: true,
      rewriteRelativeImportExtensions: true,
    },
  });
  const target = pathIn(bench, relativePath);
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, outputText);
}

/** Runs `body` so that the contenders it starts are those of another checkout, with that checkout's library. */
export function fromCheckout<T>(checkout: string, body: () => Promise<T>): Promise<T> {
  return otherFolder.run(join(resolve(checkout), 'bench'), body);
}

function pathIn(bench: string, relativePath: string): string {
  return join(buildFolderOf(bench), relativePath.replace(/\.ts$/, '.js'));
}

/** Path of the compiled twin of a module such as `baselines/net-echo.ts`. */
export function builtPath(relativePath: string): string {
  return pathIn(otherFolder.getStore() ?? benchFolder, relativePath);
}

/** The same as a URL, which is what `import()` takes on every platform. */
export function builtUrl(relativePath: string): string {
  const path = builtPath(relativePath);
  if (!existsSync(path)) throw new Error(`no such contender: bench/${relativePath}`);
  return pathToFileURL(path).href;
}
