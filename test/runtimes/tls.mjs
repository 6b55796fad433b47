// What there is only over TLS.
import { once } from 'node:events';
import net from 'node:net';
import { check, holds, rejection, same, until } from './harness.mjs';

const host = '127.0.0.1';

export function checkTls({ SslServer, SslClient }, { ca, server: identity, client: clientIdentity, shop }) {
  const serverOf = (hooks, context, options) => {
    const server = new SslServer(hooks, options);
    server.setupSSLContextByMemory(context);
    return server;
  };
  const clientOf = (hooks, context, options) => {
    const client = new SslClient(hooks, options);
    client.setupSSLContextByMemory(context);
    return client;
  };

  check('SslClient: a server whose certificate does not verify is refused', async () => {
    const server = serverOf({}, identity);
    const { port } = await server.start(host, 0);
    const client = clientOf({}, {});
    const error = await rejection(client.start(host, port));
    holds(/certificate/i.test(error.message), error.message);
    await server.stop();
  });

  check('SslServer: clients need a certificate, and theirs is told', async () => {
    let subject;
    const server = serverOf(
      {
        onHandShake(server, connId) {
          subject = server.getSSLInfo(connId)?.peerCertificate?.subject.CN;
        },
      },
      { ...identity, ca, requireClientCertificate: true },
    );
    const { port } = await server.start(host, 0);
    const client = clientOf({}, { ca, ...clientIdentity });
    await client.start(host, port);
    await until(
      () => subject !== undefined,
      () => 'onHandShake',
    );
    same(subject, 'a client');
    await client.stop();
    const closes = [];
    const stranger = clientOf(
      { onClose: (_client, _connId, ...why) => void closes.push(why) },
      { ca, maxVersion: 'TLSv1.2' },
    );
    await rejection(stranger.start(host, port));
    await server.stop();
  });

  check('SslServer: one certificate for each name', async () => {
    const server = serverOf({}, identity);
    server.bindSSLServerName('shop.example', server.addSSLContextByMemory(shop));
    const { port } = await server.start(host, 0);
    const client = clientOf({}, { ca });
    await client.start(`${host}^shop.example`, port);
    same(client.getSSLInfo()?.peerCertificate?.subject.CN, 'shop.example');
    await client.stop();
    await server.stop();
  });

  check('SslServer, SslClient: application protocols', async () => {
    const server = serverOf({}, { ...identity, alpnProtocols: ['mine', 'yours'] });
    const { port } = await server.start(host, 0);
    const client = clientOf({}, { ca, alpnProtocols: ['yours'] });
    await client.start(host, port);
    same(client.getSSLInfo()?.alpnProtocol, 'yours');
    await client.stop();
    await server.stop();
  });

  for (const version of ['TLSv1.2', 'TLSv1.3']) {
    check(`SslServer, SslClient: a session is resumed, ${version}`, async () => {
      const server = serverOf({ onReceive: (server, connId, data) => void server.send(connId, data) }, identity);
      const { port } = await server.start(host, 0);
      let got = 0;
      const client = clientOf({ onReceive: () => void got++ }, { ca, minVersion: version, maxVersion: version });
      const reused = [];
      for (let round = 1; round <= 2; round++) {
        await client.start(host, port);
        client.send('x'); // tickets of TLS 1.3 come with, or before, the answer
        await until(
          () => got === round,
          () => 'the answer',
        );
        const info = client.getSSLInfo();
        reused.push([info.protocol, info.isResumed]);
        await client.stop();
      }
      same(reused, [
        [version, false],
        [version, true],
      ]);
      await server.stop();
    });
  }

  check('SslServer, SslClient: STARTTLS: clear text, the switch, then TLS', async () => {
    const manual = { sslAutoHandShake: false };
    const log = [];
    const server = serverOf(
      {
        onHandShake: () => void log.push('server'),
        onReceive(server, connId, data) {
          if (String(data) !== 'STARTTLS') return void server.send(connId, `<${data}>`);
          server.send(connId, 'GO');
          server.startSSLHandShake(connId);
        },
      },
      identity,
      manual,
    );
    const { port } = await server.start(host, 0);
    let got = '';
    const client = clientOf(
      {
        onHandShake: () => void log.push('client'),
        onReceive(client, _connId, data) {
          got += data;
          if (String(data) === 'GO') client.startSSLHandShake();
        },
      },
      { ca },
      manual,
    );
    await client.start(host, port);
    client.send('in clear');
    await until(
      () => got === '<in clear>',
      () => got,
    );
    client.send('STARTTLS');
    await until(
      () => log.length === 2,
      () => log.join(),
    );
    client.send('secret');
    await until(
      () => got === '<in clear>GO<secret>',
      () => got,
    );
    holds(client.getSSLInfo()?.protocol.startsWith('TLSv1.'), 'no TLS');
    await client.stop();
    await server.stop();
  });

  check('SslServer: bytes that are no TLS end in an error, and only that connection', async () => {
    const server = serverOf({}, identity);
    const { port } = await server.start(host, 0);
    const peer = net.connect(port, host);
    peer.on('error', () => {});
    peer.resume();
    peer.end('GET / HTTP/1.1\r\n\r\n');
    await once(peer, 'close');
    const client = clientOf({}, { ca });
    await client.start(host, port);
    await client.stop();
    await server.stop();
  });

  check('SslClient: a stream that was cut without close_notify is told', async () => {
    const sockets = new Set();
    const server = serverOf({ onReceive: (server, connId, data) => void server.send(connId, data) }, identity);
    const { port } = await server.start(host, 0);
    const relay = net.createServer({ allowHalfOpen: true }, (inner) => {
      const outer = net.connect(port, host);
      for (const socket of [inner, outer]) sockets.add(socket.on('error', () => {}));
      inner.pipe(outer);
      outer.pipe(inner, { end: false });
    });
    relay.listen(0, host);
    await once(relay, 'listening');
    let end;
    let got = '';
    const client = clientOf(
      {
        onReceive: (_client, _connId, data) => void (got += data),
        onClose: (_client, _connId, _operation, _errorCode, info) => void (end = info),
      },
      { ca },
    );
    await client.start(host, relay.address().port);
    client.send('x');
    await until(
      () => got === 'x',
      () => 'the answer',
    );
    for (const socket of sockets) socket.end(); // a bare FIN
    await until(
      () => end !== undefined,
      () => 'onClose',
    );
    for (const socket of sockets) socket.destroy();
    relay.close();
    await server.stop();
    holds(/close_notify|cut/.test(end.error?.message ?? ''), `told was ${end.error?.message}`);
  });

  check('SslServer: a certificate is replaced while it runs', async () => {
    const server = serverOf({}, identity);
    const { port } = await server.start(host, 0);
    const client = clientOf({}, { ca, verifyHost: false });
    await client.start(host, port);
    same(client.getSSLInfo()?.peerCertificate?.subject.CN, 'localhost');
    await client.stop();
    holds(server.updateSSLContext(0, shop), 'not replaced');
    const second = clientOf({}, { ca, verifyHost: false });
    await second.start(host, port);
    same(second.getSSLInfo()?.peerCertificate?.subject.CN, 'shop.example');
    await second.stop();
    await server.stop();
  });
}
