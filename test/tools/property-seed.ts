/**
 * Property tests draw the same cases every time, so that a commit never fails for a case that it has nothing to do with.
 * `HP_SOCKET_TEST_SEED=random` draws new ones; do that, with `HP_SOCKET_FULL=1`, after a change of what they test.
 */
import fc from 'fast-check';

const { HP_SOCKET_TEST_SEED: seed = '20260728' } = process.env;
if (seed !== 'random') fc.configureGlobal({ seed: Number(seed) });
