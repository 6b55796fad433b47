/** The same server with a pool for the hashes. */
import { TcpPackServer } from 'hp-socket';
import { createSocketTask, ThreadPool } from 'hp-socket/helpers';
import { maxPackSize } from '../baselines/framing-by-hand.ts';
import type { StartContender } from '../harness/contract.ts';

export const start: StartContender = async () => {
  const module = `data:text/javascript,
    import { hashForLong } from ${JSON.stringify(new URL('../baselines/tasks.js', import.meta.url).href)};
    export const hash = ({ data }) => hashForLong(data);`;
  const pool = new ThreadPool({}, { module });
  await pool.start(1);
  const server = new TcpPackServer(
    {
      async onReceive(sender, connId, packet) {
        if (packet.length < 1000) sender.send(connId, packet);
        else sender.send(connId, (await pool.submit(createSocketTask('hash', sender, connId, packet))) as Buffer);
      },
    },
    { maxPackSize },
  );
  const { port } = await server.start('127.0.0.1', 0);
  return { port };
};
