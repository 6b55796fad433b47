import { describe, expect, test } from 'vitest';
import { Segment } from '../../src/arq/segment.ts';
import { DatagramWriter, type SpareRoom } from '../../src/arq/writer.ts';
import { parse } from './kcp-bytes.ts';

const ACK = 82;
const TELL = 84;

function open(mtu = 100): { writer: DatagramWriter; out: string[]; memory: Buffer[] } {
  const out: string[] = [];
  const memory: Buffer[] = [];
  const writer = new DatagramWriter(7, mtu, {
    output(bytes, length) {
      memory.push(bytes);
      out.push(bytes.toString('hex', 0, length));
    },
  });
  return { writer, out, memory };
}

function dataSegment(sn: number, size: number): Segment {
  const segment = new Segment();
  segment.sn = sn;
  segment.data = Buffer.alloc(size, sn);
  segment.length = size;
  return segment;
}

/** The numbers of the segments of each datagram. */
const numbers = (out: string[]): number[][] => out.map((datagram) => parse(datagram).map(({ sn }) => sn));

const nothing: SpareRoom = { fill() {}, remember() {} };

describe('datagrams', () => {
  test('KC-019: a datagram is filled to the last byte of the MTU, and not by one more', () => {
    for (const [size, expected] of [
      [52, [[1, 2]]],
      [53, [[1], [2]]],
    ] as const) {
      const { writer, out } = open();
      writer.control(ACK, 0, 1);
      writer.push(dataSegment(2, size), 0);
      writer.end();
      expect(numbers(out)).toEqual(expected);
    }
  });

  test('a tell with data needs room for its data too', () => {
    for (const [size, expected] of [
      [52, [[1, 2]]],
      [53, [[1], [2]]],
    ] as const) {
      const { writer, out } = open();
      writer.control(ACK, 0, 1);
      writer.controlData(TELL, 3, 4, 2, Buffer.alloc(size, 5));
      writer.end();
      expect(numbers(out)).toEqual(expected);
      const tell = parse(out.at(-1)!).at(-1)!;
      expect([tell.cmd, tell.frg, tell.ts, tell.data]).toEqual([TELL, 3, 4, Buffer.alloc(size, 5)]);
    }
  });

  test('data of every size around those that are copied byte by byte stays what it is', () => {
    const { writer, out } = open(1000);
    for (let size = 0; size <= 20; size++) writer.push(dataSegment(size, size), 0);
    writer.end();
    expect(out.flatMap(parse).map(({ data }) => data)).toEqual(
      Array.from({ length: 21 }, (_, size) => Buffer.alloc(size, size)),
    );
  });

  test('what a flush says is in each segment, the mark only in those without data of a stream', () => {
    const { writer, out } = open(1000);
    writer.wnd = 300;
    writer.una = 9;
    writer.mark = 0x80;
    writer.control(ACK, 11, 1);
    writer.push(dataSegment(2, 1), 12);
    writer.end();
    expect(out.flatMap(parse).map(({ conv, frg, wnd, ts, una }) => [conv, frg, wnd, ts, una])).toEqual([
      [7, 0x80, 300, 11, 9],
      [7, 0, 300, 12, 9],
    ]);
  });

  test('counts datagrams, segments and bytes', () => {
    const { writer } = open();
    writer.control(ACK, 0, 1);
    writer.push(dataSegment(2, 50), 0);
    writer.controlData(TELL, 1, 0, 3, Buffer.alloc(5));
    writer.end();
    expect([writer.datagramsOut, writer.segmentsOut, writer.bytesOut]).toEqual([2, 3, 3 * 24 + 55]);
  });
});

