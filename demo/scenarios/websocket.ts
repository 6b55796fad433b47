import { HttpServer } from 'hp-socket/http';
import { SslWebSocketAgent, SslWebSocketServer, WebSocketAgent, WebSocketClient } from 'hp-socket/websocket';
import { commonCertificates } from '../../test/tools/certificates.ts';
import { expect, type Scenario, until } from '../scenario.ts';

const host = '127.0.0.1';

const chat: Scenario = {
  title: 'HttpServer with ws, WebSocketAgent, WebSocketClient: a chat of 200 on the port of its page',
  async run(progress) {
    const members = 200;
    const lines = 100;
    let heard = 0;
    await using server = new HttpServer(
      { onRequest: (_server, _id, request) => void request.respond('the page') },
      { ws: { compression: true } },
    );
    server.addHub('/chat', {
      onOpen: (sender, connId) => sender.subscribe(connId, 'chat'),
      onMessage: (sender, connId, text) => sender.publish('chat', text.toString(), { except: connId }),
    });
    const { port } = await server.start(host, 0);
    await using agent = new WebSocketAgent({ onMessage: () => void heard++ });
    await agent.start();
    const url = `ws://${host}:${port}/chat`;
    await Promise.all(Array.from({ length: members }, () => agent.open(url)));
    const response = await fetch(`http://${host}:${port}/`);
    expect((await response.text()) === 'the page', 'the page is not what it should be');
    const speaker = new WebSocketClient({}, { compression: true });
    await speaker.open(url);
    for (let i = 0; i < lines; i++) speaker.send(`line ${i}`);
    await until(
      () => heard === members * lines,
      () => {
        progress(`${heard} of ${members * lines} lines are heard`);
        return `${heard} of ${members * lines} lines were heard`;
      },
    );
    const delivered = server.webSocketStats()!.topics!.delivered;
    expect(delivered === members * lines, `${delivered} deliveries were counted`);
    speaker.close();
    await speaker.wait();
    const { bytesOut } = server.stats();
    return [
      { component: 'HttpServer', did: 'a chat over WebSockets beside its page', messages: delivered, bytes: bytesOut },
      { component: 'WebSocketAgent', did: 'listened to the chat', messages: heard, bytes: agent.stats().bytesIn },
      { component: 'WebSocketClient', did: 'spoke in the chat', messages: lines, bytes: speaker.stats().bytesOut },
    ];
  },
};

const secure: Scenario = {
  title: 'SslWebSocketServer and SslWebSocketAgent: streams of fragments, compressed echoes',
  async run(progress) {
    const { server: identity } = await commonCertificates();
    const connections = 20;
    const rounds = 50;
    let echoed = 0;
    let wrong = 0;
    const text = JSON.stringify(Array.from({ length: 100 }, (_, i) => ({ i, name: `user-${i}` })));
    await using server = new SslWebSocketServer(
      { onMessage: (sender, connId, data) => void sender.send(connId, String(data)) },
      { ssl: identity, compression: true } as ConstructorParameters<typeof SslWebSocketServer>[1],
    );
    await using agent = new SslWebSocketAgent(
      {
        onMessage(sender, connId, data) {
          if (String(data) !== text) wrong++;
          else if (++echoed % connections === 0) progress(`${echoed} messages are echoed`);
          if (echoed <= connections * (rounds - 1)) sender.send(connId, text);
        },
      },
      { compression: true },
    );
    agent.setupSSLContext({ verifyMode: 0 });
    const { port } = await server.start(host, 0);
    await agent.start();
    const ids = await Promise.all(Array.from({ length: connections }, () => agent.open(`wss://${host}:${port}/`)));
    const pieces = [text.slice(0, 1000), text.slice(1000)];
    for (const id of ids) expect(await agent.sendStream(id, pieces, { isBinary: false }), 'a stream was not sent');
    const total = connections * rounds;
    await until(
      () => echoed + wrong >= total,
      () => `${echoed} of ${total} echoed`,
    );
    expect(wrong === 0, `${wrong} echoes were wrong`);
    return [
      { component: 'SslWebSocketServer', did: 'echoed', messages: total, bytes: server.stats().bytesOut },
      {
        component: 'SslWebSocketAgent',
        did: 'sent in fragments, got echoes',
        messages: echoed,
        bytes: agent.stats().bytesIn,
      },
    ];
  },
};

export const webSocketScenarios: Scenario[] = [chat, secure];
