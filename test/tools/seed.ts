/**
 * Tests that draw their cases draw the same ones every time, so that a commit never fails for a case that it has nothing
 * to do with. `HP_SOCKET_SEED=random` draws others, `HP_SOCKET_SEED=<number>` those of a run that failed; with
 * `HP_SOCKET_FULL=1` there are many more of them. Also the setup file of all tests, which seeds fast-check.
 */
import fc from 'fast-check';

const { HP_SOCKET_SEED: given = '20251123' } = process.env;

export const seed = given === 'random' ? Date.now() & 0x3fffffff : Number(given);

fc.configureGlobal({ seed });