describe('the limit of data segments per datagram', () => {
  test('ends a datagram before the segment that is one too many; control segments do not count', () => {
    const { writer, out } = open(1000);
    writer.pushLimit = 2;
    writer.control(ACK, 0, 10);
    for (let sn = 1; sn <= 5; sn++) writer.push(dataSegment(sn, 1), 0);
    writer.control(ACK, 0, 11);
    writer.end();
    expect(numbers(out)).toEqual([
      [10, 1, 2],
      [3, 4],
      [5, 11],
    ]);
  });

  test('does not hold for what fills the room that is left, and holds again in the next datagram', () => {
    const { writer, out } = open(1000);
    writer.pushLimit = 1;
    writer.redundancy = {
      ...nothing,
      fill(to) {
        for (const sn of [8, 9]) to.push(dataSegment(sn, 1), 0);
      },
    };
    for (let sn = 1; sn <= 3; sn++) writer.push(dataSegment(sn, 1), 0);
    writer.end();
    expect(numbers(out)).toEqual([
      [1, 8, 9],
      [2, 8, 9],
      [3, 8, 9],
    ]);
  });
});

describe('room that is left', () => {
  test('is what the MTU leaves behind what has been written and one more header; an empty datagram has none', () => {
    const { writer } = open(100);
    expect([writer.hasRoom(0), writer.hasRoom(1)]).toEqual([false, false]);
    writer.control(ACK, 0, 1);
    expect([writer.hasRoom(52), writer.hasRoom(53)]).toEqual([true, false]);
    writer.push(dataSegment(2, 28), 0);
    expect([writer.hasRoom(0), writer.hasRoom(1)]).toEqual([true, false]);
    writer.control(ACK, 0, 3);
    expect(writer.hasRoom(0)).toBe(false);
    writer.end();
    expect(writer.hasRoom(0)).toBe(false);
  });

  test('is filled before the datagram is counted and leaves', () => {
    const { writer, out } = open(72);
    const counts: number[] = [];
    writer.redundancy = {
      ...nothing,
      fill(to) {
        counts.push(to.datagramsOut);
        if (to.hasRoom(0)) to.control(ACK, 0, 99);
      },
    };
    writer.push(dataSegment(1, 24), 0);
    writer.push(dataSegment(2, 25), 0);
    writer.end();
    expect(numbers(out)).toEqual([[1, 99], [2]]);
    expect(counts).toEqual([0, 1]);
  });
});

describe('memory', () => {
  /** Writes one datagram and tells which memory it was in. */
  function used(mtu: number): Buffer {
    const { writer, memory } = open(mtu);
    writer.control(ACK, 0, 1);
    writer.end();
    return memory[0]!;
  }

  test('one session after the other writes into the same, as long as it is large enough', () => {
    const first = used(200);
    const size = first.length;
    expect(used(size)).toBe(first);
    expect(used(150)).toBe(first);
    const larger = used(size + 1);
    expect(larger).not.toBe(first);
    expect(larger.length).toBe(size + 1);
    expect(used(size)).toBe(larger);
  });

  test('a session that had nothing to write leaves it to the next one', () => {
    const first = used(200);
    open(200).writer.end();
    expect(used(200)).toBe(first);
  });

  test('a session that writes while another one does gets its own', () => {
    const inner: Buffer[] = [];
    const outer: string[] = [];
    const writer = new DatagramWriter(1, 200, {
      output(bytes, length) {
        inner.push(used(200));
        expect(inner[0]).not.toBe(bytes);
        outer.push(bytes.toString('hex', 0, length));
      },
    });
    writer.control(ACK, 0, 5);
    writer.end();
    expect(numbers(outer)).toEqual([[5]]);
  });

  test('what an output keeps is not written to again', () => {
    const kept: Buffer[] = [];
    const writer = new DatagramWriter(1, 48, { output: (bytes) => kept.push(bytes) > 0 });
    for (let sn = 1; sn <= 6; sn++) writer.control(ACK, 0, sn);
    writer.end();
    expect(kept.map((bytes) => [bytes.readUInt32LE(12), bytes.readUInt32LE(36)])).toEqual([
      [1, 2],
      [3, 4],
      [5, 6],
    ]);
    expect(kept).not.toContain(used(48));
  });
});
