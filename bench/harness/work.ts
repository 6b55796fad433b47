import { fromCheckout } from './compile.ts';
import { NotBuiltError } from './contract.ts';
import { type Summary, summarize } from './statistics.ts';

/** One measurement of one contender. */
export interface Sample {
  readonly value: number;
  /** Whatever helps to understand the value: rates, how busy the processes were. Goes into the JSON file. */
  readonly details: Readonly<Record<string, number>>;
}

/** Both contenders, measured one right after the other (or in the same seconds). */
export interface Pair {
  readonly baseline?: Sample;
  readonly subject: Sample;
}

export interface RunSettings {
  readonly seconds: number;
  readonly warmUpSeconds: number;
  /** Divides connection counts of the large works, so that a trial run ends soon. 1 for results that count. */
  readonly shrink: number;
  /** Measure the baseline in both places; every ratio must then come out as about 1. */
  readonly selfCheck: boolean;
  /** Path of another checkout whose library is the baseline; undefined: the baseline of the work. */
  readonly against: string | undefined;
}

/** How a work is judged. */
export type Judgement =
  /** subject / baseline, at most the bar */
  | 'ratio'
  /** subject - baseline, at most the bar */
  | 'difference'
  /** the subject's own value, at most the bar */
  | 'atMost'
  /** the subject's own value, at least the bar */
  | 'atLeast';

export interface Work {
  /** Short and stable: `--only` looks for its argument in here and in the area. */
  readonly id: string;
  readonly area: 'tcp' | 'ssl' | 'udp' | 'arq' | 'http' | 'websocket' | 'helpers';
  readonly title: string;
  readonly unit: string;
  /** The baseline's name; works that are judged by their own value have none. */
  readonly against?: string;
  readonly judgement: Judgement;
  /** A work without a bar is shown for comparison only. */
  readonly bar?: number;
  measurePair(run: RunSettings): Promise<Pair>;
}

export interface WorkResult {
  readonly work: Work;
  readonly pairs: readonly Pair[];
  readonly baseline?: Summary;
  readonly subject?: Summary;
  /** What is compared with the bar, one per pair: ratios, differences, or plain values. */
  readonly judged?: Summary;
  readonly verdict: 'pass' | 'fail' | 'no bar' | 'not built' | 'error';
  readonly reason?: string;
}

/** Runs a work pair by pair: A B A B ..., because a shared machine is slower in one minute than in the next. */
export async function runWork(
  work: Work,
  pairCount: number,
  run: RunSettings,
  onPair: (done: number, latest: Pair) => void,
): Promise<WorkResult> {
  const pairs: Pair[] = [];
  try {
    while (pairs.length < pairCount) {
      const pair = await work.measurePair(run);
      pairs.push(pair);
      onPair(pairs.length, pair);
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { work, pairs, verdict: error instanceof NotBuiltError ? 'not built' : 'error', reason };
  }
  const baselines = pairs.flatMap((pair) => (pair.baseline ? [pair.baseline.value] : []));
  const judged = summarize(pairs.map((pair) => judgedValue(work, pair)));
  return {
    work,
    pairs,
    ...(baselines.length > 0 && { baseline: summarize(baselines) }),
    subject: summarize(pairs.map((pair) => pair.subject.value)),
    judged,
    verdict: verdictOf(work, judged.median, run),
  };
}

/** The value of one pair that the bar is about. */
export function judgedValue(work: Work, { baseline, subject }: Pair): number {
  switch (work.judgement) {
    case 'ratio':
      return subject.value / (baseline?.value ?? Number.NaN);
    case 'difference':
      return subject.value - (baseline?.value ?? Number.NaN);
    default:
      return subject.value;
  }
}

function verdictOf(work: Work, value: number, run: RunSettings): WorkResult['verdict'] {
  if (run.against !== undefined) return 'no bar';
  return run.selfCheck ? judgeSelfCheck(work, value) : judge(work, value);
}

function judge(work: Work, value: number): WorkResult['verdict'] {
  if (work.bar === undefined) return 'no bar';
  return (work.judgement === 'atLeast' ? value >= work.bar : value <= work.bar) ? 'pass' : 'fail';
}

/** How far the baseline may be from itself, as a share of 1 or of the bar: what is within is noise of the machine. */
export const selfCheckTolerance = { ratio: 0.1, difference: 0.6 };

function judgeSelfCheck(work: Work, value: number): WorkResult['verdict'] {
  const { ratio, difference } = selfCheckTolerance;
  const isSame =
    work.judgement === 'difference' ? Math.abs(value) <= difference * (work.bar ?? 1) : Math.abs(value - 1) <= ratio;
  return isSame ? 'pass' : 'fail';
}

/** The `measurePair` for what can only be measured one after the other: first the baseline, then the subject. */
export function alternate(
  baseline: string,
  subject: string,
  measure: (module: string, run: RunSettings) => Promise<Sample>,
): (run: RunSettings) => Promise<Pair> {
  return async (run) => ({
    baseline: await (run.against === undefined
      ? measure(baseline, run)
      : fromCheckout(run.against, () => measure(subject, run))),
    subject: await measure(run.selfCheck ? baseline : subject, run),
  });
}
