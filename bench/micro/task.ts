/** One thing to time. A micro benchmark module exports `microTasks`, which makes its tasks. */
export interface MicroTask {
  readonly name: string;
  /** How many operations one call of `run` does: enough that reading the clock around it does not matter. */
  readonly operations: number;
  run(): void;
  /** Gives up what the task holds, when all of its module have run. */
  close?(): Promise<void>;
}

export type MakeMicroTasks = () => MicroTask[] | Promise<MicroTask[]>;
