/** A server that answers commands, in a process that is short of file descriptors. Run by errors.test.ts. */
import { closeSync, openSync } from 'node:fs';
import { SocketError, TcpAgent, TcpClient, TcpServer } from '../../src/index.ts';

const files: number[] = [];
const closes = { server: 0, client: 0, agent: 0 };
let port = 0;
let isFreed = false;
const second = new TcpServer({ onClose: () => void closes.server++ });
const client = new TcpClient({ onClose: () => void closes.client++ });
const agent = new TcpAgent({ onClose: () => void closes.agent++ });

/** Opens files until the system says no; returns what it said. */
function takeAll(): string | undefined {
  if (isFreed) return undefined;
  try {
    for (;;) files.push(openSync('/dev/null', 'r'));
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  }
}

async function outcome(
  name: 'server' | 'client' | 'agent',
  component: { state: number },
  act: () => Promise<unknown>,
): Promise<object> {
  takeAll(); // libuv gives its spare descriptor away when it turns a connection down, so take what came free
  try {
    await act();
    return { state: component.state, connections: agent.connectionCount };
  } catch (error) {
    const { socketError, errnoName, message } = error as SocketError;
    const isSocketError = error instanceof SocketError;
    return { isSocketError, socketError, errnoName, message, state: component.state, closes: closes[name] };
  }
}

const commands: Record<string, () => object | Promise<object>> = {
  ping: () => ({ pong: true }),
  exhaust: () => ({ exhausted: takeAll() === 'EMFILE' }),
  free() {
    isFreed = true;
    for (const file of files.splice(0)) closeSync(file);
    return { freed: true };
  },
  server: () => outcome('server', second, () => second.start('127.0.0.1', 0)),
  client: () => outcome('client', client, () => client.start('127.0.0.1', port)),
  agent: () => outcome('agent', agent, () => agent.connect('127.0.0.1', port)),
};

const server = new TcpServer({
  async onReceive(server, connId, data) {
    const command = commands[data.toString().trim()];
    const answer = await (command?.() ?? { unknown: data.toString() });
    server.send(connId, `${JSON.stringify(answer)}\n`);
  },
});
await agent.start();
({ port } = await server.start('127.0.0.1', 0));
process.stdout.write(`${port}\n`);
