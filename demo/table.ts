import type { Row } from './scenario.ts';

/** A row with the time that its scenario took. */
export interface TimedRow extends Row {
  seconds: number;
}

/** The table that `npm start` ends with. */
export function formatTable(rows: readonly TimedRow[]): string {
  const head = ['component', 'what it did', 'messages', 'bytes', 'MB/s', 'result'];
  const cells = rows.map((row) => [
    row.component,
    row.did,
    row.messages.toLocaleString('en'),
    formatBytes(row.bytes),
    row.bytes < 1e5 || row.seconds === 0 ? '-' : (row.bytes / 1e6 / row.seconds).toFixed(1),
    row.problem === undefined ? 'ok' : `FAILED: ${row.problem}`,
  ]);
  const widths = head.map((title, i) => Math.max(title.length, ...cells.map((line) => line[i]!.length)));
  const line = (columns: readonly string[]): string =>
    columns.map((text, i) => (i >= 2 && i <= 4 ? text.padStart(widths[i]!) : text.padEnd(widths[i]!))).join('  ');
  return [line(head), widths.map((width) => '-'.repeat(width)).join('  '), ...cells.map(line)].join('\n');
}

function formatBytes(bytes: number): string {
  if (bytes < 10_000) return `${bytes} B`;
  return bytes < 10_000_000 ? `${(bytes / 1024).toFixed(0)} KiB` : `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}
