import { describe, expect, it } from 'vitest';
import { HandleResult } from '../../src/core/enums.ts';
import { AtEnd, Lifetime } from '../../src/protocol/protocol.ts';
import { type FrameHooks, WebSocketFrameProtocol } from '../../src/websocket/frame-protocol.ts';
import { FakePort } from './fake-port.ts';
import { frameOf, frameRules, MASK } from './support.ts';

function make(hooks: FrameHooks, isValidating = true): { port: FakePort; protocol: WebSocketFrameProtocol } {
  const port = new FakePort();
  const protocol = new WebSocketFrameProtocol({ ...frameRules('server', isValidating), hooks, sender: 'sender' }, port);
  port.protocol = protocol;
  return { port, protocol };
}

const hello = frameOf({ opcode: 1, payload: 'Hello', mask: MASK });

describe('the frame hooks (EV-H-12 to EV-H-14)', () => {
  it('get all of HP-Socket’s parameters, in order, and the state while they run (HTTP-M-020)', () => {
    const calls: unknown[][] = [];
    const { port, protocol } = make({
      onWSMessageHeader: (...parameters) => void calls.push(['header', ...parameters]),
      onWSMessageBody: (...parameters) => void calls.push(['body', ...parameters, protocol.messageState]),
      onWSMessageComplete: (...parameters) => void calls.push(['complete', ...parameters]),
    });
    expect(protocol.messageState).toBeNull();
    protocol.receive(Buffer.from(hello.subarray(0, 8)), Lifetime.Forever);
    protocol.receive(Buffer.from(hello.subarray(8)), Lifetime.Forever);
    const mask = Buffer.from(MASK);
    const state = { isFinal: true, reserved: 0, opcode: 1, mask, bodyLength: 5 };
    expect(calls).toEqual([
      ['header', 'sender', 7, true, 0, 1, mask, 5],
      ['body', 'sender', 7, Buffer.from('He'), { ...state, bodyRemain: 3 }],
      ['body', 'sender', 7, Buffer.from('llo'), { ...state, bodyRemain: 0 }],
      ['complete', 'sender', 7],
    ]);
    expect(protocol.messageState).toEqual({ ...state, bodyRemain: 0 });
    expect(port.log).toEqual([]);
  });

  it('answer nothing by themselves, neither pings nor close frames (WS-004)', () => {
    const { port, protocol } = make({});
    protocol.receive(
      Buffer.concat([frameOf({ opcode: 9, mask: MASK }), frameOf({ opcode: 8, mask: MASK })]),
      Lifetime.Forever,
    );
    expect(port.output).toHaveLength(0);
    expect(port.log).toEqual([]);
    expect(protocol.ended()).toBe(AtEnd.Drain);
  });

  it('end the connection with Error or a throw, at each of them', () => {
    for (const hook of ['onWSMessageHeader', 'onWSMessageBody', 'onWSMessageComplete'] as const) {
      const refusing = make({ [hook]: () => HandleResult.Error });
      refusing.protocol.receive(Buffer.from(hello), Lifetime.Forever);
      expect(refusing.port.log).toEqual([`refused ${hook}`]);
      const throwing = make({
        [hook]: () => {
          throw new Error('no');
        },
      });
      throwing.protocol.receive(Buffer.from(hello), Lifetime.Forever);
      expect(throwing.port.log).toEqual([`threw ${hook} Error: no`]);
    }
  });

  it('may take their time: the rest waits', async () => {
    const calls: string[] = [];
    const { port, protocol } = make({
      onWSMessageHeader: async () => void calls.push('header'),
      onWSMessageBody: async () => void calls.push('body'),
      onWSMessageComplete: async () => void calls.push('complete'),
    });
    protocol.receive(Buffer.concat([hello, hello]), Lifetime.Forever);
    expect(calls).toEqual(['header']);
    while (port.pending !== null) await port.pending;
    expect(calls).toEqual(['header', 'body', 'complete', 'header', 'body', 'complete']);
    expect(protocol.hasBacklog).toBe(false);
  });

  it('are spared frames that break the rules, which close the connection with EBADMSG', () => {
    const { port, protocol } = make({});
    protocol.receive(frameOf({ opcode: 1, payload: 'x' }), Lifetime.Forever);
    expect(port.log[0]).toMatch(/^violate 74 .*not masked/);
    const loose = make({}, false);
    loose.protocol.receive(frameOf({ opcode: 5, reserved: 7, payload: 'x', mask: MASK }), Lifetime.Forever);
    expect(loose.port.log).toEqual([]);
    loose.protocol.receive(frameOf({ opcode: 1, payload: 'x' }), Lifetime.Forever);
    expect(loose.port.log[0]).toMatch(/^violate 74/);
  });

  it('have sendWSMessage beside them (HTTP-RS-001), which checks its arguments', () => {
    const { port, protocol } = make({});
    const frame = { isFinal: true, reserved: 0, opcode: 1, mask: null, data: Buffer.from('Hello'), bodyLength: 0 };
    expect(protocol.sendFrame(frame)).toBe(true);
    expect(port.output.toString('hex')).toBe('810548656c6c6f');
    expect(() => protocol.sendFrame({ ...frame, bodyLength: 4 })).toThrow(RangeError);
    expect(() => protocol.sendFrame({ ...frame, mask: Buffer.alloc(3) })).toThrow(RangeError);
    expect(protocol.sendFrame({ ...frame, bodyLength: 5 })).toBe(true);
  });
});
