/**
 * What the driver process and a server process say to each other over IPC, and what a contender's module must export.
 *
 * driver -> child: `start` once, then `report` as often as it likes
 * child -> driver: one answer to each, in order
 */

/** What a contender is told when it starts. A contender ignores what does not concern it. */
export interface Settings {
  /** PEM texts, for the contenders that speak TLS. */
  readonly certificate?: { readonly cert: string; readonly key: string };
  /** Where a contender that connects, rather than listens, finds its peer. */
  readonly port?: number;
  /** How many connections such a contender opens. */
  readonly connectionCount?: number;
  /** Options for the component under test, beyond those that the contender sets itself. */
  readonly options?: Readonly<Record<string, unknown>>;
  /** Bytes per message, for a contender that counts messages itself. */
  readonly messageSize?: number;
}

export interface Started {
  /** The port that the contender listens on; 0 when it only connects. */
  readonly port: number;
  /** Of a second server in the same process, for works that compare two of one kind to the microsecond. */
  readonly otherPort?: number;
  /** Bytes received so far, for contenders that count them (where no driver can). */
  receivedBytes?(): number;
  /** A figure that the contender takes of itself, for works that are judged by one. */
  figure?(): number;
  /** Sends the first messages, for contenders that start the ping-pong themselves. */
  kickOff?(): void;
}

/** The one export of each module in `baselines/` and `subjects/`. */
export type StartContender = (settings: Settings) => Promise<Started>;

export type Request =
  | { readonly ask: 'start'; readonly module: string; readonly settings: Settings }
  | { readonly ask: 'report'; readonly collectGarbage?: boolean }
  | { readonly ask: 'kickOff' };

/** The child's own measure of itself at one moment. */
export interface Report {
  /** User plus system time of the whole process so far, in microseconds. */
  readonly cpuMicros: number;
  readonly residentBytes: number;
  readonly receivedBytes: number;
  readonly figure: number;
  /** `process.hrtime` of the child in microseconds, so that a rate does not depend on how late the answer arrives. */
  readonly nowMicros: number;
}

export type Answer =
  | { readonly is: 'started'; readonly port: number; readonly otherPort: number }
  | { readonly is: 'notBuilt'; readonly reason: string }
  | { readonly is: 'failed'; readonly reason: string }
  | { readonly is: 'report'; readonly report: Report }
  | { readonly is: 'done' };

/** The built package lacks the component that a contender shows. */
export class NotBuiltError extends Error {
  override readonly name = 'NotBuiltError';
}
