import { createHash, randomBytes } from 'node:crypto';
import {
  SslAgent,
  SslClient,
  SslPackAgent,
  SslPackClient,
  SslPackServer,
  SslPullAgent,
  SslPullClient,
  SslPullServer,
  SslServer,
} from 'hp-socket';
import { testCertificate } from '../../bench/certificates.ts';
import { expect, type Row, type Scenario, until } from '../scenario.ts';

const host = 'localhost';
const total = 8 * 1024 * 1024;
const agentConnections = 20;

/** One receive model over TLS: bytes there and back with checksum, then an agent with several connections. */
function overTls(model: 'push' | 'pull' | 'pack'): Scenario {
  const names = { push: 'Ssl', pull: 'SslPull', pack: 'SslPack' };
  return {
    title: `${names[model]}Server, ${names[model]}Client and ${names[model]}Agent: encrypted, certificate and name checked`,
    async run(progress) {
      const { cert, key, ca } = await testCertificate();
      const server = {
        push: () => new SslServer({ onReceive: (server, connId, data) => void server.send(connId, data) }),
        pull: () =>
          new SslPullServer({
            onReceive: (server, connId, length) => void server.send(connId, server.fetch(connId, length) as Buffer),
          }),
        pack: () => new SslPackServer({ onReceive: (server, connId, packet) => void server.send(connId, packet) }),
      }[model]();
      server.setupSSLContextByMemory({ cert, key });
      const { port } = await server.start('127.0.0.1', 0);

      const received = createHash('sha256');
      let length = 0;
      const take = (bytes: Buffer): void => {
        received.update(bytes);
        length += bytes.length;
        progress(`${(length / 1024 / 1024).toFixed(0)} of ${total / 1024 / 1024} MiB came back`);
      };
      const client = {
        push: () => new SslClient({ onReceive: (_client, _connId, data) => take(data) }),
        pull: () => new SslPullClient({ onReceive: (client, _connId, n) => take(client.fetch(n) as Buffer) }),
        pack: () => new SslPackClient({ onReceive: (_client, _connId, packet) => take(packet) }),
      }[model]();
      client.setupSSLContextByMemory({ ca });
      await client.start(host, port);
      await until(
        () => client.send(''.padEnd(1)) || !client.isConnected,
        () => 'no TLS handshake',
      );
      const sent = createHash('sha256').update(' ');
      for (let at = 1; at < total; at += 32_768) {
        const chunk = randomBytes(Math.min(32_768, total - at));
        sent.update(chunk);
        expect(client.send(chunk), `send failed: ${client.lastFailure?.message}`);
        if (client.pendingDataLength > 1024 * 1024) {
          await until(
            () => client.pendingDataLength < 512 * 1024,
            () => `${client.pendingDataLength} bytes pending`,
          );
        }
      }
      await until(
        () => length === total,
        () => `${length} of ${total} bytes came back`,
      );
      expect(sent.digest('hex') === received.digest('hex'), 'the checksums differ');
      const clientBytes = length;
      await client.stop({ drainTimeoutMs: 2000 });

      let answers = 0;
      const count = (bytes: Buffer): void => void (answers += bytes.length);
      const agent = {
        push: () => new SslAgent({ onReceive: (_agent, _connId, data) => count(data) }),
        pull: () => new SslPullAgent({ onReceive: (agent, connId, n) => count(agent.fetch(connId, n) as Buffer) }),
        pack: () => new SslPackAgent({ onReceive: (_agent, _connId, packet) => count(packet) }),
      }[model]();
      agent.setupSSLContextByMemory({ ca });
      await agent.start();
      const connIds = await Promise.all(Array.from({ length: agentConnections }, () => agent.connect(host, port)));
      for (const connId of connIds) {
        await until(
          () => agent.send(connId, 'hello'),
          () => 'no TLS handshake',
        );
      }
      await until(
        () => answers === 5 * agentConnections,
        () => `${answers} bytes came back`,
      );
      const agentStats = agent.stats();
      await agent.stop({ drainTimeoutMs: 2000 });
      const serverStats = server.stats();
      await server.stop();
      const name = names[model];
      const rows: Row[] = [
        {
          component: `${name}Server`,
          did: 'echoed over TLS 1.3',
          messages: serverStats.messagesIn,
          bytes: serverStats.bytesIn,
        },
        {
          component: `${name}Client`,
          did: '8 MiB there and back, checksum right',
          messages: total / 32_768,
          bytes: clientBytes,
        },
        {
          component: `${name}Agent`,
          did: `${agentConnections} connections, each answered`,
          messages: agentStats.messagesIn,
          bytes: agentStats.bytesIn,
        },
      ];
      return rows;
    },
  };
}

export const sslScenarios: Scenario[] = [overTls('push'), overTls('pull'), overTls('pack')];
