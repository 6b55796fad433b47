import type { Duplex } from 'node:stream';
import { Admission } from '../connection/admission.ts';
import type { ConnectionHost } from '../connection/host.ts';
import { tuneSocket } from '../connection/socket.ts';
import { ConnectionState } from '../connection/state.ts';
import { StreamConnection } from '../connection/stream-connection.ts';
import { checkProxyProtocol, type ProxyProtocolOptions } from '../connection/trusted-proxies.ts';
import type { SocketAddress } from '../core/address.ts';
import { isSignalAborted } from '../core/component.ts';
import { closedBefore } from '../core/connection-errors.ts';
import { describe, shown } from '../core/describe.ts';
import { ReuseAddressPolicy, ServiceState, SocketErrorCode } from '../core/enums.ts';
import { Errno, errnoOf } from '../core/errno.ts';
import { describeSystemError, SocketError } from '../core/errors.ts';
import {
  $aborted,
  $begin,
  $checkStop,
  $closeAll,
  $facts,
  $failed,
  $host,
  $illegalState,
  $isStarting,
  $isStopped,
  $listener,
  $security,
  $startFailed,
  $table,
  $transition,
  $wheel,
} from '../core/internals.ts';
import type { ConnId } from '../core/listener.ts';
import { checkOptions, foreignAddresses, type OptionRule } from '../core/option-names.ts';
import { custom, defineProperties, flag, integer, type TableOf } from '../core/properties.ts';
import { socketPathProblem } from '../core/socket-path.ts';
import { callPrepare, shutDown, startCancelled, stopOnAbort } from '../core/start-stop.ts';
import type { StopReport } from '../core/stats.ts';
import { checkStopOptions, type StopOptions } from '../core/stop-options.ts';
import type { Sendable } from '../memory/sendable.ts';
import { ComplexStream } from '../stream/complex-stream.ts';
import { isPort } from '../stream/stream-properties.ts';
import { type AddressList, checkAddressList } from '../transport/address-list.ts';
import { AdoptedSocket, adoptionProblem } from '../transport/adopted-socket.ts';
import { type AcceptedSocket, type ListenTarget, TcpListener } from '../transport/tcp-listener.ts';
import { Entrance, Passage } from './entrance.ts';

/** Where a stream server listens. */
export interface ServerStartOptions {
  /** Local IP address; `0.0.0.0` if left out. `::` listens on IPv4 as well unless `ipv6Only`. */
  host?: string | undefined;
  /** 0 to 65535; 0, the default, lets the system choose: the result tells. */
  port?: number | undefined;
  /** Path of a Unix domain socket (a pipe on Windows) instead of host and port. */
  path?: string | undefined;
  /**
   * Number of a file descriptor that listens already, instead of host, port and path: one that a supervisor passed on (systemd:
   * 3). It is the server's from then on. Not on Windows.
   */
  fd?: number | undefined;
  /** Connections that may wait to be accepted, 1 or more. Default: property `socketListenQueue`. */
  backlog?: number | undefined;
  /** No IPv4 on `::`. Default false. */
  ipv6Only?: boolean | undefined;
  /** In cluster workers: do not share the listening socket. Default false: workers share it. */
  exclusive?: boolean | undefined;
  /** Aborting cancels the start, or stops the started server. */
  signal?: AbortSignal | undefined;
}

/** What `checkOptions` checks of them. */
export const serverStartRules = {
  host: true,
  port: true,
  path: true,
  fd: true,
  backlog: true,
  ipv6Only: flag(false),
  exclusive: flag(false),
  signal: true,
} satisfies Record<keyof ServerStartOptions, OptionRule>;

/** Properties of every stream server beside those of all stream components. */
export interface StreamServerProperties {
  /**
   * Stored for compatibility (TCP-S-002). Default 64.
   * @deprecated Does nothing on Node.
   */
  acceptSocketCount: number;
  /** Connections that may wait to be accepted, 1 or more (TCP-S-006). Default 4096; the system may lower it. */
  socketListenQueue: number;
  /** Most connections of one peer: an IPv4 address or an IPv6 /64 network. 0 for no limit, the default. */
  maxConnectionsPerAddress: number;
  /** Most connections accepted per second on average; more are closed at once. 0 for no limit, the default. */
  acceptsPerSecond: number;
  /** Only peers listed here are let in; null, the default, for all. Checked before anything is allocated for a connection. */
  allowList: AddressList | null;
  /** Peers listed here are turned away; null, the default, for none. */
  blockList: AddressList | null;
  /**
   * Whose PROXY headers (version 1 and 2) are believed; null, the default, if connections have none. With it, each connection of
   * a trusted proxy begins with a header, in front of TLS: limits per address, lists, `remoteAddress` and all hooks see the
   * client that it names, and `connection.proxyHeader` is all that it tells.
   */
  proxyProtocol: ProxyProtocolOptions | null;
  /** Milliseconds for the PROXY header and `preamble` of a connection; 0 for no limit. Default 10,000. */
  preambleTimeoutMs: number;
}

