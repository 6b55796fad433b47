import { closeBody } from './support.ts';

/** The codec once more, as slow and plain as RFC 6455 reads: on all bytes at once, for comparing. */
export function readNaively(
  bytes: Buffer,
  expectsMask: boolean,
  limits: { maxMessageBytes: number; maxFragments: number },
): string[] {
  const log: string[] = [];
  const fatal = new TextDecoder('utf-8', { fatal: true });
  let at = 0;
  let message: { isText: boolean; bytes: number[]; fragments: number } | null = null;
  for (;;) {
    const rest = bytes.subarray(at);
    if (rest.length < 2) return log;
    const fin = (rest[0]! & 0x80) !== 0;
    const opcode = rest[0]! & 0x0f;
    const isMasked = (rest[1]! & 0x80) !== 0;
    const fail = (code: number): string[] => [...log, `violation:${code}`];
    if ((rest[0]! & 0x70) !== 0) return fail(1002);
    if ([3, 4, 5, 6, 7, 11, 12, 13, 14, 15].includes(opcode)) return fail(1002);
    if (opcode >= 8 && (!fin || (rest[1]! & 0x7f) > 125)) return fail(1002);
    if (opcode === 0 && message === null) return fail(1002);
    if ((opcode === 1 || opcode === 2) && message !== null) return fail(1002);
    if (isMasked !== expectsMask) return fail(1002);
    let length = BigInt(rest[1]! & 0x7f);
    let size = 2;
    if (length === 126n) {
      if (rest.length < 4) return log;
      length = BigInt(rest.readUInt16BE(2));
      if (length < 126n) return fail(1002);
      size = 4;
    } else if (length === 127n) {
      if (rest.length >= 3 && rest[2]! >= 0x80) return fail(1002);
      if (rest.length < 10) return log;
      length = rest.readBigUInt64BE(2);
      if (length < 65_536n) return fail(1002);
      size = 10;
    }
    const key = rest.subarray(size, size + (isMasked ? 4 : 0));
    if (isMasked) {
      if (rest.length < size + 4) return log;
      size += 4;
    }
    if (opcode < 8) {
      const total = BigInt(message?.bytes.length ?? 0) + length;
      if (total > BigInt(limits.maxMessageBytes)) return fail(1009);
      const isWhole = message === null && fin && BigInt(rest.length - size) >= length;
      if (!isWhole && (message?.fragments ?? 0) + 1 > limits.maxFragments) return fail(1008);
    }
    const payload = [...rest.subarray(size, size + Number(length))].map((byte, i) =>
      isMasked ? byte ^ key[i & 3]! : byte,
    );
    const isComplete = payload.length === Number(length);
    if (opcode >= 8) {
      if (!isComplete) return log;
      const data = Buffer.from(payload);
      if (opcode === 9) log.push(`ping:${data.toString('hex')}`);
      else if (opcode === 10) log.push(`pong:${data.toString('hex')}`);
      else {
        if (data.length === 0) return [...log, 'close:1005:'];
        if (data.length === 1) return fail(1002);
        const code = data.readUInt16BE(0);
        const isKnown =
          [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014].includes(code) ||
          (code >= 3000 && code < 5000);
        if (!isKnown) return fail(1002);
        try {
          return [...log, `close:${code}:${fatal.decode(data.subarray(closeBody(0).length))}`];
        } catch {
          return fail(1007);
        }
      }
    } else {
      message ??= { isText: opcode === 1, bytes: [], fragments: 0 };
      message.bytes.push(...payload);
      message.fragments++;
      const data = Buffer.from(message.bytes);
      const isEnd = isComplete && fin;
      if (message.isText) {
        // A decoder that may be continued is content with a character that is cut at the end.
        try {
          new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(data, { stream: !isEnd });
        } catch {
          return fail(1007);
        }
      }
      if (!isComplete) return log;
      if (isEnd) {
        log.push(message.isText ? `text:${data.toString()}` : `binary:${data.toString('hex')}`);
        message = null;
      }
    }
    at += size + Number(length);
  }
}
