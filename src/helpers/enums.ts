/** What `ThreadPool.submit` does with a task when the queue is full (`EnRejectedPolicy`). */
export const RejectedPolicy = Object.freeze({
  /** The task is refused: EXFULL (`TRP_CALL_FAIL`). */
  CallFail: 0,
  /** The task waits for room, at most `maxWaitMs`: ETIMEDOUT (`TRP_WAIT_FOR`). */
  WaitFor: 1,
  /** The task runs on the thread that submits it (`TRP_CALLER_RUN`). */
  CallerRun: 2,
} as const);
export type RejectedPolicy = (typeof RejectedPolicy)[keyof typeof RejectedPolicy];

/** How the bytes of a socket task get to the worker (`EnTaskBufferType`). */
export const TaskBufferType = Object.freeze({
  /** They are copied when the task is created; the copy moves to the worker (`TBT_COPY`). */
  Copy: 0,
  /** Both threads see the same bytes, which must be in a SharedArrayBuffer; nothing is copied (`TBT_REFER`). */
  Refer: 1,
  /** The memory itself moves to the worker: the caller's view of it is empty afterwards (`TBT_ATTACH`). */
  Attach: 2,
} as const);
export type TaskBufferType = (typeof TaskBufferType)[keyof typeof TaskBufferType];
