/** What HP-Socket has beside sockets: `hp-socket/helpers`. */
export { RejectedPolicy, TaskBufferType } from './helpers/enums.ts';
export { type ThreadPoolHooks, ThreadPoolListener } from './helpers/thread-pool/listener.ts';
export type {
  SubmitOptions,
  ThreadPoolProperties,
  ThreadPoolStartOptions,
  ThreadPoolStopOptions,
  ThreadPoolStopReport,
} from './helpers/thread-pool/settings.ts';
export {
  createSocketTask,
  type SocketTask,
  type SocketTaskArgument,
  type SocketTaskOptions,
} from './helpers/thread-pool/socket-task.ts';
export type { ThreadPoolStats } from './helpers/thread-pool/stats.ts';
export type { TaskRef } from './helpers/thread-pool/task-ref.ts';
export { type AnyTasks, ThreadPool } from './helpers/thread-pool/thread-pool.ts';
export { type Transferable, type TransferredResult, transferResult } from './helpers/thread-pool/transfer.ts';
