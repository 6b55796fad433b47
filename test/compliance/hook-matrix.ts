import { describe, expect, test, vi } from 'vitest';
import { HandleResult, type SocketError, SocketErrorCode, SocketOperation } from '../../src/index.ts';
import { bytesOf, type Family, until } from './family.ts';

const host = '127.0.0.1';

type Role = 'server' | 'agent' | 'client';

/** What a hook does when it is called. */
export const actions = {
  throws: () => {
    throw new Error('hook failed');
  },
  rejects: () => Promise.reject(new Error('hook failed')),
  'returns Error': () => HandleResult.Error,
  'resolves to Error': () => Promise.resolve(HandleResult.Error),
  'returns Ignore': () => HandleResult.Ignore,
  'resolves late': () => new Promise<void>((resolve) => setImmediate(resolve)),
  'calls send': (self: Component, id: number) => void self.send(id),
  'calls disconnect': (self: Component, id: number) => void self.disconnect(id),
  'calls stop': (self: Component) => void self.stop(),
  'calls start': (self: Component) => void self.start(),
} as const;

export type Action = keyof typeof actions;

/** What the actions need of a component of any role. */
interface Component {
  send(id: number): void;
  disconnect(id: number): void;
  stop(): void;
  start(): void;
}

const sending = ['onSend', 'onSendBlocked', 'onSendDrained'];

export const hooks: Record<Role, readonly string[]> = {
  server: ['onPrepareListen', 'onAccept', 'onHandShake', 'onReceive', 'onEnd', ...sending, 'onClose', 'onShutdown'],
  agent: ['onPrepareConnect', 'onConnect', 'onHandShake', 'onReceive', 'onEnd', ...sending, 'onClose', 'onShutdown'],
  client: ['onPrepareConnect', 'onConnect', 'onHandShake', 'onReceive', 'onEnd', ...sending, 'onClose'],
};

const opening = ['onAccept', 'onConnect', 'onPrepareConnect'];

/** How the one connection of a cell ends. */
export type Outcome = 'start fails' | 'refused' | 'closed by the hook' | 'lives on' | 'gone';

/** The documented outcome of a cell; docs/hooks.md has the same table in words. */
export function outcomeOf(hook: string, action: Action, isSecure: boolean): Outcome {
  const fails = action === 'throws' || action === 'rejects';
  const refuses = action === 'returns Error' || action === 'resolves to Error';
  if (hook === 'onPrepareListen') {
    if (action === 'calls stop') return 'start fails';
    return fails || refuses ? 'start fails' : 'lives on';
  }
  if (hook === 'onClose' || hook === 'onShutdown') return 'gone';
  if (hook === 'onHookError') return 'closed by the hook'; // by the one that failed, whatever this one does about it
  if (sending.includes(hook)) {
    if (fails) return 'closed by the hook';
    return action === 'calls disconnect' || action === 'calls stop' ? 'gone' : 'lives on';
  }
  const mayRefuse = opening.includes(hook) || (hook === 'onHandShake' && !isSecure);
  if (fails || refuses) return mayRefuse ? 'refused' : 'closed by the hook';
  if (action === 'calls disconnect' || action === 'calls stop') return 'gone';
  if (hook === 'onEnd') return action === 'returns Ignore' ? 'lives on' : 'gone';
  return 'lives on';
}

/** What `onClose` tells when a hook called `disconnect`. */
export const closeAfterDisconnect: [SocketOperation, number] = [SocketOperation.Close, 0];

/** What `start` inside a hook rejects with. */
export const startInsideHook = SocketErrorCode.IllegalState;

/** Whether `connect` and `start` reject because of what the hook did, though it refused nothing. */
export function rejectsConnect(hook: string, action: Action): boolean {
  return action === 'calls stop' && ['onPrepareConnect', 'onConnect', 'onHandShake'].includes(hook);
}

/** Whether a connection takes sends inside `hook`. */
export function maySend(hook: string, isSecure: boolean): boolean {
  if (isSecure && opening.includes(hook)) return false; // TLS shakes hands first
  return !['onPrepareListen', 'onPrepareConnect', 'onClose', 'onShutdown', 'onHookError'].includes(hook);
}

/** Every hook x everything that a hook can do, in every role: no cell may crash, leak, or lose an `onClose`. */
export function hookMatrix(family: Family): void {
  for (const role of Object.keys(hooks) as Role[]) {
    describe(`hooks of ${family.name} ${role}`, () => {
      for (const hook of [...hooks[role], 'onHookError']) {
        test.each(Object.keys(actions) as Action[])(
          `${hook} %s: EXO-001, EXO-002, EXO-003, EXO-004, NODEEV-005`,
          async (action) => {
            await runCell(family, role, hook, action);
          },
        );
      }
    });
  }
}

