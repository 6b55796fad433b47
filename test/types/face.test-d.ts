// What the types promise, checked by the compiler: `scripts/check-types.mjs` compiles this file against the built package with
// the oldest and the newest TypeScript that is supported, too. Nothing here runs.
import {
  type AgentHooks,
  type CloseInfo,
  type ConnectionStats,
  type ConnectOptions,
  type ConnId,
  type DatagramConnection,
  framing,
  HandleResult,
  type HookResult,
  handleResultNumber,
  lengthField,
  lines,
  type PackProperties,
  type PullConnection,
  type PullProperties,
  type SecureConnection,
  type SecurePullConnection,
  SocketError,
  type SocketErrorCode,
  type SocketErrorName,
  type SocketOperation,
  type SSLInfo,
  type SslAgent,
  type SslClient,
  type SslPackAgent,
  type SslPackClient,
  type SslPackServer,
  type SslPullAgent,
  type SslPullClient,
  type SslPullServer,
  SslServer,
  SslServerListener,
  type StreamProperties,
  TcpAgent,
  TcpClient,
  type TcpConnection,
  TcpPackServer,
  TcpPackServerListener,
  type TcpPackServerOptions,
  type TcpPullAgent,
  TcpPullClient,
  TcpPullServer,
  TcpPullServerListener,
  type TcpPullServerOptions,
  TcpServer,
  TcpServerListener,
  type TcpServerOptions,
  type UdpArqClient,
  type UdpArqConnection,
  type UdpArqServer,
  UdpArqServerListener,
  type UdpClient,
  type UdpConnectionStats,
  UdpNode,
  UdpServer,
  UdpServerListener,
} from 'hp-socket';
import * as arq from 'hp-socket/arq';
import type { HttpsAgent, HttpsClient, HttpsServer } from 'hp-socket/http';
import type * as ssl from 'hp-socket/ssl';
import * as tcp from 'hp-socket/tcp';
import type * as udp from 'hp-socket/udp';
import type {
  SecureWebSocketConnection,
  SslWebSocketClient,
  SslWebSocketServer,
  WebSocketConnection,
  WebSocketServer,
} from 'hp-socket/websocket';

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function is<_Fact extends true>(): void {}

// ---- hooks ---------------------------------------------------------------------------------------------------------

// A hook may return anything.
new TcpServer({ onReceive: (server, connId, data) => server.send(connId, data) });
new TcpServer({ onReceive: async (server, connId, data) => server.send(connId, data) });
const list: Buffer[] = [];
new UdpServer({ onReceive: (_server, _connId, data) => list.push(data) });
new TcpClient({ onHandShake: () => HandleResult.Error });
is<Equal<HookResult, unknown>>();

// The values of HandleResult are no numbers, and are told apart.
// @ts-expect-error
const two: HandleResult = 2;
const narrow = (result: HandleResult): 0 | 1 | 2 => (result === HandleResult.Error ? 2 : handleResultNumber(result));
is<Equal<typeof HandleResult.Error extends typeof HandleResult.Ok ? true : false, false>>();

// Parameters have the types of their component.
new TcpPullServer<{ name: string }>({
  onReceive(server, connId, length) {
    is<Equal<typeof server, TcpPullServer<{ name: string }>>>();
    is<Equal<typeof connId, ConnId>>();
    is<Equal<typeof length, number>>();
    is<Equal<ReturnType<typeof server.fetch>, Buffer | null>>();
    is<Equal<ReturnType<typeof server.getConnectionExtra>, { name: string } | null>>();
  },
  onClose(_server, _connId, operation, errorCode, info) {
    is<Equal<typeof operation, SocketOperation>>();
    is<Equal<typeof errorCode, number>>();
    is<Equal<typeof info, CloseInfo>>();
    is<Equal<typeof info.error, SocketError | null>>();
    is<Equal<typeof info.code, SocketErrorName | null>>();
    is<Equal<typeof info.endedBy, 'peer' | 'local' | 'system'>>();
  },
});

// ---- listener classes ----------------------------------------------------------------------------------------------

class Pulling extends TcpPullServerListener<string> {
  override onReceive(server: TcpPullServer<string>, connId: ConnId, length: number): void {
    const line: Buffer | null = server.fetch(connId, length);
    if (line !== null) server.send(connId, line);
  }
}
new TcpPullServer<string>(new Pulling());

class Secured extends SslServerListener {
  override onHandShake(server: SslServer, connId: ConnId): void {
    server.getSSLInfo(connId)?.protocol?.toUpperCase();
  }
}
new SslServer(new Secured(), { ssl: { certFile: 'a', keyFile: 'b' } });

