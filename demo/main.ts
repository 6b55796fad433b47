/**
 * The demonstration behind `npm start`: every component at work over real sockets of this machine. Prints what each did,
 * and exits with 0 only if all of it was right.
 */
import type { Scenario } from './scenario.ts';
import { helperScenarios } from './scenarios/helpers.ts';
import { httpScenarios } from './scenarios/http.ts';
import { sslScenarios } from './scenarios/ssl.ts';
import { tcpScenarios } from './scenarios/tcp.ts';
import { udpScenarios } from './scenarios/udp.ts';
import { webSocketScenarios } from './scenarios/websocket.ts';
import { formatTable, type TimedRow } from './table.ts';

const socketScenarios: Scenario[] = [...tcpScenarios, ...sslScenarios, ...udpScenarios];
/** `sockets` as an argument leaves out HTTP and the helpers, which runtimes other than Node are not tried with. */
const scenarios = process.argv.includes('sockets')
  ? socketScenarios
  : [...socketScenarios, ...httpScenarios, ...webSocketScenarios, ...helperScenarios];
const rows: TimedRow[] = [];
let failures = 0;

process.on('unhandledRejection', (error) => {
  failures++;
  console.error('unhandled rejection:', error);
});

for (const scenario of scenarios) {
  const startedAt = performance.now();
  let shownAt = startedAt;
  // What takes longer than a second shows that it is alive.
  const progress = (text: string): void => {
    if (performance.now() - shownAt < 1000) return;
    shownAt = performance.now();
    console.log(`    ... ${text}`);
  };
  console.log(`- ${scenario.title}`);
  try {
    const done = await scenario.run(progress);
    const seconds = (performance.now() - startedAt) / 1000;
    rows.push(...done.map((row) => ({ ...row, seconds })));
    failures += done.filter((row) => row.problem !== undefined).length;
  } catch (error) {
    failures++;
    const problem = error instanceof Error ? error.message : String(error);
    rows.push({ component: '-', did: scenario.title, messages: 0, bytes: 0, seconds: 0, problem });
    console.error(error);
  }
}

console.log(`\n${formatTable(rows)}\n`);
console.log(
  failures === 0
    ? `All ${new Set(rows.map((row) => row.component)).size} components did what they should.`
    : `${failures} failures.`,
);
process.exitCode = failures === 0 ? 0 : 1;
