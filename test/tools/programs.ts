import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';

/**
 * Starts another program that is to listen on `port` of 127.0.0.1, and waits until it does.
 * @param onStarted Gets the function that ends the program and waits until it is gone, at once after the start.
 * @throws Error with what the program said, if it ends before it listens.
 */
export async function startProgram(
  port: number,
  command: string,
  args: readonly string[],
  onStarted: (end: () => Promise<void>) => void,
): Promise<void> {
  const child: ChildProcess = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  const add = (data: Buffer): void => {
    output += data;
  };
  child.stdout!.on('data', add);
  child.stderr!.on('data', add);
  const exited = once(child, 'exit');
  onStarted(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), 3000);
    await exited;
    clearTimeout(late);
  });
  for (;;) {
    if (child.exitCode !== null) throw new Error(`${command} ended: ${output}`);
    const socket = net.connect(port, '127.0.0.1');
    const isOpen = await new Promise<boolean>((resolve) => {
      socket.on('connect', () => resolve(true));
      socket.on('error', () => resolve(false));
    });
    socket.destroy();
    if (isOpen) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
