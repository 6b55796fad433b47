import { expect } from 'vitest';
import { type CloseInfo, type Component, HandleResult, SocketError } from '../../src/index.ts';
import { Random } from '../tools/random.ts';

/** One end of a connection: what its component told about it. */
export interface ChaosEnd {
  readonly name: string;
  isReady: boolean;
  isClosed: boolean;
}

/** What the chaos does with one end of a connection. */
export interface ChaosHandle<End extends ChaosEnd = ChaosEnd> {
  end: End;
  send(length: number): void;
  pause(isPaused: boolean): void;
  disconnect(isDraining: boolean): void;
}

type Stoppable = Component & { stop(options: object): Promise<unknown> };

/** Users of components who do anything at any time, and check that the hooks keep to their order all the same. */
export abstract class ChaosUsers<Handle extends ChaosHandle> {
  protected readonly random: Random;
  /** What hooks found wrong: thrown there it would only close a connection. */
  protected readonly faults: string[] = [];
  /** Of ends that are open. */
  protected readonly handles = new Set<Handle>();
  protected readonly ends: Handle['end'][] = [];
  protected isCalm = false;
  #stops: Promise<unknown>[] = [];

  constructor(seed: number) {
    this.random = new Random(seed);
  }

  /** Size of a send. */
  protected abstract size(): number;
  /** A connection was let in. */
  protected abstract letIn(end: Handle['end'], id: number): void;
  /** `onReceive`. */
  protected abstract took(end: Handle['end'], sender: unknown, id: number, data: Buffer | number): void;

  /** Does `act`, whose failure is a fault. */
  protected check(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.faults.push((error as Error).message);
    }
  }

  /** What a hook answers, now and then after doing something else first. */
  protected answer(handle: Handle | undefined, mayFail: boolean): unknown {
    const { random } = this;
    if (this.isCalm || random.chance(0.6)) return undefined;
    const later = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
    switch (random.int(0, mayFail ? 9 : 5)) {
      case 0:
        handle?.send(this.size());
        return HandleResult.Ok;
      case 1:
        handle?.pause(true);
        setImmediate(() => handle?.pause(false));
        return HandleResult.Ignore;
      case 2:
        return later();
      case 3:
        return later().then(() => handle?.send(this.size()));
      case 4:
        handle?.send(this.size());
        handle?.send(this.size());
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

  /**
   * Hooks of one component, which check the order of things and then do anything.
   * @param isThere Whether the component has a connection with that ID.
   */
  protected hooks(name: string, makeHandle: (id: number) => Handle, isThere: (id: number) => boolean): object {
    const handles = new Map<number, Handle>();
    let isShutDown = false;
    const find = (id: number, hook: string): Handle | undefined => {
      const found = handles.get(id);
      if (isShutDown) this.faults.push(`${name}: ${hook} after onShutdown`);
      if (found === undefined) this.faults.push(`${name}: ${hook} of ${id}, which was not let in`);
      else if (found.end.isClosed) this.faults.push(`${name}: ${hook} of ${id} after onClose`);
      return found;
    };
    const begin = (): void => {
      if (isShutDown) handles.clear();
      isShutDown = false;
    };
    /** `onAccept` and `onConnect`: most are let in, some later. */
    const decide = (_sender: unknown, id: number): unknown => {
      const way = this.isCalm ? 0 : this.random.next();
      if (way > 0.97) throw new Error('chaos at the door');
      if (way > 0.94) return HandleResult.Error;
      if (way < 0.8) return letIn(id);
      return new Promise<HandleResult>((resolve) => {
        setImmediate(() => {
          if (way > 0.92) return resolve(HandleResult.Error);
          // The connection, or the run that it belongs to, may be gone by now.
          const isStill = !isShutDown && isThere(id);
          if (isStill) letIn(id);
          resolve(isStill ? HandleResult.Ok : HandleResult.Error);
        });
      });
    };
    const letIn = (id: number): undefined => {
      const handle = makeHandle(id);
      this.ends.push(handle.end);
      if (handles.get(id)?.end.isClosed === false) this.faults.push(`${name}: ${id} was let in twice`);
      handles.set(id, handle);
      this.letIn(handle.end, id);
    };
    return {
      onPrepareListen: begin,
      onPrepareConnect: begin,
      onAccept: decide,
      onConnect: decide,
      onHandShake: (_sender: unknown, id: number) => {
        const found = find(id, 'onHandShake');
        if (found === undefined) return undefined;
        if (found.end.isReady) this.faults.push(`${name}: onHandShake of ${id} twice`);
        found.end.isReady = true;
        this.handles.add(found);
        return this.answer(found, false);
      },
      onReceive: (sender: unknown, id: number, data: Buffer | number) => {
        const found = find(id, 'onReceive');
        if (found === undefined) return undefined;
        if (!found.end.isReady) this.faults.push(`${name}: onReceive of ${id} before onHandShake`);
        this.took(found.end, sender, id, data);
        return this.answer(found, true);
      },
      onSendBlocked: (_sender: unknown, id: number) => this.answer(find(id, 'onSendBlocked'), false),
      onSendDrained: (_sender: unknown, id: number) => this.answer(find(id, 'onSendDrained'), false),
      onClose: (_sender: unknown, id: number, operation: number, code: number, info: CloseInfo) => {
        const found = find(id, 'onClose');
        if (found === undefined) return;
        found.end.isClosed = true;
        this.handles.delete(found);
        if (code !== 0 && !(info.error instanceof SocketError)) {
          this.faults.push(`${name}: close ${operation} ${code} without an error`);
        }
      },
      onShutdown: () => {
        isShutDown = true;
        for (const [id, { end }] of handles) {
          if (!end.isClosed) this.faults.push(`${name}: onShutdown before onClose of ${id}`);
        }
      },
      onHookError: () => {},
    };
  }

  /** One of the open ends. */
  protected anyHandle(): Handle | undefined {
    const handles = [...this.handles];
    return handles[this.random.int(0, Math.max(handles.length - 1, 0))];
  }

  protected stop(component: Stoppable, isDraining: boolean): void {
    if (!component.hasStarted) return;
    this.#stops.push(component.stop(isDraining ? { drainTimeoutMs: 200 } : {}).catch(() => {}));
  }

  /** Stops everything, and looks whether anything is left, or went wrong on the way. */
  protected async end(all: readonly Stoppable[], stopped: (component: Stoppable) => Promise<void>): Promise<void> {
    for (const one of all) this.stop(one, false);
    for (const one of all) await stopped(one);
    await Promise.all(this.#stops);
    await new Promise((resolve) => setImmediate(resolve));
    for (const { name, isClosed } of this.ends) {
      if (!isClosed) this.faults.push(`${name} got no onClose`);
    }
    for (const one of all) {
      const { connections, pendingBytes, opened, closed } = (
        one as unknown as { stats(): Record<'connections' | 'pendingBytes' | 'opened' | 'closed', number> }
      ).stats();
      expect([connections, pendingBytes, opened - closed]).toEqual([0, 0, 0]);
    }
    expect(this.faults).toEqual([]);
  }
}

/** Runs `chaos`, in which no promise may be rejected that nobody handles. */
export async function withoutRejections(chaos: () => Promise<void>): Promise<void> {
  const rejections: unknown[] = [];
  const onRejection = (reason: unknown): void => void rejections.push(reason);
  process.on('unhandledRejection', onRejection);
  try {
    await chaos();
    expect(rejections).toEqual([]);
  } finally {
    process.off('unhandledRejection', onRejection);
  }
}
