import { BlockList } from 'node:net';
import { describe, expect, test } from 'vitest';
import { limitKey, localAddressOfSocket, normalizeAddress, splitHost } from '../../src/core/address.ts';
import { isListed, toBlockList } from '../../src/transport/address-list.ts';

describe('what counts as one peer', () => {
  test.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::', '0:0:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['2001:db8::', '2001:db8:0:0::/64'],
    ['2001:0db8:0000:0001::1', '2001:db8:0:1::/64'],
    ['2001:DB8:0:1:ffff:ffff:ffff:ffff', '2001:db8:0:1::/64'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['1::8', '1:0:0:0::/64'],
    ['1:2:3::8', '1:2:3:0::/64'],
    ['1:2:3:4::', '1:2:3:4::/64'],
    ['::5:6:7:8', '0:0:0:0::/64'],
    ['::4:5:6:7:8', '0:0:0:4::/64'],
    ['1::4:5:6:7:8', '1:0:0:4::/64'],
    ['64:ff9b::192.0.2.1', '64:ff9b:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['', ''],
  ])('%s counts as %s', (address, key) => {
    expect(limitKey(address)).toBe(key);
  });

  test.each([
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::ffff:1.2.3', '::ffff:1.2.3'],
    ['::ffff:c000:201', '::ffff:c000:201'],
    ['::fffe:192.0.2.1', '::fffe:192.0.2.1'],
    ['::1', '::1'],
    ['192.0.2.1', '192.0.2.1'],
    ['', ''],
  ])('%s is told as %s', (address, told) => {
    expect(normalizeAddress(address)).toBe(told);
  });
});

describe('address lists', () => {
  test.each([
    'nonsense',
    '',
    '/8',
    '10.0.0.0/',
    '10.0.0.0/ 8',
    '10.0.0.0/+8',
    '10.0.0.0/0x8',
    '10.0.0.0/8.5',
    '10.0.0.0/-1',
    '10.0.0.0/33',
    '10.0.0.0/8/8',
    '10.0.0/8',
    '::1/129',
    '2001:db8::/',
    'example.com',
    ' 10.0.0.1',
    7,
    null,
  ])('%j is no entry, and named', (entry) => {
    const list = ['192.0.2.1', entry] as string[];
    expect(() => toBlockList('allowList', list)).toThrow(TypeError);
    expect(() => toBlockList('allowList', list)).toThrow(
      `allowList: ${JSON.stringify(entry)} is no IP address or network such as 10.0.0.0/8`,
    );
  });

  test.each([
    [['10.0.0.0/8'], ['10.255.255.255', '10.0.0.0'], ['11.0.0.0', '::a00:1']],
    [['192.0.2.7'], ['192.0.2.7'], ['192.0.2.8']],
    [['0.0.0.0/0'], ['192.0.2.7'], ['2001:db8::1']],
    [['2001:db8::/32'], ['2001:db8:ffff::1'], ['2001:db9::1', '192.0.2.1']],
    [['::1'], ['::1'], ['::2']],
    [['::/0'], ['2001:db8::1'], []],
    [['fe80::/10'], ['fe80::1'], ['fec0::1']],
    [[], [], ['192.0.2.1', '::1']],
  ])('%j', (list, inside, outside) => {
    const blockList = toBlockList('blockList', list);
    for (const address of inside) expect(isListed(blockList, address), address).toBe(true);
    for (const address of outside) expect(isListed(blockList, address), address).toBe(false);
  });

  test('a peer with a zone is looked up and never an exception', () => {
    expect(isListed(toBlockList('blockList', ['192.0.2.0/24']), 'fe80::1%eth0')).toBe(false);
  });

  test('a net.BlockList is taken as it is, and nothing else but an array', () => {
    const own = new BlockList();
    expect(toBlockList('blockList', own)).toBe(own);
    for (const wrong of ['10.0.0.1', 5, {}, undefined, new Set(['10.0.0.1'])]) {
      expect(() => toBlockList('blockList', wrong as never)).toThrow(
        /^blockList must be an array of addresses or a net\.BlockList, not /,
      );
    }
  });
});

test('the own end of a socket is told while there is one', () => {
  const own = (socket: object): unknown => localAddressOfSocket({ destroyed: false, ...socket } as never);
  expect(own({ localAddress: '::ffff:192.0.2.1', localPort: 5 })).toEqual({ address: '192.0.2.1', port: 5 });
  expect(own({ localAddress: '::1' })).toEqual({ address: '::1', port: 0 });
  expect(own({})).toBe(null);
  expect(own({ localAddress: '::1', localPort: 5, destroyed: true })).toBe(null);
});

test('addr^name dials the address and asks for the name', () => {
  expect(splitHost('192.0.2.1^example.com')).toEqual({ dial: '192.0.2.1', name: 'example.com' });
  expect(splitHost('::1^example.com')).toEqual({ dial: '::1', name: 'example.com' });
  expect(splitHost('example.com')).toEqual({ dial: 'example.com', name: 'example.com' });
  expect(splitHost('a^b^c')).toEqual({ dial: 'a', name: 'b^c' });
  expect(splitHost('^b')).toEqual({ dial: '', name: 'b' });
});
