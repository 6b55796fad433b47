import { type Stats, statSync } from 'node:fs';
import { stat } from 'node:fs/promises';

/**
 * Calls `changed` when any of `files` was replaced or rewritten since this call. Looks at the files from time to time, since
 * that is all that works for renames, links and network drives alike. Does not keep the process alive.
 */
export function watchFiles(files: readonly string[], intervalMs: number, changed: () => void): () => void {
  const seen = files.map((file) => markOf(statSync(file, { throwIfNoEntry: false })));
  let isLooking = false;
  const look = async (): Promise<void> => {
    if (isLooking) return;
    isLooking = true;
    const now = await Promise.all(files.map((file) => stat(file).then(markOf, () => '')));
    isLooking = false;
    // A file that is missing is about to be replaced.
    if (now.every((mark, i) => mark === '' || mark === seen[i])) return;
    now.forEach((mark, i) => {
      if (mark !== '') seen[i] = mark;
    });
    if (!isStopped) changed();
  };
  let isStopped = false;
  const timer = setInterval(look, intervalMs);
  timer.unref();
  return () => {
    isStopped = true;
    clearInterval(timer);
  };
}

function markOf(stats: Stats | undefined): string {
  return stats === undefined ? '' : `${stats.ino} ${stats.mtimeMs} ${stats.size}`;
}
