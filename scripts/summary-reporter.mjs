// Prints the one line that scripts read after Vitest's own summary: "N passed, N failed".
export default class SummaryReporter {
  onTestRunEnd(testModules, unhandledErrors) {
    let passed = 0;
    let failed = unhandledErrors.length;
    for (const testModule of testModules) {
      if (testModule.errors().length > 0) failed++;
      for (const test of testModule.children.allTests()) {
        const { state } = test.result();
        if (state === 'passed') passed++;
        else if (state === 'failed') failed++;
      }
    }
    // After the default reporter's summary, which is printed in the same turn.
    process.once('beforeExit', () => {});
    setTimeout(() => process.stdout.write(`\n${passed} passed, ${failed} failed\n`), 0);
  }
}
