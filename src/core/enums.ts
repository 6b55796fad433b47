/**
 * HP-Socket's enumerations with HP-Socket's numbers: frozen const objects, each with a union type of the same name.
 */

/** State of a component (`EnServiceState`). */
export const ServiceState = Object.freeze({
  /** `start` was called (`SS_STARTING`). */
  Starting: 0,
  /** It runs (`SS_STARTED`). */
  Started: 1,
  /** `stop` was called (`SS_STOPPING`). */
  Stopping: 2,
  /** It does not run; the first and the last state (`SS_STOPPED`). */
  Stopped: 3,
} as const);
export type ServiceState = (typeof ServiceState)[keyof typeof ServiceState];

/** What a connection was doing when it closed (`EnSocketOperation`), the `operation` of `onClose`. */
export const SocketOperation = Object.freeze({
  /** Not known. */
  Unknown: 0,
  /** While a connection was accepted. */
  Accept: 1,
  /** While it was made. */
  Connect: 2,
  /** While bytes were sent. */
  Send: 3,
  /** While bytes were received, or a hook looked at them. */
  Receive: 4,
  /** While it was closed; also the usual end. */
  Close: 5,
} as const);
export type SocketOperation = (typeof SocketOperation)[keyof typeof SocketOperation];

// Registered symbols, so that they are the same ones in two copies of this package.
const handleOk: unique symbol = Symbol.for('hp-socket.HandleResult.Ok');
const handleIgnore: unique symbol = Symbol.for('hp-socket.HandleResult.Ignore');
const handleError: unique symbol = Symbol.for('hp-socket.HandleResult.Error');

/**
 * What a hook answers (`EnHandleResult`). Nothing, or any other value, means `Ok`: these are symbols, so that no hook
 * answers Error by accident, as one that ends in an expression might (`(s, id, data) => list.push(data)`).
 */
export const HandleResult: Readonly<{
  /** Go on (`HR_OK`, 0). */
  Ok: typeof handleOk;
  /** As `Ok` (`HR_IGNORE`, 1), except that `onEnd` keeps the connection open for sending by it. */
  Ignore: typeof handleIgnore;
  /** Refuse or end the connection, or make `start` fail (`HR_ERROR`, 2). */
  Error: typeof handleError;
}> = Object.freeze({ Ok: handleOk, Ignore: handleIgnore, Error: handleError });
export type HandleResult = (typeof HandleResult)[keyof typeof HandleResult];

/** HP-Socket's number (`EnHandleResult`) of what a hook answered: 2 for Error, 1 for Ignore, 0 for anything else. */
export function handleResultNumber(result: unknown): 0 | 1 | 2 {
  if (result === handleError) return 2;
  return result === handleIgnore ? 1 : 0;
}

/** Result of `fetch` and `peek` when they return no bytes (`EnFetchResult`). */
export const FetchResult = Object.freeze({
  /** The bytes were returned. */
  Ok: 0,
  /** Fewer bytes are held than were asked for. */
  LengthTooLong: 1,
  /** There is no such connection. */
  DataNotFound: 2,
} as const);
export type FetchResult = (typeof FetchResult)[keyof typeof FetchResult];

/** When queued bytes are handed to the system (`EnSendPolicy`). */
export const SendPolicy = Object.freeze({
  /** Gather what is sent during one turn of the event loop and hand it over in one system call. */
  Pack: 0,
  /** As `Pack`, and never more than `highWaterMark` bytes of one connection with the system at once. */
  Safe: 1,
  /** Hand over at once. */
  Direct: 2,
} as const);
export type SendPolicy = (typeof SendPolicy)[keyof typeof SendPolicy];

/** Ordering of `onSend` against other hooks (`EnOnSendSyncPolicy`). Stored; one JavaScript thread is always the strictest. */
export const OnSendSyncPolicy = Object.freeze({
  /** `onSend` is not synchronised with anything (`OSSP_NONE`). */
  None: 0,
  /** With `onClose` (`OSSP_CLOSE`). */
  Close: 1,
  /** With `onClose` and `onReceive` (`OSSP_RECEIVE`). */
  Receive: 2,
} as const);
export type OnSendSyncPolicy = (typeof OnSendSyncPolicy)[keyof typeof OnSendSyncPolicy];

/** How a local address may be shared (`EnReuseAddressPolicy`). */
export const ReuseAddressPolicy = Object.freeze({
  /** The address is this process's alone (`RAP_NONE`). */
  None: 0,
  /** The address may be bound while older connections of it linger (`RAP_ADDR_ONLY`). */
  AddrOnly: 1,
  /** Several processes may bind the same address and port (`RAP_ADDR_AND_PORT`). */
  AddrAndPort: 2,
} as const);
export type ReuseAddressPolicy = (typeof ReuseAddressPolicy)[keyof typeof ReuseAddressPolicy];

/** Kind of destination of a datagram component (`EnCastMode`). */
export const CastMode = Object.freeze({
  /** To one peer, which `connect`ed sockets do (`CM_UNICAST`). */
  Unicast: -1,
  /** To a group (`CM_MULTICAST`). */
  Multicast: 0,
  /** To every host of the network (`CM_BROADCAST`). */
  Broadcast: 1,
} as const);
export type CastMode = (typeof CastMode)[keyof typeof CastMode];

/** Kind of IP address (`EnIPAddrType`). */
export const IPAddrType = Object.freeze({
  /** Either family. */
  All: 0,
  /** IPv4 only. */
  IPv4: 1,
  /** IPv6 only. */
  IPv6: 2,
} as const);
export type IPAddrType = (typeof IPAddrType)[keyof typeof IPAddrType];

