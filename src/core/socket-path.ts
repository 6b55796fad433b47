/** Most bytes of the path of a Unix domain socket (`sun_path` with its final zero byte). Named pipes of Windows have 256. */
const MAX_PATH_BYTES = process.platform === 'linux' ? 107 : process.platform === 'win32' ? 256 : 103;

/** What is wrong with the path of a Unix domain socket, or null. Node cuts longer ones off, and would use another file. */
export function socketPathProblem(path: unknown): string | null {
  if (typeof path !== 'string' || path === '') return 'path must be a string that is not empty';
  const length = Buffer.byteLength(path);
  if (length <= MAX_PATH_BYTES) return null;
  return `path must have ${MAX_PATH_BYTES} bytes or less, which is the system's limit, not ${length}`;
}
