import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { HttpAgent, HttpServer } from '../../src/http.ts';
import {
  PortForwarder,
  ServiceState,
  TcpAgent,
  TcpClient,
  TcpServer,
  UdpArqServer,
  UdpClient,
  UdpNode,
  UdpServer,
} from '../../src/index.ts';

/** More than the ten listeners from which on Node warns of a leak. */
const COUNT = 15;

const warnings: string[] = [];
const note = ({ name, message }: Error): void => void warnings.push(`${name}: ${message}`);

beforeEach(() => {
  warnings.length = 0;
  process.on('warning', note);
});

afterEach(async () => {
  await new Promise(setImmediate);
  process.off('warning', note);
  expect(warnings.filter((warning) => warning.includes('MaxListeners'))).toEqual([]);
});

const times = <T>(make: () => T): T[] => Array.from({ length: COUNT }, make);

test('many components of every kind share one signal: no warning, and its abort stops them all', async () => {
  const controller = new AbortController();
  const { signal } = controller;
  const target = new UdpServer({});
  const { port: udpPort } = await target.start('127.0.0.1', 0);
  const tcpTarget = new TcpServer({});
  const { port: tcpPort } = await tcpTarget.start('127.0.0.1', 0);
  const place = { host: '127.0.0.1', port: 0, signal };
  const servers = [
    ...times(() => new TcpServer({})),
    ...times(() => new HttpServer({})),
    ...times(() => new UdpServer({})),
    ...times(() => new UdpArqServer({})),
    ...times(() => new PortForwarder({}, { target: { host: '127.0.0.1', port: tcpPort } })),
  ];
  const agents = times(() => new TcpAgent({}));
  const clients = times(() => new TcpClient({}));
  const udpClients = times(() => new UdpClient({}));
  const nodes = times(() => new UdpNode({}));
  await Promise.all([
    ...servers.map((server) => server.start(place)),
    ...agents.map((agent) => agent.start({ signal })),
    ...clients.map((client) => client.start({ host: '127.0.0.1', port: tcpPort, signal })),
    ...udpClients.map((client) => client.start({ host: '127.0.0.1', port: udpPort, signal })),
    ...nodes.map((node) => node.start({ host: '127.0.0.1', port: 0, signal })),
  ]);
  const all = [...servers, ...agents, ...clients, ...udpClients, ...nodes];
  const gone = Promise.all(all.map((component) => component.wait()));
  controller.abort();
  await gone;
  expect(all.map(({ state }) => state)).toEqual(all.map(() => ServiceState.Stopped));
  await Promise.all([target.stop(), tcpTarget.stop()]);
});

test('many connects, requests and waits share one signal: no warning, and its abort ends them all', async () => {
  const controller = new AbortController();
  const { signal } = controller;
  let asked = 0;
  const server = new HttpServer({
    onRequest: () => {
      asked++;
      return new Promise(() => {}); // no answer ever
    },
  });
  const { port } = await server.start('127.0.0.1', 0);
  const agent = new HttpAgent({});
  await agent.start();
  const connecting = new TcpAgent({ onPrepareConnect: () => new Promise(() => {}) });
  await connecting.start();
  const waits = times(() => server.wait(-1, { signal }));
  const connects = times(() => connecting.connect({ host: '127.0.0.1', port, signal }));
  const requests = times(() => agent.request(`http://127.0.0.1:${port}/`, { signal }));
  const ends = Promise.allSettled([...waits, ...connects, ...requests]);
  while (asked < COUNT) await new Promise(setImmediate);
  controller.abort();
  for (const end of await ends) expect(end).toMatchObject({ status: 'rejected', reason: { errnoName: 'ECANCELED' } });
  await Promise.all([agent.stop(), connecting.stop(), server.stop()]);
});

test('what is over listens to the signal no more', async () => {
  const controller = new AbortController();
  const { signal } = controller;
  const server = new HttpServer({ onRequest: (_server, _connId, request) => request.respond('hello') });
  const { port } = await server.start({ host: '127.0.0.1', port: 0, signal });
  const agent = new HttpAgent({});
  await agent.start({ signal });
  for (let i = 0; i < COUNT; i++) await agent.request(`http://127.0.0.1:${port}/`, { signal });
  expect(getEventListeners(signal, 'abort')).toHaveLength(1);
  await Promise.all([agent.stop(), server.stop()]);
  await new Promise(setImmediate);
  expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  const plain = new TcpClient({});
  await expect(plain.start({ host: '127.0.0.1', port, signal })).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  expect(getEventListeners(signal, 'abort')).toHaveLength(0);
});
