import net from 'node:net';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isIP } from '../../src/core/ip.ts';

const piece = fc.constantFrom(
  '',
  '0',
  '1',
  '::',
  'ffff',
  '10000',
  'g',
  '1.2.3.4',
  '256.1.1.1',
  '01.2.3.4',
  '%eth0',
  '%',
  ':',
);

test('isIP answers as that of node:net, whatever is put together', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(piece, fc.constantFrom('', ':')), { maxLength: 9 }), (pieces) => {
      const text = pieces.flat().join('');
      expect([text, isIP(text)]).toEqual([text, net.isIP(text)]);
    }),
    { numRuns: 5000 },
  );
});

test.each([
  '::',
  '::1',
  '1:2:3:4:5:6:7::',
  '::2:3:4:5:6:7:8',
  '1:2:3:4:5::1.2.3.4',
  '1:2:3:4:5:6:7:8',
  '::ffff:1.2.3.4',
  '1:2:3:4:5:6:1.2.3.4',
  'fe80::1%eth0',
])('%s is IPv6', (text) => {
  expect(isIP(text)).toBe(6);
});

test.each([
  '1::2::3',
  '1::2:3:4:5:6:7::8',
  '1:2:3:4:5:6:7:8::',
  '1:2:3:4::5:6:7:8',
  '1:2:3:4:5:6::1.2.3.4',
  '%eth0',
  '1:2:3:4:5:6:7:1.2.3.4',
  '1.2.3.4::',
  ':1',
  '1:',
  ':::',
  '12345::',
  '',
  ' 1.2.3.4',
  '01.2.3.4',
])('%s is no address', (text) => {
  expect(isIP(text)).toBe(0);
});
