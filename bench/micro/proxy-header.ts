import { writeProxyHeader } from '../../src/index.ts';
import type { PreamblePort } from '../../src/protocol/preambles/preamble.ts';
import { ProxyInPreamble } from '../../src/protocol/preambles/proxy-in.ts';
import { ProxyReader } from '../../src/protocol/preambles/proxy-reader.ts';
import type { MicroTask } from './task.ts';

const source = { address: '192.0.2.7', port: 56_324 };
const destination = { address: '198.51.100.1', port: 443 };
const source6 = { address: '2001:db8::7', port: 56_324 };

/** The preamble of one connection each time, from its making to the bytes behind its header. */
export function microTasks(): MicroTask[] {
  const tlvs = [
    { type: 2, value: 'example.org' },
    { type: 0xea, value: '\x01vpce-08d2bf15fac5001c9' },
  ];
  return [
    task('PROXY header: v1, IPv4', writeProxyHeader({ version: 1, source, destination })),
    task('PROXY header: v2, IPv4', writeProxyHeader({ source, destination })),
    task('PROXY header: v2, IPv6', writeProxyHeader({ source: source6, destination })),
    task('PROXY header: v2, IPv4, 2 TLVs', writeProxyHeader({ source, destination, tlvs })),
    task('PROXY header: v2, IPv4, 2 TLVs, CRC-32C', writeProxyHeader({ source, destination, tlvs, crc32c: true })),
  ];
}

function task(name: string, header: Buffer): MicroTask {
  let done = 0;
  const port = { done: () => void done++ } as PreamblePort;
  const context = {
    reader: new ProxyReader(4096),
    isOptional: false,
    arrived: (_port: PreamblePort, arrived: unknown) => (arrived === null ? 'none' : null),
  };
  const bytes = Buffer.concat([header, Buffer.from('what comes behind it')]);
  return {
    name,
    operations: 256,
    run() {
      const before = done;
      for (let i = 0; i < 256; i++) {
        if (new ProxyInPreamble(context, port).receive(bytes) !== header.length) throw new Error('not read');
      }
      if (done - before !== 256) throw new Error('not done');
    },
  };
}
