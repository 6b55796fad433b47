import { stat } from 'node:fs/promises';
import { markOf, type SeenFile } from '../transport/seen-file.ts';

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
