import { unwatchFile, watchFile } from 'node:fs';

/**
 * Calls `changed` when any of `files` was replaced or rewritten. Looks at the files from time to time, since that is all
 * that works for renames, links and network drives alike. Does not keep the process alive.
 */
export function watchFiles(files: readonly string[], intervalMs: number, changed: () => void): () => void {
  const listener = (now: { mtimeMs: number; ino: number }, before: { mtimeMs: number; ino: number }): void => {
    if (now.mtimeMs !== before.mtimeMs || now.ino !== before.ino) changed();
  };
  for (const file of files) watchFile(file, { interval: intervalMs, persistent: false }, listener);
  return () => {
    for (const file of files) unwatchFile(file, listener);
  };
}
