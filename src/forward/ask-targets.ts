import { Errno } from '../core/errno.ts';
import { callHook } from '../core/hooks.ts';
import { type TimerWheel, WheelTimer } from '../core/timer-wheel.ts';
import type { ForwardedPair } from './forwarded-pair.ts';
import type { TargetAnswer } from './forwarder-hooks.ts';
import { refusal } from './refusal.ts';
import { checkedTargets, type ForwardTarget } from './target.ts';

/** How the hook `onTarget` is asked. */
export interface TargetQuestion {
  readonly wheel: TimerWheel;
  /** Milliseconds for the answer; 0 for no limit. */
  readonly timeoutMs: number;
  /** What an answer of nothing stands for; null for none. */
  readonly fallback: ForwardTarget | readonly ForwardTarget[] | null;
  ask(): TargetAnswer | Promise<TargetAnswer>;
  timedOut(): void;
  /** The hook threw, rejected, or answered with no target. */
  threw(thrown: unknown): void;
}

/**
 * What the hook `onTarget` answers for a pair, in time.
 * @throws SocketError, as a rejection: no answer in time, none at all, a refusal, or what the hook threw as the cause.
 */
export function askTargets(question: TargetQuestion, pair: ForwardedPair): Promise<readonly ForwardTarget[]> {
  const { wheel, timeoutMs, fallback } = question;
  return new Promise((resolve, reject) => {
    const refuse = (message: string, errno: number = Errno.ECANCELED, cause?: unknown): void => {
      wheel.cancel(timer);
      reject(refusal(pair, message, errno, cause));
    };
    const timer = new WheelTimer(() => {
      question.timedOut();
      refuse(`did not answer within ${timeoutMs} ms (targetTimeoutMs)`, Errno.ETIMEDOUT);
    });
    if (timeoutMs > 0) wheel.arm(timer, timeoutMs);
    const failed = (thrown: unknown): void => {
      question.threw(thrown);
      refuse('failed', Errno.ECANCELED, thrown);
    };
    callHook(() => question.ask(), {
      answered: (answer) => {
        try {
          const targets = answer ?? fallback;
          if (targets === null) return refuse('named none, and there is no option target');
          const checked = checkedTargets('the target that onTarget answered', targets);
          wheel.cancel(timer);
          resolve(checked);
        } catch (thrown) {
          failed(thrown);
        }
      },
      refused: () => refuse('answered HandleResult.Error'),
      failed,
    });
  });
}
