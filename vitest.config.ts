import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    setupFiles: ['test/tools/seed.ts'],
    pool: 'forks',
    // Vitest leaves one processor out; with two of them that is half of the speed, and most tests wait for sockets anyway.
    maxWorkers: availableParallelism(),
    // Shared machines stop for seconds: there, a test that fails is tried again before it counts.
    retry: process.env.CI === undefined ? 0 : 2,
    testTimeout: 30_000,
    hookTimeout: 30_000,
    dangerouslyIgnoreUnhandledErrors: false,
    reporters: ['default', './scripts/summary-reporter.mjs'],
  },
});
