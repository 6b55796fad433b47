import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { HandleResult } from '../../src/core/enums.ts';
import { Errno } from '../../src/core/errno.ts';
import { AtEnd, Lifetime } from '../../src/protocol/protocol.ts';
import { Compression } from '../../src/websocket/compression.ts';
import { FULL_DEFLATE } from '../../src/websocket/deflate-negotiation.ts';
import { Opcode } from '../../src/websocket/opcode.ts';
import { SharedMessage } from '../../src/websocket/shared-message.ts';
import { newWebSocketCounters } from '../../src/websocket/websocket-context.ts';
import { compressionOptions, makePeer, type Peer } from './fake-port.ts';
import { closeBody, frameOf, maskFor, type Role, readFrames, readMessages } from './support.ts';

const roles: Role[] = ['server', 'client'];

/** What the peer gets to read. */
function sentBy(peer: Peer, role: Role): string[] {
  return readMessages(role === 'server' ? 'client' : 'server', peer.port.output).log;
}

describe.each(roles)('a WebSocket of the %s', (role) => {
  const mask = maskFor(role);
  const come = (peer: Peer, ...frames: Parameters<typeof frameOf>[0][]): void => {
    peer.protocol.receive(Buffer.concat(frames.map((frame) => frameOf({ ...frame, mask }))), Lifetime.Forever);
  };

  describe('messages', () => {
    it('are delivered as bytes, or text as strings where that was asked for', () => {
      const got: unknown[] = [];
      const hooks = { message: (_id: number, data: unknown, isBinary: boolean) => void got.push([data, isBinary]) };
      const peer = makePeer(role, { hooks, textAsString: true });
      come(peer, { opcode: 1, payload: 'grüße' }, { opcode: 2, payload: 'bytes' });
      expect(got).toEqual([
        ['grüße', false],
        [Buffer.from('bytes'), true],
      ]);
    });

    it('go to the port if no hook takes them', () => {
      const peer = makePeer(role, { hooks: {} });
      come(peer, { opcode: 1, payload: 'text' });
      expect(peer.port.delivered).toEqual([Buffer.from('text')]);
    });

    it('wait for the promise of the hook before them, and the rest of the read with them', async () => {
      const got: string[] = [];
      let letGo = (): void => {};
      const hooks = {
        message: (_id: number, data: unknown): unknown => {
          got.push(String(data));
          return got.length === 1 ? new Promise<void>((resolve) => (letGo = resolve)) : undefined;
        },
      };
      const peer = makePeer(role, { hooks });
      come(
        peer,
        { opcode: 1, payload: 'one' },
        { opcode: 1, payload: 'two' },
        { opcode: 9 },
        { opcode: 1, payload: '3' },
      );
      expect(got).toEqual(['one']);
      expect(peer.protocol.hasBacklog).toBe(true);
      expect(peer.protocol.bufferedBytes).toBeGreaterThan(0);
      const { pending } = peer.port;
      letGo();
      await pending;
      expect(got).toEqual(['one', 'two', '3']);
      expect(peer.protocol.hasBacklog).toBe(false);
    });

    it('end with a hook that answers Error or throws', () => {
      const refusing = makePeer(role, { hooks: { message: () => HandleResult.Error } });
      come(refusing, { opcode: 1, payload: 'a' }, { opcode: 1, payload: 'b' });
      expect(refusing.port.log).toEqual(['refused onMessage']);
      const throwing = makePeer(role, {
        hooks: {
          message: () => {
            throw new Error('no');
          },
        },
      });
      come(throwing, { opcode: 1, payload: 'a' }, { opcode: 1, payload: 'b' });
      expect(throwing.port.log).toEqual(['threw onMessage Error: no']);
    });

    it('are sent as text or binary, masked by clients alone', () => {
      const peer = makePeer(role);
      peer.send('text');
      peer.send(Buffer.from([1, 2]));
      expect(peer.port.output[1]! >= 0x80).toBe(role === 'client');
      expect(sentBy(peer, role)).toEqual(['text:text', 'binary:0102']);
    });

    it('are sent in fragments, between which nothing but control frames may go', () => {
      const peer = makePeer(role);
      const { protocol } = peer;
      expect(protocol.sendFragment(Buffer.from('one '), false)).toBe(false);
      expect(protocol.beginFragments(Opcode.Text)).not.toBeNull();
      expect(protocol.beginFragments(Opcode.Text)).toBeNull();
      expect(protocol.sendFragment(Buffer.from('one '), false)).toBe(true);
      expect(protocol.sizeOf(3)).toBe(-Errno.EBUSY);
      expect(protocol.explain(3)).toContain('fragments');
      expect(protocol.ping()).toBe(true);
      expect(protocol.sendFragment(Buffer.from('two'), false)).toBe(true);
      expect(protocol.sendFragment(Buffer.alloc(0), true)).toBe(true);
      expect(protocol.sizeOf(3)).toBeGreaterThan(3);
      expect(sentBy(peer, role)).toEqual(['ping:', 'text:one two']);
    });
  });

  describe('closing', () => {
    it('answers the close frame of the peer, and ends when that is right for its role', () => {
      const peer = makePeer(role);
      come(peer, { opcode: 8, payload: closeBody(4000, 'enough') });
      expect(sentBy(peer, role)).toEqual(['close:4000:']);
      expect(peer.log).toEqual(['closing 4000 enough']);
      if (role === 'client') {
        expect(peer.port.log).toEqual([]);
        expect(peer.port.deadlineMs).toBe(3000);
        peer.port.expire();
      }
      expect(peer.port.log).toEqual(['end']);
      expect(peer.protocol.ended()).toBe(AtEnd.Drain);
      expect(peer.protocol.sizeOf(1)).toBe(-Errno.EPIPE);
      peer.protocol.closed();
      peer.protocol.closed();
      expect(peer.log).toEqual(['closing 4000 enough', 'closed 4000 clean']);
    });

    it('begins the closing handshake, takes messages until it is answered, and sends none', () => {
      const peer = makePeer(role);
      expect(peer.protocol.close(1000, 'done')).toBe(true);
      expect(peer.protocol.close(1000, 'done')).toBe(false);
      expect(peer.send('late')).toBe(false);
      expect(peer.protocol.ping()).toBe(false);
      come(peer, { opcode: 1, payload: 'crossing' }, { opcode: 9, payload: 'p' });
      come(peer, { opcode: 8, payload: closeBody(1000) });
      expect(peer.log).toEqual(['text 8', 'ping 1', 'closing 1000 ']);
      expect(sentBy(peer, role)).toEqual(['close:1000:done']);
      if (role === 'client') peer.port.expire();
      expect(peer.port.log).toEqual(['end']);
    });

    it('does not wait for an answer for ever', () => {
      const counters = newWebSocketCounters();
      const peer = makePeer(role, { counters });
      peer.protocol.close(1000, '');
      expect(peer.port.deadlineMs).toBe(3000);
      peer.port.expire();
      expect(peer.port.log[0]).toMatch(/^violate 110 .*closeTimeoutMs/);
      expect(counters.closeTimeouts).toBe(1);
      peer.protocol.closed();
      expect(peer.log).toEqual(['closed 1006 not clean']);
    });

    it('closes with 1006 when the connection is lost', () => {
      const peer = makePeer(role);
      expect(peer.protocol.ended()).toBe(AtEnd.Drain);
      expect(peer.protocol.drain()).toBe(true);
      expect(sentBy(peer, role)).toEqual([]);
      peer.protocol.closed();
      expect(peer.log).toEqual(['closed 1006 not clean']);
      const cut = makePeer(role);
      come(cut, { opcode: 1, isFinal: false, payload: 'half' });
      expect(cut.protocol.ended()).toBe(AtEnd.Truncated);
    });

    it('says 1001 when it has to drain, and is drained when the peer has answered', () => {
      const peer = makePeer(role);
      expect(peer.protocol.drain()).toBe(false);
      expect(sentBy(peer, role)).toEqual(['close:1001:']);
      come(peer, { opcode: 8, payload: closeBody(1001) });
      expect(peer.protocol.drain()).toBe(true);
    });

    it('takes only codes that may be on the wire, and reasons that fit', () => {
      const { protocol } = makePeer(role);
      for (const code of [0, 999, 1004, 1006, 1015, 1016, 2999, 5000, 1000.5, Number.NaN]) {
        expect(() => protocol.close(code, '')).toThrow(RangeError);
      }
      expect(() => protocol.close(1005, 'reason')).toThrow(RangeError);
      expect(() => protocol.close(1000, 'ä'.repeat(62))).toThrow(RangeError);
      expect(protocol.close(1000, 'ä'.repeat(61))).toBe(true);
    });
  });

  describe('a violation', () => {
    it('is answered with its code, drops what follows, and closes with an error when the peer has taken note', () => {
      const counters = newWebSocketCounters();
      const peer = makePeer(role, { counters });
      come(peer, { opcode: 3 }, { opcode: 1, payload: 'never' });
      come(peer, { opcode: 1, payload: 'never' });
      expect(sentBy(peer, role)).toEqual(['close:1002:']);
      expect(peer.port.log).toEqual(['end']);
      expect(peer.protocol.ended()).toBe(AtEnd.Stay);
      expect(peer.port.log[1]).toMatch(/^violate 74 .*reserved opcode/);
      peer.protocol.closed();
      expect(peer.log).toEqual(['closed 1002 not clean']);
      expect(counters.violations).toBe(1);
    });

    it('does not wait long for a peer that goes on, and ends though nothing else could be sent', () => {
      const peer = makePeer(role);
      come(peer, { opcode: 3 });
      expect(peer.port.deadlineMs).toBe(2000);
      peer.port.expire();
      expect(peer.port.log[1]).toMatch(/^violate 74/);
      const full = makePeer(role);
      full.port.isFull = true;
      come(full, { opcode: 3 });
      expect(sentBy(full, role)).toEqual(['close:1002:']);
      expect(full.port.log).toEqual(['end']);
    });

    it('of a limit is EMSGSIZE, and the code 1009 or 1008', () => {
      const big = makePeer(role, { maxMessageBytes: 10 });
      come(big, { opcode: 2, payload: Buffer.alloc(11) });
      big.protocol.ended();
      expect(sentBy(big, role)).toEqual(['close:1009:']);
      expect(big.port.log[1]).toMatch(/^violate 90/);
      const many = makePeer(role, { maxFragments: 2 });
      come(many, { opcode: 2, isFinal: false }, { opcode: 0, isFinal: false }, { opcode: 0, isFinal: false });
      expect(sentBy(many, role)).toEqual(['close:1008:']);
    });

    it('ends a bomb at maxMessageBytes while it is inflated, and text that is not UTF-8 once inflated', () => {
      const peer = makePeer(role, { deflate: FULL_DEFLATE, maxMessageBytes: 100_000 });
      const sender = new Compression(compressionOptions).open(FULL_DEFLATE, role !== 'server');
      come(peer, { opcode: 2, reserved: 4, payload: Buffer.from(sender.deflate(Buffer.alloc(10_000_000))!) });
      expect(sentBy(peer, role)).toEqual(['close:1009:']);
      const other = makePeer(role, { deflate: FULL_DEFLATE });
      const text = new Compression(compressionOptions).open(FULL_DEFLATE, role !== 'server');
      come(other, { opcode: 1, reserved: 4, payload: Buffer.from(text.deflate(Buffer.from([0x61, 0xff]))!) });
      expect(sentBy(other, role)).toEqual(['close:1007:']);
    });
  });

  describe('pings', () => {
    it('are answered with their payload, and the hook gets it', () => {
      const peer = makePeer(role);
      come(peer, { opcode: 9, payload: 'are you there' }, { opcode: 10, payload: 'x' });
      expect(sentBy(peer, role)).toEqual([`pong:${Buffer.from('are you there').toString('hex')}`]);
      expect(peer.log).toEqual(['ping 13', 'pong 1']);
    });

    it('of a peer that does not read are answered by the pong to the last of them', () => {
      const counters = newWebSocketCounters();
      const peer = makePeer(role, { counters });
      for (let i = 0; i < 10_000; i++) come(peer, { opcode: 9, payload: `${i}` });
      expect(peer.port.queue.pendingBytes).toBeLessThan(16 * 12);
      expect(counters.pongsCoalesced).toBe(10_000 - 16);
      peer.port.flush();
      const pongs = sentBy(peer, role);
      expect(pongs).toHaveLength(17);
      expect(pongs[16]).toBe(`pong:${Buffer.from('9999').toString('hex')}`);
      peer.port.flush();
      come(peer, { opcode: 9, payload: 'again' });
      expect(sentBy(peer, role)).toHaveLength(18);
    });

    it('are sent when the peer is silent, and a peer that gives no sign of life is gone', () => {
      const counters = newWebSocketCounters();
      const peer = makePeer(role, { pingIntervalMs: 1000, counters });
      expect(peer.port.deadlineMs).toBe(1000);
      come(peer, { opcode: 1, payload: 'alive' });
      peer.port.expire();
      expect(sentBy(peer, role)).toEqual([]);
      peer.port.expire();
      expect(sentBy(peer, role)).toEqual(['ping:']);
      expect(peer.port.deadlineMs).toBe(5000);
      come(peer, { opcode: 10 });
      peer.port.expire();
      expect(peer.port.log).toEqual([]);
      expect(peer.port.deadlineMs).toBe(1000);
      peer.port.expire();
      peer.port.expire();
      expect(peer.port.log[0]).toMatch(/^violate 110 .*pongTimeoutMs/);
      expect(counters.pongTimeouts).toBe(1);
    });

    it('do not blame the peer for what this side does not read', () => {
      const peer = makePeer(role, { pingIntervalMs: 1000 });
      peer.port.isPaused = true;
      for (let i = 0; i < 5; i++) peer.port.expire();
      expect(sentBy(peer, role)).toEqual([]);
      peer.port.isPaused = false;
      peer.port.expire();
      expect(sentBy(peer, role)).toEqual(['ping:']);
    });

    it('have at most 125 bytes', () => {
      const { protocol } = makePeer(role);
      expect(protocol.ping(Buffer.alloc(125))).toBe(true);
      expect(() => protocol.ping(Buffer.alloc(126))).toThrow(RangeError);
      expect(() => protocol.pong(Buffer.alloc(126))).toThrow(RangeError);
    });
  });

  it('sends a shared message as it is framed once, compressed where that was agreed on, without disturbing what follows', () => {
    const other: Role = role === 'server' ? 'client' : 'server';
    const data = Buffer.from('{"shared":"by many","and":"by many"}'.repeat(20));
    const shared = new SharedMessage(data, Opcode.Text);
    const plain = makePeer(role);
    expect(plain.protocol.sendShared(shared)).toBe(true);
    expect(sentBy(plain, role)).toEqual([`text:${data.toString()}`]);
    for (const deflate of [FULL_DEFLATE, { ...FULL_DEFLATE, serverNoContextTakeover: true, clientMaxWindowBits: 10 }]) {
      const peer = makePeer(role, { deflate });
      const got: string[] = [];
      const reader = makePeer(other, { deflate, hooks: { message: (_id, text) => void got.push(text.toString()) } });
      for (let i = 0; i < 3; i++) {
        peer.send(`own message ${i}, own message`);
        expect(peer.protocol.sendShared(shared)).toBe(true);
      }
      const wire = peer.port.output;
      expect(wire.length).toBeLessThan(data.length);
      reader.protocol.receive(wire, Lifetime.Forever);
      expect(got).toEqual([0, 1, 2].flatMap((i) => [`own message ${i}, own message`, data.toString()]));
      peer.protocol.closed();
      reader.protocol.closed();
    }
    plain.protocol.close(1000, '');
    expect(plain.protocol.sendShared(shared)).toBe(false);
  });

  it('compresses its messages whatever the peer does with its own, and never a control frame [EBUG-004] [EBUG-005]', () => {
    const other: Role = role === 'server' ? 'client' : 'server';
    const peer = makePeer(role, { deflate: FULL_DEFLATE });
    const text = 'compress me, compress me, compress me';
    const sender = new Compression(compressionOptions).open(FULL_DEFLATE, other === 'server');
    const compressed = Buffer.from(sender.deflate(Buffer.from(text))!);
    come(peer, { opcode: 1, payload: text });
    peer.send(text);
    come(peer, { opcode: 9, payload: 'ping' }); // answered by a pong
    peer.send(text);
    come(peer, { opcode: 1, reserved: 4, payload: compressed });
    expect(peer.protocol.ping(Buffer.from('p'))).toBe(true);
    expect(peer.protocol.pong(Buffer.from('p'))).toBe(true);
    peer.send(text);
    expect(peer.protocol.close(1000, 'a reason')).toBe(true);
    expect(peer.log).toEqual(['text 37', 'ping 4', 'text 37']);
    const frames = readFrames(other, peer.port.output, false).log.filter((line) => line.startsWith('header'));
    expect(frames.map((line) => /rsv=\d opcode=\d+/.exec(line)![0])).toEqual([
      ...['rsv=4 opcode=1', 'rsv=0 opcode=10', 'rsv=4 opcode=1', 'rsv=0 opcode=9', 'rsv=0 opcode=10'],
      ...['rsv=4 opcode=1', 'rsv=0 opcode=8'],
    ]);
    peer.protocol.closed();
    sender.close();
  });

  it('draws the answers of the other side from what HP-Socket sent (vectors/websocket.json)', () => {
    interface Row {
      from: Role;
      hex?: string;
    }
    const rows = JSON.parse(readFileSync(new URL('../vectors/websocket.json', import.meta.url), 'utf8')) as Row[];
    const framesOf = (from: Role): Buffer => {
      const all = Buffer.concat(
        rows.filter((row) => row.from === from && row.hex !== undefined).map((row) => Buffer.from(row.hex!, 'hex')),
      );
      return all.subarray(all.indexOf('\r\n\r\n') + 4);
    };
    const other: Role = role === 'server' ? 'client' : 'server';
    const theirs = framesOf(other);
    if (role === 'server') {
      // It echoes five messages and answers the close: what HP-Socket's server did, byte by byte.
      const peer = makePeer(role, { echoes: true });
      for (const byte of theirs) peer.protocol.receive(Buffer.from([byte]), Lifetime.Call);
      const ours = peer.port.output;
      const recorded = framesOf('server');
      // Its application added a reason; ours answers with the code alone.
      const close = ours.indexOf(Buffer.from('8802', 'hex'));
      expect(ours.subarray(0, close)).toEqual(recorded.subarray(0, close));
      expect(peer.log.at(-1)).toMatch(/^closing 1000 /);
    } else {
      const sent = readMessages('server', framesOf('client')).log;
      const peer = makePeer(role);
      for (const line of sent.slice(0, 5)) peer.send(Buffer.from(line.slice('binary:'.length), 'hex'));
      peer.protocol.close(1000, 'bye');
      peer.protocol.receive(theirs, Lifetime.Forever);
      expect(peer.log.slice(0, 5)).toEqual(Array.from({ length: 5 }, () => 'binary 48'));
      expect(peer.log[5]).toMatch(/^closing 1000 /);
      expect(sentBy(peer, role).slice(0, 5)).toEqual(sent.slice(0, 5));
    }
  });
});
