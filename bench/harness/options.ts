import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { RunSettings } from './work.ts';

export interface Options {
  readonly pairs: number;
  readonly run: RunSettings;
  readonly only: string | undefined;
  readonly jsonPath: string;
  readonly list: boolean;
}

export const usage = `Usage: npm run bench -- [options]

  --only <text>     only works whose id or area contains the text; several, separated by commas
  --pairs <n>       pairs of baseline and subject per work (7; with --quick 3)
  --seconds <n>     seconds measured per process (1.5; with --quick 0.5)
  --quick           a short trial run, with a tenth of the connections in the large works: its numbers do not count
  --self-check      the baseline against itself: every ratio must come out as about 1
  --against <path>  another checkout of this package, built: its library is the baseline of every work. 1.03 then means 3 % more
                    CPU time than there; bars are left out
  --json <file>     where the results go (bench/results/latest.json; after --only, --quick, --self-check or
                    --against bench/results/trial.local.json)
  --list            list the works and end
  --help            this text

BENCH_NODE_FLAGS in the environment: flags for the measured processes, separated by spaces, such as --cpu-prof or --trace-gc
`;

/** @throws TypeError or RangeError with a sentence for the user */
export function readOptions(args: readonly string[]): Options | 'help' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string' },
      pairs: { type: 'string' },
      seconds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      'self-check': { type: 'boolean', default: false },
      against: { type: 'string' },
      json: { type: 'string' },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return 'help';
  const quick = values.quick;
  const { against } = values;
  if (against !== undefined && values['self-check'])
    throw new RangeError('--against and --self-check exclude each other');
  if (against !== undefined && !existsSync(join(against, 'dist', 'index.js')))
    throw new RangeError(`--against: ${against} has no dist/index.js; build it first`);
  const isTrial = quick || values['self-check'] || against !== undefined || values.only !== undefined;
  return {
    pairs: Math.ceil(positive('--pairs', values.pairs, quick ? 3 : 7)),
    run: {
      seconds: positive('--seconds', values.seconds, quick ? 0.5 : 1.5),
      warmUpSeconds: quick ? 0.3 : 0.7,
      shrink: quick ? 10 : 1,
      selfCheck: values['self-check'],
      against,
    },
    only: values.only,
    // Only a whole run replaces the results that count.
    jsonPath: values.json ?? `bench/results/${isTrial ? 'trial.local' : 'latest'}.json`,
    list: values.list,
  };
}

function positive(option: string, text: string | undefined, preset: number): number {
  if (text === undefined) return preset;
  const value = Number(text);
  if (!(value > 0) || !Number.isFinite(value))
    throw new RangeError(`${option} must be a number above 0, not "${text}"`);
  return value;
}
