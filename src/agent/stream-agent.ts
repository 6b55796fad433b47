import { ConnectionState } from '../connection/state.ts';
import { StreamConnection } from '../connection/stream-connection.ts';
import { isSignalAborted } from '../core/component.ts';
import { shown } from '../core/describe.ts';
import { ServiceState, SocketErrorCode } from '../core/enums.ts';
import { Errno, errnoOf } from '../core/errno.ts';
import { describeSystemError, SocketError } from '../core/errors.ts';
import {
  $aborted,
  $begin,
  $checkStop,
  $closeAll,
  $dial,
  $failed,
  $host,
  $illegalState,
  $isStarting,
  $isStopped,
  $listener,
  $security,
  $settings,
  $startFailed,
  $table,
  $transition,
  $unknownId,
} from '../core/internals.ts';
import { isIP } from '../core/ip.ts';
import type { ConnId } from '../core/listener.ts';
import { checkOptions, type ForeignNames, foreignAddresses, type OptionRule } from '../core/option-names.ts';
import { defineProperties, flag, integer, type TableOf } from '../core/properties.ts';
import { shutDown, startCancelled, stopOnAbort } from '../core/start-stop.ts';
import type { StopReport } from '../core/stats.ts';
import { checkStopOptions, type StopOptions } from '../core/stop-options.ts';
import type { Sendable } from '../memory/sendable.ts';
import { ComplexStream } from '../stream/complex-stream.ts';
import { type ConnectOptions, checkTarget, connect, connectRules, socketFor } from '../stream/connecting.ts';
import { type ProxyProperties, proxyProperties } from '../stream/proxying.ts';
import { tryBind } from '../transport/tcp-connect.ts';

/** How an agent starts. */
export interface AgentStartOptions {
  /** Own IP address that connections are made from, unless `connect` names another. */
  localAddress?: string | undefined;
  /**
   * HP-Socket's asynchronous mode: `connect` resolves as soon as connecting is under way, and `onClose` gets
   * a failure. Default false: `connect` resolves when the connection is open and rejects when it fails.
   */
  asyncConnect?: boolean | undefined;
  /** Aborting stops the agent. */
  signal?: AbortSignal | undefined;
}

const startRules = {
  localAddress: true,
  asyncConnect: flag(false),
  signal: true,
} satisfies Record<keyof AgentStartOptions, OptionRule>;

/** What others call the own address of an agent. */
const foreignStart: ForeignNames = { bindAddress: 'localAddress', host: 'localAddress', address: 'localAddress' };

/** Where an agent connects to. */
export interface AgentConnectOptions<Extra> extends ConnectOptions {
  /** Data attached to the connection before its first hook. */
  extra?: Extra | undefined;
}

const agentConnectRules = { ...connectRules, extra: true } satisfies Record<
  keyof AgentConnectOptions<unknown>,
  OptionRule
>;

/** Properties of every stream agent beside those of all stream components. */
export interface StreamAgentProperties extends ProxyProperties {
  /** Milliseconds to connect, 1 or more, proxies and `preamble` included (TCP-A-010); a time-out is ETIMEDOUT. Default 10,000. */
  syncConnectTimeout: number;
}

export interface StreamAgent<Extra = unknown, Message = Sendable> extends StreamAgentProperties {}

/** What TCP and TLS agents of all receive models share: many outgoing connections in one object (`IAgent`, `ITcpAgent`). */
export abstract class StreamAgent<Extra = unknown, Message = Sendable> extends ComplexStream<Extra, Message> {
  #localAddress = '';
  #isAsync = false;

  /**
   * Makes the agent ready to connect (`Start`, AGT-001).
   * @param localAddress Own IP address that connections are made from; or all options in one object.
   * @param asyncConnect See `AgentStartOptions`.
   * @throws SocketError: IllegalState, SocketCreate (EADDRNOTAVAIL for what is no IP address), SocketBind (an address that is
   *   not this machine's).
   */
  async start(localAddress?: string | null | AgentStartOptions, asyncConnect = false): Promise<void> {
    const options =
      typeof localAddress === 'object' && localAddress !== null
        ? localAddress
        : { localAddress: localAddress ?? '', asyncConnect };
    checkOptions('start', options, startRules, foreignStart);
    if (!this[$isStopped]) throw this[$illegalState]('start');
    const unready = this[$security]?.checkReady() ?? null;
    if (unready !== null) throw this[$failed](unready);
    const { signal } = options;
    if (isSignalAborted(signal)) throw this[$aborted]('start', signal);
    const run = this[$begin]();
    const address = options.localAddress ?? '';
    if (address !== '' && isIP(address) === 0) {
      return this[$startFailed](
        new SocketError({
          socketError: SocketErrorCode.SocketCreate,
          errno: Errno.EADDRNOTAVAIL,
          operation: 'start',
          message: `the own address ${shown(address)} is no IP address; give one of this machine's, or none`,
        }),
      );
    }
    if (address !== '') {
      const problem = await tryBind(address).then(
        () => null,
        (cause: unknown) => bindError(cause, address),
      );
      if (!this[$isStarting](run)) throw startCancelled(this);
      if (problem !== null) return this[$startFailed](problem);
      if (isSignalAborted(signal)) return this[$startFailed](this[$aborted]('start', signal));
    }
    this.#localAddress = address;
    this.#isAsync = options.asyncConnect ?? false;
    this[$transition](ServiceState.Started);
    stopOnAbort(this, signal);
  }