class Packing extends TcpPackServerListener {
  override onReceive(server: TcpPackServer, connId: ConnId, packet: Buffer): boolean {
    return server.maxPackSize > packet.length && server.send(connId, packet);
  }
}
new TcpPackServer(new Packing(), { maxPackSize: 10 });
// @ts-expect-error a listener of packages is none of bytes as they arrive
new TcpServer(new Packing());
class Pushing extends TcpServerListener {}
// @ts-expect-error nor the other way round
new TcpPackServer(new Pushing());
new TcpServer(new Pushing());

class Datagrams extends UdpServerListener {
  override onReceive(server: UdpServer, connId: ConnId, datagram: Buffer): void {
    server.send(connId, datagram);
  }
}
new UdpServer(new Datagrams());

class Wrong extends TcpServerListener {
  // @ts-expect-error a push listener gets bytes
  override onReceive(_server: TcpServer, _connId: ConnId, _length: number): void {}
}
new arq.UdpArqServer(new UdpArqServerListener());
void Wrong;

// ---- options -------------------------------------------------------------------------------------------------------

// Left out and undefined are the same, also under exactOptionalPropertyTypes.
const port: number | undefined = undefined;
new TcpServer({}, { noDelay: undefined, maxConnectionCount: undefined });
void new TcpServer({}).start({ host: '127.0.0.1', port, signal: undefined, exclusive: undefined });
void new TcpClient({}).start('127.0.0.1', 1, { localAddress: undefined, signal: undefined });
void new TcpAgent({}).connect({ host: '127.0.0.1', port: 1, extra: undefined });
void new UdpNode({}).start({ castAddress: undefined });
void new TcpServer({}).stop({ drainTimeoutMs: undefined });
new TcpServer({}).disconnect(1, { drain: undefined, timeoutMs: undefined });

// Names that do not exist are none.
// @ts-expect-error
void new TcpServer({}).start({ hostname: '127.0.0.1' });
// @ts-expect-error
void new TcpServer({}).stop({ drainTimeout: 5 });
// @ts-expect-error
new TcpServer({}, { maxPackSize: 5 });
// @ts-expect-error
void new TcpAgent({}).start({ bindAddress: '127.0.0.1' });

const pull: TcpPullServerOptions = { maxPullBufferBytes: 5, noDelay: true };
const pack: TcpPackServerOptions = { maxPackSize: 5, idleTimeoutMs: 1 };
const push: TcpServerOptions = { idleTimeoutMs: 1 };
const target: ConnectOptions = { host: 'a', port: 1 };
is<Equal<PackProperties['maxPackSize'], number>>();
is<Equal<PullProperties['maxPullBufferBytes'], number>>();
is<Equal<StreamProperties['pendingPolicy'], 'refuse' | 'close'>>();

// ---- framings ------------------------------------------------------------------------------------------------------

new TcpServer(
  {
    onReceive(server, connId, line) {
      is<Equal<typeof line, string>>();
      server.send(connId, line);
    },
  },
  { framing: lines({ encoding: 'utf8' }) },
);
new TcpServer(
  {
    onReceive(_server, _connId, body) {
      is<Equal<typeof body, Buffer>>();
    },
  },
  { framing: lengthField({ width: 2 }) },
);
const json = framing({
  decode: (input): { value: unknown } | undefined => (input.available === 0 ? undefined : { value: 1 }),
  encode: (message: { value: unknown }) => JSON.stringify(message),
});
new TcpServer(
  {
    onReceive(server, connId, message) {
      is<Equal<typeof message, { value: unknown }>>();
      server.send(connId, { value: 2 });
      // @ts-expect-error the framing takes objects
      server.send(connId, 'text');
    },
  },
  { framing: json },
);
// @ts-expect-error packages are framed already
new TcpPackServer({}, { framing: lines() });

// ---- errors --------------------------------------------------------------------------------------------------------

function advise(error: unknown): string {
  if (!(error instanceof SocketError)) return '';
  is<Equal<typeof error.code, SocketErrorName>>();
  is<Equal<typeof error.socketError, SocketErrorCode>>();
  is<Equal<typeof error.errno, number>>();
  is<Equal<typeof error.connId, number | null>>();
  // @ts-expect-error a code that there is not
  if (error.code === 'ECONNREFUSD') return '';
  switch (error.code) {
    case 'ECONNREFUSED':
      return 'later';
    case 'HP_MESSAGE_TOO_LARGE':
      return 'in pieces';
    default:
      return error.message;
  }
}

// ---- nothing is null -----------------------------------------------------------------------------------------------

const client = new TcpPullClient<string>({});
is<Equal<typeof client.extra, string | null>>();
is<Equal<ReturnType<typeof client.peek>, Buffer | null>>();
const server = new TcpServer({});
is<Equal<ReturnType<typeof server.isPauseReceive>, boolean | null>>();
is<Equal<ReturnType<typeof server.getConnectPeriod>, number | null>>();
is<Equal<ReturnType<typeof server.getPendingDataLength>, number | null>>();
is<Equal<typeof server.lastFailure, SocketError | null>>();

