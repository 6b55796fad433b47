// A chat: one port serves the page and its WebSockets. Run it and open the page: npx tsx examples/websocket-chat.ts 8080
// Without a port it talks to itself, and ends.
import { HttpServer } from 'hp-socket/http';
import { WebSocketClient } from 'hp-socket/websocket';

const page = `<!doctype html><meta charset="utf-8"><title>Chat</title>
<ul id="log"></ul><form id="form"><input id="text" autofocus autocomplete="off"><button>Send</button></form>
<script>
  const socket = new WebSocket(location.href.replace(/^http/, 'ws') + 'chat');
  const add = (text) => { const item = document.createElement('li'); item.textContent = text; log.append(item); };
  socket.onmessage = (event) => add(event.data);
  socket.onclose = (event) => add('closed: ' + event.code);
  form.onsubmit = (event) => { event.preventDefault(); socket.send(text.value); text.value = ''; };
</script>`;

const chat = new HttpServer(
  {
    onRequest(_server, _connId, request) {
      request.respond({ headers: [['Content-Type', 'text/html; charset=utf-8']], body: page });
    },
  },
  { ws: { compression: true, maxMessageBytes: 4 * 1024 * 1024 } },
);
chat.addHub('/chat', {
  onOpen: (server, connId) => server.subscribe(connId, 'chat'),
  onMessage: (server, connId, text) => server.publish('chat', `${connId}: ${text.toString()}`),
});
const [port = 0] = process.argv.slice(2).map(Number);
const address = await chat.start('127.0.0.1', port);
console.log(`http://127.0.0.1:${address.port}/`);

if (port === 0) {
  const heard = await new Promise<string>((resolve, reject) => {
    const listener = new WebSocketClient({ onMessage: (_client, _connId, data) => resolve(data.toString()) });
    const speaker = new WebSocketClient({});
    const url = `ws://127.0.0.1:${address.port}/chat`;
    listener
      .open(url)
      .then(() => speaker.open(url))
      .then(() => speaker.send('hello, everybody'))
      .catch(reject);
  });
  console.log(heard);
  await chat.stop({ drainTimeoutMs: 1000 });
  if (!heard.endsWith(': hello, everybody')) process.exit(1);
}
