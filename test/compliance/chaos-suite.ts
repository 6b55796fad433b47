import { describe, expect, test } from 'vitest';
import { $connectionOf } from '../../src/core/internals.ts';
import { type CloseInfo, HandleResult, ServiceState, SocketError } from '../../src/index.ts';
import { Random } from '../tools/random.ts';
import { seed } from '../tools/seed.ts';
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
class End {
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

/** What the chaos does with one end of a connection. */
interface Handle {
  end: End;
  send(length: number): void;
  pause(isPaused: boolean): void;
  disconnect(isDraining: boolean): void;
  fetchAll(): void;
}

type AnyComponent = ReturnType<Family['server']> | ReturnType<Family['agent']> | ReturnType<Family['client']>;

/** Random users of a server, an agent and clients, who do anything at any time; the rules must hold all the same. */
export function chaosSuite(family: Family): void {
  describe(`${family.name} under chaos`, () => {
    test.each(Array.from({ length: runs }, (_, i) => seed + i))(
      'EXO-001 EXO-002 EXO-003 EXO-004: nothing lost, nothing twice, one onClose each (HP_SOCKET_SEED=%i)',
      async (drawn) => {
        const rejections: unknown[] = [];
        const onRejection = (reason: unknown): void => void rejections.push(reason);
        process.on('unhandledRejection', onRejection);
        try {
          await new Chaos(family, drawn).run();
          expect(rejections).toEqual([]);
        } finally {
          process.off('unhandledRejection', onRejection);
        }
      },
    );
  });
}

/** Waits until a component is stopped; if that takes too long, tells what it waits for. */
async function stopped(name: string, component: AnyComponent): Promise<void> {
  if (await component.wait(10_000)) return;
  const ids = 'getAllConnectionIDs' in component ? component.getAllConnectionIDs() : [component.connectionId];
  const states = ids.map((id) => {
    const connection = component[$connectionOf](id);
    return `${id} in state ${connection?.state}, ${connection?.socket.destroyed ? 'destroyed' : 'not destroyed'}`;
  });
  throw new Error(`${name} does not stop (state ${component.state}): connections ${states.join('; ') || 'none'}`);
}

class Chaos {
  #family: Family;
  #random: Random;
  /** What hooks found wrong: thrown there it would only close a connection. */
  #faults: string[] = [];
  #handles = new Set<Handle>();
  #ends: End[] = [];
  /** Ends whose peer is not known yet, by the port that both know. */
  #byPort = new Map<number, End>();
  #isCalm = false;
  #stops: Promise<unknown>[] = [];

  constructor(family: Family, seed: number) {
    this.#family = family;
    this.#random = new Random(seed);
  }