export interface StreamServer<Extra = unknown, Message = Sendable> extends StreamServerProperties {}

/** Told how the opening of an adopted connection went: why it failed, or its ID. */
type Opened = (error: SocketError | undefined, connId?: ConnId) => void;

/** What TCP and TLS servers of all receive models share: listening, letting in, stopping (`IServer`, `ITcpServer`). */
export abstract class StreamServer<Extra = unknown, Message = Sendable> extends ComplexStream<Extra, Message> {
  #listener: TcpListener | null = null;
  /** Lets a connection in, as this run does; null before the first start. */
  #letIn: ((accepted: AcceptedSocket, opened: Opened) => void) | null = null;

  /**
   * Begins to listen (`Start`, SRV-001). Fires `onPrepareListen`; a start that fails later than that also fires
   * `onShutdown`, as in HP-Socket.
   * @returns The address that it listens on, with the real port.
   * @throws SocketError: IllegalState, InvalidParam, SocketCreate, SocketBind, SocketPrepare, SocketListen.
   */
  async start(host?: string | null | ServerStartOptions, port?: number): Promise<SocketAddress> {
    const target: ServerStartOptions = typeof host === 'object' && host !== null ? host : startOptions(host, port);
    checkOptions('start', target, serverStartRules, foreignAddresses);
    if (!this[$isStopped]) throw this[$illegalState]('start');
    this.#check(target);
    const unready = this[$security]?.checkReady() ?? null;
    if (unready !== null) throw this[$failed](unready);
    const { signal } = target;
    if (isSignalAborted(signal)) throw this[$aborted]('start', signal);
    const run = this[$begin]();
    const { proxyProtocol, preamble } = this;
    // Behind a proxy, a Unix domain socket has peers with addresses as well.
    const haveAddresses = target.path === undefined || proxyProtocol !== null;
    const admission = new Admission(this, run.limits, this[$wheel].clock, haveAddresses);
    const entrance =
      proxyProtocol === null && preamble === null ? null : new Entrance(run, this, admission, () => this[$table].size);
    const listener = new TcpListener(
      {
        accepted: (socket) => this.#accept(run, admission, entrance, socket, null),
        acceptFailed: () => void run.acceptErrors++,
      },
      run.isFast,
      run.security !== null,
    );
    this.#listener = listener;
    this.#letIn = (socket, opened) => this.#accept(run, admission, entrance, socket, opened);
    let problem = await callPrepare(this, this[$listener], 'onPrepareListen', signal, () =>
      this[$listener].onPrepareListen?.(this, listener.server),
    );
    if (!this[$isStarting](run)) throw startCancelled(this);
    if (problem === null && isSignalAborted(signal)) problem = this[$aborted]('start', signal);
    if (problem !== null) {
      this.#listener = null;
      return this[$startFailed](problem);
    }
    try {
      await listener.listen({
        ...listenPlace(target),
        backlog: target.backlog ?? this.socketListenQueue,
        ipv6Only: target.ipv6Only ?? false,
        exclusive: target.exclusive ?? false,
        reusePort: this.reuseAddressPolicy === ReuseAddressPolicy.AddrAndPort,
      });
    } catch (cause) {
      if (!this[$isStarting](run)) throw startCancelled(this);
      this.#listener = null;
      return this[$startFailed](listenError(cause, target));
    }
    const isAborted = isSignalAborted(signal);
    if (!this[$isStarting](run) || isAborted) {
      const error = isAborted ? this[$aborted]('start', signal) : startCancelled(this);
      await listener.close();
      if (this[$isStarting](run)) return this[$startFailed](error);
      throw error;
    }
    this[$transition](ServiceState.Started);
    stopOnAbort(this, signal);
    return this.getListenAddress() as SocketAddress;
  }

