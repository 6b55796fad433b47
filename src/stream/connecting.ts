import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { ConnectionHost } from '../connection/host.ts';
import { PreambleStage } from '../connection/preamble-stage.ts';
import { tuneSocket } from '../connection/socket.ts';
import { ConnectionState } from '../connection/state.ts';
import type { StreamConnection } from '../connection/stream-connection.ts';
import { watchAbort } from '../core/abort-watch.ts';
import { normalizeAddress, splitHost } from '../core/address.ts';
import type { Component } from '../core/component.ts';
import { isSignalAborted } from '../core/component.ts';
import { hookCode } from '../core/connection-errors.ts';
import { describe, shown } from '../core/describe.ts';
import { SocketErrorCode, SocketOperation } from '../core/enums.ts';
import { Errno } from '../core/errno.ts';
import { SocketError } from '../core/errors.ts';
import { prepareByHook } from '../core/hooks.ts';
import { $aborted, $failed, $settings } from '../core/internals.ts';
import { isIP } from '../core/ip.ts';
import type { OptionRule } from '../core/option-names.ts';
import { socketPathProblem } from '../core/socket-path.ts';
import { HOOK_GRACE_MS } from '../core/start-stop.ts';
import { proxyTargetProblem } from '../protocol/preambles/proxy-url.ts';
import { adoptionProblem, adoptSocket } from '../transport/adopted-socket.ts';
import { isFastPathSettled, proveFastPath } from '../transport/fast-path.ts';
import { connectSocket, makeConnectingSocket } from '../transport/tcp-connect.ts';
import { hopsOf, outgoingPreambles, type ProxyTarget, proxyProperties, proxyTls } from './proxying.ts';
import { isPort } from './stream-properties.ts';

/** Where to connect, and how. */
export interface ConnectOptions extends ProxyTarget {
  /** Host name or IP address; `address^name` dials `address` and uses `name` as the host, as HP-Socket 5.8.8 does. */
  host?: string | undefined;
  /** Port of the peer, 1 to 65535. */
  port?: number | undefined;
  /** Path of a Unix domain socket (a pipe on Windows) instead of host and port. */
  path?: string | undefined;
  /**
   * A connection that is there already, instead of being made: a `net.Socket` or another `Duplex` of bytes. Bytes that it has
   * buffered are received first. `host` and `port` are then only what it is said to be connected with, for `getRemoteHost` and,
   * over TLS, the name of the server. From the call on it is the component's, which closes it if the call fails.
   */
  socket?: Duplex | undefined;
  /** Own IP address to connect from. */
  localAddress?: string | undefined;
  /** Own port to connect from, 1 to 65535; 0, the default, lets the system choose. */
  localPort?: number | undefined;
  /** Over TLS: name for SNI and for the check of the certificate, instead of `host`, and of the context's. */
  serverName?: string | undefined;
  /** Aborting cancels connecting, or closes the connection. */
  signal?: AbortSignal | undefined;
}

/** What `checkOptions` checks of a target; `checkTarget` checks the rest. */
export const connectRules = {
  host: true,
  port: true,
  path: true,
  socket: true,
  localAddress: true,
  localPort: true,
  serverName: true,
  signal: true,
  proxy: proxyProperties.proxy,
  proxyHeader: proxyProperties.proxyHeader,
} satisfies Record<keyof ConnectOptions, OptionRule>;

/**
 * The error of a target that makes no sense, or null. Throws for what is no signal, no proxy and no socket.
 * @param settings Of the component that is to connect.
 * @param isSecure Whether it is to speak TLS.
 */
