import { expect, test } from 'vitest';
import { UdpArqClient, UdpArqServer, UdpCast, UdpClient, UdpNode, UdpServer } from '../../src/index.ts';

const classes = { UdpServer, UdpClient, UdpArqServer, UdpArqClient, UdpCast, UdpNode };
type Name = keyof typeof classes;
/** IDs, component, property, default, values that pass, values that do not. */
type Row = [ids: string, component: Name, property: string, initial: unknown, good: unknown[], bad: unknown[]];

/** IDs at the server, IDs at the client, the rest as above. */
const arqRows: Array<[string, string, string, unknown, unknown[], unknown[]]> = [
  ['ARQ-S-001 ARQ-S-002 AQ-025', 'ARQ-C-001 ARQ-C-002 AQ-025', 'noDelay', false, [true], [1]],
  ['ARQ-S-003 ARQ-S-004 AQ-026', 'ARQ-C-003 ARQ-C-004 AQ-026', 'turnoffCongestCtrl', false, [true], [0]],
  ['ARQ-S-005 ARQ-S-006 AQ-027', 'ARQ-C-005 ARQ-C-006 AQ-027', 'flushInterval', 60, [1, 10], [0]],
  ['ARQ-S-007 ARQ-S-008 AQ-028', 'ARQ-C-007 ARQ-C-008 AQ-028', 'resendByAcks', 0, [2], [-1]],
  ['ARQ-S-009 ARQ-S-010 AQ-029', 'ARQ-C-009 ARQ-C-010 AQ-029', 'sendWndSize', 128, [1], [0]],
  ['ARQ-S-011 ARQ-S-012 AQ-030 ACC-007', 'ARQ-C-011 ARQ-C-012 AQ-030 ACC-007', 'recvWndSize', 512, [1], [0]],
  ['ARQ-S-013 ARQ-S-014 AQ-031', 'ARQ-C-013 ARQ-C-014 AQ-031', 'minRto', 30, [1], [0]],
  ['ARQ-S-015 ARQ-S-016 AQ-032', 'ARQ-C-015 ARQ-C-016 AQ-032', 'fastLimit', 5, [0], [-1]],
  ['ARQ-S-017 ARQ-S-018 AQ-033', 'ARQ-C-017 ARQ-C-018 AQ-033', 'maxTransUnit', 0, [0, 72, 1432], [71]],
  ['ARQ-S-019 ARQ-S-020 AQ-034', 'ARQ-C-019 ARQ-C-020 AQ-034', 'maxMessageSize', 4096, [1], [0]],
  ['ARQ-S-021 ARQ-S-022 AQ-035', 'ARQ-C-021 ARQ-C-022 AQ-035', 'handshakeTimeoutMs', 5000, [61], [0]],
];

const rows: Row[] = [
  ['UDP-S-001 UDP-S-002', 'UdpServer', 'maxDatagramSize', 1432, [1, 65_536], [0, 65_537, '1']],
  ['UDP-S-003 UDP-S-004', 'UdpServer', 'postReceiveCount', 64, [1], [0]],
  ['UDP-S-005 UDP-S-006', 'UdpServer', 'detectAttempts', 3, [0, 9], [-1]],
  ['UDP-S-007 UDP-S-008', 'UdpServer', 'detectInterval', 60_000, [0, 1000], [999]],
  ['UDP-C-001 UDP-C-002', 'UdpClient', 'maxDatagramSize', 1432, [1, 65_536], [0]],
  ['UDP-C-003 UDP-C-004', 'UdpClient', 'detectAttempts', 3, [0], [-1]],
  ['UDP-C-005 UDP-C-006', 'UdpClient', 'detectInterval', 60_000, [0, 1000], [1]],
  ['CAST-001 CAST-002', 'UdpCast', 'maxDatagramSize', 1432, [1], [0]],
  ['CAST-003 CAST-004', 'UdpCast', 'castMode', 0, [0, 1], [-1, 2]],
  ['CAST-005 CAST-006', 'UdpCast', 'multiCastTtl', 1, [0, 255], [-1, 256]],
  ['CAST-007 CAST-008', 'UdpCast', 'multiCastLoop', false, [true], [1]],
  ['NODE-018 NODE-019', 'UdpNode', 'maxDatagramSize', 1432, [65_536], [0]],
  ['NODE-020 NODE-021', 'UdpNode', 'multiCastTtl', 1, [0, 255], [256]],
  ['NODE-022 NODE-023', 'UdpNode', 'multiCastLoop', false, [true], ['']],
  ['NODE-024 NODE-025', 'UdpNode', 'reuseAddressPolicy', 1, [0, 2], [3]],
  ['NODE-026 NODE-027', 'UdpNode', 'workerThreadCount', expect.any(Number), [1, 512], [0, 513]],
  ['NODE-028 NODE-029', 'UdpNode', 'postReceiveCount', 64, [1], [0]],
  ['NODE-030 NODE-031', 'UdpNode', 'freeBufferPoolSize', 1024, [0], [-1]],
  ['NODE-032 NODE-033', 'UdpNode', 'freeBufferPoolHold', 1024, [0], [-1]],
  ['', 'UdpServer', 'recvBufferBytes', 4_194_304, [0, 65_536], [1]],
  ['', 'UdpServer', 'maxQueuedDatagrams', 1024, [0], [-1]],
  ['', 'UdpArqServer', 'arqCookies', true, [false], [null]],
  ['', 'UdpArqClient', 'unreliable', false, [true], [1]],
  ...arqRows.map(([ids, , ...rest]): Row => [ids, 'UdpArqServer', ...rest]),
  ...arqRows.map(([, ids, ...rest]): Row => [ids, 'UdpArqClient', ...rest]),
];

test.each(rows)('%s %s.%s: default %o, range, option and property', (_ids, name, property, initial, good, bad) => {
  const make = (options: object): Record<string, unknown> => new classes[name]({}, options) as never;
  const component = make({});
  expect(component[property]).toEqual(initial);
  for (const value of good) {
    component[property] = value;
    expect(component[property]).toBe(value);
    expect(make({ [property]: value })[property]).toBe(value);
  }
  for (const value of bad) expect(() => make({ [property]: value })).toThrow(property);
});

test('presets set several properties; what stands beside them wins, whatever the order', () => {
  const quick = new UdpArqClient({}, { preset: 'interactive' });
  expect([quick.noDelay, quick.flushInterval, quick.resendByAcks, quick.sendWndSize]).toEqual([true, 10, 2, 256]);
  expect(new UdpArqServer({}, { sendWndSize: 7, preset: 'bulk' })).toMatchObject({ sendWndSize: 7, recvWndSize: 2048 });
  quick.preset = 'bulk';
  expect(quick.sendWndSize).toBe(1024);
  expect(() => new UdpArqServer({}, { preset: 'fast' as never })).toThrow('preset');
});

test('a property cannot be set while the component runs; an unknown option names the nearest', async () => {
  const server = new UdpServer({});
  await server.start('127.0.0.1', 0);
  expect(() => {
    server.maxDatagramSize = 5;
  }).toThrow('stopped');
  await server.stop();
  expect(() => new UdpServer({}, { maxDatagramsize: 5 } as never)).toThrow('did you mean maxDatagramSize?');
  expect(() => new UdpNode(null as never)).toThrow(TypeError);
});