  #check(target: ServerStartOptions): void {
    const invalid = (message: string): SocketError =>
      this[$failed]({ socketError: SocketErrorCode.InvalidParam, errno: Errno.EINVAL, operation: 'start', message });
    const { host, port, path, fd, backlog } = target;
    if (fd !== undefined && !(Number.isInteger(fd) && fd >= 0))
      throw invalid(`fd must be the number of a file descriptor, 0 or more, not ${describe(fd)}`);
    if (fd !== undefined && (host !== undefined || port !== undefined || path !== undefined))
      throw invalid('fd listens already, so host, port and path must be left out');
    if (port !== undefined && !isPort(port))
      throw invalid(`port must be a whole number, 0 to 65535, not ${describe(port)}`);
    if (host !== undefined && typeof host !== 'string') throw invalid(`host must be a string, not ${describe(host)}`);
    const pathProblem = path === undefined ? null : socketPathProblem(path);
    if (pathProblem !== null) throw invalid(pathProblem);
    if (backlog !== undefined && !(Number.isInteger(backlog) && backlog > 0))
      throw invalid(`backlog must be a whole number, 1 or more, not ${describe(backlog)}`);
  }

  /** Address that the server listens on, null while it does not (`GetListenAddress`, SRV-002). */
  getListenAddress(): SocketAddress | null {
    const address = this.#listener?.address() ?? null;
    if (address === null) return null;
    return typeof address === 'string' ? { address, port: 0 } : { address: address.address, port: address.port };
  }

  /** @internal */
  protected override [$facts](): object {
    return { ...super[$facts](), listenAddress: this.getListenAddress() };
  }

  /**
   * Takes over a connection that something else accepted, as if it had come to this server: the socket of an HTTP upgrade, one
   * that another process sent, a tunnel; any `Duplex` of bytes. Bytes that it has buffered are received first. Limits and hooks
   * are asked as ever; addresses of streams that have none are unknown, so no `allowList` lets them in. From the call on the
   * socket is the server's, which closes it if it is not let in.
   * @returns the ID, when the connection is open: the opening hooks have let it in, over TLS it has shaken hands.
   * @throws TypeError for what is no stream of bytes; SocketError: IllegalState (not started), InvalidParam (EINVAL) for a
   *   socket that cannot be adopted, which stays its owner's: destroyed, ended, still connecting, being read by others; and
   *   otherwise why it was not let in.
   */
  async adopt(socket: Duplex): Promise<ConnId> {
    if (this.state !== ServiceState.Started || this.#letIn === null) throw this[$illegalState]('adopt');
    const problem = adoptionProblem(socket, this[$security] !== null);
    if (problem !== null)
      throw this[$failed]({
        socketError: SocketErrorCode.InvalidParam,
        errno: Errno.EINVAL,
        operation: 'adopt',
        message: `the socket cannot be adopted: ${problem}`,
      });
    return new Promise((resolve, reject) => {
      this.#letIn!(new AdoptedSocket(socket), (error, connId) => {
        if (error === undefined) resolve(connId!);
        else reject(this[$failed](error));
      });
    });
  }

  /**
   * Stops listening, closes all connections, each with its `onClose`, then fires `onShutdown` (`Stop`, CS-001).
   * @returns How the connections ended.
   * @throws SocketError (IllegalState) if it is not started. An aborted `signal` ends the draining, not the stopping.
   */
  async stop(options: StopOptions = {}): Promise<StopReport> {
    checkStopOptions(options);
    this[$checkStop]();
    this[$transition](ServiceState.Stopping);
    const listener = this.#listener;
    this.#listener = null;
    const closed = listener?.close();
    const report = await this[$closeAll](options);
    await closed;
    await shutDown(this, this[$listener]);
    return report;
  }

  /** @param opened Told how it went, of a connection that is adopted; its hooks are not called from inside. */
  #accept(
    run: ConnectionHost,
    admission: Admission,
    entrance: Entrance | null,
    accepted: AcceptedSocket,
    opened: Opened | null,
  ): void {
    if (this[$host] !== run || !this.hasStarted) return accepted.reject();
    const { address } = accepted;
    const passage = entrance === null ? Passage.Direct : entrance.passageOf(address);
    if (passage === Passage.Closed) run.limits.untrustedProxies++;
    const key =
      passage === Passage.Direct
        ? admission.admit(address, this[$table].size)
        : passage === Passage.Proxied && admission.hasRoom(this[$table].size)
          ? '' // it is counted when its header has come
          : null;
    if (key === null) {
      run.refused++;
      opened?.(notAdmitted(accepted.address));
      return accepted.reject();
    }
    const hasPreambles = entrance?.hasPreambles(passage) === true;
    const state = hasPreambles ? ConnectionState.Connecting : ConnectionState.Opening;
    const connection = new StreamConnection(run, state, (self) =>
      this[$security] === null ? accepted.makeSocket(self) : this[$security].acceptSocket(accepted, self),
    );
    connection.remoteAddress = address;
    connection.remotePort = accepted.port;
    tuneSocket(connection.socket, run.settings);
    this[$table].insert(connection);
    if (key !== '') connection.onReleased = () => admission.leave(key);
    const open = opened === null ? openAccepted(connection) : openAdopted(connection, opened);
    if (!hasPreambles) return open();
    entrance!.open(connection, passage, open);
  }
}

