// Sessions whose datagrams are collected, and KCP segments written and read independently of the code under test.

import { Kcp } from '../../src/arq/kcp.ts';
import type { KcpOptions } from '../../src/arq/settings.ts';

/** A started session whose datagrams are collected as hex. */
export function session(
  options: KcpOptions = {},
  conv = 0x11223344,
  now = 1000,
  firstSn = 0,
): { kcp: Kcp; out: string[] } {
  const out: string[] = [];
  const host = { output: (bytes: Buffer, length: number) => void out.push(bytes.toString('hex', 0, length)) };
  const kcp = new Kcp(conv, host, options, firstSn);
  kcp.update(now);
  return { kcp, out };
}

export const take = (out: string[]): string[] => out.splice(0);

export interface Fields {
  conv?: number;
  cmd: number;
  frg?: number;
  wnd?: number;
  ts?: number;
  sn?: number;
  una?: number;
  data?: Uint8Array;
  length?: number;
}

/** Builds a segment independently of the code under test. */
export function segment(f: Fields): Buffer {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(f.conv ?? 0x99aabbcc, 0);
  header.writeUInt8(f.cmd, 4);
  header.writeUInt8(f.frg ?? 0, 5);
  header.writeUInt16LE(f.wnd ?? 512, 6);
  header.writeUInt32LE((f.ts ?? 0) >>> 0, 8);
  header.writeUInt32LE((f.sn ?? 0) >>> 0, 12);
  header.writeUInt32LE((f.una ?? 0) >>> 0, 16);
  header.writeInt32LE(f.length ?? f.data?.length ?? 0, 20);
  return Buffer.concat([header, f.data ?? Buffer.alloc(0)]);
}

export const push = (sn: number, data = Buffer.from([sn & 0xff]), rest: Partial<Fields> = {}): Buffer =>
  segment({ cmd: 81, sn, data, ...rest });
export const ack = (sn: number, rest: Partial<Fields> = {}): Buffer => segment({ cmd: 82, sn, ...rest });

/** A window tell with a mark, and data behind it, in a session without an ID. */
export const tell = (mark: number, data: Uint8Array = new Uint8Array()): Buffer =>
  segment({ conv: 0, cmd: 84, frg: mark, data });

/** A segment as it was read. */
type Seg = Required<Omit<Fields, 'length' | 'data'>> & { data: Buffer };

/** Reads the fields of all segments of a hex datagram. */
export const parse = (hex: string): Seg[] => segmentsOf(Buffer.from(hex, 'hex'));

/** Reads the fields of all segments of a datagram. */
export function segmentsOf(bytes: Buffer): Seg[] {
  const segments: Seg[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 24 + bytes.readUInt32LE(at + 20);
    segments.push({
      conv: bytes.readUInt32LE(at),
      cmd: bytes[at + 4]!,
      frg: bytes[at + 5]!,
      wnd: bytes.readUInt16LE(at + 6),
      ts: bytes.readUInt32LE(at + 8),
      sn: bytes.readUInt32LE(at + 12),
      una: bytes.readUInt32LE(at + 16),
      data: bytes.subarray(at + 24, end),
    });
    at = end;
  }
  return segments;
}

export const sns = (hexes: string[], cmd = 81): number[] =>
  hexes
    .flatMap(parse)
    .filter((s) => s.cmd === cmd)
    .map((s) => s.sn);

export function receiveAll(kcp: Kcp): string[] {
  const got: string[] = [];
  for (let m = kcp.recv(); m !== null; m = kcp.recv()) got.push(m.toString('hex'));
  return got;
}
