import { describe, expect, test } from 'vitest';
import { CastMode, ServiceState, SocketErrorCode, SocketOperation, UdpCast, UdpNode } from '../../src/index.ts';
import type { AnyDatagramHooks, DatagramFamily } from './datagram-family.ts';
import { until } from './family.ts';
import {
  type Action,
  actions,
  closeAfterDisconnect,
  maySend,
  outcomeOf,
  rejectsConnect,
  startInsideHook,
  watched,
} from './hook-matrix.ts';
import { freeUdpPort } from './ports.ts';

const host = '127.0.0.1';
const group = '239.255.77.2';

/** A datagram component as the matrix uses it: the target is left out, since its role knows it. */
interface Subject {
  readonly state: number;
  readonly hasStarted: boolean;
  /** Rejects, or resolves when it is open. */
  begin(): Promise<void>;
  /** Sends to the one peer, on connection `id` if it has many. */
  send(id: number, data: string): boolean;
  disconnect(id: number): void;
  /** Starts it once more, which must be refused while it runs. */
  start(): Promise<unknown>;
  stop(): Promise<unknown>;
  wait(): Promise<boolean>;
  /** Whether no connection is left. */
  isGone(): boolean;
}

type Role = 'server' | 'client';

const sending = ['onSendBlocked', 'onSendDrained'];

function hooksOf(role: Role, isReliable: boolean): string[] {
  return [
    ...(role === 'server' ? ['onPrepareListen', 'onAccept'] : ['onPrepareConnect', 'onConnect']),
    'onHandShake',
    'onReceive',
    ...(isReliable ? ['onReceiveUnreliable'] : []),
    'onSend',
    ...(isReliable ? sending : []),
    'onClose',
    ...(role === 'server' ? ['onShutdown'] : []),
    'onHookError',
  ];
}

/** Every hook x everything that a hook can do, for connections over datagrams: no cell may crash, leak, or lose an `onClose`. */
export function datagramHookMatrix(family: DatagramFamily): void {
  for (const role of ['server', 'client'] as const) {
    describe(`hooks of ${family.name} ${role}`, () => {
      for (const hook of hooksOf(role, family.isReliable)) {
        test.each(Object.keys(actions) as Action[])(
          `${hook} %s: EXO-001, EXO-002, EXO-003, EXO-004, NODEEV-005`,
          async (action) => {
            await watched(hook, action, () => new Cell(role, hook, action, family.isReliable).runPair(family));
          },
        );
      }
    });
  }
}

/** The same for a `UdpCast`, which hears itself. */
export function castHookMatrix(): void {
  describe('hooks of UdpCast', () => {
    for (const hook of hooksOf('client', false)) {
      test.each(Object.keys(actions) as Action[])(
        `${hook} %s: EXO-001, EXO-002, EXO-003, EXO-004, NODEEV-005`,
        async (action) => {
          await watched(hook, action, () => new Cell('client', hook, action, false).runCast());
        },
      );
    }
  });
}

/** One cell: its component, what its hooks were told, and what must come of it. */
class Cell {
  readonly #role: Role;
  readonly #hook: string;
  readonly #action: Action;
  /** ARQ shakes hands, as TLS does: `onHandShake` comes behind that, and what it refuses is told by `onClose`. */
  readonly #isReliable: boolean;
  readonly #letIn = new Set<number>();
  readonly #closes = new Map<number, [number, number]>();
  readonly #hookErrors: string[] = [];
  readonly #pending: Promise<unknown>[] = [];
  readonly #sent: boolean[] = [];
  readonly #startErrors: number[] = [];
  #shutdowns = 0;
  #isShutDown = false;
  #acted = 0;
  #subject!: Subject;

  constructor(role: Role, hook: string, action: Action, isReliable: boolean) {
    this.#role = role;
    this.#hook = hook;
    this.#action = action;
    this.#isReliable = isReliable;
  }

