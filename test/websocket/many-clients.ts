/** The clients of many.test.ts, in a process of their own: a process has descriptors for one end of 10,000 connections, not for both. */
import { WebSocketAgent } from '../../src/websocket.ts';

/** What the test asks for. */
export type Ask = { open: number; stay: boolean } | { close: number } | 'counts';

/** What the clients got so far. */
export interface Counts {
  received: number;
  /** The fewest and the most messages that one of those got that stay. */
  fewest: number;
  most: number;
  /** How those ended that were to stay. */
  lost: string[];
}

let received = 0;
const staying = new Map<number, number>();
const moving: number[] = [];
const lost: string[] = [];

const agent = new WebSocketAgent(
  {
    onMessage(_agent, connId, data) {
      if (data.length !== 64) throw new Error(`a message of ${data.length} bytes`);
      received++;
      const count = staying.get(connId);
      if (count !== undefined) staying.set(connId, count + 1);
    },
    onClose(_agent, connId, _operation, errorCode, info) {
      if (staying.has(connId)) lost.push(`${errorCode} ${info.error?.message}`);
    },
  },
  { maxConnectionCount: 100_000, pingIntervalMs: 0 },
);

async function open(count: number, stay: boolean): Promise<void> {
  for (let left = count; left > 0; left -= 200) {
    const opening = Array.from({ length: Math.min(200, left) }, () => agent.open(process.argv[2]!));
    for (const id of await Promise.all(opening)) {
      if (stay) staying.set(id, 0);
      else moving.push(id);
    }
  }
}

async function answer(ask: Ask): Promise<Counts | null> {
  if (ask === 'counts') {
    const counts = [...staying.values()];
    return { received, fewest: Math.min(...counts), most: Math.max(...counts), lost };
  }
  if ('open' in ask) await open(ask.open, ask.stay);
  else for (const id of moving.splice(0, ask.close)) agent.close(id);
  return null;
}

await agent.start();
process.on('message', (ask: Ask) => {
  answer(ask).then(
    (result) => process.send!({ result }),
    (error: unknown) => process.send!({ error: String(error) }),
  );
});
process.on('disconnect', () => process.exit(0));
process.send!({ result: null });