defineProperties(StreamServer.prototype, {
  acceptSocketCount: integer(64, 1),
  socketListenQueue: integer(4096, 1, 0x7fffffff),
  maxConnectionsPerAddress: integer(0, 0),
  acceptsPerSecond: integer(0, 0),
  allowList: custom(null, checkAddressList),
  blockList: custom(null, checkAddressList),
  proxyProtocol: custom(null, checkProxyProtocol),
  preambleTimeoutMs: integer(10_000, 0, 0x7fffffff),
} satisfies TableOf<StreamServerProperties>);

/** Opens a connection that the system accepted. */
function openAccepted(connection: StreamConnection): () => void {
  return () => connection.open('onAccept', connection.socket, () => {});
}

/** Opens one that is adopted, and tells how it went. Not at once: no call fires a hook from inside itself. */
function openAdopted(connection: StreamConnection, opened: Opened): () => void {
  const { onReleased } = connection;
  let refusal: SocketError | undefined;
  connection.onReleased = () => {
    onReleased?.();
    opened(refusal ?? connection.closeReason.error ?? closedBefore(connection.id, 'onAccept', undefined, 0));
  };
  const open = (): void => {
    if (!connection.isValid) return;
    connection.open('onAccept', connection.socket, (error) => {
      if (error === undefined) opened(undefined, connection.id);
      else refusal = error;
    });
  };
  return () => queueMicrotask(open);
}

function notAdmitted(address: string): SocketError {
  return new SocketError({
    socketError: SocketErrorCode.ConnectServer,
    errno: Errno.ENOSR,
    operation: 'adopt',
    message: `a limit of the server does not let ${address === '' ? 'a peer without an address' : address} in; stats().limits tells which`,
  });
}

function startOptions(host: string | null | undefined, port: number | undefined): ServerStartOptions {
  return { ...(host === null || host === undefined ? {} : { host }), ...(port === undefined ? {} : { port }) };
}

/** Where to listen, as `net.Server.listen` takes it. */
function listenPlace({
  host,
  port,
  path,
  fd,
}: ServerStartOptions): Pick<ListenTarget, 'host' | 'port' | 'path' | 'fd'> {
  if (fd !== undefined) return { fd };
  return path === undefined ? { host: host || '0.0.0.0', port: port ?? 0 } : { path };
}

/** What Node reports as errors of `listen`, and are such of binding. */
const bindErrors: ReadonlySet<string | undefined> = new Set(['EADDRINUSE', 'EADDRNOTAVAIL', 'EACCES', 'EINVAL']);

/** HP-Socket's component error for what `listen` reported. */
function listenError(cause: unknown, target: ServerStartOptions): SocketError {
  const { code: name, syscall } = cause as NodeJS.ErrnoException;
  const isName = syscall === 'getaddrinfo';
  const errno = isName ? Errno.EADDRNOTAVAIL : errnoOf(cause);
  let socketError: SocketErrorCode = SocketErrorCode.SocketListen;
  if (isName || name === 'EMFILE' || name === 'ENFILE' || name === 'EAFNOSUPPORT')
    socketError = SocketErrorCode.SocketCreate;
  // Whatever is wrong with a path is found when it is bound.
  else if (target.path !== undefined || bindErrors.has(name)) socketError = SocketErrorCode.SocketBind;
  const { host, port, path, fd } = target;
  const where = fd === undefined ? shown(path ?? `${host || '0.0.0.0'}:${port ?? 0}`) : `file descriptor ${fd}`;
  return new SocketError({
    socketError,
    errno,
    operation: 'start',
    message: describeSystemError(`cannot listen on ${where}`, errno, cause, target.path !== undefined),
    cause,
  });
}