// ---- connections as objects ----------------------------------------------------------------------------------------

type FaceOf<C extends { connection(connId: ConnId): unknown }> = ReturnType<C['connection']>;
interface User {
  name: string;
}
is<Equal<FaceOf<TcpServer<User>>, TcpConnection<User> | null>>();
is<Equal<FaceOf<TcpServer<User, string, number>>, TcpConnection<User, number> | null>>();
is<Equal<FaceOf<TcpPullServer<User>>, PullConnection<User> | null>>();
is<Equal<FaceOf<TcpPullAgent<User>>, PullConnection<User> | null>>();
is<Equal<TcpPullClient<User>['connection'], PullConnection<User> | null>>();
is<Equal<FaceOf<SslServer<User, string, number>>, SecureConnection<User, number> | null>>();
is<Equal<FaceOf<SslPackServer<User>>, SecureConnection<User> | null>>();
is<Equal<FaceOf<SslPullServer<User>>, SecurePullConnection<User> | null>>();
is<Equal<FaceOf<SslAgent<User, string, number>>, SecureConnection<User, number> | null>>();
is<Equal<FaceOf<SslPackAgent<User>>, SecureConnection<User> | null>>();
is<Equal<FaceOf<SslPullAgent<User>>, SecurePullConnection<User> | null>>();
is<Equal<SslClient<User, string, number>['connection'], SecureConnection<User, number> | null>>();
is<Equal<SslPackClient<User>['connection'], SecureConnection<User> | null>>();
is<Equal<SslPullClient<User>['connection'], SecurePullConnection<User> | null>>();
is<Equal<FaceOf<UdpServer<User>>, DatagramConnection<User> | null>>();
is<Equal<UdpClient<User>['connection'], DatagramConnection<User> | null>>();
is<Equal<FaceOf<UdpArqServer<User>>, UdpArqConnection<User> | null>>();
is<Equal<UdpArqClient<User>['connection'], UdpArqConnection<User> | null>>();
is<Equal<FaceOf<HttpsServer<User>>, SecureWebSocketConnection<User> | null>>();
is<Equal<FaceOf<HttpsAgent<User>>, SecureConnection<User> | null>>();
is<Equal<HttpsClient<User>['connection'], SecureConnection<User> | null>>();
is<Equal<FaceOf<WebSocketServer<User>>, WebSocketConnection<User> | null>>();
is<Equal<FaceOf<SslWebSocketServer<User>>, SecureWebSocketConnection<User> | null>>();
is<Equal<SslWebSocketClient<User>['connection'], SecureWebSocketConnection<User> | null>>();

is<Equal<ReturnType<SecureConnection['getSSLInfo']>, SSLInfo | null>>();
is<Equal<SecurePullConnection['isSecure'], boolean>>();
is<Equal<ReturnType<SecurePullConnection['fetch']>, Buffer | null>>();
is<Equal<SecureConnection extends TcpConnection ? true : false, true>>();
is<Equal<SecurePullConnection extends PullConnection ? true : false, true>>();
is<Equal<UdpArqConnection extends DatagramConnection ? true : false, true>>();
// Nothing that is of other components only.
type Tls = 'isSecure' | 'getSSLInfo' | 'getSSLSessionInfo' | 'startSSLHandShake';
is<Equal<Extract<keyof TcpConnection | keyof PullConnection | keyof DatagramConnection, Tls>, never>>();
is<Equal<Extract<keyof TcpConnection | keyof SecureConnection, 'fetch' | 'peek'>, never>>();
is<Equal<Extract<keyof DatagramConnection, 'sendWithin' | 'sendUnreliable'>, never>>();

is<Equal<ReturnType<TcpConnection['stats']>, ConnectionStats>>();
is<Equal<ReturnType<DatagramConnection['stats']>, UdpConnectionStats>>();
void new UdpServer({}).connection(1)?.stats().kcp?.expiredMessages;
void new SslServer({}).connection(1)?.getSSLInfo()?.protocol;
is<Equal<ReturnType<TcpClient['getConnectionStats']>, ConnectionStats | null>>();
is<Equal<ReturnType<UdpClient['getConnectionStats']>, UdpConnectionStats | null>>();

// ---- subpaths have the same classes ----------------------------------------------------------------------------------

is<Equal<tcp.TcpServer, TcpServer>>();
is<Equal<ssl.SslServer, SslServer>>();
is<Equal<udp.UdpServer, UdpServer>>();
is<Equal<typeof arq.SocketError, typeof SocketError>>();
// @ts-expect-error
void tcp.SslServer;

export type Used = [AgentHooks<unknown, Buffer>, typeof two, typeof narrow, typeof pull, typeof pack, typeof push];
void [target, advise];
