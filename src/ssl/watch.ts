import { type Stats, statSync } from 'node:fs';
import { stat } from 'node:fs/promises';

/** A file or directory, and how it looked before it was read. */
export interface SeenFile {
  readonly path: string;
  mark: string;
}

/** To be called before `path` is read, so that no later change is missed. */
export function seenFile(path: string): SeenFile {
  return { path, mark: markOf(statSync(path, { throwIfNoEntry: false })) };
}

/**
 * Calls `changed` when any of `files` was replaced, rewritten, or made readable since it was seen. Looks at them from time to
 * time, since that is all that works for renames, links and network drives alike. Does not keep the process alive.
 */
export function watchFiles(files: readonly SeenFile[], intervalMs: number, changed: () => void): () => void {
  let isLooking = false;
  const look = async (): Promise<void> => {
    if (isLooking) return;
    isLooking = true;
    const now = await Promise.all(files.map(({ path }) => stat(path).then(markOf, () => '')));
    isLooking = false;
    // A file that is missing is about to be replaced.
    if (now.every((mark, i) => mark === '' || mark === files[i]!.mark)) return;
    now.forEach((mark, i) => {
      if (mark !== '') files[i]!.mark = mark;
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
  return stats === undefined ? '' : `${stats.ino} ${stats.mtimeMs} ${stats.ctimeMs} ${stats.size}`;
}
