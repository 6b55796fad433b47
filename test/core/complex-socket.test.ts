import { describe, expect, test } from 'vitest';
import { ComplexSocket } from '../../src/core/complex-socket.ts';
import type { ManagedConnection } from '../../src/core/connection.ts';
import { $pendingBytesOfAll, $resetTable, $table, $wheel } from '../../src/core/internals.ts';
import { TimerWheel } from '../../src/core/timer-wheel.ts';
import {
  Errno,
  SocketErrorCode,
  SslAgent,
  SslClient,
  SslServer,
  TcpAgent,
  TcpClient,
  TcpServer,
  UdpClient,
  UdpServer,
} from '../../src/index.ts';

/** A connection without a socket, which notes what is asked of it. */
class NotedConnection implements ManagedConnection {
  id = 0;
  extra: unknown = null;
  isValid = true;
  isConnected = true;
  isPaused = false;
  openedAt = 0;
  lastReceiveAt = 0;
  pendingBytes = 0;
  remoteAddress = '192.0.2.1';
  remotePort = 80;
  remoteHost = '';
  localAddress: { address: string; port: number } | null = { address: '192.0.2.9', port: 5555 };
  onClosing: (() => void) | null = null;
  readonly calls: string[] = [];

  disconnect(): void {
    this.calls.push('disconnect');
  }

  drain(timeoutMs: number): void {
    this.calls.push(`drain ${timeoutMs}`);
  }

  pauseReceive(isPaused: boolean): void {
    this.calls.push(isPaused ? 'pause' : 'resume');
    this.isPaused = isPaused;
  }

  readAhead(): void {
    this.calls.push('readAhead');
  }

  stats(): never {
    return { bytesIn: this.id } as never;
  }
}

/** A component whose time the test moves. */
class Room extends ComplexSocket<NotedConnection> {
  time = 0;
  override readonly [$wheel] = new TimerWheel({ now: () => this.time }, { set: () => null, clear: () => {} });

  stop(): Promise<void> {
    return Promise.resolve();
  }

  add(facts: Partial<NotedConnection> = {}): NotedConnection {
    const connection = Object.assign(new NotedConnection(), facts);
    this[$table].insert(connection);
    return connection;
  }

  get pendingBytes(): number {
    return this[$pendingBytesOfAll]();
  }

  begin(): void {
    this[$resetTable]();
  }

  /** The last call that failed. */
  get failure(): unknown[] {
    const { socketError, errno, operation, connId, message } = this.lastFailure!;
    return [socketError, errno, operation, connId, message];
  }
}

const MAX_PERIOD_MS = 1_073_741_823;
const unknown = (operation: string, id: number): unknown[] => [
  SocketErrorCode.IllegalState,
  Errno.EBADSLT,
  operation,
  id,
  `${operation} on connection ${id} failed: there is no such connection, or it is closed (EBADSLT)`,
];

test('only components of TLS are secure: CS-011, CLI-009', () => {
  const hooks = {};
  const plain = [
    new TcpServer(hooks),
    new TcpAgent(hooks),
    new TcpClient(hooks),
    new UdpServer(hooks),
    new UdpClient(hooks),
  ];
  for (const one of [...plain, new Room({})]) expect(one.isSecure).toBe(false);
  for (const secure of [new SslServer(hooks), new SslAgent(hooks), new SslClient(hooks)])
    expect(secure.isSecure).toBe(true);
});

