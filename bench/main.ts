/**
 * `npm run bench`: our components against what people would use or write instead, as CPU time of the measured process.
 *
 * Each contender runs alone in a process of its own and is driven from this one. `works/` says what is measured,
 * `baselines/` and `subjects/` hold the contenders, `drivers/` the load, `harness/` the rest.
 */
import { compileContenders } from './harness/compile.ts';
import { type Options, readOptions, usage } from './harness/options.ts';
import { format, formatTable, writeJson } from './harness/report.ts';
import { judgedValue, runWork, selfCheckTolerance, type Work, type WorkResult } from './harness/work.ts';
import { helperWorks } from './works/helpers.ts';
import { httpWorks } from './works/http.ts';
import { sslWorks } from './works/ssl.ts';
import { tcpWorks } from './works/tcp.ts';
import { udpWorks } from './works/udp.ts';
import { webSocketWorks } from './works/websocket.ts';

const allWorks: readonly Work[] = [
  ...tcpWorks,
  ...sslWorks,
  ...udpWorks,
  ...httpWorks,
  ...webSocketWorks,
  ...helperWorks,
];

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2));
  if (options === 'help') {
    process.stdout.write(usage);
    return 0;
  }
  const works = select(options);
  if (works.length === 0) throw new RangeError(`no work matches --only ${options.only}; --list shows them`);
  if (options.list) {
    for (const { id, title } of works) process.stdout.write(`${id.padEnd(20)} ${title}\n`);
    return 0;
  }
  compileContenders(options.run.against === undefined ? [] : [options.run.against]);
  const results: WorkResult[] = [];
  for (const [index, work] of works.entries()) {
    const heading = `[${index + 1}/${works.length}] ${work.title}`;
    const started = Date.now();
    showProgress(heading, '...');
    const result = await runWork(work, options.pairs, options.run, (done, latest) => {
      showProgress(heading, `pair ${done}/${options.pairs}, latest ${format(judgedValue(work, latest))}`);
    });
    results.push(result);
    const seconds = ((Date.now() - started) / 1000).toFixed(0);
    endProgress(`${heading}: ${result.verdict === 'error' ? result.reason : result.verdict} (${seconds} s)`);
    // After each work, so that a run that is cut short has not been in vain.
    writeJson(results, options);
  }
  process.stdout.write(`\n${formatTable(results)}\n\n`);
  process.stdout.write(
    'Medians over pairs of baseline and subject, run alternately; us/msg is CPU time of the measured process.\n',
  );
  process.stdout.write(`Every sample: ${options.jsonPath}\n`);
  if (options.run.selfCheck) {
    const { ratio, difference } = selfCheckTolerance;
    process.stdout.write(
      `Self-check, baseline on both sides; to pass: ratio 1 +- ${ratio}, difference 0 +- ${difference} of the bar.\n`,
    );
  }
  return results.some(({ verdict }) => verdict === 'error' || verdict === 'fail') ? 1 : 0;
}

function select({ only, run }: Options): Work[] {
  const words = only
    ?.split(',')
    .map((word) => word.trim().toLowerCase())
    .filter((word) => word !== '');
  // A word that is an ID or an area means just that, though other IDs may contain it.
  const isMeant = ({ id, area }: Work, word: string): boolean => {
    const isExact = allWorks.some((work) => work.id === word || work.area === word);
    return isExact ? id === word || area === word : id.includes(word);
  };
  return (
    allWorks
      .filter((work) => !words || words.some((word) => isMeant(work, word)))
      .filter(({ against }) => !run.selfCheck || against !== undefined)
      // What is judged by its own value starts its own processes, of this checkout only.
      .filter(({ against }) => run.against === undefined || against !== undefined)
  );
}

/** On a terminal one line that is written over; elsewhere (a log) only the finished line. */
function showProgress(heading: string, text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${heading}: ${text}`);
}

function endProgress(line: string): void {
  process.stderr.write(`${process.stderr.isTTY ? '\r\x1b[K' : ''}${line}\n`);
}

// By way of 'exit', where the compiled contenders are cleared away; the children end when their channel closes.
process.once('SIGINT', () => process.exit(130));
process.once('SIGTERM', () => process.exit(143));

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(2);
  },
);