export function checkTarget(
  target: ConnectOptions,
  operation: string,
  settings: object = {},
  isSecure = false,
): SocketError | null {
  const invalid = (message: string): SocketError =>
    new SocketError({ socketError: SocketErrorCode.InvalidParam, errno: Errno.EINVAL, operation, message });
  const { host, port, path, localAddress, localPort, serverName, signal } = target;
  isSignalAborted(signal);
  if (serverName !== undefined && typeof serverName !== 'string')
    return invalid(`serverName must be a string, not ${describe(serverName)}`);
  const hops = hopsOf(settings, target);
  if (path !== undefined && hops.length > 0)
    return invalid('a Unix domain socket is not reached through a proxy; give proxy: null');
  if (target.socket !== undefined) {
    if (hops.length > 0) return invalid('a socket is connected already, without a proxy; give proxy: null');
    for (const name of ['path', 'localAddress', 'localPort'] as const)
      if (target[name] !== undefined) return invalid(`${name} makes no sense with socket, which is connected already`);
    const problem = adoptionProblem(target.socket, isSecure);
    return problem === null ? null : invalid(`the socket cannot be adopted: ${problem}`);
  }
  if (path !== undefined) {
    const problem = socketPathProblem(path);
    return problem === null ? null : invalid(problem);
  }
  if (typeof host !== 'string' || host === '')
    return invalid(`host must be a host name or an IP address, not ${describe(host)}`);
  if (!isPort(port) || port === 0) return invalid(`port must be a whole number, 1 to 65535, not ${describe(port)}`);
  if (localPort !== undefined && !isPort(localPort))
    return invalid(`localPort must be a whole number, 0 to 65535, not ${describe(localPort)}`);
  if (localAddress !== undefined && localAddress !== '' && isIP(localAddress) === 0) {
    return new SocketError({
      socketError: SocketErrorCode.SocketCreate,
      errno: Errno.EADDRNOTAVAIL,
      operation,
      message: `the own address ${describe(localAddress)} is no IP address; give one of this machine's, or none`,
    });
  }
  const { dial } = splitHost(host);
  if (dial === '') return invalid('host must name the address to dial in front of ^');
  const problem = hops.length > 0 ? proxyTargetProblem(dial) : null;
  if (problem !== null) return invalid(problem);
  const remote = isIP(hops[0]?.host ?? dial);
  const local = localAddress === undefined ? 0 : isIP(localAddress);
  if (remote !== 0 && local !== 0 && remote !== local) {
    return new SocketError({
      socketError: SocketErrorCode.SocketCreate,
      errno: Errno.EAFNOSUPPORT,
      operation,
      message: `cannot connect from ${localAddress} to ${shown(hops[0]?.host ?? dial)}: one is IPv4, the other IPv6`,
    });
  }
  return null;
}

/** The socket of a connection to `target`: one that does not connect yet, or the one that is adopted. */
export function socketFor(target: ConnectOptions, connection: StreamConnection, isFast: boolean): Socket {
  return target.socket === undefined
    ? makeConnectingSocket(connection, isFast)
    : adoptSocket(target.socket, connection);
}

/**
 * Connects: `onPrepareConnect`, then the socket, then the opening hooks. Used by agents and clients alike.
 *
 * @param isAsync Resolve as soon as connecting is under way (HP-Socket's asynchronous mode): from then on, `onClose`
 *   gets a failure. Otherwise resolve when the connection is open, reject when it fails, with no `onClose` (ORD-016 to ORD-021).
 * @param connected Called when the socket is connected, before `onConnect`.
 */
export async function connect(
  component: Component,
  run: ConnectionHost,
  connection: StreamConnection,
  target: ConnectOptions,
  isAsync: boolean,
  timeoutMs: number,
  connected: () => void,
): Promise<void> {
  const { host = '', port = 0, path, signal } = target;
  const { dial, name } = splitHost(host);
  const adopted = target.socket as Partial<Socket> | undefined;
  connection.remoteHost = path ?? (name || (adopted?.remoteAddress ?? ''));
  connection.remotePort = port || (adopted?.remotePort ?? 0);
  connection.serverName = target.serverName ?? (path === undefined && name !== dial ? name : '');
  run.security?.preparing(connection);
  const hops = hopsOf(component[$settings], target);
  connection.proxies = hops.map((hop) => hop.name);
  const tls = proxyTls(hops);
  const preambles = outgoingPreambles(component[$settings], target, hops, dial, port, tls);
  let open = (): void => {};
  const stage =
    preambles.length === 0
      ? null
      : new PreambleStage(connection, preambles, false, { finished: () => open(), gaveUp: () => {} });
  connection.preambles = stage;
  let isSettled = false;
  const abort = (): void => {
    connection.close(
      SocketOperation.Close,
      isSettled ? 0 : Errno.ECANCELED,
      isSettled ? undefined : component[$aborted]('connect', signal),
    );
    // An async onConnect that never answers is not waited for, no more than by a stop.
    if (!isSettled) setTimeout(() => connection.abandonHooks(), HOOK_GRACE_MS);
  };
  if (signal !== undefined) {
    const watch = watchAbort(signal, abort);
    onRelease(connection, () => watch.end());
  }
  const gone = (): Promise<null> => new Promise((resolve) => onRelease(connection, () => resolve(null)));
  if (run.isFast && target.socket === undefined && !isFastPathSettled(run.security !== null))
    await useFastSocket(run, connection, gone());
  let problem: SocketError | null = isSignalAborted(signal) ? component[$aborted]('connect', signal) : null;
  if (problem === null && tls !== null) {
    problem = await Promise.race([tls.prepare(), gone()]);
    if (problem === null && connection.state !== ConnectionState.Connecting)
      problem = connection.closeReason.error ?? cancelled(connection);
  }
  // While that hook is thinking, the signal may be aborted, and the connection closed.
  if (problem === null && run.listener.onPrepareConnect !== undefined) {
    problem = await Promise.race([prepare(component, run, connection), gone()]);
  }
  if (problem === null && isSignalAborted(signal)) problem = component[$aborted]('connect', signal);
  if (problem === null && connection.state !== ConnectionState.Connecting) {
    problem = connection.closeReason.error ?? cancelled(connection);
  }
  if (problem !== null) {
    connection.close(SocketOperation.Connect, problem.errno, problem);
    if (!connection.isReleased) await gone();
    throw component[$failed](problem);
  }
  const { socket } = connection;
  return new Promise<void>((resolve, reject) => {
    let refusal: SocketError | undefined;
    const settle = (error?: SocketError): void => {
      if (isSettled) return;
      isSettled = true;
      if (error === undefined) resolve();
      else reject(component[$failed](error));
    };
    onRelease(connection, () => {
      settle(refusal ?? connection.closeReason.error ?? cancelled(connection));
    });
    if (isAsync) connection.wasLetIn = true;
    armConnecting(connection, timeoutMs, stage);
    open = () => {
      connection.deadlines.disarmStage();
      connection.connected();
      connected();
      connection.open('onConnect', undefined, (error) => {
        // A rejection waits until the connection is gone, so that the code that catches it finds the component ready again.
        if (error === undefined) settle();
        else refusal = error;
      });
    };
    try {
      const [first] = hops;
      const place = first === undefined ? { host: dial, path } : { host: first.host, port: first.port };
      const begin = (): void => {
        if (connection.state !== ConnectionState.Connecting) return;
        if (first === undefined) {
          connection.remoteAddress = normalizeAddress(socket.remoteAddress ?? '');
          connection.remotePort = socket.remotePort ?? port;
        } else {
          // Where a proxy resolved the name, the address is not known here.
          connection.remoteAddress = isIP(dial) === 0 ? '' : normalizeAddress(dial);
        }
        tuneSocket(socket, run.settings);
        if (stage === null) open();
        else stage.start();
      };
      if (target.socket === undefined) connectSocket(socket, { ...target, ...place }, begin);
      else queueMicrotask(begin);
    } catch (thrown) {
      connection.socketFailed(thrown as Error);
    }
    if (isAsync && connection.state === ConnectionState.Connecting) settle();
  });
}

