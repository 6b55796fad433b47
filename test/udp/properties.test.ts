import { expect, test } from 'vitest';
import { UdpArqClient, UdpArqServer, UdpCast, UdpClient, UdpNode, UdpServer } from '../../src/index.ts';

const classes = { UdpServer, UdpClient, UdpArqServer, UdpArqClient, UdpCast, UdpNode };
type Name = keyof typeof classes;
/** IDs, component, property, default, values that pass, values that do not. */
type Row = [ids: string, component: Name, property: string, initial: unknown, good: unknown[], bad: unknown[]];

const arq = (letter: string, component: Name): Row[] => [
  [`ARQ-${letter}-001 ARQ-${letter}-002 AQ-025`, component, 'noDelay', false, [true], [1]],
  [`ARQ-${letter}-003 ARQ-${letter}-004 AQ-026`, component, 'turnoffCongestCtrl', false, [true], [0]],
  [`ARQ-${letter}-005 ARQ-${letter}-006 AQ-027`, component, 'flushInterval', 60, [1, 10], [0]],
  [`ARQ-${letter}-007 ARQ-${letter}-008 AQ-028`, component, 'resendByAcks', 0, [2], [-1]],
  [`ARQ-${letter}-009 ARQ-${letter}-010 AQ-029`, component, 'sendWndSize', 128, [1], [0]],
  [`ARQ-${letter}-011 ARQ-${letter}-012 AQ-030 ACC-007`, component, 'recvWndSize', 512, [1], [0]],
  [`ARQ-${letter}-013 ARQ-${letter}-014 AQ-031`, component, 'minRto', 30, [1], [0]],
  [`ARQ-${letter}-015 ARQ-${letter}-016 AQ-032`, component, 'fastLimit', 5, [0], [-1]],
  [`ARQ-${letter}-017 ARQ-${letter}-018 AQ-033`, component, 'maxTransUnit', 0, [0, 72, 1432], [71]],
  [`ARQ-${letter}-019 ARQ-${letter}-020 AQ-034`, component, 'maxMessageSize', 4096, [1], [0]],
  [`ARQ-${letter}-021 ARQ-${letter}-022 AQ-035`, component, 'handShakeTimeout', 5000, [61], [0]],
];

// ARQ-S-001 to ARQ-S-022 and ARQ-C-001 to ARQ-C-022 are made above.
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
  ...arq('S', 'UdpArqServer'),
  ...arq('C', 'UdpArqClient'),
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
