import * as api from '../../src/index.ts';
import { type HostilePair, hostileSuite } from '../compliance/hostile-suite.ts';
import { commonCertificates } from '../tools/certificates.ts';

type Start = { start(host: string, port: number): Promise<{ port: number }> };

async function connected(server: api.Component, client: api.Component): Promise<HostilePair> {
  const { port } = await (server as unknown as Start).start('127.0.0.1', 0);
  await (client as unknown as Start).start('127.0.0.1', port);
  return { server, client };
}

async function secured(
  Server: new (hooks: object, options: object) => api.Component,
  Client: new (hooks: object, options: object) => api.Component,
): Promise<HostilePair> {
  const { authority, server } = await commonCertificates();
  const ssl = { verifyMode: api.SSLVerifyMode.Peer, ca: authority.ca };
  return connected(new Server({}, { ssl: { cert: server.cert, key: server.key } }), new Client({}, { ssl }));
}

hostileSuite({
  api,
  entry: 'index.ts',
  components: /^(Tcp|Ssl|Udp).*(Server|Agent|Client|Cast|Node)$/,
  ending: /^(start|stop|wait|disconnect.*|createStream|messages|startSSLHandShake)$/,
  pairs: {
    TCP: () => connected(new api.TcpServer({}), new api.TcpClient({})),
    pull: () => connected(new api.TcpPullServer({}), new api.TcpPullClient({})),
    pack: () => connected(new api.TcpPackServer({}), new api.TcpPackClient({})),
    SSL: () => secured(api.SslServer, api.SslClient),
    'SSL pull': () => secured(api.SslPullServer, api.SslPullClient),
    'SSL pack': () => secured(api.SslPackServer, api.SslPackClient),
    UDP: () => connected(new api.UdpServer({}), new api.UdpClient({})),
    ARQ: () => connected(new api.UdpArqServer({}), new api.UdpArqClient({})),
  },
});
