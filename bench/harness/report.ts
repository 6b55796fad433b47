import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { dirname } from 'node:path';
import type { Options } from './options.ts';
import type { Summary } from './statistics.ts';
import type { WorkResult } from './work.ts';

const columns = ['work', 'against', 'unit', 'baseline', 'ours', 'result', 'quartiles', 'bar', ''] as const;

/** The table for people. */
export function formatTable(results: readonly WorkResult[]): string {
  const rows: string[][] = [[...columns], ...results.map(formatRow)];
  const widths = columns.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) =>
        column < 3 || column === 8 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!),
      )
      .join('  ')
      .trimEnd(),
  );
  lines.splice(1, 0, widths.map((width) => '-'.repeat(width)).join('  '));
  return lines.join('\n');
}

function formatRow({ work, baseline, subject, judged, verdict, reason }: WorkResult): string[] {
  const symbol = { ratio: 'x', difference: '+', atMost: '', atLeast: '' }[work.judgement];
  const show = (value: number): string => (symbol === '+' && value >= 0 ? `+${format(value)}` : format(value));
  const limit = work.judgement === 'atLeast' ? '>=' : '<=';
  return [
    work.title,
    work.against ?? '-',
    work.unit,
    baseline ? format(baseline.median) : '-',
    subject ? format(subject.median) : '-',
    judged ? `${show(judged.median)}${symbol === 'x' ? ' x' : ''}` : '-',
    judged ? `${show(judged.lowerQuartile)} .. ${show(judged.upperQuartile)}` : '-',
    work.bar === undefined ? '-' : `${limit} ${show(work.bar)}`,
    verdict === 'error' ? `error: ${reason}` : verdict,
  ];
}

/** Three digits that mean something, whatever the size. */
export function format(value: number): string {
  if (!Number.isFinite(value)) return '-';
  const size = Math.abs(value);
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3);
}

/** The JSON file for machines: every sample, and what the run was made on. */
export function writeJson(results: readonly WorkResult[], options: Options): void {
  mkdirSync(dirname(options.jsonPath), { recursive: true });
  const file = {
    date: new Date().toISOString(),
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    cpu: cpus()[0]?.model ?? 'unknown',
    cpuCount: cpus().length,
    memoryBytes: totalmem(),
    pairs: options.pairs,
    ...options.run,
    works: results.map(({ work, pairs, baseline, subject, judged, verdict, reason }) => ({
      id: work.id,
      title: work.title,
      against: work.against,
      unit: work.unit,
      judgement: work.judgement,
      bar: work.bar,
      verdict,
      reason,
      result: round(judged),
      baseline: round(baseline),
      subject: round(subject),
      pairs,
    })),
  };
  writeFileSync(options.jsonPath, `${JSON.stringify(file, null, 2)}\n`);
}

function round(summary: Summary | undefined): Record<string, number> | undefined {
  if (!summary) return undefined;
  return Object.fromEntries(Object.entries(summary).map(([name, value]) => [name, Number(value.toPrecision(5))]));
}
