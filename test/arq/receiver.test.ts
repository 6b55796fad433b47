import { describe, expect, test } from 'vitest';
import { KcpReceiver } from '../../src/arq/receiver.ts';
import { KcpSettings } from '../../src/arq/settings.ts';
import { DatagramWriter, type SpareRoom } from '../../src/arq/writer.ts';

const WINDOW = 128;

function open(firstSn = 0): KcpReceiver {
  return new KcpReceiver(new KcpSettings({ recvWndSize: WINDOW }), firstSn);
}

/** Segments of one byte, their number's low one. */
function push(receiver: KcpReceiver, sns: Iterable<number>): void {
  for (const sn of sns) receiver.push(sn, 0, sn * 10, Buffer.from([sn]), 0, 1);
}

function* range(from: number, to: number): Generator<number> {
  for (let sn = from; sn < to; sn++) yield sn;
}

function receiveAll(receiver: KcpReceiver): number[] {
  const got: number[] = [];
  for (let m = receiver.recv(); m !== null; m = receiver.recv()) got.push(...m);
  return got;
}

/** The acknowledgements that leave with a flush, as pairs of number and time. */
function acksOf(receiver: KcpReceiver, redundancy: SpareRoom | null = null): Array<[number, number]> {
  const acks: Array<[number, number]> = [];
  const output = (bytes: Buffer, length: number): void => {
    for (let at = 0; at < length; at += 24) acks.push([bytes.readInt32LE(at + 12), bytes.readInt32LE(at + 8)]);
  };
  const writer = new DatagramWriter(1, 1432, { output });
  receiver.flushAcks(writer, redundancy);
  writer.end();
  return acks;
}

describe('messages', () => {
  test('there is none before all of one has come, and none left after the last', () => {
    const receiver = open();
    expect([receiver.recv(), receiver.peekSize(), receiver.messageCount]).toEqual([null, -1, 0]);
    push(receiver, [1]);
    expect(receiver.recv()).toBe(null);
    push(receiver, [0]);
    expect(receiveAll(receiver)).toEqual([0, 1]);
    expect([receiver.recv(), receiver.messageCount]).toEqual([null, 0]);
  });

  test('one of one fragment is a view of its datagram, one of several has memory of its own', () => {
    const receiver = open();
    const datagram = Buffer.from('..one..');
    receiver.push(0, 0, 0, datagram, 2, 3);
    receiver.push(1, 1, 0, datagram, 2, 2);
    receiver.push(2, 0, 0, datagram, 4, 1);
    const [view, copy] = [receiver.recv()!, receiver.recv()!];
    datagram.fill('x');
    expect([view.toString(), copy.toString()]).toEqual(['xxx', 'one']);
  });
});

describe('the window', () => {
  test('moves into the queue as far as the queue has room, and no further', () => {
    const receiver = open();
    push(receiver, range(0, WINDOW));
    expect([receiver.nextSn, receiver.freeWindow, receiver.isFull]).toEqual([WINDOW, 0, true]);
    push(receiver, range(WINDOW, WINDOW + 10));
    expect([receiver.nextSn, receiver.freeWindow, receiver.duplicates]).toEqual([WINDOW, 0, 0]);
    for (let taken = 1; taken <= 10; taken++) {
      expect(receiver.recv()![0]).toBe(taken - 1);
      expect([receiver.nextSn, receiver.freeWindow, receiver.isFull]).toEqual([WINDOW + taken, 0, true]);
    }
    receiver.recv();
    expect([receiver.nextSn, receiver.freeWindow, receiver.isFull]).toEqual([WINDOW + 10, 1, false]);
    expect(receiveAll(receiver)).toEqual([...range(11, WINDOW + 10)]);
  });

  test('a gap that closes does not overfill the queue either', () => {
    const receiver = open();
    push(receiver, [...range(0, WINDOW - 2), ...range(WINDOW - 1, WINDOW + 5)]);
    expect([receiver.nextSn, receiver.freeWindow]).toEqual([WINDOW - 2, 2]);
    push(receiver, [WINDOW - 2]);
    expect([receiver.nextSn, receiver.freeWindow]).toEqual([WINDOW, 0]);
    expect(receiveAll(receiver)).toEqual([...range(0, WINDOW + 5)]);
  });

  test('holds one more window while the queue is full', () => {
    const receiver = open();
    push(receiver, range(0, 2 * WINDOW + 1));
    expect([receiver.outOfWindow, receiver.duplicates]).toEqual([1, 0]);
    push(receiver, [WINDOW, 2 * WINDOW - 1]);
    expect(receiver.duplicates).toBe(2);
    expect(receiveAll(receiver).map((sn) => sn & 0xff)).toEqual([...range(0, 2 * WINDOW)]);
  });

  test('forgets what has moved on: a place in its ring is empty when its next number comes by', () => {
    const order = [1, 0, 3, 2, 6, 4, 5, 9, 7, 8, 10, 13, 12, 11, 17, 14, 16, 15];
    for (const first of [0, 0x7ffffffa, -6]) {
      const receiver = open(first);
      const missing = new Set(range(0, 100));
      for (const sn of order) {
        receiver.push((first + sn) | 0, 0, 0, Buffer.from([sn]), 0, 1);
        missing.delete(sn);
        expect((receiver.nextSn - first) | 0).toBe(Math.min(...missing));
      }
      expect([receiveAll(receiver), receiver.duplicates]).toEqual([[...range(0, order.length)], 0]);
    }
  });
});

describe('acknowledgements', () => {
  test('leave in the order in which their segments came, with the times of those, once', () => {
    const receiver = open();
    const order = [...range(1, 30), 0, 7];
    push(receiver, order);
    expect(receiver.hasAcks).toBe(true);
    expect(acksOf(receiver)).toEqual(order.map((sn) => [sn, sn * 10]));
    expect([receiver.hasAcks, acksOf(receiver)]).toEqual([false, []]);
  });

  test('are kept up to four for each place of the window', () => {
    const receiver = open();
    for (let count = 0; count < 4 * WINDOW; count++) push(receiver, [0]);
    expect(receiver.droppedAcks).toBe(0);
    push(receiver, [0, 1, 2]);
    expect([receiver.droppedAcks, receiver.nextSn]).toEqual([3, 3]);
    expect(acksOf(receiver)).toHaveLength(4 * WINDOW);
    push(receiver, [3]);
    expect([receiver.droppedAcks, acksOf(receiver)]).toEqual([3, [[3, 30]]]);
  });

  test('are given to what repeats them, with the datagram that they are in', () => {
    const receiver = open();
    push(receiver, range(0, 60));
    const remembered: number[][] = [];
    const redundancy: SpareRoom = { fill: () => {}, remember: (...ack) => void remembered.push(ack) };
    acksOf(receiver, redundancy);
    // 59 segments of 24 bytes fit into 1432.
    expect(remembered).toEqual([...range(0, 60)].map((sn) => [sn, sn * 10, sn < 59 ? 0 : 1]));
  });
});
