import { describe, expect, test } from 'vitest';
import { ServiceState } from '../../src/index.ts';
import { seed } from '../tools/seed.ts';
import { type ChaosEnd, type ChaosHandle, ChaosUsers, withoutRejections } from './chaos-users.ts';
import type { DatagramFamily } from './datagram-family.ts';

const host = '127.0.0.1';
const runs = process.env.HP_SOCKET_FULL ? 200 : 4;
const steps = 250;
/** Number of the end that sent it, number of the message, length; then bytes that follow from them. */
const HEAD_BYTES = 12;

function message(end: number, index: number, length: number): Buffer {
  const bytes = Buffer.alloc(length, (end * 31 + index * 7) & 255);
  bytes.writeUInt32LE(end, 0);
  bytes.writeUInt32LE(index, 4);
  bytes.writeUInt32LE(length, 8);
  return bytes;
}

/** One end of a connection: the messages that it sent and got. */
class End implements ChaosEnd {
  isReady = false;
  isClosed = false;
  sentCount = 0;
  receivedCount = 0;
  /** The end whose messages it gets. */
  peer: End | null = null;
  readonly name: string;
  readonly number: number;

  constructor(name: string, number: number) {
    this.name = name;
    this.number = number;
  }
}

/** Random users of a server and clients over datagrams. */
export function datagramChaosSuite(family: DatagramFamily): void {
  const what = family.isReliable ? 'nothing lost, in order,' : 'each message whole,';
  describe(`${family.name} under chaos`, () => {
    test.each(Array.from({ length: runs }, (_, i) => seed + i))(
      `EXO-001 EXO-002 EXO-003: ${what} nothing twice, one onClose each (HP_SOCKET_SEED=%i)`,
      (drawn) => withoutRejections(() => new Chaos(family, drawn).run()),
    );
  });
}

class Chaos extends ChaosUsers<ChaosHandle<End>> {
  #family: DatagramFamily;
  /** All messages that were delivered. */
  #delivered = new Set<string>();

  constructor(family: DatagramFamily, seed: number) {
    super(seed);
    this.#family = family;
  }

  #options(): object {
    const { random } = this;
    const options = { sendPolicy: random.int(0, 2), fastPath: random.chance(0.7) };
    if (!this.#family.isReliable) return options;
    return {
      ...options,
      preset: random.chance(0.5) ? 'interactive' : 'bulk',
      ...(random.chance(0.3) ? { maxWaitingSendCount: 40 } : {}),
    };
  }

  protected size(): number {
    const isSmall = !this.#family.isReliable || this.random.chance(0.8);
    return this.random.int(HEAD_BYTES, isSmall ? 1200 : 12_000);
  }

  protected letIn(): void {}

  protected took(end: End, _sender: unknown, _id: number, data: Buffer): void {
    const number = data.readUInt32LE(0);
    const index = data.readUInt32LE(4);
    const from = this.ends[number];
    const key = `${number}:${index}`;
    if (from === undefined || !data.equals(message(number, index, data.readUInt32LE(8)))) {
      this.faults.push(`${end.name}: a message that nobody sent`);
      return;
    }
    if (this.#delivered.has(key)) this.faults.push(`${end.name}: message ${index} of ${from.name} twice`);
    this.#delivered.add(key);
    if (!this.#family.isReliable) return;
    if (end.peer !== null && end.peer !== from) this.faults.push(`${end.name}: a message of a stranger, ${from.name}`);
    end.peer = from;
    if (index !== end.receivedCount) {
      this.faults.push(`${end.name}: message ${index} of ${from.name} in the place of ${end.receivedCount}`);
    }
    end.receivedCount++;
  }

  /** What the chaos does with an end. */
  #handle(
    name: string,
    send: (bytes: Buffer) => boolean,
    pause: (isPaused: boolean) => void,
    disconnect: (isDraining: boolean) => void,
  ): ChaosHandle<End> {
    const end = new End(name, this.ends.length);
    return {
      end,
      send: (length) => {
        if (!end.isClosed && send(message(end.number, end.sentCount, length))) end.sentCount++;
      },
      pause,
      disconnect,
    };
  }

  async run(): Promise<void> {
    const { random } = this;
    const family = this.#family;
    const server: ReturnType<DatagramFamily['server']> = family.server(
      this.hooks(
        'server',
        (id) =>
          this.#handle(
            `server ${id}`,
            (bytes) => server.send(id, bytes),
            () => {}, // not possible
            (isDraining) => void server.disconnect(id, { drain: isDraining, timeoutMs: 200 }),
          ),
        (id) => server.connection(id) !== null,
      ) as never,
      this.#options(),
    );
    const clients = [0, 1, 2].map((i) => {
      const client: ReturnType<DatagramFamily['client']> = family.client(
        this.hooks(
          `client ${i}`,
          (id) =>
            this.#handle(
              `client ${i} ${id}`,
              (bytes) => client.connectionId === id && client.send(bytes),
              (isPaused) => void client.pauseReceive(isPaused),
              (isDraining) => this.stop(client, isDraining),
            ),
          (id) => client.connectionId === id && client.connection !== null,
        ) as never,
        this.#options(),
      );
      return client;
    });
    let { port } = await server.start(host, 0);

    for (let step = 0; step < steps; step++) {
      const act = random.next();
      if (act < 0.2) {
        const client = clients[random.int(0, 2)]!;
        if (client.state === ServiceState.Stopped) client.start(host, port).catch(() => {});
      } else if (act < 0.6) {
        const handle = this.anyHandle();
        for (let i = random.int(1, 5); i > 0; i--) handle?.send(this.size());
      } else if (act < 0.7) {
        this.anyHandle()?.pause(random.chance(0.5));
      } else if (act < 0.74) {
        this.anyHandle()?.disconnect(random.chance(0.7));
      } else if (act < 0.75) {
        this.stop(server, random.chance(0.5));
        await this.#stopped(server);
        ({ port } = await server.start(host, 0));
      } else {
        for (let turn = random.int(1, 4); turn > 0; turn--) await new Promise((resolve) => setImmediate(resolve));
      }
    }

    await this.#calmDown();
    await this.end([...clients, server], (one) => this.#stopped(one));
    expect(this.#delivered.size).toBeGreaterThan(0);
  }

  async #stopped(component: { wait(ms: number): Promise<boolean>; state: ServiceState }): Promise<void> {
    if (!(await component.wait(10_000))) {
      throw new Error(`${component.constructor.name} does not stop (state ${component.state})`);
    }
  }

  /** No more chaos: over ARQ everything that still can arrive must. */
  async #calmDown(): Promise<void> {
    this.isCalm = true;
    const isWaiting = ({ isClosed, peer, receivedCount }: End): boolean =>
      !isClosed && peer !== null && !peer.isClosed && receivedCount !== peer.sentCount;
    const deadline = Date.now() + 10_000;
    do {
      for (const handle of this.handles) handle.pause(false);
      await new Promise((resolve) => setTimeout(resolve, 1));
    } while (this.ends.some(isWaiting) && Date.now() < deadline);
    for (const end of this.ends) {
      if (isWaiting(end)) this.faults.push(`${end.name} got ${end.receivedCount} messages of ${end.peer?.sentCount}`);
    }
  }
}
