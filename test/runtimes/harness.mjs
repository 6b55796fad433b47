// What the smoke suite needs of a test runner, in plain JavaScript, so that it runs wherever the library does.
const checks = [];

/** Name and version of the runtime, and its short name. */
export const runtime = globalThis.Bun
  ? { name: 'bun', version: process.versions.bun }
  : globalThis.Deno
    ? { name: 'deno', version: process.versions.deno }
    : { name: 'node', version: process.versions.node };

/** Registers a check: it throws or rejects if something is wrong. */
export function check(name, run) {
  checks.push({ name, run });
}

/** Throws unless the two are the same value, or have the same JSON. */
export function same(actual, expected, what = 'value') {
  const [a, e] = [actual, expected].map((value) => JSON.stringify(value));
  if (!Object.is(actual, expected) && a !== e) throw new Error(`${what}: ${a}, not ${e}`);
}

export function holds(isSo, what) {
  if (!isSo) throw new Error(what);
}

/** Resolves when `isDone` answers true; asks every 2 ms. */
export async function until(isDone, what) {
  for (let left = 5000; !isDone(); left--) {
    if (left === 0) throw new Error(`never came: ${what()}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** What a promise rejects with. */
export async function rejection(promise) {
  let value;
  try {
    value = await promise;
  } catch (error) {
    return error;
  }
  throw new Error(`it did not reject, but came to ${value}`);
}

/** Pseudo-random bytes, the same ones each time. */
export function bytesOf(length, seed = 1) {
  const bytes = Buffer.allocUnsafe(length);
  let state = seed >>> 0 || 1;
  for (let at = 0; at < length; at++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[at] = state;
  }
  return bytes;
}

/**
 * Runs what was registered. A check that is known to fail on this runtime must fail: so the list cannot grow old.
 * @param knownFailures Names of checks by the name of the runtime, with the reason.
 */
export async function runChecks(knownFailures) {
  let strays = 0;
  const stray = (error) => {
    strays++;
    console.error('not caught:', error);
  };
  process.on('unhandledRejection', stray);
  process.on('uncaughtException', stray);
  const known = knownFailures[runtime.name] ?? {};
  const counts = { passed: 0, failed: 0 };
  for (const { name, run } of checks) {
    const before = strays;
    const problem = await outcome(run);
    const isFailed = problem !== null || strays > before;
    const isKnown = known[name] !== undefined;
    if (isFailed !== isKnown) counts.failed++;
    else counts.passed++;
    const mark = isKnown ? (isFailed ? 'known ' : 'WORKS ') : isFailed ? 'FAILED' : 'ok    ';
    const why = isKnown && isFailed ? known[name] : isKnown ? 'now, so it is no known failure any more' : problem;
    console.log(`${mark} ${name}${why === null ? '' : `: ${why}`}`);
  }
  console.log(`${runtime.name} ${runtime.version}: ${counts.passed} passed, ${counts.failed} failed`);
  process.exit(counts.failed === 0 ? 0 : 1);
}

async function outcome(run) {
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, 30_000, 'it did not end within 30 seconds');
  });
  const ended = (async () => run())().then(
    () => null,
    (error) => error?.stack ?? String(error),
  );
  const problem = await Promise.race([ended, late]);
  clearTimeout(timer);
  return problem;
}
