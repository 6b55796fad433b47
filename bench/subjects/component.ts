import * as library from 'hp-socket';
import { NotBuiltError } from '../harness/contract.ts';

/**
 * Looks a component up by name, so that the benchmarks of those that exist run while others are still being written.
 *
 * @typeParam T what the contender needs of the component's constructor
 * @throws NotBuiltError when the package does not export it
 */
export function component<T>(name: string): T {
  const found = (library as Record<string, unknown>)[name];
  if (found === undefined) throw new NotBuiltError(`hp-socket does not export ${name}`);
  return found as T;
}

/** The part of a server component that the contenders here use. */
export interface EchoServer {
  start(host: string, port: number): Promise<{ port: number }>;
  send(connId: number, data: Buffer): boolean;
  setupSSLContextByMemory(context: { cert: string; key: string }): unknown;
}

export interface EchoListener {
  onReceive(server: EchoServer, connId: number, data: Buffer): void;
}

export type EchoServerClass = new (listener: EchoListener, options?: Record<string, unknown>) => EchoServer;
