import { describe, test } from 'vitest';
import { $connectionOf } from '../../src/core/internals.ts';
import { type Component, ServiceState } from '../../src/index.ts';
import { seed } from '../tools/seed.ts';
import { type ChaosEnd, type ChaosHandle, ChaosUsers, withoutRejections } from './chaos-users.ts';
import { bytesOf, type Family } from './family.ts';

const host = '127.0.0.1';
const runs = process.env.HP_SOCKET_FULL ? 200 : 4;
const steps = 250;

/** One stream for all: byte at each offset. Whoever gets another byte at that offset got one lost, twice, or a stranger's. */
const period = 50_021;
const pattern = Buffer.alloc(3 * period);
for (let i = 0; i < pattern.length; i++) {
  const at = i % period;
  pattern[i] = (at ^ (at >>> 5) ^ (at >>> 11)) & 255;
}

function streamBytes(offset: number, length: number): Buffer {
  const at = offset % period;
  return Buffer.from(pattern.subarray(at, at + length));
}

/** One end of a connection: what its component told about it. */
class End implements ChaosEnd {
  sent = 0;
  received = 0;
  isReady = false;
  isClosed = false;
  peer: End | null = null;
  readonly name: string;
  #isBroken = false;

  constructor(name: string) {
    this.name = name;
  }

  fail(what: string): never {
    this.#isBroken = true;
    throw new Error(`${this.name}: ${what}`);
  }

  took(bytes: Buffer): void {
    if (this.#isBroken) return;
    if (!this.isReady) this.fail('bytes before onHandShake');
    if (this.isClosed) this.fail('bytes after onClose');
    for (let at = 0; at < bytes.length; at += 10_000) {
      const piece = bytes.subarray(at, at + 10_000);
      if (!piece.equals(streamBytes(this.received, piece.length))) this.fail(`wrong bytes near ${this.received}`);
      this.received += piece.length;
    }
  }
}

interface Handle extends ChaosHandle<End> {
  fetchAll(): void;
}

type AnyComponent = ReturnType<Family['server']> | ReturnType<Family['agent']> | ReturnType<Family['client']>;

/** Random users of a server, an agent and clients, who do anything at any time; the rules must hold all the same. */
export function chaosSuite(family: Family): void {
  describe(`${family.name} under chaos`, () => {
    test.each(Array.from({ length: runs }, (_, i) => seed + i))(
      'EXO-001 EXO-002 EXO-003 EXO-004: nothing lost, nothing twice, one onClose each (HP_SOCKET_SEED=%i)',
      (drawn) => withoutRejections(() => new Chaos(family, drawn).run()),
    );
  });
}

/** Waits until a component is stopped; if that takes too long, tells what it waits for. */
async function stopped(component: AnyComponent): Promise<void> {
  if (await component.wait(10_000)) return;
  const ids = 'getAllConnectionIDs' in component ? component.getAllConnectionIDs() : [component.connectionId];
  const states = ids.map((id) => {
    const connection = component[$connectionOf](id);
    return `${id} in state ${connection?.state}, ${connection?.socket.destroyed ? 'destroyed' : 'not destroyed'}`;
  });
  throw new Error(
    `${component.constructor.name} does not stop (state ${component.state}): connections ${states.join('; ') || 'none'}`,
  );
}

class Chaos extends ChaosUsers<Handle> {
  #family: Family;
  /** Ends whose peer is not known yet, by the port that both know. */
  #byPort = new Map<number, End>();
  #portOf = new Map<End, () => number>();

  constructor(family: Family, seed: number) {
    super(seed);
    this.#family = family;
  }

  #options(): object {
    const { random } = this;
    const options: Record<string, unknown> = {
      sendPolicy: random.int(0, 2),
      noDelay: random.chance(0.7),
      fastPath: random.chance(0.7),
      highWaterMarkBytes: random.chance(0.5) ? random.int(1, 5000) : 1_000_000,
      lowWaterMarkBytes: random.chance(0.5) ? random.int(0, 2000) : 500_000,
      maxPendingBytes: random.chance(0.3) ? random.int(100_000, 400_000) : 0,
      idleTimeoutMs: random.chance(0.3) ? 60_000 : 0,
    };
    if (this.#family.model === 'push' && random.chance(0.3)) options.socketBufferSize = random.int(8, 3000);
    return options;
  }

  /** Mostly small, sometimes large. */
  protected size(): number {
    const size = this.random.chance(0.8) ? this.random.int(1, 300) : this.random.int(1, 90_000);
    return this.#family.model === 'pack' ? Math.min(size, 60_000) : size;
  }

  protected letIn(end: End): void {
    const port = this.#portOf.get(end)!();
    const peer = this.#byPort.get(port);
    if (peer !== undefined && peer.peer === null && !peer.isClosed) {
      peer.peer = end;
      end.peer = peer;
      this.#byPort.delete(port);
    } else this.#byPort.set(port, end);
  }

