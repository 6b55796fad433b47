import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { builtPath, builtUrl } from './compile.ts';
import { type Answer, NotBuiltError, type Report, type Request, type Settings } from './contract.ts';

// Longest that a child may take for one answer. Opening 10,000 connections is the slowest thing that is asked.
const answerDeadlineMs = 60_000;

/** Bun's program: the environment's BUN, or the one that the check of the runtimes has installed. @throws NotBuiltError if there is none. */
function bunProgram(): string {
  const runtimes = fileURLToPath(new URL('../../.build/runtimes', import.meta.url));
  const path = process.env.BUN ?? `${runtimes}/bun-1.4.5/node_modules/bun/bin/bun.exe`;
  if (!existsSync(path)) throw new NotBuiltError('Bun is not here: node scripts/runtime.mjs bun@1.4.5 installs it');
  return path;
}

/** A measured process: one contender, alone, started for one measurement and ended after it. */
export class Child {
  readonly port: number;
  readonly otherPort: number;
  readonly #process: ChildProcess;

  private constructor(childProcess: ChildProcess, port: number, otherPort: number) {
    this.#process = childProcess;
    this.port = port;
    this.otherPort = otherPort;
  }

  /** @param module the contender, such as `baselines/net-echo.ts` */
  static async start(module: string, settings: Settings = {}): Promise<Child> {
    // A contender whose name begins with `bun-` runs in Bun, wherever that is.
    const isBun = basename(module).startsWith('bun-');
    const childProcess = fork(builtPath('harness/server-process.ts'), {
      ...(isBun && { execPath: bunProgram() }),
      // Nothing inherited: the driver's own loader must not get into the measured process.
      execArgv: isBun ? [] : ['--expose-gc', ...(process.env.BENCH_NODE_FLAGS?.split(' ') ?? [])],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    try {
      const answer = await ask(childProcess, { ask: 'start', module: builtUrl(module), settings });
      if (answer.is !== 'started') throw new Error(`unexpected answer to start: ${answer.is}`);
      return new Child(childProcess, answer.port, answer.otherPort);
    } catch (error) {
      await end(childProcess);
      throw error;
    }
  }

  async report(options: { collectGarbage?: boolean } = {}): Promise<Report> {
    const answer = await ask(this.#process, { ask: 'report', ...options });
    if (answer.is !== 'report') throw new Error(`unexpected answer to report: ${answer.is}`);
    return answer.report;
  }

  async kickOff(): Promise<void> {
    await ask(this.#process, { ask: 'kickOff' });
  }

  async stop(): Promise<void> {
    await end(this.#process);
  }
}

/** Runs `body` with a child and ends the child whatever happens. */
export async function withChild<T>(module: string, settings: Settings, body: (child: Child) => Promise<T>): Promise<T> {
  const child = await Child.start(module, settings);
  try {
    return await body(child);
  } finally {
    await child.stop();
  }
}

async function ask(childProcess: ChildProcess, request: Request): Promise<Answer> {
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(), answerDeadlineMs);
  const onExit = (): void => patience.abort();
  childProcess.once('exit', onExit);
  try {
    const answered = once(childProcess, 'message', { signal: patience.signal });
    childProcess.send(request);
    const [answer] = (await answered) as [Answer];
    if (answer.is === 'notBuilt') throw new NotBuiltError(answer.reason);
    if (answer.is === 'failed') throw new Error(`the measured process failed: ${answer.reason}`);
    return answer;
  } catch (error) {
    if (!patience.signal.aborted) throw error;
    const { exitCode, signalCode } = childProcess;
    const ended = exitCode !== null || signalCode !== null;
    const what = ended ? `ended (${signalCode ?? exitCode})` : `did not answer within ${answerDeadlineMs} ms`;
    throw new Error(`the measured process ${what} after "${request.ask}"`, { cause: error });
  } finally {
    clearTimeout(timer);
    childProcess.off('exit', onExit);
  }
}

/** The child exits by itself when its channel closes; one that hangs is killed. */
async function end(childProcess: ChildProcess): Promise<void> {
  if (childProcess.exitCode !== null || childProcess.signalCode !== null) return;
  const exited = once(childProcess, 'exit');
  const timer = setTimeout(() => childProcess.kill('SIGKILL'), 5_000);
  if (childProcess.connected) childProcess.disconnect();
  else childProcess.kill('SIGKILL');
  await exited;
  clearTimeout(timer);
}
