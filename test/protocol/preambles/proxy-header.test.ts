import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type ProxyHeader, ProxyTlvType, writeProxyHeader } from '../../../src/index.ts';
import { crc32c } from '../../../src/protocol/preambles/crc32c.ts';
import { ipv6Text, ProxyReader, ProxyStart } from '../../../src/protocol/preambles/proxy-reader.ts';

const SIGNATURE = '0d0a0d0a000d0a515549540a';

function read(bytes: Buffer | string, maxBytes = 65_551) {
  const reader = new ProxyReader(maxBytes);
  const start = reader.read(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  return { start, header: reader.header, length: reader.length, problem: reader.problem };
}

function whole(bytes: Buffer | string): ProxyHeader {
  const { start, header, problem } = read(bytes);
  expect([start, problem]).toEqual([ProxyStart.Whole, '']);
  return header as ProxyHeader;
}

/** Version 2 from hex without blanks: version and command, family and transport, block. */
function v2(versionCommand: string, family: string, block: string): Buffer {
  const bytes = Buffer.from(block.replaceAll(' ', ''), 'hex');
  const length = bytes.length.toString(16).padStart(4, '0');
  return Buffer.concat([Buffer.from(SIGNATURE + versionCommand + family + length, 'hex'), bytes]);
}

const ipv4Block = 'c0000201 c6336407 dc04 01bb';

describe('PROXY version 1', () => {
  test.each([
    ['PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n', '192.168.0.1', 56_324, '192.168.0.11', 443],
    [
      'PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n',
      '255.255.255.255',
      65_535,
      '255.255.255.255',
      65_535,
    ],
    ['PROXY TCP6 2001:DB8::1 ::ffff:192.0.2.9 1 0\r\n', '2001:db8::1', 1, '192.0.2.9', 0],
    [
      `PROXY TCP6 ${'ffff:'.repeat(7)}ffff ${'ffff:'.repeat(7)}ffff 65535 65535\r\n`,
      `${'ffff:'.repeat(7)}ffff`,
      65_535,
      `${'ffff:'.repeat(7)}ffff`,
      65_535,
    ],
  ])('reads %j', (text, address, port, toAddress, toPort) => {
    const header = whole(`${text}GET / HTTP/1.1\r\n`);
    expect(header.source).toEqual({ address, port });
    expect(header.destination).toEqual({ address: toAddress, port: toPort });
    expect([header.version, header.command, header.transport]).toEqual([1, 'proxy', 'stream']);
    expect(read(text).length).toBe(text.length);
  });

  test.each([
    'PROXY UNKNOWN\r\n',
    `PROXY UNKNOWN ${'ffff:'.repeat(7)}ffff ${'ffff:'.repeat(7)}ffff 65535 65535\r\n`, // 107 bytes, the longest there is
    'PROXY UNKNOWN what ever, \0 this\r\n',
  ])('%j has no addresses', (text) => {
    expect(whole(text)).toMatchObject({ family: 'unspec', source: null, destination: null, version: 1 });
  });

  test.each([
    ['108 bytes', `PROXY UNKNOWN ${'x'.repeat(92)}\r\n`],
    ['no end in 107 bytes', `PROXY TCP4 ${'1'.repeat(96)}`],
    ['a bare LF', 'PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n'],
    ['another family', 'PROXY TCP5 1.2.3.4 5.6.7.8 1 2\r\n'],
    ['UNKNOWN with a tail', 'PROXY UNKNOWNS\r\n'],
    ['two blanks', 'PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n'],
    ['a field too many', 'PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n'],
    ['a field too few', 'PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n'],
    ['a blank at the end', 'PROXY TCP4 1.2.3.4 5.6.7.8 1 2 \r\n'],
    ['IPv6 as TCP4', 'PROXY TCP4 ::1 ::1 1 2\r\n'],
    ['IPv4 as TCP6', 'PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n'],
    ['a zone', 'PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n'],
    ['an octet with a leading zero', 'PROXY TCP4 01.2.3.4 5.6.7.8 1 2\r\n'],
    ['a port with a leading zero', 'PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n'],
    ['a port that is too large', 'PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n'],
    ['a negative port', 'PROXY TCP4 1.2.3.4 5.6.7.8 -1 2\r\n'],
    ['a port in hex', 'PROXY TCP4 1.2.3.4 5.6.7.8 0x1 2\r\n'],
    ['lower case', 'PROXY tcp4 1.2.3.4 5.6.7.8 1 2\r\n'],
  ])('refuses %s', (_what, text) => {
    expect(read(text)).toMatchObject({ start: ProxyStart.Broken, header: null, problem: /./ });
  });

  test('what is wrong is named', () => {
    const problem = (text: string): string => read(text).problem;
    expect(problem(`PROXY UNKNOWN ${'x'.repeat(93)}`)).toBe('version 1 has no line end within 107 bytes');
    expect(problem('PROXY UNKNOWN\n')).toBe('version 1 does not end with CR LF');
    expect(problem('PROXY UNKNOWN x\n')).toBe('version 1 does not end with CR LF');
    const form = 'version 1 is not "PROXY TCP4|TCP6 source destination port port" or "PROXY UNKNOWN"';
    expect([problem('PROXY TCP5 1.2.3.4 5.6.7.8 1 2\r\n'), problem('PROXY TCP4 1.2.3.4\r\n')]).toEqual([form, form]);
    const none = 'version 1 has an address or a port that is none';
    for (const end of ['::1 5.6.7.8 1 2', '1.2.3.4 ::1 1 2', '1.2.3.4 5.6.7.8 x 2', '1.2.3.4 5.6.7.8 1 x'])
      expect(problem(`PROXY TCP4 ${end}\r\n`)).toBe(none);
  });

  test('its family is that of its line', () => {
    const facts = (text: string): unknown[] => {
      const { version, command, family, transport } = whole(text);
      return [version, command, family, transport];
    };
    expect(facts('PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n')).toEqual([1, 'proxy', 'ipv4', 'stream']);
    expect(facts('PROXY TCP6 ::1 ::2 1 2\r\n')).toEqual([1, 'proxy', 'ipv6', 'stream']);
    expect(facts('PROXY UNKNOWN ::1\r\n')).toEqual([1, 'proxy', 'unspec', 'unspec']);
  });

  test.each(['GET / HTTP/1.1\r\n', 'PROXX TCP4', 'PROXY\t', '\r\n\r\n\0\r\nQUITS', '\x16\x03\x01', 'P '])(
    '%j is no header',
    (text) => {
      expect(read(text).start).toBe(ProxyStart.None);
    },
  );
});

describe('PROXY version 2', () => {
  test('reads IPv4 over a stream', () => {
    const header = whole(v2('21', '11', ipv4Block));
    expect(header).toMatchObject({ version: 2, command: 'proxy', family: 'ipv4', transport: 'stream', tlvs: [] });
    expect(header.source).toEqual({ address: '192.0.2.1', port: 56_324 });
    expect(header.destination).toEqual({ address: '198.51.100.7', port: 443 });
  });

  test('reads IPv4 of a datagram', () => {
    expect(whole(v2('21', '12', ipv4Block))).toMatchObject({ transport: 'datagram', source: { address: '192.0.2.1' } });
  });

  test('reads IPv6', () => {
    const block = `20010db8000000000000000000000001 ${'0'.repeat(20)}ffffc0000209 0001 ffff`;
    const header = whole(v2('21', '21', block));
    expect(header.source).toEqual({ address: '2001:db8::1', port: 1 });
    expect(header.destination).toEqual({ address: '192.0.2.9', port: 65_535 });
  });

  test('reads the paths of Unix domain sockets', () => {
    const path = (text: string): string => Buffer.from(text.padEnd(108, '\0'), 'latin1').toString('hex');
    const header = whole(v2('21', '31', path('/run/client.sock') + path('\0abstract')));
    expect(header).toMatchObject({ family: 'unix', source: { address: '/run/client.sock', port: 0 } });
    expect(header.destination).toEqual({ address: '\0abstract', port: 0 });
    expect(whole(v2('21', '32', path('x'.repeat(108)) + path(''))).source?.address).toBe('x'.repeat(108));
  });

  test.each([
    ['UNSPEC', v2('21', '00', '')],
    ['UNSPEC with a block that nobody knows', v2('21', '00', '04 0001 00')],
    ['a family without transport', v2('21', '10', ipv4Block)],
    ['LOCAL', v2('20', '00', '')],
    ['LOCAL, with a block that is discarded whatever it says', v2('20', 'ff', '0102030405')],
  ])('%s has no addresses', (_what, bytes) => {
    expect(whole(bytes)).toMatchObject({ source: null, destination: null });
  });

  test.each([
    ['version 1', v2('11', '11', ipv4Block)],
    ['version 3', v2('31', '11', ipv4Block)],
    ['command 2', v2('22', '11', ipv4Block)],
    ['family 4', v2('21', '41', ipv4Block)],
    ['transport 3', v2('21', '13', ipv4Block)],
    ['addresses that are cut short', v2('21', '11', ipv4Block.slice(0, -2))],
    ['IPv6 with the length of IPv4', v2('21', '21', ipv4Block)],
    ['a path that is cut short', v2('21', '31', '00'.repeat(215))],
    ['a TLV without length', v2('21', '11', `${ipv4Block} 04`)],
    ['a TLV with half a length', v2('21', '11', `${ipv4Block} 04 00`)],
    ['a TLV that is cut short', v2('21', '11', `${ipv4Block} 04 0003 0000`)],
    ['a second TLV that is cut short', v2('21', '11', `${ipv4Block} 04 0000 02 0005 61`)],
    ['a CRC-32C of 3 bytes', v2('21', '11', `${ipv4Block} 03 0003 000000`)],
    ['a CRC-32C that is wrong', v2('21', '11', `${ipv4Block} 03 0004 00000000`)],
  ])('refuses %s', (_what, bytes) => {
    expect(read(bytes)).toMatchObject({ start: ProxyStart.Broken, header: null });
  });

  test('an error in the first bytes is found before the others are there', () => {
    expect(read(Buffer.from(`${SIGNATURE}11`, 'hex')).start).toBe(ProxyStart.Broken);
    expect(read(Buffer.from(`${SIGNATURE}2141000c`, 'hex')).start).toBe(ProxyStart.Broken);
    expect(read(Buffer.from(`${SIGNATURE}2111ffff`, 'hex'), 4096)).toMatchObject({
      start: ProxyStart.Broken,
      problem: /65551 bytes, allowed are 4096/,
    });
  });

  test('what is wrong is named', () => {
    const problem = (hex: string, maxBytes?: number): string =>
      read(Buffer.from(SIGNATURE + hex, 'hex'), maxBytes).problem;
    expect(problem('31')).toContain('its version is 3, and not 2');
    expect(problem('2f')).toContain('command 15 does not exist');
    expect(problem('21410000')).toContain('address family 4 with transport 1 does not exist');
    expect(problem('21130000')).toContain('address family 1 with transport 3 does not exist');
    const ofBlock = (block: string): string => read(v2('21', '11', block)).problem;
    expect(ofBlock(ipv4Block.slice(0, -2))).toBe('11 bytes are too few for its addresses');
    expect(ofBlock(`${ipv4Block} 04 0003 0000`)).toBe('a TLV is cut short');
    expect(ofBlock(`${ipv4Block} 03 0003 000000`)).toBe('its CRC-32C has not 4 bytes');
    expect(ofBlock(`${ipv4Block} 03 0004 00000000`)).toBe('its CRC-32C is wrong');
  });

  test('a local one tells nothing, whatever is in it', () => {
    for (const bytes of [v2('20', '00', ''), v2('20', '11', `${ipv4Block} 04 0000`), v2('20', 'ff', '01')]) {
      const { command, family, transport, source, destination, tlvs } = whole(bytes);
      expect([command, family, transport, source, destination, tlvs]).toEqual([
        'local',
        'unspec',
        'unspec',
        null,
        null,
        [],
      ]);
    }
  });

  test('one reader reads one after another, and keeps nothing of what came before', () => {
    const reader = new ProxyReader(65_551);
    const found = (bytes: Buffer): unknown[] => {
      const start = reader.read(bytes);
      return [start, reader.header?.family, reader.length, reader.problem];
    };
    expect(found(v2('21', '11', ipv4Block))).toEqual([ProxyStart.Whole, 'ipv4', 28, '']);
    expect(found(Buffer.from('GET'))).toEqual([ProxyStart.None, undefined, 0, '']);
    expect(found(v2('31', '11', ''))).toEqual([ProxyStart.Broken, undefined, 0, 'its version is 3, and not 2']);
    expect(found(Buffer.from('PROXY UNKNOWN\r\n'))).toEqual([ProxyStart.Whole, 'unspec', 15, '']);
    expect(found(Buffer.alloc(0))).toEqual([ProxyStart.Part, undefined, 0, '']);
  });

  test('a header may have just as many bytes as are allowed', () => {
    const bytes = v2('21', '11', ipv4Block);
    expect(read(bytes, bytes.length).start).toBe(ProxyStart.Whole);
    expect(read(bytes, bytes.length - 1)).toMatchObject({
      start: ProxyStart.Broken,
      problem: 'it has 28 bytes, allowed are 27 (maxHeaderBytes)',
    });
    const text = 'PROXY UNKNOWN\r\n';
    expect(read(text, text.length).start).toBe(ProxyStart.Whole);
    expect(read(text, text.length - 1)).toMatchObject({
      start: ProxyStart.Broken,
      problem: 'it has 15 bytes, allowed are 14 (maxHeaderBytes)',
    });
  });

  test('the last TLV may be empty', () => {
    const { tlvs } = whole(v2('21', '11', `${ipv4Block} 02 0001 61 04 0000`));
    expect(tlvs.map(({ type, value }) => [type, String(value)])).toEqual([
      [2, 'a'],
      [4, ''],
    ]);
  });

  test('reads TLVs, of TLS too', () => {
    const bytes = writeProxyHeader({
      source: { address: '192.0.2.1', port: 1 },
      destination: { address: '192.0.2.2', port: 2 },
      tlvs: [
        { type: ProxyTlvType.Alpn, value: 'h2' },
        { type: ProxyTlvType.Authority, value: 'example.org' },
        { type: 0xea, value: Buffer.from('\x01vpce-1') },
        {
          type: ProxyTlvType.Ssl,
          value: Buffer.from('05000000002100075453 4c76312e33 22000161 230002 4142'.replaceAll(' ', ''), 'hex').fill(
            Buffer.from('TLSv1.3'),
            8,
            15,
          ),
        },
        { type: ProxyTlvType.Noop, value: '' },
      ],
      crc32c: true,
    });
    const header = whole(bytes);
    expect(header.tlvs.map(({ type }) => type)).toEqual([1, 2, 0xea, 0x20, 4, 3]);
    expect([header.alpn, header.authority, header.tlv(0xea)?.toString()]).toEqual(['h2', 'example.org', '\x01vpce-1']);
    expect(header.tlv(0x77)).toBe(null);
    expect(header.ssl).toEqual({
      isTls: true,
      hasCertificate: false,
      hasSessionCertificate: true,
      isVerified: true,
      version: 'TLSv1.3',
      commonName: 'a',
      cipher: 'AB',
      signatureAlgorithm: null,
      keyAlgorithm: null,
    });
  });

  test('what no TLV tells is null', () => {
    const { alpn, authority, ssl, tlvs } = whole(v2('21', '11', ipv4Block));
    expect([alpn, authority, ssl, tlvs]).toEqual([null, null, null, []]);
  });

  test('the TLS of the client is what its flags and the result of the check say', () => {
    const ssl = (value: string): ProxyHeader['ssl'] =>
      whole(v2('21', '11', `${ipv4Block} 20 00${(value.length / 2).toString(16).padStart(2, '0')} ${value}`)).ssl;
    for (let flags = 0; flags < 8; flags++) {
      for (const result of [0, 1]) {
        expect(ssl(`0${flags}0000000${result}`)).toMatchObject({
          isTls: (flags & 1) === 1,
          hasCertificate: (flags & 2) === 2,
          hasSessionCertificate: (flags & 4) === 4,
          isVerified: flags > 1 && result === 0,
        });
      }
    }
    expect(ssl('00000000')).toBe(null); // cut short
    const broken = { version: null, commonName: null, cipher: null, signatureAlgorithm: null, keyAlgorithm: null };
    expect(ssl('0100000000210003')).toMatchObject({ isTls: true, ...broken });
    expect(ssl('010000000024000161250001622200016324000164')).toMatchObject({
      signatureAlgorithm: 'a',
      keyAlgorithm: 'b',
      commonName: 'c',
      version: null,
    });
  });

  test('a single changed bit breaks the CRC-32C', () => {
    const bytes = writeProxyHeader({
      source: { address: '2001:db8::1', port: 1 },
      destination: { address: '2001:db8::2', port: 2 },
      tlvs: [{ type: 0xe0, value: 'private' }],
      crc32c: true,
    });
    expect(read(bytes).start).toBe(ProxyStart.Whole);
    for (let at = 16; at < bytes.length; at++) {
      if (at === bytes.length - 7) continue; // its type: of another one there is no check
      const changed = Buffer.from(bytes);
      changed[at]! ^= 1;
      expect(read(changed).start).toBe(ProxyStart.Broken);
    }
  });

  test('the values outlive the bytes that they came in', () => {
    const bytes = writeProxyHeader({ tlvs: [{ type: 2, value: 'example.org' }] });
    const header = whole(bytes);
    bytes.fill(0xee);
    expect(header.authority).toBe('example.org');
  });
});

test('every beginning of a header is a part of one, and bytes behind it are not looked at', () => {
  const headers = [
    Buffer.from('PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n'),
    Buffer.from('PROXY UNKNOWN\r\n'),
    v2('21', '11', `${ipv4Block} 04 0001 00 02 0002 6869`),
    v2('20', '00', ''),
  ];
  for (const header of headers) {
    for (let length = 0; length < header.length; length++)
      expect(read(header.subarray(0, length)).start).toBe(ProxyStart.Part);
    const two = read(Buffer.concat([header, header]));
    expect([two.start, two.length]).toEqual([ProxyStart.Whole, header.length]);
  }
});

test('random bytes never make it throw', () => {
  const tail = fc.uint8Array({ maxLength: 300 });
  const start = fc.constantFrom(Buffer.from(SIGNATURE, 'hex'), Buffer.from('PROXY '), Buffer.alloc(0));
  fc.assert(
    fc.property(start, tail, (first, bytes) => {
      const { start: found, length, header } = read(Buffer.concat([first, bytes]));
      expect(length <= first.length + bytes.length).toBe(true);
      expect(header !== null).toBe(found === ProxyStart.Whole);
    }),
  );
});

describe('writeProxyHeader', () => {
  const address = fc.oneof(
    fc.ipV4(),
    fc.ipV6().filter((text) => !text.includes('%')),
  );
  const end = fc.record({ address, port: fc.integer({ min: 0, max: 65_535 }) });

  test('what it writes is read back', () => {
    fc.assert(
      fc.property(end, end, fc.constantFrom(1, 2), fc.boolean(), (source, destination, version, hasCrc) => {
        const header = whole(writeProxyHeader({ version, source, destination, crc32c: hasCrc && version === 2 }));
        expect(same(header.source?.address, source.address)).toBe(true);
        expect(same(header.destination?.address, destination.address)).toBe(true);
        expect([header.source?.port, header.destination?.port]).toEqual([source.port, destination.port]);
      }),
    );
  });

  test('as bytes', () => {
    const ends = {
      source: { address: '192.0.2.1', port: 56_324 },
      destination: { address: '198.51.100.7', port: 443 },
    };
    expect(writeProxyHeader(ends)).toEqual(v2('21', '11', ipv4Block));
    expect(writeProxyHeader({ ...ends, transport: 'datagram' })).toEqual(v2('21', '12', ipv4Block));
    expect(writeProxyHeader({ ...ends, version: 1 }).toString()).toBe(
      'PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n',
    );
    expect(writeProxyHeader({ command: 'local' })).toEqual(v2('20', '00', ''));
    expect(writeProxyHeader({})).toEqual(v2('21', '00', ''));
    expect(writeProxyHeader({ version: 1 }).toString()).toBe('PROXY UNKNOWN\r\n');
    // `remoteAddress` of a client of a Unix domain socket, forwarded to an IP address.
    const nobody = { source: { address: '', port: 0 }, destination: { address: '192.0.2.1', port: 80 } };
    expect(writeProxyHeader({ version: 1, ...nobody }).toString()).toBe('PROXY UNKNOWN\r\n');
    expect(writeProxyHeader(nobody).subarray(12).toString('hex')).toBe('21000000');
    const mixed = { ...ends, destination: { address: '2001:db8::1', port: 443 } };
    expect(writeProxyHeader({ ...mixed, version: 1 }).toString()).toBe(
      'PROXY TCP6 ::ffff:192.0.2.1 2001:db8::1 56324 443\r\n',
    );
    expect(whole(writeProxyHeader(mixed))).toMatchObject({ family: 'ipv6', source: { address: '192.0.2.1' } });
    const paths = { source: { address: '/a', port: 0 }, destination: { address: '\0b', port: 0 } };
    expect(whole(writeProxyHeader(paths))).toMatchObject({ family: 'unix', ...paths });
  });

  test('an IPv6 address with an IPv4 one at its end, and groups that are left out anywhere', () => {
    const written = (address: string): string =>
      writeProxyHeader({ source: { address, port: 1 }, destination: { address: '::', port: 2 } }).toString(
        'hex',
        16,
        32,
      );
    expect(written('64:ff9b::192.0.2.33')).toBe('0064ff9b0000000000000000c0000221');
    expect(written('1:2:3:4:5:6:255.254.253.252')).toBe('000100020003000400050006fffefdfc');
    expect(written('::')).toBe('00'.repeat(16));
    expect(written('::1')).toBe(`${'00'.repeat(15)}01`);
    expect(written('fe80::')).toBe(`fe80${'00'.repeat(14)}`);
    expect(written('1:2:3:4:5:6:7::')).toBe('00010002000300040005000600070000');
  });

  test('local tells no addresses, though there are some', () => {
    const ends = { source: { address: '192.0.2.1', port: 1 }, destination: { address: '192.0.2.2', port: 2 } };
    expect(writeProxyHeader({ version: 1, command: 'local', ...ends }).toString()).toBe('PROXY UNKNOWN\r\n');
    expect(writeProxyHeader({ command: 'local', ...ends })).toEqual(v2('20', '00', ''));
    expect(writeProxyHeader({ command: 'proxy', transport: 'stream', ...ends })).toEqual(writeProxyHeader(ends));
  });

  test('version 1 may have no TLVs, but a list of none', () => {
    expect(writeProxyHeader({ version: 1, tlvs: [] }).toString()).toBe('PROXY UNKNOWN\r\n');
  });

  test('an address has no zone in a header', () => {
    const zoned = { source: { address: 'fe80::1%eth0', port: 1 }, destination: { address: 'fe80::2%1', port: 2 } };
    const plain = { source: { address: 'fe80::1', port: 1 }, destination: { address: 'fe80::2', port: 2 } };
    expect(writeProxyHeader({ version: 1, ...zoned }).toString()).toBe('PROXY TCP6 fe80::1 fe80::2 1 2\r\n');
    expect(writeProxyHeader(zoned)).toEqual(writeProxyHeader(plain));
  });

  test('a path has up to 108 bytes', () => {
    const path = `/${'ä'.repeat(53)}x`;
    const destination = { address: '/b', port: 0 };
    expect(whole(writeProxyHeader({ source: { address: path, port: 0 }, destination })).source!.address).toBe(path);
    expect(() => writeProxyHeader({ source: { address: `${path}x`, port: 0 }, destination })).toThrow(
      'source of writeProxyHeader is a path of over 108 bytes',
    );
  });

  test('a TLV of more than 255 bytes has a length of two', () => {
    const { tlvs } = whole(
      writeProxyHeader({
        tlvs: [
          { type: 255, value: 'x'.repeat(300) },
          { type: 0, value: 'y' },
        ],
      }),
    );
    expect(tlvs.map(({ type, value }) => [type, value.length])).toEqual([
      [255, 300],
      [0, 1],
    ]);
  });

  test.each([
    [{ version: 3 }, /version of writeProxyHeader must be 1 or 2/],
    [{ command: 'LOCAL' }, /must be proxy or local/],
    [{ source: { address: 'example.org', port: 1 } }, /source of writeProxyHeader must be an IP address or a path/],
    [{ source: { address: '1.2.3.4', port: 65_536 } }, /the port of source must be a whole number/],
    [{ destination: '1.2.3.4' }, /destination of writeProxyHeader must be an address and a port/],
    [{ source: null }, /^source of writeProxyHeader must be an address and a port, not null$/],
    [{ source: { address: 5, port: 1 } }, /^source of writeProxyHeader must be an address and a port, not an object$/],
    [{ source: { address: '1.2.3.4', port: -1 } }, /^the port of source must be a whole number, 0 to 65535, not -1$/],
    [{ destination: { address: '::1', port: 1.5 } }, /^the port of destination must be a whole number/],
    [{ transport: 'tcp' }, /^transport of writeProxyHeader must be stream or datagram, not "tcp"$/],
    [{ crc32c: 1 }, /^crc32c of writeProxyHeader must be true or false, not 1$/],
    [{ tlvs: {} }, /^tlvs of writeProxyHeader must be an array, not an object$/],
    [{ tlvs: [null] }, /^type of a TLV must be a whole number, 0 to 255, not undefined$/],
    [{ tlvs: [{ type: -1, value: '' }] }, /^type of a TLV/],
    [{ version: 1, tlvs: [{ type: 1, value: '' }] }, /version 1 has no tlvs/],
    [{ tlvs: [{ type: 256, value: '' }] }, /type of a TLV/],
    [{ tlvs: [{ type: 1, value: 5 }] }, /value of TLV 1/],
    [{ tlvs: [{ type: 1, value: 'x'.repeat(65_536) }] }, /at most 65535/],
    [{ tlvs: [{ type: 1, value: 'x'.repeat(65_533) }] }, /at most 65535/],
    [{ sourc: 1 }, /did you mean source/],
    [{ version: 1, source: { address: '/a', port: 0 } }, /has no paths/],
    [
      { source: { address: '/a', port: 0 }, destination: { address: '1.2.3.4', port: 0 } },
      /must both be IP addresses, or both be paths/,
    ],
  ])('refuses %j', (options, message) => {
    expect(() => writeProxyHeader(options as never)).toThrow(message);
  });
});

test('CRC-32C has the check value of its definition', () => {
  expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
});

test('for its own CRC-32C, the four bytes of it count as zeros, wherever they are', () => {
  const bytes = Buffer.from('123456789');
  for (let at = 0; at <= 5; at++) {
    const zeroed = Buffer.from(bytes).fill(0, at, at + 4);
    expect(crc32c(bytes, at)).toBe(crc32c(zeroed));
  }
});

test('IPv6 addresses are written as RFC 5952 demands', () => {
  const text = (hex: string): string => ipv6Text(Buffer.from(hex, 'hex'), 0);
  expect(text('00'.repeat(16))).toBe('::');
  expect(text(`${'00'.repeat(15)}01`)).toBe('::1');
  expect(text('20010db8000000010001000100010001')).toBe('2001:db8:0:1:1:1:1:1');
  expect(text('20010000000000010000000000000001')).toBe('2001:0:0:1::1');
  expect(text('20010db8000000000001000000000001')).toBe('2001:db8::1:0:0:1');
  expect(text(`fe80${'00'.repeat(14)}`)).toBe('fe80::');
  // Mapped IPv4 addresses, and what only looks like one.
  expect(text(`${'00'.repeat(10)}ffffc0000201`)).toBe('192.0.2.1');
  expect(text(`${'00'.repeat(10)}ffff00000000`)).toBe('0.0.0.0');
  expect(text(`${'00'.repeat(10)}fffec0000201`)).toBe('::fffe:c000:201');
  expect(text(`${'00'.repeat(6)}00010002ffff00030004`)).toBe('::1:2:ffff:3:4');
  expect(text('00010002000300040005ffff00060007')).toBe('1:2:3:4:5:ffff:6:7');
  expect(text(`0001${'00'.repeat(10)}00010002`)).toBe('1::1:2');
});

/** Whether two texts are the same address. */
function same(a: string | undefined, b: string): boolean {
  const bytes = (text: string): string => {
    const isFour = !text.includes(':');
    return writeProxyHeader({
      source: { address: isFour ? `::ffff:${text}` : text, port: 0 },
      destination: { address: '::', port: 0 },
    }).toString('hex');
  };
  return a !== undefined && bytes(a) === bytes(b);
}