  #check(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#faults.push((error as Error).message);
    }
  }

  #options(): object {
    const random = this.#random;
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

  /** Size of a send: mostly small, sometimes large. */
  #size(): number {
    const size = this.#random.chance(0.8) ? this.#random.int(1, 300) : this.#random.int(1, 90_000);
    return this.#family.model === 'pack' ? Math.min(size, 60_000) : size;
  }

  /** What a hook answers, now and then after doing something else first. */
  #answer(handle: Handle | undefined, mayFail: boolean): unknown {
    const random = this.#random;
    if (this.#isCalm || random.chance(0.6)) return undefined;
    const later = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
    switch (random.int(0, mayFail ? 9 : 5)) {
      case 0:
        handle?.send(this.#size());
        return HandleResult.Ok;
      case 1:
        handle?.pause(true);
        setImmediate(() => handle?.pause(false));
        return HandleResult.Ignore;
      case 2:
        return later();
      case 3:
        return later().then(() => handle?.send(this.#size()));
      case 4:
        handle?.send(this.#size());
        handle?.send(this.#size());
        return Promise.resolve(HandleResult.Ignore);
      case 5:
        return HandleResult.Ok;
      case 6:
        if (random.chance(0.3)) handle?.disconnect(random.chance(0.5));
        return undefined;
      case 7:
        if (random.chance(0.1)) throw new Error('chaos');
        return later();
      case 8:
        return random.chance(0.1) ? HandleResult.Error : undefined;
      default:
        return later().then(() => {
          if (random.chance(0.1)) throw new Error('late chaos');
          if (random.chance(0.1)) return HandleResult.Error;
          return undefined;
        });
    }
  }

  /** Hooks of one component, which check the order of things and then do anything. */
  #hooks(
    name: string,
    makeHandle: (id: number, end: End) => Handle,
    portOf: (id: number) => number,
    connectionOf: (id: number) => unknown,
  ): object {
    const ends = new Map<number, { end: End; handle: Handle }>();
    let isShutDown = false;
    const find = (id: number, hook: string): { end: End; handle: Handle } | undefined => {
      const found = ends.get(id);
      if (isShutDown) this.#faults.push(`${name}: ${hook} after onShutdown`);
      if (found === undefined) this.#faults.push(`${name}: ${hook} of ${id}, which was not let in`);
      else if (found.end.isClosed) this.#faults.push(`${name}: ${hook} of ${id} after onClose`);
      return found;
    };
    const begin = (): void => {
      if (isShutDown) ends.clear();
      isShutDown = false;
    };
    /** `onAccept` and `onConnect`: most are let in, some later. */
    const decide = (_sender: unknown, id: number): unknown => {
      const way = this.#isCalm ? 0 : this.#random.next();
      if (way > 0.97) throw new Error('chaos at the door');
      if (way > 0.94) return HandleResult.Error;
      if (way < 0.8) return letIn(id);
      return new Promise<HandleResult>((resolve) => {
        setImmediate(() => {
          if (way > 0.92) return resolve(HandleResult.Error);
          // The connection, or the run that it belongs to, may be gone by now.
          const isStill = !isShutDown && connectionOf(id) !== undefined;
          if (isStill) letIn(id);
          resolve(isStill ? HandleResult.Ok : HandleResult.Error);
        });
      });
    };
    const letIn = (id: number): undefined => {
      const end = new End(`${name} ${id}`);
      this.#ends.push(end);
      const handle = makeHandle(id, end);
      if (ends.has(id) && !ends.get(id)!.end.isClosed) this.#faults.push(`${name}: ${id} was let in twice`);
      ends.set(id, { end, handle });
      const port = portOf(id);
      const peer = this.#byPort.get(port);
      if (peer !== undefined && peer.peer === null && !peer.isClosed) {
        peer.peer = end;
        end.peer = peer;
        this.#byPort.delete(port);
      } else this.#byPort.set(port, end);
      return undefined;
    };
    return {
      onPrepareListen: begin,
      onPrepareConnect: begin,
      onAccept: decide,
      onConnect: decide,
      onHandShake: (_sender: unknown, id: number) => {
        const found = find(id, 'onHandShake');
        if (found === undefined) return undefined;
        if (found.end.isReady) this.#faults.push(`${name}: onHandShake of ${id} twice`);
        found.end.isReady = true;
        this.#handles.add(found.handle);
        return this.#answer(found.handle, false);
      },
      onReceive: (sender: unknown, id: number, data: Buffer | number) => {
        const found = find(id, 'onReceive');
        if (found === undefined) return undefined;
        if (typeof data !== 'number' || this.#isCalm || this.#random.chance(0.5)) {
          this.#check(() => found.end.took(bytesOf(sender, id, data)));
        }
        return this.#answer(found.handle, true);
      },
      onSendBlocked: (_sender: unknown, id: number) => this.#answer(find(id, 'onSendBlocked')?.handle, false),
      onSendDrained: (_sender: unknown, id: number) => this.#answer(find(id, 'onSendDrained')?.handle, false),
      onClose: (_sender: unknown, id: number, operation: number, code: number, info: CloseInfo) => {
        const found = find(id, 'onClose');
        if (found === undefined) return;
        found.end.isClosed = true;
        this.#handles.delete(found.handle);
        if (code !== 0 && !(info.error instanceof SocketError)) {
          this.#faults.push(`${name}: close ${operation} ${code} without an error`);
        }
      },
      onShutdown: () => {
        isShutDown = true;
        for (const [id, { end }] of ends) {
          if (!end.isClosed) this.#faults.push(`${name}: onShutdown before onClose of ${id}`);
        }
      },
      onHookError: () => {},
    };
  }

  async run(): Promise<void> {
    const random = this.#random;
    const family = this.#family;
    const complexHandle =
      (component: () => ReturnType<Family['server']> | ReturnType<Family['agent']>) =>
      (id: number, end: End): Handle => ({
        end,
        send: (length) => {
          if (!end.isClosed && component().send(id, streamBytes(end.sent, length))) end.sent += length;
        },
        pause: (isPaused) => void component().pauseReceive(id, isPaused),
        disconnect: (isDraining) => void component().disconnect(id, { drain: isDraining, timeoutMs: 200 }),
        fetchAll: () => this.#fetchAll(component(), id, end),
      });
    const server: ReturnType<Family['server']> = family.server(
      this.#hooks(
        'server',
        complexHandle(() => server),
        (id) => server.getRemoteAddress(id)?.port ?? 0,
        (id) => server[$connectionOf](id),
      ) as never,
      this.#options(),
    );
    const agent: ReturnType<Family['agent']> = family.agent(
      this.#hooks(
        'agent',
        complexHandle(() => agent),
        (id) => agent.getLocalAddress(id)?.port ?? 0,
        (id) => agent[$connectionOf](id),
      ) as never,
      this.#options(),
    );
    const clients = [0, 1, 2].map((i) => {
      const client: ReturnType<Family['client']> = family.client(
        this.#hooks(
          `client ${i}`,
          (id, end) => ({
            end,
            send: (length) => {
              if (!end.isClosed && client.send(streamBytes(end.sent, length))) end.sent += length;
            },
            pause: (isPaused) => void client.pauseReceive(isPaused),
            disconnect: (isDraining) => this.#stop(client, isDraining),
            fetchAll: () => this.#fetchAll(client, id, end),
          }),
          () => client.getLocalAddress()?.port ?? 0,
          (id) => (client.connectionId === id ? client[$connectionOf](id) : undefined),
        ) as never,
        this.#options(),
      );
      return client;
    });
    let { port } = await server.start(host, 0);
    await agent.start();

    for (let step = 0; step < steps; step++) {
      const handles = [...this.#handles];
      const handle = handles[random.int(0, Math.max(handles.length - 1, 0))];
      const act = random.next();
      if (act < 0.15) {
        if (agent.state === ServiceState.Started && agent.connectionCount < 12)
          agent.connect(host, port).catch(() => {});
      } else if (act < 0.25) {
        const client = clients[random.int(0, 2)]!;
        if (client.state === ServiceState.Stopped) client.start(host, port).catch(() => {});
      } else if (act < 0.65) {
        for (let i = random.int(1, 5); i > 0; i--) handle?.send(this.#size());
      } else if (act < 0.75) {
        handle?.pause(random.chance(0.5));
      } else if (act < 0.79) {
        handle?.disconnect(random.chance(0.7));
      } else if (act < 0.8) {
        this.#stop(server, random.chance(0.5));
        await stopped('server', server);
        ({ port } = await server.start(host, 0));
      } else if (act < 0.805) {
        this.#stop(agent, random.chance(0.5));
        await stopped('agent', agent);
        await agent.start();
      } else {
        for (let turn = random.int(1, 4); turn > 0; turn--) await new Promise((resolve) => setImmediate(resolve));
      }
    }

    await this.#calmDown();
    const all = [...clients, agent, server];
    for (const one of all) this.#stop(one, false);
    for (const one of all) await stopped(one.constructor.name, one);
    await Promise.all(this.#stops);
    await new Promise((resolve) => setImmediate(resolve));
    for (const { name, isClosed } of this.#ends) {
      if (!isClosed) this.#faults.push(`${name} got no onClose`);
    }
    for (const one of all) {
      const { connections, pendingBytes, opened, closed } = one.stats();
      expect([connections, pendingBytes, opened - closed]).toEqual([0, 0, 0]);
    }
    expect(this.#faults).toEqual([]);
  }

  /** No more chaos: everything that still can arrive must. */
  async #calmDown(): Promise<void> {
    this.#isCalm = true;
    /** Whether bytes are still on their way to `end`. */
    const isWaiting = ({ isReady, isClosed, peer, received }: End): boolean =>
      isReady && !isClosed && peer !== null && peer.isReady && !peer.isClosed && received !== peer.sent;
    const deadline = Date.now() + 10_000;
    while (this.#ends.some(isWaiting) && Date.now() < deadline) {
      for (const handle of this.#handles) {
        handle.pause(false);
        handle.fetchAll();
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    for (const end of this.#ends) {
      if (isWaiting(end)) this.#faults.push(`${end.name} got ${end.received} bytes of ${end.peer?.sent}`);
      if (end.peer !== null && end.received > end.peer.sent) this.#faults.push(`${end.name} got more than was sent`);
    }
  }

  #stop(component: AnyComponent, isDraining: boolean): void {
    if (!component.hasStarted) return;
    this.#stops.push(component.stop(isDraining ? { drainTimeoutMs: 200 } : {}).catch(() => {}));
  }

  /** Pull components keep what nobody fetched. */
  #fetchAll(component: AnyComponent, id: number, end: End): void {
    if (this.#family.model !== 'pull' || end.isClosed) return;
    const length = component[$connectionOf](id)?.protocol.bufferedBytes ?? 0;
    if (length > 0) this.#check(() => end.took(bytesOf(component, id, length)));
  }
}