  /** The listener of the component that is looked at. */
  listener(): AnyDatagramHooks {
    const first = this.#role === 'server' ? 'onAccept' : 'onConnect';
    const hooks: AnyDatagramHooks = {
      onPrepareListen: this.#record('onPrepareListen'),
      onPrepareConnect: this.#record('onPrepareConnect'),
      [first]: this.#record(first, (id) => {
        expect(this.#letIn.has(id)).toBe(false);
        this.#letIn.add(id);
      }),
      onHandShake: this.#record('onHandShake'),
      onReceive: (sender: { send(...args: unknown[]): void }, id: number, data: Buffer) => {
        if (this.#hook === 'onHookError') throw new Error('onReceive failed');
        if (this.#role === 'server') {
          // More than `maxWaitingSendCount`: what is refused is told.
          for (let i = sending.includes(this.#hook) ? 20 : 1; i > 0; i--) sender.send(id, data);
        }
        return this.#record('onReceive')(sender, id);
      },
      onClose: this.#record('onClose', (id, operation, code) => void this.#closes.set(id, [operation!, code!])),
      onShutdown: () => {
        this.#shutdowns++;
        const result = this.#record('onShutdown')(undefined, 0);
        this.#isShutDown = true;
        return result;
      },
      onHookError: (_sender, name: string, _error, id: number) => {
        this.#hookErrors.push(name);
        return this.#hook === 'onHookError' ? this.#act(id) : undefined;
      },
    };
    for (const name of ['onSend', 'onReceiveUnreliable', ...sending]) {
      if (name === this.#hook) hooks[name] = this.#record(name);
    }
    return hooks;
  }

  #act(id: number): unknown {
    if (this.#acted++ > 0) return undefined; // once: an action that sends would otherwise never end
    return actions[this.#action](
      {
        send: (connId) => void this.#sent.push(this.#subject.send(connId ?? 0, 'x')),
        disconnect: (connId) => this.#subject.disconnect(connId ?? 0),
        stop: () => void this.#pending.push(this.#subject.stop().catch(() => {})),
        start: () =>
          void this.#pending.push(this.#subject.start().catch((error) => this.#startErrors.push(error.socketError))),
      },
      id,
    );
  }

  #record(name: string, note?: (id: number, ...rest: number[]) => void) {
    return (_sender: unknown, id: number, ...rest: number[]): unknown => {
      expect(this.#isShutDown, `${name} after onShutdown`).toBe(false);
      if (name !== 'onShutdown' && name !== 'onPrepareListen')
        expect(this.#closes.has(id), `${name} after onClose`).toBe(false);
      note?.(id, ...rest);
      // There is no connection yet where the socket is prepared.
      return name === this.#hook ? this.#act(typeof id === 'number' ? id : 0) : undefined;
    };
  }

  /** A server and a client, one of which is looked at. */
  async runPair(family: DatagramFamily): Promise<void> {
    // No heartbeats: a connection is made by what the test sends. Few segments may wait, so that sends are refused soon.
    const options = { detectAttempts: 0, ...(family.isReliable ? { unreliable: true, maxWaitingSendCount: 4 } : {}) };
    const own = this.listener();
    const echoing: AnyDatagramHooks = { onReceive: (server, id, data) => void server.send(id, data) };
    const server = family.server(this.#role === 'server' ? own : echoing, options);
    const client = family.client(this.#role === 'client' ? own : {}, options);
    const sendUnreliable = (): boolean => 'sendUnreliable' in client && client.sendUnreliable('unreliable');
    let port = 0;
    this.#subject =
      this.#role === 'server'
        ? {
            get state() {
              return server.state;
            },
            get hasStarted() {
              return server.hasStarted;
            },
            begin: async () => {
              ({ port } = await server.start(host, 0));
            },
            send: (id, data) => server.send(id, data),
            disconnect: (id) => void server.disconnect(id),
            start: () => server.start(host, 9),
            stop: () => server.stop(),
            wait: () => server.wait(),
            isGone: () => server.connectionCount === 0,
          }
        : {
            get state() {
              return client.state;
            },
            get hasStarted() {
              return client.hasStarted;
            },
            begin: () => client.start(host, port),
            send: (_id, data) => client.send(data),
            disconnect: () => void this.#pending.push(client.stop().catch(() => {})),
            start: () => client.start(host, 9),
            stop: () => client.stop(),
            wait: () => client.wait(),
            isGone: () => client.state === ServiceState.Stopped,
          };
    if (this.#role === 'client') ({ port } = await server.start(host, 0));
    const hook = this.#hook;
    let helloes = 0;
    /** Makes the hook come: with a message, an unreliable one, or so many that some are refused. */
    const speak = (): void => {
      if (!client.isConnected) return;
      if (hook === 'onReceiveUnreliable') {
        if (this.#role === 'server') sendUnreliable();
        else
          for (const id of server.getAllConnectionIDs()) 'sendUnreliable' in server && server.sendUnreliable(id, 'u');
      } else if (this.#role === 'client' && sending.includes(hook) && this.#acted === 0) {
        for (let i = 0; i < 20; i++) client.send('hello');
      } else if (helloes === 0 && client.send('hello')) helloes++;
    };
    await this.#run(speak, async () => {
      if (this.#role === 'server') await client.start(host, port).catch(() => {});
    });
    for (const each of [client, server]) {
      if (each.hasStarted) await each.stop().catch(() => {});
      await each.wait();
    }
    this.#judge();
  }

  /** A cast that hears its own datagrams. */
  async runCast(): Promise<void> {
    const port = await freeUdpPort();
    const cast = new UdpCast(this.listener() as never, { multiCastLoop: true });
    let casts = 0;
    this.#subject = {
      get state() {
        return cast.state;
      },
      get hasStarted() {
        return cast.hasStarted;
      },
      begin: () => cast.start(group, port, { localAddress: host }),
      send: (_id, data) => cast.send(data),
      disconnect: () => void this.#pending.push(cast.stop().catch(() => {})),
      start: () => cast.start(group, port),
      stop: () => cast.stop(),
      wait: () => cast.wait(),
      isGone: () => cast.state === ServiceState.Stopped,
    };
    await this.#run(
      () => {
        if (cast.isConnected && casts === 0 && cast.send('hello')) casts++;
      },
      () => Promise.resolve(),
    );
    if (cast.hasStarted) await cast.stop();
    await cast.wait();
    this.#judge();
  }

  /** Starts, speaks, and waits until the cell shows what comes of the hook. */
  async #run(speak: () => void, connect: () => Promise<void>): Promise<void> {
    const subject = this.#subject;
    const hook = this.#hook;
    const action = this.#action;
    const expected = this.#expected();
    let startError: Error | undefined;
    await subject.begin().catch((error: Error) => {
      startError = error;
    });
    if (expected === 'start fails') {
      expect(startError?.name).toBe('SocketError');
      expect(subject.state).toBe(ServiceState.Stopped);
      return;
    }
    if (this.#role === 'server') expect(startError).toBeUndefined();
    await connect();
    const isGone = (): boolean => subject.isGone() && (this.#acted > 0 || startError !== undefined);
    if (hook === 'onClose' || hook === 'onShutdown') {
      // There has to be a connection that can close.
      speak();
      await until(() => this.#letIn.size > 0);
      await subject.stop();
    } else if (expected === 'lives on') {
      await until(() => {
        speak();
        return this.#acted > 0;
      });
      for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
      if (hook !== 'onPrepareListen') expect(subject.isGone(), 'the connection lives on').toBe(false);
    } else {
      await until(() => {
        speak();
        return isGone();
      });
    }
    if (action === 'calls stop') await subject.wait();
    if (this.#role === 'client') {
      if (expected === 'refused' || rejectsConnect(hook, action)) expect(startError?.name).toBe('SocketError');
    }
    if (expected === 'closed by the hook') {
      const [[operation, code] = [0, 0]] = [...this.#closes.values()];
      const closedBy = hook === 'onHookError' ? 'onReceive' : hook;
      const isRefusal = hook === closedBy && (action === 'returns Error' || action === 'resolves to Error');
      expect(code).toBe(isRefusal ? 125 : SocketErrorCode.DataProc);
      const isSending = hook === 'onSend' || sending.includes(hook);
      expect(operation).toBe(isSending ? SocketOperation.Send : SocketOperation.Receive);
      if (!isRefusal) expect(this.#hookErrors).toContain(closedBy);
    }
    if (action === 'calls disconnect' && expected === 'gone' && hook !== 'onClose') {
      for (const close of this.#closes.values()) expect(close).toEqual(closeAfterDisconnect);
    }
    if ((hook === 'onClose' || hook === 'onShutdown') && (action === 'throws' || action === 'rejects')) {
      await until(() => this.#hookErrors.includes(hook));
    }
  }

  #expected() {
    const hook = this.#hook === 'onReceiveUnreliable' ? 'onReceive' : this.#hook;
    return outcomeOf(hook, this.#action, this.#isReliable);
  }

  /** Everything is stopped: each connection that was let in was closed once, and the hook was obeyed. */
  #judge(): void {
    const expected = this.#expected();
    const action = this.#action;
    expect(this.#acted).toBeGreaterThan(0);
    const wasLetIn = expected === 'refused' ? [] : [...this.#letIn];
    expect([...this.#closes.keys()].sort()).toEqual(wasLetIn.sort());
    if (this.#role === 'server') expect(this.#shutdowns).toBe(1);
    if (action === 'calls send') expect(this.#sent).toEqual([this.#maySend()]);
    if (action === 'calls start') expect(this.#startErrors).toEqual([startInsideHook]);
  }

  #maySend(): boolean {
    // Where a message was just refused because too many wait, one more is as well.
    if (this.#hook === 'onSendBlocked') return false;
    // The first datagram is one of the ARQ handshake, which the client begins; a server answers who has proved itself, and is open.
    if (this.#hook === 'onSend' && this.#isReliable) return this.#role === 'server';
    return maySend(this.#hook, this.#isReliable);
  }
}

// ---- UdpNode -------------------------------------------------------------------------------------------------------

/** A node has no connections: what its hooks answer means nothing, but for `onPrepareListen`. */
export function nodeHookMatrix(): void {
  describe('hooks of UdpNode', () => {
    for (const hook of ['onPrepareListen', 'onReceive', 'onSend', 'onError', 'onShutdown', 'onHookError']) {
      const all = Object.keys(actions) as Action[];
      test.each(all.filter((action) => action !== 'calls disconnect'))(
        `${hook} %s: EV-N-01, EV-N-02, EV-N-03, EV-N-04, EV-N-05, EXO-003, NODEEV-005`,
        async (action) => {
          await watched(hook, action, () => runNode(hook, action));
        },
      );
    }
  });
}

async function runNode(hook: string, action: Action): Promise<void> {
  const hookErrors: string[] = [];
  const pending: Promise<unknown>[] = [];
  const startErrors: number[] = [];
  const sent: boolean[] = [];
  let acted = 0;
  let shutdowns = 0;
  let received = 0;
  let port = 0;
  const act = (): unknown => {
    if (acted++ > 0) return undefined;
    return actions[action](
      {
        send: () => void sent.push(node.send(host, port || 9, 'x')),
        disconnect: () => {},
        stop: () => void pending.push(node.stop().catch(() => {})),
        start: () => void pending.push(node.start(host, 9).catch((error) => startErrors.push(error.socketError))),
      },
      0,
    );
  };
  const record = (name: string) => (): unknown => {
    expect(shutdowns, `${name} after onShutdown`).toBe(0);
    return name === hook ? act() : undefined;
  };
  const node: UdpNode = new UdpNode(
    {
      onPrepareListen: record('onPrepareListen'),
      onSend: record('onSend'),
      onError: record('onError'),
      onReceive: () => {
        received++;
        if (hook === 'onHookError') throw new Error('onReceive failed');
        return record('onReceive')();
      },
      onShutdown: () => {
        try {
          return record('onShutdown')();
        } finally {
          shutdowns++;
        }
      },
      onHookError: (_node: unknown, name: string) => {
        hookErrors.push(name);
        return hook === 'onHookError' ? act() : undefined;
      },
    } as never,
    { maxDatagramSize: 100 },
  );
  const fails = action === 'throws' || action === 'rejects';
  const refuses = action === 'returns Error' || action === 'resolves to Error';
  const isStartFailing = hook === 'onPrepareListen' && (fails || refuses || action === 'calls stop');
  const started = await node.start({ host, port: 0, castMode: CastMode.Unicast }).catch((error: Error) => error);
  if (isStartFailing) {
    expect((started as Error).name).toBe('SocketError');
  } else {
    port = (started as { port: number }).port;
    expect(node.send(host, port, 'hello')).toBe(true); // to itself
    if (hook === 'onError') expect(node.send('255.255.255.255', port, 'not allowed')).toBe(true);
    if (hook === 'onShutdown') await node.stop();
    await until(() => acted > 0);
    if (action === 'calls stop') await node.wait();
    else if (hook !== 'onShutdown') {
      // It goes on, whatever the hook did.
      expect(node.state).toBe(ServiceState.Started);
      const before = received;
      expect(node.send(host, port, 'still here')).toBe(true);
      await until(() => received > before);
    }
  }
  if (fails) {
    await until(() => hookErrors.includes(hook === 'onHookError' ? 'onReceive' : hook));
  } else if (hook !== 'onHookError') expect(hookErrors).toEqual([]);
  await Promise.all(pending);
  if (node.hasStarted) await node.stop();
  await node.wait();
  expect(shutdowns).toBe(1);
  expect(acted).toBeGreaterThan(0);
  if (action === 'calls send') expect(sent).toEqual([hook !== 'onPrepareListen' && hook !== 'onShutdown']);
  if (action === 'calls start') expect(startErrors).toEqual([SocketErrorCode.IllegalState]);
}
