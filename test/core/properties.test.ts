import { describe, expect, test } from 'vitest';
import { TcpAgent, TcpClient, TcpPackServer, TcpPullClient, TcpServer } from '../../src/index.ts';

/** What `act` throws. */
function thrownBy(act: () => unknown): Error {
  try {
    act();
  } catch (error) {
    return error as Error;
  }
  throw new Error('it should have thrown');
}

describe('options of the constructor', () => {
  test.each([
    ['maxConnections', 'maxConnectionCount'],
    ['nodelay', 'noDelay'],
    ['keepAlive', 'keepAliveTime'],
    ['MaxPackSize', 'maxPackSize'],
    ['highWaterMark', 'highWaterMarkBytes'],
    ['idleTimeout', 'idleTimeoutMs'],
    ['acceptPerSecond', 'acceptsPerSecond'],
  ])('%s is unknown, and %s suggested', (wrong, right) => {
    const error = thrownBy(() => new TcpPackServer({}, { [wrong]: 1 }));
    expect(error).toBeInstanceOf(TypeError);
    expect(error.message).toBe(`unknown option "${wrong}" of TcpPackServer; did you mean ${right}?`);
  });

  test('a name that is like nothing gets no suggestion', () => {
    const error = thrownBy(() => new TcpServer({}, { q: 1 } as object));
    expect(error.message).toBe('unknown option "q" of TcpServer');
  });

  test('properties of another kind of component are unknown', () => {
    expect(() => new TcpServer({}, { maxPackSize: 5 } as object)).toThrow(/unknown option "maxPackSize" of TcpServer/);
    expect(() => new TcpClient({}, { maxConnectionCount: 5 } as object)).toThrow(/unknown option/);
    expect(() => new TcpAgent({}, { socketListenQueue: 5 } as object)).toThrow(/unknown option/);
    for (const name of ['constructor', '__proto__x', 'toString', 'state', 'start']) {
      expect(() => new TcpServer({}, { [name]: 5 } as object), name).toThrow(/unknown option/);
    }
  });

  test('undefined leaves the default, null does not', () => {
    expect(new TcpServer({}, { noDelay: undefined } as object).noDelay).toBe(true);
    expect(() => new TcpServer({}, { noDelay: null } as object)).toThrow(TypeError);
    for (const [wrong, shown] of [
      [null, 'null'],
      [5, '5'],
      [[], 'an array'],
    ])
      expect(() => new TcpServer({}, wrong as never)).toThrow(
        new TypeError(`the options of TcpServer must be an object, not ${shown}`),
      );
  });

  test('the listener must be an object', () => {
    for (const wrong of [undefined, null, () => {}, 'onReceive']) {
      for (const Component of [TcpServer, TcpAgent, TcpClient]) {
        expect(() => new (Component as new (listener: unknown) => unknown)(wrong)).toThrow(
          /listener must be an object/,
        );
      }
    }
  });
});

describe('values', () => {
  const server = new TcpServer({});
  const set = (name: string, value: unknown) => () => {
    (server as unknown as Record<string, unknown>)[name] = value;
  };

  test.each([
    ['maxConnectionCount', '5', TypeError, 'maxConnectionCount must be a number, not "5"'],
    ['maxConnectionCount', 0, RangeError, 'maxConnectionCount must be a whole number, 1 to 5000000, not 0'],
    ['maxConnectionCount', 1.5, RangeError, 'maxConnectionCount must be a whole number, 1 to 5000000, not 1.5'],
    ['socketBufferSize', Number.NaN, RangeError, 'socketBufferSize must be a whole number, 8 or more, not NaN'],
    ['keepAliveTime', 999, RangeError, 'keepAliveTime must be 0, or a whole number, 1000 or more, not 999'],
    ['noDelay', 1, TypeError, 'noDelay must be true or false, not 1'],
    ['sendPolicy', 3, RangeError, 'sendPolicy must be one of 0, 1, 2, not 3'],
    ['pendingPolicy', 'drop', RangeError, 'pendingPolicy must be one of refuse, close, not "drop"'],
    [
      'allowList',
      '10.0.0.0/8',
      TypeError,
      'allowList must be an array of addresses or a net.BlockList, not "10.0.0.0/8"',
    ],
    [
      'blockList',
      ['10.0.0.0/40'],
      TypeError,
      'blockList: "10.0.0.0/40" is no IP address or network such as 10.0.0.0/8',
    ],
  ])('%s = %s is refused with a sentence', (name, value, kind, sentence) => {
    const error = thrownBy(set(name, value));
    expect(error).toBeInstanceOf(kind);
    expect(error.message).toBe(sentence);
  });

  test.each([
    ['maxConnectionCount', 1],
    ['maxConnectionCount', 5_000_000],
    ['keepAliveTime', 0],
    ['keepAliveTime', 1000],
    ['sendPolicy', 2],
    ['pendingPolicy', 'close'],
    ['noDelay', false],
  ])('%s may be %s', (name, value) => {
    const one = new TcpServer({}, { [name]: value } as object) as unknown as Record<string, unknown>;
    expect(one[name]).toBe(value);
  });

  test('maxConnectionCount has a highest value', () => {
    expect(() => new TcpServer({}, { maxConnectionCount: 5_000_001 })).toThrow(
      'maxConnectionCount must be a whole number, 1 to 5000000, not 5000001',
    );
  });

  test('what was refused changed nothing, also if it came as an option among others', () => {
    expect(server.maxConnectionCount).toBe(10_000);
    expect(thrownBy(() => new TcpServer({}, { noDelay: false, keepAliveTime: 1 })).message).toMatch(/keepAliveTime/);
  });

  test('two components share no values', () => {
    const one = new TcpServer({}, { maxConnectionCount: 5 });
    const other = new TcpServer({});
    expect([one.maxConnectionCount, other.maxConnectionCount]).toEqual([5, 10_000]);
    expect(new TcpPullClient({}, { maxPullBufferBytes: 7 }).maxPullBufferBytes).toBe(7);
    expect('maxPullBufferBytes' in new TcpClient({})).toBe(false);
  });
});
