import { describe, expect, test } from 'vitest';
import {
  SslServer,
  TcpAgent,
  TcpClient,
  TcpPackServer,
  TcpServerListener,
  UdpArqServer,
  UdpClient,
  UdpNode,
} from '../../src/index.ts';

const components: Record<string, (listener: never) => unknown> = {
  TcpPackServer: (listener) => new TcpPackServer(listener),
  TcpAgent: (listener) => new TcpAgent(listener),
  TcpClient: (listener) => new TcpClient(listener),
  SslServer: (listener) => new SslServer(listener),
  UdpArqServer: (listener) => new UdpArqServer(listener),
  UdpClient: (listener) => new UdpClient(listener),
  UdpNode: (listener) => new UdpNode(listener),
};

describe.each(Object.keys(components))('the listener of %s', (name) => {
  const make = (listener: unknown): unknown => components[name]!(listener as never);

  test.each([undefined, null, 5, () => {}])('cannot be %s', (listener) => {
    expect(() => make(listener)).toThrow('the listener must be an object with hooks');
  });

  test.each([5, null, 'text', {}])('cannot have %j for a hook', (hook) => {
    expect(() => make({ onReceive: hook })).toThrow('the hook onReceive must be a function');
  });

  test.each([
    ['onRecieve', 'onReceive'],
    ['onreceive', 'onReceive'],
    ['onData', 'onReceive'],
    ['onMessage', 'onReceive'],
    ['onConnection', 'onAccept'],
    ['onDisconnect', 'onClose'],
  ])('cannot have the unknown hook %s, if it is a plain object', (hook, near) => {
    expect(() => make({ [hook]() {} })).toThrow(
      `unknown hook "${hook}"; did you mean ${near}? Hooks are onPrepareListen, onAccept,`,
    );
  });

  test('may not have a hook that is like none', () => {
    expect(() => make({ onSomethingElseAltogether() {} })).toThrow(
      '"onSomethingElseAltogether"; hooks are onPrepareListen',
    );
  });

  test('cannot have an unknown hook if it is an object without a prototype either', () => {
    expect(() => make(Object.assign(Object.create(null), { onRecieve() {} }))).toThrow('did you mean onReceive?');
  });

  test('may have members of its own, hooks of other components, and hooks that are undefined', () => {
    make({
      online: 0,
      once() {},
      versionOne() {},
      onTime: true,
      onAccept() {},
      onConnect() {},
      onError() {},
      onClose: undefined,
    });
    make(Object.assign(Object.create(null), { onReceive() {} }));
  });

  test('may be an object of a class with any methods', () => {
    class Chat {
      onReceive(): void {}
      onRoomFull(): void {}
    }
    make(new Chat());
    class Hall {
      readonly onRoomFull = (): void => {};
    }
    make(new Hall());
    make(new (class extends TcpServerListener {})());
  });
});
