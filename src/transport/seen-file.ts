import { type Stats, statSync } from 'node:fs';

/** A file or directory, and how it looked before it was read. */
export interface SeenFile {
  readonly path: string;
  mark: string;
}

/** To be called before `path` is read, so that no later change is missed. */
export function seenFile(path: string): SeenFile {
  return { path, mark: markOf(statSync(path, { throwIfNoEntry: false })) };
}

/** A text that is another one when the file is; '' if there is none. */
export function markOf(stats: Stats | undefined): string {
  return stats === undefined ? '' : `${stats.ino} ${stats.mtimeMs} ${stats.ctimeMs} ${stats.size}`;
}