/** How peers' certificates are checked (`EnSSLVerifyMode`); values may be combined with `|` (VM-001 to VM-005). */
export const SSLVerifyMode = Object.freeze({
  /** Servers ask for no certificate; agents and clients do not check the server's. */
  None: 0,
  /** Servers ask for a certificate, one that is sent must verify; for agents and clients the server's must. */
  Peer: 1,
  /** Servers, with `Peer`: a client without a certificate is refused. */
  FailIfNoPeerCert: 2,
  /** Servers, with `Peer`: ask only once per connection, which is all that is possible here. */
  ClientOnce: 4,
} as const);
export type SSLVerifyMode = (typeof SSLVerifyMode)[keyof typeof SSLVerifyMode];

/** What `getSSLSessionInfo` tells (`EnSSLSessionInfo`, SSI-001 to SSI-016). */
export const SSLSessionInfo = Object.freeze({
  /** The `tls.SecureContext` in use. */
  Ctx: 0,
  /** null: Node does not tell the method. */
  CtxMethod: 1,
  /** Names of the cipher suites of the context, an array. */
  CtxCiphers: 2,
  /** PEM texts of the authorities of the context, an array. */
  CtxCertStore: 3,
  /** 0 if the client asked for a server name, else -1. */
  ServerNameType: 4,
  /** Server name that the client asked for (SNI), or null. */
  ServerName: 5,
  /** Protocol version, `'TLSv1.3'`. */
  Version: 6,
  /** null: Node does not tell the method. */
  Method: 7,
  /** Certificate of this end, a `crypto.X509Certificate`, or null; only while the connection is open. */
  Cert: 8,
  /** null: private keys are not handed out. */
  PKey: 9,
  /** Cipher suite in use, as `tls.TLSSocket.getCipher()` tells it. */
  CurrentCipher: 10,
  /** Names of the cipher suites that this end offers, an array. */
  Ciphers: 11,
  /** null: Node does not tell what a client offered. */
  ClientCiphers: 12,
  /** Certificate of the peer, a `crypto.X509Certificate`, or null. */
  PeerCert: 13,
  /** Chain that the peer sent, as `tls.TLSSocket.getPeerCertificate(true)` tells it, or null. */
  PeerCertChain: 14,
  /** The same if it was verified, else null. */
  VerifiedChain: 15,
} as const);
export type SSLSessionInfo = (typeof SSLSessionInfo)[keyof typeof SSLSessionInfo];

/** Error of a component (`EnSocketError`). */
export const SocketErrorCode = Object.freeze({
  /** No error. */
  Ok: 0,
  /** The call is not possible in the present state. */
  IllegalState: 1,
  /** An argument or an option makes no sense. */
  InvalidParam: 2,
  /** The socket could not be made. */
  SocketCreate: 3,
  /** It could not be bound to its address. */
  SocketBind: 4,
  /** A hook refused it, or a setting failed. */
  SocketPrepare: 5,
  /** It could not listen. */
  SocketListen: 6,
  /** HP-Socket's completion port; never seen here. */
  CpCreate: 7,
  /** HP-Socket's worker threads; here those of a ThreadPool. */
  WorkerThreadCreate: 8,
  /** HP-Socket's detection thread; never seen here. */
  DetectThreadCreate: 9,
  /** HP-Socket's completion port; never seen here. */
  SocketAttachToCp: 10,
  /** The connection could not be made. */
  ConnectServer: 11,
  /** The network, or TLS, failed. */
  Network: 12,
  /** A hook failed on what was received, or the peer broke the protocol. */
  DataProc: 13,
  /** Bytes could not be sent. */
  DataSend: 14,
  /** TLS has no context (`setupSSLContext`, option `ssl`). */
  SslEnvNotReady: 101,
} as const);
export type SocketErrorCode = (typeof SocketErrorCode)[keyof typeof SocketErrorCode];

const descriptions: Readonly<Record<number, string>> = {
  [SocketErrorCode.Ok]: 'SUCCESS',
  [SocketErrorCode.IllegalState]: 'Illegal State',
  [SocketErrorCode.InvalidParam]: 'Invalid Parameter',
  [SocketErrorCode.SocketCreate]: 'Create SOCKET Fail',
  [SocketErrorCode.SocketBind]: 'Bind SOCKET Fail',
  [SocketErrorCode.SocketPrepare]: 'Prepare SOCKET Fail',
  [SocketErrorCode.SocketListen]: 'Listen SOCKET Fail',
  [SocketErrorCode.CpCreate]: 'Create IOCP Fail',
  [SocketErrorCode.WorkerThreadCreate]: 'Create Worker Thread Fail',
  [SocketErrorCode.DetectThreadCreate]: 'Create Detector Thread Fail',
  [SocketErrorCode.SocketAttachToCp]: 'Attach SOCKET to IOCP Fail',
  [SocketErrorCode.ConnectServer]: 'Connect to Server Fail',
  [SocketErrorCode.Network]: 'Network Error',
  [SocketErrorCode.DataProc]: 'Process Data Error',
  [SocketErrorCode.DataSend]: 'Send Data Fail',
  [SocketErrorCode.SslEnvNotReady]: 'SSL environment not ready',
};

/** HP-Socket's fixed English text for a component error (`GetSocketErrorDesc`); "UNKNOWN ERROR" for any other number. */
export function getSocketErrorDesc(code: number): string {
  return descriptions[code] ?? 'UNKNOWN ERROR';
}