describe.each([
  ['disconnectLongConnections', 'openedAt'],
  ['disconnectSilenceConnections', 'lastReceiveAt'],
] as const)('%s', (method, since) => {
  test('closes what is as old as the period, to the millisecond: CS-006, CS-007', () => {
    const room = new Room({});
    room.time = 10_000;
    const at = (time: number): NotedConnection =>
      room.add({ openedAt: 10_000, lastReceiveAt: 10_000, ...{ [since]: time } });
    const [old, exact, young, ahead] = [at(8000), at(9000), at(9001), at(10_001)];
    const gone = at(0);
    gone.isValid = false;
    expect(room[method](1000)).toBe(true);
    const calls = [old, exact, young, ahead, gone].map((connection) => connection!.calls);
    expect(calls).toEqual([['disconnect'], ['disconnect'], [], [], []]);
    expect(room.lastFailure).toBeNull();
  });

  test('closes everything for a period of 0, and takes none that is negative or too long', () => {
    const room = new Room({});
    const connection = room.add();
    expect(room[method](MAX_PERIOD_MS)).toBe(true);
    for (const period of [-1, -0.1, MAX_PERIOD_MS + 1, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      expect(room[method](period)).toBe(false);
      expect(room.failure).toEqual([
        SocketErrorCode.InvalidParam,
        Errno.EINVAL,
        method,
        null,
        `${method} failed: periodMs must be 0 to ${MAX_PERIOD_MS} (EINVAL)`,
      ]);
    }
    expect(connection.calls).toEqual([]);
    expect(room[method](0)).toBe(true);
    expect(connection.calls).toEqual(['disconnect']);
  });

  test.each([
    [Number.NaN, 'NaN'],
    ['1000', '"1000"'],
    [undefined, 'undefined'],
  ])('throws for what is no number: %j', (period, shown) => {
    expect(() => new Room({})[method](period as number)).toThrow(
      new TypeError(`periodMs must be a number, not ${shown}`),
    );
  });
});

test('no connection has a silence while it is not marked: CS-007, CS-017', () => {
  const room = new Room({ markSilence: false });
  const { id } = room.add();
  expect(room.disconnectSilenceConnections(0)).toBe(false);
  expect(room.lastFailure?.message).toBe('disconnectSilenceConnections failed: markSilence is off (EPERM)');
  expect(room.getSilencePeriod(id)).toBeNull();
  expect(room.lastFailure?.message).toBe(`getSilencePeriod on connection ${id} failed: markSilence is off (EPERM)`);
  expect([room.connection(id)!.silenceMs, room.connection(id)!.ageMs]).toEqual([null, 0]);
});

test('periods are whole milliseconds since then: CS-016, CS-017', () => {
  const room = new Room({});
  const { id } = room.add({ openedAt: 100, lastReceiveAt: 900 });
  room.time = 1000.9;
  expect([room.getConnectPeriod(id), room.getSilencePeriod(id)]).toEqual([900, 100]);
  const connection = room.connection(id)!;
  expect([connection.ageMs, connection.silenceMs]).toEqual([900, 100]);
  room.time = 50; // a clock that was set back
  expect([room.getConnectPeriod(id), room.getSilencePeriod(id)]).toEqual([0, 0]);
});

test('facts of a connection can be read by its ID and from itself: CS-018, CS-019, CS-022, CS-023, CS-024', () => {
  const room = new Room({});
  const { id } = room.add({ pendingBytes: 12, isPaused: true, remoteHost: 'example.com' });
  const remote = { address: '192.0.2.1', port: 80 };
  const local = { address: '192.0.2.9', port: 5555 };
  expect([
    room.getLocalAddress(id),
    room.getRemoteAddress(id),
    room.getPendingDataLength(id),
    room.isPauseReceive(id),
    room.isConnected(id),
  ]).toEqual([local, remote, 12, true, true]);
  const { localAddress, remoteAddress, pendingBytes, isPaused, isConnected, remoteHost } = room.connection(id)!;
  expect([localAddress, remoteAddress, pendingBytes, isPaused, isConnected, remoteHost]).toEqual([
    local,
    remote,
    12,
    true,
    true,
    'example.com',
  ]);
  expect(room.getRemoteAddress(room.add({ remoteAddress: '', remotePort: 0 }).id)).toBeNull();
  expect(room.getLocalAddress(room.add({ localAddress: null }).id)).toBeNull();
  expect(room.lastFailure).toBeNull();
});

test.each([
  'isPauseReceive',
  'getConnectPeriod',
  'getSilencePeriod',
  'getLocalAddress',
  'getRemoteAddress',
  'getPendingDataLength',
] as const)('%s tells null for an unknown ID, and why', (method) => {
  const room = new Room({});
  expect(room[method](9)).toBeNull();
  expect(room.failure).toEqual(unknown(method, 9));
  expect(() => room[method]('9' as never)).toThrow(new TypeError('connId must be a number, not "9"'));
});

test.each([
  'isPauseReceive',
  'getConnectPeriod',
  'getSilencePeriod',
  'getLocalAddress',
  'getPendingDataLength',
] as const)('%s tells null once the connection is closed', (method) => {
  const room = new Room({});
  const { id } = room.add({ isValid: false });
  expect(room[method](id)).toBeNull();
  expect(room.failure).toEqual(unknown(method, id));
});

test('the address of the peer can still be read while the connection closes: CS-019', () => {
  const room = new Room({});
  const { id } = room.add({ isValid: false });
  expect(room.getRemoteAddress(id)).toEqual({ address: '192.0.2.1', port: 80 });
  expect(room.connection(id)!.localAddress).toBeNull();
});

test.each(['pauseReceive', 'disconnect'] as const)('%s of an unknown or closed connection is false', (method) => {
  const room = new Room({});
  expect(room[method](9)).toBe(false);
  expect(room.failure).toEqual(unknown(method, 9));
  const closed = room.add({ isValid: false });
  expect(room[method](closed.id)).toBe(false);
  expect(room.failure).toEqual(unknown(method, closed.id));
  expect(closed.calls).toEqual([]);
});

test('receiving is paused unless it is told to go on: CS-004', () => {
  const room = new Room({});
  const connection = room.add();
  for (const answer of [
    room.pauseReceive(connection.id),
    room.pauseReceive(connection.id, false),
    room.pauseReceive(connection.id, true),
    room.connection(connection.id)!.resume(),
    room.connection(connection.id)!.pause(),
  ])
    expect(answer).toBe(true);
  expect(connection.calls).toEqual(['pause', 'resume', 'pause', 'resume', 'pause']);
});

test('receiving cannot be paused before the connection is open', () => {
  const room = new Room({});
  const connection = room.add({ isConnected: false });
  expect(room.pauseReceive(connection.id)).toBe(false);
  expect(room.lastFailure?.message).toBe('pauseReceive on connection 1 failed: it is still connecting (EPERM)');
  expect(connection.calls).toEqual([]);
});

test.each([
  [undefined, 'disconnect'],
  [true, 'disconnect'],
  [false, 'disconnect'],
  [{}, 'disconnect'],
  [{ drain: false, timeoutMs: 7 }, 'disconnect'],
  [{ drain: undefined }, 'disconnect'],
  [{ drain: true }, 'drain 30000'],
  [{ drain: true, timeoutMs: 7 }, 'drain 7'],
  [{ drain: true, timeoutMs: 0 }, 'drain 0'],
])('disconnect(%j) does: %s', (options, call) => {
  const room = new Room({});
  const connection = room.add();
  expect(room.disconnect(connection.id, options)).toBe(true);
  expect(room.connection(connection.id)!.disconnect(options)).toBe(true);
  expect(connection.calls).toEqual([call, call]);
});

test('drain takes half a minute unless it is told another time', () => {
  const room = new Room({});
  const connection = room.add();
  const face = room.connection(connection.id)!;
  expect([face.drain(), face.drain(5)]).toEqual([true, true]);
  expect(connection.calls).toEqual(['drain 30000', 'drain 5']);
  connection.isValid = false;
  expect(face.drain()).toBe(false);
  expect(room.failure).toEqual(unknown('disconnect', connection.id));
});

test('what is attached to a connection is found by its ID and by itself: CS-009, CS-010', () => {
  const room = new Room({});
  const { id } = room.add();
  const face = room.connection(id)!;
  expect([room.getConnectionExtra(id), face.extra]).toEqual([null, null]);
  expect(room.setConnectionExtra(id, 'one')).toBe(true);
  expect([room.getConnectionExtra(id), face.extra]).toEqual(['one', 'one']);
  face.extra = 0;
  expect([room.getConnectionExtra(id), face.extra]).toEqual([0, 0]);
  for (const none of [null, undefined]) {
    face.extra = 'two';
    expect(room.setConnectionExtra(id, none)).toBe(true);
    expect(room.getConnectionExtra(id)).toBe(null);
    face.extra = 'two';
    face.extra = none;
    expect(face.extra).toBe(null);
  }
  expect([room.lastFailure, room.getConnectionExtra(9)]).toEqual([null, null]);
  expect(room.setConnectionExtra(9, 'one')).toBe(false);
  expect(room.failure).toEqual(unknown('setConnectionExtra', 9));
});

test('connections are listed and counted by their IDs, and each has one object', () => {
  const room = new Room({});
  expect([room.getAllConnectionIDs(), room.connectionCount, room.pendingBytes]).toEqual([[], 0, 0]);
  const ids = [3, 4, 5].map((pendingBytes) => room.add({ pendingBytes }).id);
  expect([room.getAllConnectionIDs(), room.connectionCount, room.pendingBytes]).toEqual([ids, 3, 12]);
  const face = room.connection(ids[1]!)!;
  expect(face.id).toBe(ids[1]);
  expect(room.connection(ids[1]!)).toBe(face);
  expect(room.connection(ids[2]!)).not.toBe(face);
  expect([room.getConnectionStats(ids[1]!), face.stats()]).toEqual([{ bytesIn: ids[1] }, { bytesIn: ids[1] }]);
  expect([room.connection(9), room.getConnectionStats(9), room.isConnected(9)]).toEqual([null, null, false]);
  room.begin();
  expect([room.getAllConnectionIDs(), room.connectionCount, room.connection(ids[1]!)]).toEqual([[], 0, null]);
  expect(room.add().id).toBe(ids[0]);
});

describe('the signal of a connection', () => {
  test('is one, aborted when the connection begins to close, behind what else is called then', () => {
    const room = new Room({});
    const connection = room.add();
    const face = room.connection(connection.id)!;
    const calls: string[] = [];
    connection.onClosing = () => void calls.push(`before ${face.signal.aborted}`);
    const { signal } = face;
    signal.addEventListener('abort', () => calls.push('aborted'));
    expect([face.signal === signal, signal.aborted, connection.calls]).toEqual([true, false, ['readAhead']]);
    connection.onClosing();
    expect([signal.aborted, calls]).toEqual([true, ['before false', 'aborted']]);
  });

  test('needs nobody else who is called, and is aborted already once the connection closes', () => {
    const room = new Room({});
    const connection = room.add();
    const { signal } = room.connection(connection.id)!;
    connection.onClosing!();
    expect(signal.aborted).toBe(true);
    const closed = room.add({ isValid: false });
    expect(room.connection(closed.id)!.signal.aborted).toBe(true);
    expect([closed.onClosing, closed.calls]).toEqual([null, []]);
  });
});

test('an option of disconnect has one name', () => {
  const room = new Room({});
  const connection = room.add();
  for (const name of ['timeout', 'drainTimeoutMs'])
    expect(() => room.disconnect(connection.id, { [name]: 5 } as never)).toThrow(
      `unknown option "${name}" of disconnect; it is called timeoutMs here`,
    );
  expect(connection.calls).toEqual([]);
});

test('a client that does not run is connected to nobody', () => {
  for (const client of [new TcpClient({}), new SslClient({}), new UdpClient({})]) {
    const { isConnected, isPauseReceive, pendingDataLength, connectionId, extra } = client;
    expect([isConnected, isPauseReceive, pendingDataLength, connectionId, extra]).toEqual([false, false, 0, 0, null]);
    (client as TcpClient).extra = undefined as never;
    expect(client.extra).toBe(null);
  }
});
