import { describe } from '../../core/describe.ts';
import { ArgumentKind } from './messages.ts';
import type { Task } from './task.ts';

/** Calls the function of a task on this thread, with what it would have got on another. */
export async function callHere({ ref, argument, kind }: Task): Promise<unknown> {
  const module = (await import(ref.url)) as Record<string, unknown>;
  const found = module[ref.name] ?? (module.default as Record<string, unknown> | undefined)?.[ref.name];
  if (typeof found !== 'function') {
    throw new TypeError(`the module of the task exports no function ${describe(ref.name)}`);
  }
  if (kind !== ArgumentKind.SocketTask) return found(argument);
  const [connId, data, wparam, lparam] = argument as [number, Uint8Array, unknown, unknown];
  return found({ connId, data: Buffer.from(data.buffer, data.byteOffset, data.byteLength), wparam, lparam });
}