/** One deadline for the socket, the proxies and all other preambles. */
function armConnecting(connection: StreamConnection, timeoutMs: number, stage: PreambleStage | null): void {
  const what = `connecting to ${shown(connection.remoteHost)}`;
  if (stage === null) return connection.deadlines.armHandshake(timeoutMs, what, 'syncConnectTimeout');
  connection.deadlines.armStage(timeoutMs, () => {
    if (stage.hasStarted && stage.expired()) return;
    connection.host.limits.handshakeTimeouts++;
    const [first] = connection.proxies;
    const awaited = stage.hasStarted ? stage.awaits : first === undefined ? 'the peer' : `proxy ${first}`;
    const message = `${what} did not end within ${timeoutMs} ms (syncConnectTimeout), in which ${awaited} did not come`;
    connection.deadlines.timedOut(SocketOperation.Connect, message);
  });
}

/**
 * The first connection of a process waits for the proof of the fast path, some milliseconds, and gets another socket if that
 * came out well. The one before was shown to no hook.
 */
async function useFastSocket(run: ConnectionHost, connection: StreamConnection, gone: Promise<null>): Promise<void> {
  const isFast = await Promise.race([proveFastPath(run.security !== null), gone]);
  if (isFast !== true || connection.state !== ConnectionState.Connecting) return;
  connection.abandonSocket().destroy();
  connection.replaceSocket(makeConnectingSocket(connection, true));
}

function prepare(component: Component, run: ConnectionHost, connection: StreamConnection): Promise<SocketError | null> {
  const refused = (what: string, cause?: unknown): SocketError =>
    new SocketError({
      socketError: SocketErrorCode.SocketPrepare,
      code: hookCode(what),
      errno: Errno.ECANCELED,
      operation: 'connect',
      connId: connection.id,
      message: `connecting to ${shown(connection.remoteHost)} was cancelled because the hook onPrepareConnect ${what}`,
      cause,
    });
  return prepareByHook(
    component,
    run.listener,
    'onPrepareConnect',
    connection.id,
    () => run.listener.onPrepareConnect?.(component, connection.id, connection.socket),
    refused,
    () => connection.state === ConnectionState.Connecting,
  );
}

function cancelled(connection: StreamConnection): SocketError {
  return new SocketError({
    socketError: SocketErrorCode.ConnectServer,
    errno: Errno.ECANCELED,
    operation: 'connect',
    connId: connection.id,
    message: `connecting to ${shown(connection.remoteHost)} was cancelled: the connection was closed from this side`,
  });
}

/** Adds to what is called when a connection is gone. */
function onRelease(connection: StreamConnection, callback: () => void): void {
  const { onReleased } = connection;
  connection.onReleased = () => {
    onReleased?.();
    callback();
  };
}
