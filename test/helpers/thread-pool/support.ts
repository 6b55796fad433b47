import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import ts from 'typescript';
import { afterAll, afterEach } from 'vitest';
import type { ThreadPoolHooks } from '../../../src/helpers/thread-pool/listener.ts';
import { workerScript } from '../../../src/helpers/thread-pool/pool-worker.ts';
import { ThreadPool, type ThreadPoolProperties } from '../../../src/helpers.ts';

// Threads are plain Node, which does not read TypeScript on every version: they run a compiled copy of the sources.
const sources = new URL('../../../src/helpers/thread-pool/', import.meta.url);
const folder = mkdtempSync(join(tmpdir(), 'hp-socket-thread-pool-'));
writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
const compiled = (name: string): URL => pathToFileURL(join(folder, `${name}.js`));
for (const url of [
  ...['worker', 'messages', 'transfer'].map((name) => new URL(`${name}.ts`, sources)),
  new URL('./tasks.ts', import.meta.url),
]) {
  const { outputText } = ts.transpileModule(readFileSync(url, 'utf8'), {
    compilerOptions: {
      module: ts.ModuleKind.ESNext,
      target: ts.ScriptTarget.ES2022,
      verbatimModuleSyntax: true,
      rewriteRelativeImportExtensions: true,
    },
  });
  writeFileSync(compiled(basename(url.pathname, '.ts')), outputText);
}
workerScript.url = compiled('worker');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

export const tasksUrl = compiled('tasks');
export type Tasks = typeof import('./tasks.ts');

const pools = new Set<ThreadPool<Tasks>>();

/** A pool that is stopped after the test, whatever it has come to. */
export function makePool(
  listener: ThreadPoolHooks<ThreadPool> = {},
  options: Partial<ThreadPoolProperties> = {},
): ThreadPool<Tasks> {
  const pool = new ThreadPool<Tasks>(listener, { module: tasksUrl, execArgv: [], ...options });
  pools.add(pool);
  return pool;
}

afterEach(async () => {
  const cut = AbortSignal.abort();
  for (const pool of pools) {
    if (pool.hasStarted) await pool.stop({ signal: cut });
    await pool.wait();
  }
  pools.clear();
});

/** A shared flag that a task waits for, and one that it sets when it runs. */
export class Gate {
  readonly cells = new Int32Array(new SharedArrayBuffer(8));

  open(): void {
    Atomics.store(this.cells, 0, 1);
    Atomics.notify(this.cells, 0);
  }

  /** Resolves when `count` tasks have come to the gate. */
  async reached(count = 1): Promise<void> {
    while (Atomics.load(this.cells, 1) < count) await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