  protected took(end: End, sender: unknown, id: number, data: Buffer | number): void {
    if (typeof data !== 'number' || this.isCalm || this.random.chance(0.5)) {
      this.check(() => end.took(bytesOf(sender, id, data)));
    }
  }

  /** An end that knows its port. */
  #newEnd(name: string, portOf: () => number): End {
    const end = new End(name);
    this.#portOf.set(end, portOf);
    return end;
  }

  async run(): Promise<void> {
    const { random } = this;
    const family = this.#family;
    const complexHooks = (
      name: string,
      component: () => ReturnType<Family['server']> | ReturnType<Family['agent']>,
      portOf: (id: number) => number,
    ): never => {
      const make = (id: number): Handle => {
        const end = this.#newEnd(`${name} ${id}`, () => portOf(id));
        return {
          end,
          send: (length) => {
            if (!end.isClosed && component().send(id, streamBytes(end.sent, length))) end.sent += length;
          },
          pause: (isPaused) => void component().pauseReceive(id, isPaused),
          disconnect: (isDraining) => void component().disconnect(id, { drain: isDraining, timeoutMs: 200 }),
          fetchAll: () => this.#fetchAll(component(), id, end),
        };
      };
      return this.hooks(name, make, (id) => component()[$connectionOf](id) !== undefined) as never;
    };
    const server: ReturnType<Family['server']> = family.server(
      complexHooks(
        'server',
        () => server,
        (id) => server.getRemoteAddress(id)?.port ?? 0,
      ),
      this.#options(),
    );
    const agent: ReturnType<Family['agent']> = family.agent(
      complexHooks(
        'agent',
        () => agent,
        (id) => agent.getLocalAddress(id)?.port ?? 0,
      ),
      this.#options(),
    );
    const clients = [0, 1, 2].map((i) => {
      const make = (id: number): Handle => {
        const end = this.#newEnd(`client ${i} ${id}`, () => client.getLocalAddress()?.port ?? 0);
        return {
          end,
          send: (length) => {
            if (!end.isClosed && client.send(streamBytes(end.sent, length))) end.sent += length;
          },
          pause: (isPaused) => void client.pauseReceive(isPaused),
          disconnect: (isDraining) => this.stop(client, isDraining),
          fetchAll: () => this.#fetchAll(client, id, end),
        };
      };
      const isThere = (id: number): boolean => client.connectionId === id && client[$connectionOf](id) !== undefined;
      const client: ReturnType<Family['client']> = family.client(
        this.hooks(`client ${i}`, make, isThere) as never,
        this.#options(),
      );
      return client;
    });
    let { port } = await server.start(host, 0);
    await agent.start();

    for (let step = 0; step < steps; step++) {
      const handle = this.anyHandle();
      const act = random.next();
      if (act < 0.15) {
        if (agent.state === ServiceState.Started && agent.connectionCount < 12)
          agent.connect(host, port).catch(() => {});
      } else if (act < 0.25) {
        const client = clients[random.int(0, 2)]!;
        if (client.state === ServiceState.Stopped) client.start(host, port).catch(() => {});
      } else if (act < 0.65) {
        for (let i = random.int(1, 5); i > 0; i--) handle?.send(this.size());
      } else if (act < 0.75) {
        handle?.pause(random.chance(0.5));
      } else if (act < 0.79) {
        handle?.disconnect(random.chance(0.7));
      } else if (act < 0.8) {
        this.stop(server, random.chance(0.5));
        await stopped(server);
        ({ port } = await server.start(host, 0));
      } else if (act < 0.805) {
        this.stop(agent, random.chance(0.5));
        await stopped(agent);
        await agent.start();
      } else {
        for (let turn = random.int(1, 4); turn > 0; turn--) await new Promise((resolve) => setImmediate(resolve));
      }
    }

    await this.#calmDown();
    await this.end([...clients, agent, server], (one: Component) => stopped(one as AnyComponent));
  }

  /** No more chaos: everything that still can arrive must. */
  async #calmDown(): Promise<void> {
    this.isCalm = true;
    /** Whether bytes are still on their way to `end`. */
    const isWaiting = ({ isReady, isClosed, peer, received }: End): boolean =>
      isReady && !isClosed && peer !== null && peer.isReady && !peer.isClosed && received !== peer.sent;
    const deadline = Date.now() + 10_000;
    while (this.ends.some(isWaiting) && Date.now() < deadline) {
      for (const handle of this.handles) {
        handle.pause(false);
        handle.fetchAll();
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    for (const end of this.ends) {
      if (isWaiting(end)) this.faults.push(`${end.name} got ${end.received} bytes of ${end.peer?.sent}`);
      if (end.peer !== null && end.received > end.peer.sent) this.faults.push(`${end.name} got more than was sent`);
    }
  }

  /** Pull components keep what nobody fetched. */
  #fetchAll(component: AnyComponent, id: number, end: End): void {
    if (this.#family.model !== 'pull' || end.isClosed) return;
    const length = component[$connectionOf](id)?.protocol.bufferedBytes ?? 0;
    if (length > 0) this.check(() => end.took(bytesOf(component, id, length)));
  }
}