function runCell(family: Family, role: Role, hook: string, action: Action): Promise<void> {
  return watched(hook, action, () => cell(family, role, hook, action));
}

/** Runs a cell, in which nothing may become an unhandled rejection, nor a warning unless nobody else can tell. */
export async function watched(hook: string, action: Action, run: () => Promise<void>): Promise<void> {
  const rejections: unknown[] = [];
  const onRejection = (reason: unknown): void => void rejections.push(reason);
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
  process.on('unhandledRejection', onRejection);
  try {
    await run();
    await new Promise((resolve) => setImmediate(resolve));
    expect(rejections).toEqual([]);
    // Only what onHookError itself throws is told nowhere else.
    const isWarned = hook === 'onHookError' && (action === 'throws' || action === 'rejects');
    expect(warn).toHaveBeenCalledTimes(isWarned ? 1 : 0);
  } finally {
    process.off('unhandledRejection', onRejection);
    warn.mockRestore();
  }
}

async function cell(family: Family, role: Role, hook: string, action: Action): Promise<void> {
  const letIn = new Set<number>();
  const closes = new Map<number, [number, number]>();
  const hookErrors: string[] = [];
  const pending: Promise<unknown>[] = [];
  const sent: boolean[] = [];
  const startErrors: number[] = [];
  let shutdowns = 0;
  let isShutDown = false;
  let acted = 0;
  let heard = 0;
  const facade: Component = {
    send: (id) =>
      void sent.push(role === 'client' ? client.send('x') : component.send(Number.isInteger(id) ? id : 0, 'x')),
    disconnect: (id) =>
      void (role === 'client'
        ? pending.push(client.stop().catch(() => {}))
        : component.disconnect(Number.isInteger(id) ? id : 0)),
    stop: () => void pending.push(subject.stop().catch(() => {})),
    start: () =>
      void pending.push(
        subject
          .start(host, role === 'agent' ? undefined : 9)
          .catch((error: SocketError) => startErrors.push(error.socketError)),
      ),
  };
  const act = (id: number): unknown => {
    if (acted++ > 0) return undefined; // once: an action that sends would otherwise never end
    return actions[action](facade, id);
  };
  const record =
    (name: string, note?: (id: number, ...rest: number[]) => void) =>
    (_sender: unknown, id: number, ...rest: number[]): unknown => {
      expect(isShutDown, `${name} after onShutdown`).toBe(false);
      if (name !== 'onShutdown' && name !== 'onPrepareListen')
        expect(closes.has(id), `${name} after onClose`).toBe(false);
      note?.(id, ...rest);
      // There is no connection yet where the socket is prepared.
      return name === hook ? act(typeof id === 'number' ? id : 0) : undefined;
    };
  const first = role === 'server' ? 'onAccept' : 'onConnect';
  const listener: Record<string, unknown> = {
    onPrepareListen: record('onPrepareListen'),
    onPrepareConnect: record('onPrepareConnect'),
    [first]: record(first, (id) => {
      expect(letIn.has(id)).toBe(false);
      letIn.add(id);
    }),
    onHandShake: record('onHandShake'),
    onReceive(sender: unknown, id: number, data: Buffer | number) {
      const bytes = bytesOf(sender, id, data);
      heard++;
      if (hook === 'onHookError') throw new Error('onReceive failed');
      if (role === 'server') component.send(id, bytes);
      return record('onReceive')(sender, id);
    },
    // Having it changes what becomes of a connection whose peer sends no more.
    ...(hook === 'onEnd' ? { onEnd: record('onEnd') } : {}),
    onSend: record('onSend'),
    onSendBlocked: record('onSendBlocked'),
    onSendDrained: record('onSendDrained'),
    onClose: record('onClose', (id, operation, code) => void closes.set(id, [operation!, code!])),
    onShutdown() {
      shutdowns++;
      const result = record('onShutdown')(undefined, 0);
      isShutDown = true;
      return result;
    },
    onHookError(_sender: unknown, name: string, _error: unknown, id: number) {
      hookErrors.push(name);
      return hook === 'onHookError' ? act(id) : undefined;
    },
  };
  const subjectHooks = listener as never;
  const peerHooks = {
    onReceive(sender: { send(id: number, data: Buffer): void }, id: number, data: Buffer | number) {
      const bytes = bytesOf(sender, id, data);
      heard++;
      if (role !== 'server') sender.send(id, bytes);
    },
  } as never;
  // Marks so low that every send crosses them.
  const marks = hook.startsWith('onSend') ? { highWaterMarkBytes: 1, lowWaterMarkBytes: 0 } : {};
  const server = family.server(role === 'server' ? subjectHooks : peerHooks, marks);
  const agent = family.agent(role === 'agent' ? subjectHooks : peerHooks, marks);
  const client = family.client(role === 'client' ? subjectHooks : {}, marks);
  const component = role === 'agent' ? agent : server;
  const subject = (role === 'server' ? server : role === 'agent' ? agent : client) as {
    start(host: string, port: number | undefined): Promise<unknown>;
    stop(): Promise<unknown>;
    state: number;
    wait(): Promise<boolean>;
  };
  const expected = outcomeOf(hook, action, family.isSecure);

  // Start, connect and say hello, wherever that leads.
  const started = await server.start(host, 0).catch((error: Error) => error);
  if (started instanceof Error) {
    expect(expected).toBe('start fails');
    await Promise.all(pending);
    expect(server.state).toBe(3);
    expect(shutdowns).toBe(1);
    return;
  }
  expect(expected).not.toBe('start fails');
  let connectError: Error | undefined;
  let agentId = 0;
  if (role === 'agent') {
    await agent.start();
    agentId = await agent.connect(host, started.port).catch((error: Error) => {
      connectError = error;
      return 0;
    });
    if (agentId !== 0) await until(() => agent.send(agentId, 'hello') || !agent.isConnected(agentId));
  } else {
    await client.start(host, started.port).catch((error: Error) => {
      connectError = error;
    });
    await until(() => client.send('hello') || !client.isConnected);
  }

  if (hook === 'onEnd') {
    await until(() => heard > 0);
    if (role === 'server') pending.push(client.stop({ drainTimeoutMs: 60_000 }));
    else for (const id of server.getAllConnectionIDs()) server.disconnect(id, { drain: true });
  }

  // Let it settle: the hook acted (or cannot any more), and the connection shows how it ends.
  const isGone = (): boolean => (role === 'client' ? client.state === 3 : component.connectionCount === 0);
  const endsByItself = expected === 'refused' || expected === 'closed by the hook' || expected === 'gone';
  if (hook === 'onClose' || hook === 'onShutdown') {
    if (role === 'client') await client.stop().catch(() => {});
    else await component.stop();
  } else if (endsByItself) {
    await until(isGone);
  } else {
    await until(() => acted > 0);
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(isGone(), 'the connection lives on').toBe(false);
  }
  if (action === 'calls stop') await subject.wait();

  // The reason that onClose told, where the hook itself closed the connection.
  if (expected === 'closed by the hook') {
    const [[operation, code] = [0, 0]] = [...closes.values()];
    const closedBy = hook === 'onHookError' ? 'onReceive' : hook;
    const isRefusal = hook === closedBy && (action === 'returns Error' || action === 'resolves to Error');
    expect(code).toBe(isRefusal ? 125 : SocketErrorCode.DataProc);
    expect(operation).toBe(sending.includes(hook) ? SocketOperation.Send : SocketOperation.Receive);
    if (!isRefusal) expect(hookErrors).toContain(closedBy);
  }
  if (role !== 'server' && rejectsConnect(hook, action)) expect(connectError?.name).toBe('SocketError');
  if (action === 'calls disconnect' && expected === 'gone' && hook !== 'onClose') {
    // A connection that was let in; the others are told nothing.
    for (const close of closes.values()) expect(close).toEqual(closeAfterDisconnect);
  }
  if (expected === 'refused') {
    expect([...closes.keys()]).toEqual([]);
    if (role !== 'server') expect(connectError?.name ?? 'SocketError').toBe('SocketError');
  }
  if ((hook === 'onClose' || hook === 'onShutdown') && (action === 'throws' || action === 'rejects')) {
    await until(() => hookErrors.includes(hook));
  }

  // The end: everything stops, each connection that was let in was closed once.
  if (hook === 'onEnd' && action === 'returns Ignore' && role !== 'client') await component.stop();
  await Promise.all(pending);
  for (const each of [client, agent, server]) {
    if (each.hasStarted) await each.stop().catch(() => {});
    await each.wait();
  }
  const wasLetIn = expected === 'refused' ? [] : [...letIn];
  expect([...closes.keys()].sort()).toEqual(wasLetIn.sort());
  if (role !== 'client') expect(shutdowns).toBe(1);
  if (action === 'calls send') expect(sent).toEqual([maySend(hook, family.isSecure)]);
  if (action === 'calls start') expect(startErrors).toEqual([startInsideHook]);
}
