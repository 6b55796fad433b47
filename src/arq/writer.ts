import { CMD_PUSH, KCP_HEADER_BYTES } from './constants.ts';
import { type Segment, writeHeader } from './segment.ts';

/** Uses the room that is left in datagrams which leave anyway. */
export interface SpareRoom {
  /** Fills what is left of the datagram that `writer` is about to send. */
  fill(writer: DatagramWriter): void;
  /** Remembers an acknowledgement, to repeat it where there is room. */
  remember(sn: number, ts: number, datagram: number): void;
}

/**
 * Takes a finished datagram. The bytes are only valid during the call, unless it returns `true`: then they belong to the
 * callee, for as long as it likes, and the session writes its next datagram into other memory.
 */
export type DatagramOutput = (bytes: Buffer, length: number) => boolean | void;

// One scratch buffer for all sessions while none is writing; a session that writes while another one does (an output
// that feeds its peer at once) finds it taken and gets its own.
let spare: Buffer | undefined;

/** More than any datagram holds; not Infinity, which takes 16 bytes of each session. */
export const NO_PUSH_LIMIT = 0x3fffffff;

/** Packs segments into datagrams of at most `mtu` bytes, and hands each over when the next segment would not fit (KC-019). */
export class DatagramWriter {
  // What every segment of one flush says.
  wnd = 0;
  una = 0;
  /** Goes into `frg` of acknowledgements, asks and tells; 0 is what HP-Socket and stock KCP send. See unreliable.ts. */
  mark = 0;
  /** Data segments per datagram, at most. */
  pushLimit = NO_PUSH_LIMIT;
  /** Fills the room that is left in a datagram; null on a good line. */
  redundancy: SpareRoom | null = null;

  datagramsOut = 0;
  segmentsOut = 0;
  bytesOut = 0;

  /** Own conversation ID, signed. */
  readonly conv: number;
  private readonly mtu: number;
  private readonly host: { output: DatagramOutput };
  private bytes: Buffer | undefined = undefined;
  private length = 0;
  private pushCount = 0;

  constructor(conv: number, mtu: number, host: { output: DatagramOutput }) {
    this.conv = conv | 0;
    this.mtu = mtu;
    this.host = host;
  }

  control(cmd: number, ts: number, sn: number): void {
    const out = this.room(KCP_HEADER_BYTES);
    writeHeader(out, this.length, this.conv, cmd, this.mark, this.wnd, ts, sn, this.una, 0);
    this.length += KCP_HEADER_BYTES;
    this.segmentsOut++;
  }

  push(segment: Segment, ts: number): void {
    const data = segment.data;
    const size = data.length;
    if (this.pushCount >= this.pushLimit) this.emit();
    const out = this.room(KCP_HEADER_BYTES + size);
    writeHeader(out, this.length, this.conv, CMD_PUSH, segment.frg, this.wnd, ts, segment.sn, this.una, size);
    this.copy(out, data, size);
    this.pushCount++;
  }

  /** Whether a segment with so many bytes of data fits into the datagram that is being written. */
  hasRoom(bytes: number): boolean {
    return this.length > 0 && this.length + KCP_HEADER_BYTES + bytes <= this.mtu;
  }

  /** A control segment with data behind it; `frg` says what it is. */
  controlData(cmd: number, frg: number, ts: number, sn: number, data: Uint8Array): void {
    const out = this.room(KCP_HEADER_BYTES + data.length);
    writeHeader(out, this.length, this.conv, cmd, frg, this.wnd, ts, sn, this.una, data.length);
    this.copy(out, data, data.length);
  }

  /** Sends what is left and gives the scratch buffer back. */
  end(): void {
    if (this.length > 0) this.emit();
    if (this.bytes !== undefined) {
      spare = this.bytes;
      this.bytes = undefined;
    }
  }

  private copy(out: Buffer, data: Uint8Array, size: number): void {
    const at = this.length + KCP_HEADER_BYTES;
    // A call of TypedArray.set costs as much as a loop over 12 to 16 bytes (measured on Node 20).
    if (size > 16) out.set(data, at);
    else for (let i = 0; i < size; i++) out[at + i] = data[i]!;
    this.length = at + size;
    this.segmentsOut++;
  }

  private room(bytes: number): Buffer {
    if (this.length > 0 && this.length + bytes > this.mtu) this.emit();
    if (this.bytes === undefined) {
      const taken = spare;
      spare = undefined;
      this.bytes = taken !== undefined && taken.length >= this.mtu ? taken : Buffer.allocUnsafe(this.mtu);
    }
    return this.bytes;
  }

  private emit(): void {
    const { redundancy } = this;
    if (redundancy !== null) {
      const limit = this.pushLimit;
      this.pushLimit = NO_PUSH_LIMIT;
      redundancy.fill(this);
      this.pushLimit = limit;
    }
    this.pushCount = 0;
    const length = this.length;
    const bytes = this.bytes!;
    this.length = 0;
    this.datagramsOut++;
    this.bytesOut += length;
    if (this.host.output(bytes, length) === true) this.bytes = undefined;
  }
}
