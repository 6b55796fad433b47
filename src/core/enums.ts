/**
 * HP-Socket's enumerations with HP-Socket's numbers: frozen const objects, each with a union type of the same name.
 */

/** State of a component (`EnServiceState`). */
export const ServiceState = Object.freeze({ Starting: 0, Started: 1, Stopping: 2, Stopped: 3 } as const);
export type ServiceState = (typeof ServiceState)[keyof typeof ServiceState];

/** What a connection was doing when it closed (`EnSocketOperation`), the `operation` of `onClose`. */
export const SocketOperation = Object.freeze({
  Unknown: 0,
  Accept: 1,
  Connect: 2,
  Send: 3,
  Receive: 4,
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
export const FetchResult = Object.freeze({ Ok: 0, LengthTooLong: 1, DataNotFound: 2 } as const);
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
export const OnSendSyncPolicy = Object.freeze({ None: 0, Close: 1, Receive: 2 } as const);
export type OnSendSyncPolicy = (typeof OnSendSyncPolicy)[keyof typeof OnSendSyncPolicy];

/** How a local address may be shared (`EnReuseAddressPolicy`). */
export const ReuseAddressPolicy = Object.freeze({ None: 0, AddrOnly: 1, AddrAndPort: 2 } as const);
export type ReuseAddressPolicy = (typeof ReuseAddressPolicy)[keyof typeof ReuseAddressPolicy];

/** Kind of destination of a datagram component (`EnCastMode`). */
export const CastMode = Object.freeze({ Unicast: -1, Multicast: 0, Broadcast: 1 } as const);
export type CastMode = (typeof CastMode)[keyof typeof CastMode];

/** Kind of IP address (`EnIPAddrType`). */
export const IPAddrType = Object.freeze({ All: 0, IPv4: 1, IPv6: 2 } as const);
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
  Ok: 0,
  IllegalState: 1,
  InvalidParam: 2,
  SocketCreate: 3,
  SocketBind: 4,
  SocketPrepare: 5,
  SocketListen: 6,
  CpCreate: 7,
  WorkerThreadCreate: 8,
  DetectThreadCreate: 9,
  SocketAttachToCp: 10,
  ConnectServer: 11,
  Network: 12,
  DataProc: 13,
  DataSend: 14,
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
