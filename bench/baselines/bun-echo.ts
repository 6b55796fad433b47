/**
 * Echo on `Bun.listen`, in a process of Bun's: what another runtime makes of the same work. Bun's `write` says how many bytes it
 * took; the rest is written when there is room again.
 */
import type { StartContender } from '../harness/contract.ts';

interface BunSocket {
  data: { rest: Uint8Array[] } | undefined;
  write(data: Uint8Array): number;
}

declare const Bun: {
  listen(options: {
    hostname: string;
    port: number;
    socket: Record<'open' | 'drain', (socket: BunSocket) => void> & {
      data(socket: BunSocket, bytes: Uint8Array): void;
      error(): void;
    };
  }): { port: number };
};

/** Writes what waits, in order. */
function flush(socket: BunSocket): void {
  const { rest } = socket.data!;
  while (rest.length > 0) {
    const taken = Math.max(socket.write(rest[0]!), 0);
    if (taken < rest[0]!.length) {
      rest[0] = rest[0]!.subarray(taken);
      return;
    }
    rest.shift();
  }
}

export const start: StartContender = async () => {
  const { port } = Bun.listen({
    hostname: '127.0.0.1',
    port: 0,
    socket: {
      open(socket) {
        socket.data = { rest: [] };
      },
      data(socket, bytes) {
        const { rest } = socket.data!;
        if (rest.length === 0) {
          const taken = socket.write(bytes);
          if (taken === bytes.length) return;
          rest.push(Uint8Array.from(bytes.subarray(Math.max(taken, 0))));
        } else {
          rest.push(Uint8Array.from(bytes));
        }
      },
      drain: flush,
      error() {},
    },
  });
  return { port };
};
