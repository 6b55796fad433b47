/** The driver's side of reliable UDP: our own client, for nothing else speaks the protocol. */
import { setTimeout as delay } from 'node:timers/promises';
import { withChild } from '../harness/child.ts';
import type { Settings } from '../harness/contract.ts';
import type { RunSettings, Sample } from '../harness/work.ts';
import { openAll } from './connections.ts';
import { restedReport } from './memory.ts';

/** The part of `UdpArqClient` that is used here. */
interface ArqClient {
  start(host: string, port: number): Promise<unknown>;
  stop(): Promise<unknown>;
  send(data: Buffer): boolean;
  readonly waitingSendMessageCount: number;
}

interface ArqListener {
  onHandShake(): void;
  onReceive(client: ArqClient, connId: number, data: Buffer): void;
  onClose(): void;
}

type ArqClientClass = new (listener: ArqListener, options: Readonly<Record<string, unknown>>) => ArqClient;

export class ArqPeer {
  readonly #client: ArqClient;

  private constructor(client: ArqClient) {
    this.#client = client;
  }

  /** Resolves when the ARQ handshake is done. */
  static async open(
    port: number,
    options: Readonly<Record<string, unknown>>,
    onMessage: (message: Buffer) => void,
  ): Promise<ArqPeer> {
    // Not before it is needed: without the component the other works must still run.
    const { component } = await import('../subjects/component.ts');
    const UdpArqClient = component<ArqClientClass>('UdpArqClient');
    let client: ArqClient | undefined;
    await new Promise<void>((resolve, reject) => {
      const listener: ArqListener = {
        onHandShake: resolve,
        onReceive: (_client, _connId, data) => onMessage(data),
        onClose: () => reject(new Error('the ARQ session was closed')),
      };
      client = new UdpArqClient(listener, options);
      client.start('127.0.0.1', port).catch(reject);
    });
    return new ArqPeer(client!);
  }

  get waitingSendMessageCount(): number {
    return this.#client.waitingSendMessageCount;
  }

  send(message: Buffer): boolean {
    return this.#client.send(message);
  }

  async close(): Promise<void> {
    await this.#client.stop();
  }
}

const megabyte = 1e6;

/** One session that sends as fast as the other end takes it. */
export async function measureBulk(
  module: string,
  messageSize: number,
  options: Readonly<Record<string, unknown>>,
  run: RunSettings,
): Promise<{ megabytesPerSecond: number; cpuMicrosPerMegabyte: number }> {
  return withChild(module, { messageSize, options }, async (child) => {
    const peer = await ArqPeer.open(child.port, options, () => {});
    const message = Buffer.alloc(messageSize, 0x5a);
    let next = 0;
    let isSending = true;
    const pump = (): void => {
      if (!isSending) return;
      // Enough to keep the window full until the next turn, not so much that the queue itself is measured.
      while (peer.waitingSendMessageCount < 4096) {
        message.writeUInt32LE(next, 0);
        if (!peer.send(message)) break;
        next = (next + 1) >>> 0;
      }
      setImmediate(pump);
    };
    pump();
    try {
      await delay(run.warmUpSeconds * 1000);
      const before = await child.report();
      await delay(run.seconds * 1000);
      const after = await child.report();
      const megabytes = (after.receivedBytes - before.receivedBytes) / megabyte;
      return {
        megabytesPerSecond: (megabytes * 1e6) / (after.nowMicros - before.nowMicros),
        cpuMicrosPerMegabyte: (after.cpuMicros - before.cpuMicros) / megabytes,
      };
    } finally {
      isSending = false;
      await peer.close();
    }
  });
}

// This share of the sessions is there at the first look already: what V8 compiles meanwhile is no memory of a session. (Sessions that are
// closed again before it leave more memory free than the others take.)
const firstShare = 0.2;

/** Many sessions that say nothing: what they cost in memory, and how much of a core the server needs for them. */
export async function measureIdleSessions(
  module: string,
  sessions: number,
  options: Readonly<Record<string, unknown>>,
  run: RunSettings,
): Promise<{ memory: Sample; busy: Sample }> {
  const settings: Settings = { options };
  return withChild(module, settings, async (child) => {
    const count = Math.ceil(sessions / run.shrink);
    const open = (): Promise<ArqPeer> => ArqPeer.open(child.port, options, () => {});
    const peers = await openAll(Math.ceil(count * firstShare), open);
    try {
      const before = await restedReport(child, run);
      const counted = count - peers.length;
      peers.push(...(await openAll(counted, open)));
      const after = await restedReport(child, run);
      await delay(run.seconds * 1000);
      const later = await child.report();
      const details = { sessions: count, beforeBytes: before.residentBytes, afterBytes: after.residentBytes };
      const cpuShare = (later.cpuMicros - after.cpuMicros) / (later.nowMicros - after.nowMicros);
      return {
        memory: { value: (after.residentBytes - before.residentBytes) / 1024 / counted, details },
        busy: { value: cpuShare * 100, details },
      };
    } finally {
      await closePeers(peers);
    }
  });
}

async function closePeers(peers: readonly ArqPeer[]): Promise<void> {
  await Promise.all(peers.map((peer) => peer.close()));
}
