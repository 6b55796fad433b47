// Every subpath but hono, whose own types need the DOM, compiles under the TypeScripts that are supported
import * as arq from 'hp-socket/arq';
import * as helpers from 'hp-socket/helpers';
import * as http from 'hp-socket/http';
import * as ssl from 'hp-socket/ssl';
import * as tcp from 'hp-socket/tcp';
import * as udp from 'hp-socket/udp';
import * as websocket from 'hp-socket/websocket';

new http.HttpServer({
  onRequest(_server, _connId, request) {
    request.respond({ status: 200, headers: undefined, body: 'hello' });
  },
});
new websocket.WebSocketServer({
  onMessage(server, connId, data) {
    server.send(connId, data);
  },
});
export const used: readonly object[] = [arq, helpers, http, ssl, tcp, udp, websocket];
