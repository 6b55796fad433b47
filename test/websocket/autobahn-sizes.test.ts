import { describe, expect, it } from 'vitest';
import { Lifetime } from '../../src/protocol/protocol.ts';
import { Compression } from '../../src/websocket/compression.ts';
import { answerDeflateOffer, type DeflateParameters, FULL_DEFLATE } from '../../src/websocket/deflate-negotiation.ts';
import { buildFrame, COMPRESSED, FINAL } from '../../src/websocket/frame-writer.ts';
import { compressionOptions, makePeer, type Peer } from './fake-port.ts';
import { feed, frameOf, maskFor, type Role } from './support.ts';

/* Sections 9 (sizes), 12 and 13 (permessage-deflate) of the Autobahn catalogue: many messages of many sizes, echoed. */

const roles: Role[] = ['server', 'client'];
const KIB = 1024;

/** Text of which a part repeats, as JSON does. */
function jsonOf(length: number): Buffer {
  let all = '';
  for (let i = 0; all.length < length; i++) all += `{"id":${i * 7919},"name":"user-${(i * 31) % 97}","ok":true},`;
  return Buffer.from(all.slice(0, length));
}

/** A second end that sends what the peer under test has to echo, and reads what it gets. */
function echoThrough(
  role: Role,
  deflate: DeflateParameters | null,
  messages: Buffer[],
  isBinary: boolean,
  chop: number,
): void {
  const other: Role = role === 'server' ? 'client' : 'server';
  const peer = makePeer(role, { echoes: true, deflate });
  const received: Buffer[] = [];
  const sender: Peer = makePeer(other, {
    deflate,
    hooks: { message: (_id, data) => void received.push(data as Buffer) },
  });
  for (const message of messages) expect(sender.send(isBinary ? message : message.toString())).toBe(true);
  const wire = sender.port.output;
  const cuts = chop === 0 ? [] : Array.from({ length: Math.floor(wire.length / chop) }, (_, i) => (i + 1) * chop);
  feed(peer.protocol, wire, cuts, Lifetime.Call);
  sender.protocol.receive(peer.port.output, Lifetime.Forever);
  expect(received.length).toBe(messages.length);
  expect(received.every((data, i) => data.equals(messages[i]!))).toBe(true);
  peer.protocol.closed();
  sender.protocol.closed();
}

describe.each(roles)('the %s echoes', (role) => {
  const sizes = [64 * KIB, 256 * KIB, KIB * KIB, 4 * KIB * KIB];
  it.each(sizes)('9.1, 9.2: one message of %i bytes', (size) => {
    echoThrough(role, null, [jsonOf(size)], false, 0);
    echoThrough(role, null, [jsonOf(size)], true, 65_536);
  });

  it.each([64, 256, KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB])(
    '9.3, 9.4: 1 MiB in fragments of %i bytes',
    (size) => {
      const data = jsonOf(KIB * KIB);
      const frames: Buffer[] = [];
      for (let at = 0; at < data.length; at += size) {
        const payload = data.subarray(at, at + size);
        frames.push(
          frameOf({ opcode: at === 0 ? 1 : 0, isFinal: at + size >= data.length, payload, mask: maskFor(role) }),
        );
      }
      const peer = makePeer(role);
      feed(peer.protocol, Buffer.concat(frames), [], Lifetime.Forever);
      expect(peer.log).toEqual([`text ${data.length}`]);
    },
  );

  it.each([64, 997, 2048])('9.5, 9.6: 256 KiB in reads of %i bytes', (chop) => {
    echoThrough(role, null, [jsonOf(256 * KIB)], chop % 2 === 0, chop);
  });

  it.each([0, 16, 64, 256, KIB, 4 * KIB])('9.7, 9.8: 1000 messages of %i bytes', (size) => {
    echoThrough(
      role,
      null,
      Array.from({ length: 1000 }, () => jsonOf(size)),
      size % 64 === 0,
      0,
    );
  });

  const offers = [
    'permessage-deflate',
    'permessage-deflate; client_max_window_bits; client_no_context_takeover',
    'permessage-deflate; client_max_window_bits; server_no_context_takeover',
    'permessage-deflate; client_max_window_bits=9; server_max_window_bits=9',
    'permessage-deflate; client_max_window_bits=15; server_max_window_bits=15',
    'permessage-deflate; client_max_window_bits=9; server_max_window_bits=9; client_no_context_takeover; server_no_context_takeover',
    'permessage-deflate; client_max_window_bits=8; server_max_window_bits=8',
  ];
  describe.each(offers)('12, 13: with %s', (offer) => {
    const { parameters } = answerDeflateOffer(offer, FULL_DEFLATE)!;
    it.each([16, 64, 256, KIB, 4 * KIB, 8 * KIB, 16 * KIB, 32 * KIB, 64 * KIB, 128 * KIB])(
      'messages of %i bytes',
      (size) => {
        echoThrough(
          role,
          parameters,
          Array.from({ length: 8 }, (_, i) => jsonOf(size + i)),
          false,
          0,
        );
        echoThrough(
          role,
          parameters,
          Array.from({ length: 4 }, (_, i) => jsonOf(size + i)),
          true,
          1021,
        );
      },
    );
  });

  it('12: compressed messages that come in fragments, among which are some that are not compressed', () => {
    const peer = makePeer(role, { deflate: FULL_DEFLATE });
    const context = new Compression(compressionOptions).open(FULL_DEFLATE, role !== 'server');
    const data = jsonOf(10_000);
    const wire: Buffer[] = [];
    for (let i = 0; i < 5; i++) {
      const out = Buffer.from(context.deflate(data)!);
      const size = Math.max(1, Math.ceil(out.length / (i + 1)));
      for (let at = 0; at < out.length; at += size) {
        const first = (at === 0 ? COMPRESSED | 1 : 0) | (at + size >= out.length ? FINAL : 0);
        wire.push(buildFrame(first, out.subarray(at, at + size), role === 'server'));
        wire.push(buildFrame(FINAL | 9, Buffer.alloc(0), role === 'server'));
      }
      wire.push(buildFrame(FINAL | 1, Buffer.from('plain'), role === 'server'));
    }
    feed(peer.protocol, Buffer.concat(wire), [100, 1000], Lifetime.Call);
    const messages = peer.log.filter((line) => line.startsWith('text'));
    expect(messages).toEqual(Array.from({ length: 5 }, () => ['text 10000', 'text 5']).flat());
    context.close();
    peer.protocol.closed();
  });
});