  /**
   * Makes a connection (`Connect`, AGT-002). Fires `onPrepareConnect`, then, when connected, `onConnect` and `onHandShake`.
   * @returns The ID of the connection, when it is open; in asynchronous mode as soon as connecting is under way.
   * @throws SocketError: IllegalState (not started), InvalidParam, SocketCreate (address families, unknown host), SocketBind
   *   (own address or port), SocketPrepare, ConnectServer with the system's errno (ECONNREFUSED, ETIMEDOUT, ...). `onClose` is
   *   called only if `onConnect` had let the connection in before it failed: a TLS handshake that fails (EBADMSG), a `stop` in
   *   a hook.
   */
  connect(
    host: string,
    port: number,
    options?: Omit<AgentConnectOptions<Extra>, 'host' | 'port' | 'path'>,
  ): Promise<ConnId>;
  connect(options: AgentConnectOptions<Extra>): Promise<ConnId>;
  async connect(
    host: string | AgentConnectOptions<Extra>,
    port?: number,
    options: Omit<AgentConnectOptions<Extra>, 'host' | 'port' | 'path'> = {},
  ): Promise<ConnId> {
    const target = typeof host === 'object' && host !== null ? { ...host } : { ...options, host, port: port as number };
    checkOptions(
      'connect',
      typeof host === 'object' && host !== null ? host : options,
      agentConnectRules,
      foreignAddresses,
    );
    return (await this.#dial(target, this.#isAsync)).id;
  }

  /** As `connect`, for options that were checked; resolves when the connection is open. @internal */
  [$dial](target: AgentConnectOptions<Extra>): Promise<StreamConnection> {
    return this.#dial(target, false);
  }

  async #dial(target: AgentConnectOptions<Extra>, isAsync: boolean): Promise<StreamConnection> {
    if (this.state !== ServiceState.Started) throw this[$illegalState]('connect');
    if (this.#localAddress !== '' && target.path === undefined && target.socket === undefined)
      target.localAddress ??= this.#localAddress;
    const problem = checkTarget(target, 'connect', this[$settings], this[$security] !== null);
    if (problem !== null) throw this[$failed](problem);
    const run = this[$host]!;
    if (this[$table].size >= this.maxConnectionCount) {
      run.limits.connections++;
      throw this[$failed]({
        socketError: SocketErrorCode.ConnectServer,
        errno: Errno.ENOSR,
        operation: 'connect',
        message: `the agent has maxConnectionCount (${this.maxConnectionCount}) connections; close some or raise it`,
      });
    }
    const connection = new StreamConnection(run, ConnectionState.Connecting, (self) =>
      socketFor(target, self, run.isFast),
    );
    connection.extra = target.extra ?? null;
    this[$table].insert(connection);
    await connect(this, run, connection, target, isAsync, this.syncConnectTimeout, () => {});
    return connection;
  }

  /** The host given to `connect`, not resolved, and the port; null for an unknown ID (`GetRemoteHost`, AGT-003). */
  getRemoteHost(connId: ConnId): { host: string; port: number } | null {
    const connection = this[$table].get(connId);
    if (connection === undefined) {
      this[$unknownId]('getRemoteHost', connId);
      return null;
    }
    return { host: connection.remoteHost, port: connection.remotePort };
  }

  /**
   * Closes all connections, each with its `onClose`, then fires `onShutdown` (`Stop`, CS-001).
   * @returns How the connections ended.
   * @throws SocketError (IllegalState) if it is not started. An aborted `signal` ends the draining, not the stopping.
   */
  async stop(options: StopOptions = {}): Promise<StopReport> {
    checkStopOptions(options);
    this[$checkStop]();
    this[$transition](ServiceState.Stopping);
    const report = await this[$closeAll](options);
    await shutDown(this, this[$listener]);
    return report;
  }
}

defineProperties(StreamAgent.prototype, {
  syncConnectTimeout: integer(10_000, 1, 0x7fffffff),
  ...proxyProperties,
} satisfies TableOf<StreamAgentProperties>);

function bindError(cause: unknown, address: string): SocketError {
  const errno = errnoOf(cause);
  const isNoSocket = errno === Errno.EMFILE || errno === Errno.ENFILE || errno === Errno.EAFNOSUPPORT;
  return new SocketError({
    socketError: isNoSocket ? SocketErrorCode.SocketCreate : SocketErrorCode.SocketBind,
    errno,
    operation: 'start',
    message: describeSystemError(`cannot connect from ${shown(address)}`, errno, cause),
    cause,
  });
}
