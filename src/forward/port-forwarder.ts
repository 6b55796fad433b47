import type { Server, Socket } from 'node:net';
import { TcpAgent } from '../agent/tcp-agent.ts';
import { emptyReport } from '../connection/closing.ts';
import { watchAbort } from '../core/abort-watch.ts';
import type { SocketAddress } from '../core/address.ts';
import { checkHooks } from '../core/check-listener.ts';
import type { CloseInfo } from '../core/close-info.ts';
import { Component, isSignalAborted } from '../core/component.ts';
import { HandleResult, SendPolicy, ServiceState } from '../core/enums.ts';
import { Errno } from '../core/errno.ts';
import { SocketError } from '../core/errors.ts';
import { mustSettle, notifyHook } from '../core/hooks.ts';
import {
  $aborted,
  $failed,
  $illegalState,
  $isStopped,
  $reportHookError,
  $transition,
  $wheel,
} from '../core/internals.ts';
import { isIP } from '../core/ip.ts';
import { LinkedList } from '../core/linked-list.ts';
import type { AgentHooks, ConnId, ServerHooks } from '../core/listener.ts';
import { checkOptions, foreignAddresses } from '../core/option-names.ts';
import { defineProperties } from '../core/properties.ts';
import { EmptyWait, shutDown, startCancelled, stopOnAbort } from '../core/start-stop.ts';
import type { StopReport } from '../core/stats.ts';
import { checkStopOptions, type StopOptions } from '../core/stop-options.ts';
import { WheelTimer } from '../core/timer-wheel.ts';
import type { ProxyHeaderOptions } from '../protocol/preambles/proxy-writer.ts';
import { TcpServer, type TcpServerOptions } from '../server/tcp-server.ts';
import { SslAgent } from '../ssl/ssl-agent.ts';
import { SslServer } from '../ssl/ssl-server.ts';
import { askTargets } from './ask-targets.ts';
import { type ForwardedPair, Pair, type PairEnd } from './forwarded-pair.ts';
import { forwarderHooks, type PortForwarderHooks } from './forwarder-hooks.ts';
import {
  checkInner,
  checkPendingBytes,
  forwarderProperties,
  forwarderStartRules,
  MARKS,
  type PortForwarderOptions,
  type PortForwarderProperties,
  type PortForwarderStartOptions,
} from './forwarder-properties.ts';
import { newCounters, type PortForwarderStats } from './forwarder-stats.ts';
import { refusal } from './refusal.ts';
import type { ForwardTarget } from './target.ts';

export interface PortForwarder<Extra = unknown> extends PortForwarderProperties {}

/**
 * Forwards each connection of its server to a target, both ways (FWD, HP-Socket.Net's `TcpPortForwarding`): TCP, TLS and Unix
 * sockets to any of them. It is a server and an agent, and passes on what their connections do: bytes, back-pressure, the end
 * of one direction, and resets.
 *
 * ```ts
 * const forwarder = new PortForwarder({}, { target: { host: '10.0.0.5', port: 5432 } });
 * await forwarder.start('0.0.0.0', 15432);
 * ```
 */
export class PortForwarder<Extra = unknown> extends Component {
  /** The server that clients connect to (FWD-001). Its connections' `extra` is the pair. Start and stop the forwarder, not this. */
  readonly server: TcpServer<ForwardedPair<Extra>>;
  /** The agent that connects to targets, likewise. */
  readonly agent: TcpAgent<ForwardedPair<Extra>>;
  readonly #listener: PortForwarderHooks<PortForwarder<Extra>, Extra>;
  /** Pairs that are not over. */
  readonly #pairs = new LinkedList<Pair<Extra>>();
  readonly #emptyWait = new EmptyWait();
  #listening: Server | null = null;
  #run = 0;
  /** Pending bytes of a connection of the server, and of the agent, above which the other end of its pair is not read. */
  #serverMarkBytes = 0;
  #agentMarkBytes = 0;
  #counters = newCounters();
  /** What `stop` counts as the pairs end. */
  #report: StopReport | null = null;

  /**
   * @param listener Hooks, none of which is needed if there is a `target`.
   * @throws TypeError, RangeError, SocketError for options that make no sense.
   */
  constructor(listener: PortForwarderHooks<PortForwarder<Extra>, Extra>, options: PortForwarderOptions = {}) {
    super(options);
    checkHooks(listener, forwarderHooks);
    this.#listener = listener;
    const { server = {}, agent = {} } = options;
    checkInner('server', server);
    checkInner('agent', agent);
    const isLooking = listener.onServerReceive !== undefined || listener.onAgentReceive !== undefined;
    // What is forwarded is written at once, and its memory used again, unless a hook may want to keep it.
    const both = { ...MARKS, sendPolicy: SendPolicy.Direct, reuseReceiveMemory: !isLooking, idleCountsSent: true };
    const maxConnectionCount = (server as TcpServerOptions).maxConnectionCount ?? 10_000;
    const serverOptions = { ...both, ...server };
    const agentOptions = { ...both, maxConnectionCount, ...agent };
    const serverHooks = this.#serverHooks();
    this.server =
      'ssl' in server ? new SslServer(serverHooks, serverOptions) : new TcpServer(serverHooks, serverOptions);
    const agentHooks = this.#agentHooks();
    this.agent = 'ssl' in agent ? new SslAgent(agentHooks, agentOptions) : new TcpAgent(agentHooks, agentOptions);
  }

  /** Pairs at this moment, those that still connect included. */
  get pairCount(): number {
    return this.#pairs.size;
  }

  /** The pair of a client's connection; null for an unknown ID (FWD-008). */
  pair(connId: ConnId): ForwardedPair<Extra> | null {
    return this.server.getConnectionExtra(connId);
  }

  /** The pair of a target's connection; null for an unknown ID (FWD-008). */
  pairOfAgent(agentConnId: ConnId): ForwardedPair<Extra> | null {
    return this.agent.getConnectionExtra(agentConnId);
  }

  /** All pairs. */
  pairs(): ForwardedPair<Extra>[] {
    return [...this.#pairs];
  }

  /** Address that it listens on, null while it does not. */
  getListenAddress(): SocketAddress | null {
    return this.server.getListenAddress();
  }

  /** Snapshot of this run, or of the last one. */
  stats(): PortForwarderStats {
    return { pairs: this.#pairs.size, ...this.#counters, server: this.server.stats(), agent: this.agent.stats() };
  }

  /**
   * Begins to listen: starts the agent, then the server; if that fails, the agent is stopped (FWD-003).
   * @returns The address that it listens on, with the real port.
   * @throws SocketError as `TcpServer.start`; TypeError without a `target` and without the hook `onTarget`; RangeError for a
   *   `maxPendingBytes` that could refuse what was read.
   */
  async start(host?: string | null | PortForwarderStartOptions, port?: number): Promise<SocketAddress> {
    const isObject = typeof host === 'object' && host !== null;
    const options: PortForwarderStartOptions = isObject ? host : { host: host ?? undefined, port };
    checkOptions('start', options, forwarderStartRules, { ...foreignAddresses, localAddress: 'localAddress' });
    const { signal, localAddress, ...place } = options;
    if (!this[$isStopped]) throw this[$illegalState]('start');
    if (this.target === null && this.#listener.onTarget === undefined)
      throw new TypeError('a forwarder needs the option target, or the hook onTarget');
    checkPendingBytes('server', this.server);
    checkPendingBytes('agent', this.agent);
    if (isSignalAborted(signal)) throw this[$aborted]('start', signal);
    this[$transition](ServiceState.Starting);
    const run = ++this.#run;
    this.#counters = newCounters();
    this.#report = null;
    this.agent.syncConnectTimeout = this.connectTimeoutMs;
    for (const component of [this.server, this.agent])
      if (this.idleTimeoutMs > 0) component.idleTimeoutMs = this.idleTimeoutMs;
    this.#serverMarkBytes = this.server.highWaterMarkBytes;
    this.#agentMarkBytes = this.agent.highWaterMarkBytes;
    const onAbort = (): void => void this.#stopParts().catch(() => {});
    const watch = watchAbort(signal, onAbort);
    try {
      await this.agent.start({ localAddress });
      if (this.#isStarting(run)) await this.server.start(place);
    } catch (error) {
      if (!this.#isStarting(run)) throw startCancelled(this);
      return await this.#startFailed(
        isSignalAborted(signal) ? this[$aborted]('start', signal) : (error as SocketError),
      );
    } finally {
      watch.end();
    }
    if (!this.#isStarting(run)) throw startCancelled(this);
    if (isSignalAborted(signal)) return await this.#startFailed(this[$aborted]('start', signal));
    this[$transition](ServiceState.Started);
    stopOnAbort(this, signal);
    return this.getListenAddress() as SocketAddress;
  }

  #isStarting(run: number): boolean {
    return this.#run === run && this.state === ServiceState.Starting;
  }

  async #startFailed(error: SocketError): Promise<never> {
    this[$transition](ServiceState.Stopping);
    await this.#stopParts();
    if (error instanceof SocketError) this[$failed](error);
    await shutDown(this, this.#listener);
    throw error;
  }

  async #stopParts(): Promise<void> {
    if (this.agent.hasStarted) await this.agent.stop();
    if (this.server.hasStarted) await this.server.stop();
    await Promise.all([this.agent.wait(), this.server.wait()]);
  }

  /**
   * Stops listening, and breaks all pairs off; then fires `onShutdown` (FWD-003). With `drainTimeoutMs`, pairs have so many
   * milliseconds to come to their end by themselves: nothing is cut short, so nothing hurries them.
   * @returns How the pairs ended: by themselves (drained), by this stop (forced), or by an error (failed).
   * @throws SocketError (IllegalState) if it is not started. An aborted `signal` ends the draining, not the stopping.
   */
  async stop(options: StopOptions = {}): Promise<StopReport> {
    checkStopOptions(options);
    if (!this.hasStarted) throw this[$illegalState]('stop');
    const { drainTimeoutMs = 0, signal } = options;
    const isAborted = isSignalAborted(signal);
    const startedAt = this[$wheel].clock.now();
    const report = emptyReport();
    report.connections = this.#pairs.size;
    this[$transition](ServiceState.Stopping);
    this.#report = report;
    if (this.server.hasStarted) this.#listening?.close();
    if (drainTimeoutMs > 0 && !isAborted && this.#pairs.size > 0) await this.#emptyWait.wait(signal, drainTimeoutMs);
    this.#report = null;
    for (const pair of [...this.#pairs]) {
      if (!pair.isListed) continue; // a hook about another one ended it
      report.forced++;
      report.droppedBytes += pair.server.pendingBytes + (pair.agent?.pendingBytes ?? 0);
      // What ends in the middle must not look whole.
      pair.reset();
    }
    await this.#stopParts();
    report.durationMs = this[$wheel].clock.now() - startedAt;
    await shutDown(this, this.#listener);
    return report;
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await super[Symbol.asyncDispose]();
    await Promise.all([this.server[Symbol.asyncDispose](), this.agent[Symbol.asyncDispose]()]);
  }

  // ---- clients ---------------------------------------------------------------------------------------------------

  #serverHooks(): ServerHooks<TcpServer<ForwardedPair<Extra>>, Buffer> {
    const user = this.#listener;
    const pairOf = (connId: ConnId): Pair<Extra> => this.server.getConnectionExtra(connId) as Pair<Extra>;
    return {
      onPrepareListen: (_server, listening) => {
        this.#listening = listening as Server;
      },
      onAccept: (server, connId, socket: Socket) => {
        if (!this.hasStarted) return HandleResult.Error;
        const pair = new Pair<Extra>();
        pair.client.connection = server.connection(connId) as never;
        server.setConnectionExtra(connId, pair);
        return user.onServerAccept?.(this, pair, socket);
      },
      onHandShake: (_server, connId) => this.#begin(pairOf(connId)),
      onReceive: (_server, connId, data) => {
        const pair = pairOf(connId);
        if (pair.isLinked) return this.#forward(pair, pair.client, data);
        if (!pair.keepEarly(data)) pair.server.pause();
        return undefined;
      },
      onSendDrained: (_server, connId) => this.#drained(pairOf(connId).far),
      onEnd: (_server, connId) => {
        const pair = pairOf(connId);
        return this.#ended(pair, pair.client);
      },
      onClose: (_server, connId, operation, errorCode, info) => {
        const pair = pairOf(connId);
        this.#gone(pair, pair.client, errorCode, info);
        return user.onServerClose?.(this, pair, operation, errorCode, info);
      },
      ...this.#onHookError(serverNames),
    };
  }

  #begin(pair: Pair<Extra>): void {
    pair.hasBegun = true;
    this.#pairs.add(pair);
    this.#counters.accepted++;
    // A hook that looks at the bytes sees them after they have been forwarded, so they wait for the target. Otherwise a few are
    // read ahead, by which it is noticed when the client gives up.
    if (this.#listener.onServerReceive !== undefined) pair.server.pause();
    this.#connect(pair).catch((error: unknown) => this.#turnAway(pair, error));
  }

  /** Finds a target and connects to it. */
  async #connect(pair: Pair<Extra>): Promise<void> {
    const targets = this.#listener.onTarget === undefined ? this.#fixedTargets() : await this.#askTargets(pair);
    let failure: unknown = null;
    for (const target of targets) {
      if (pair.client.isGone) return;
      pair.target = target;
      pair.connecting = new AbortController();
      try {
        await this.agent.connect({
          proxyHeader: this.#headerOf(pair),
          ...target,
          extra: pair,
          signal: pair.connecting.signal,
        });
        pair.connecting = null;
        return this.#linked(pair);
      } catch (error) {
        pair.connecting = null;
        failure = error;
        // The hook onAgentConnect refused it: no other target is asked for.
        if (pair.far.connection !== null) pair.far.isGone = true;
        if (pair.client.isGone || pair.far.isGone) break;
        this.#counters.connectFailures++;
        this.#tellFailure(pair, target, error as SocketError);
      }
    }
    throw failure;
  }

  /** Who the client is, for its target. One without an IP address, of a Unix domain socket here or before a balancer, is not named. */
  #headerOf(pair: Pair<Extra>): ProxyHeaderOptions | undefined {
    const { proxyHeader: version } = this;
    if (version === null) return undefined;
    const { remoteAddress: source, localAddress, proxyHeader } = pair.server;
    const destination = isNumeric(localAddress) ? localAddress : (proxyHeader?.destination ?? null);
    if (!isNumeric(source) || !isNumeric(destination)) return { version, command: 'local' };
    return { version, source, destination };
  }

  #fixedTargets(): readonly ForwardTarget[] {
    const { target } = this;
    return Array.isArray(target) ? target : [target as ForwardTarget];
  }

  #askTargets(pair: Pair<Extra>): Promise<readonly ForwardTarget[]> {
    const question = {
      wheel: this[$wheel],
      timeoutMs: this.targetTimeoutMs,
      fallback: this.target,
      ask: () => this.#listener.onTarget?.(this, pair),
      timedOut: () => void this.#counters.targetTimeouts++,
      threw: (thrown: unknown) => this[$reportHookError](this.#listener, 'onTarget', thrown, pair.id, false),
    };
    return askTargets(question, pair);
  }

  #tellFailure(pair: Pair<Extra>, target: ForwardTarget, error: SocketError): void {
    const { onTargetFailed } = this.#listener;
    if (onTargetFailed === undefined) return;
    notifyHook(
      () => onTargetFailed.call(this.#listener, this, pair, target, error),
      (thrown) => this[$reportHookError](this.#listener, 'onTargetFailed', thrown, pair.id, false),
    );
  }

  /** There is no target for this client (FWD-004, FWD-007). */
  #turnAway(pair: Pair<Extra>, error: unknown): void {
    pair.error ??= error instanceof SocketError ? error : null;
    if (pair.client.isGone) return;
    this.#counters.unserved++;
    pair.reset();
  }

  // ---- targets ---------------------------------------------------------------------------------------------------

  #agentHooks(): AgentHooks<TcpAgent<ForwardedPair<Extra>>, Buffer> {
    const user = this.#listener;
    const pairOf = (connId: ConnId): Pair<Extra> => this.agent.getConnectionExtra(connId) as Pair<Extra>;
    return {
      onHandShake: (agent, connId) => {
        const pair = pairOf(connId);
        if (pair.client.isGone) return HandleResult.Error;
        pair.far.connection = agent.connection(connId) as never;
        return user.onAgentConnect?.(this, pair);
      },
      onReceive: (_agent, connId, data) => {
        const pair = pairOf(connId);
        return this.#forward(pair, pair.far, data);
      },
      onSendDrained: (_agent, connId) => this.#drained(pairOf(connId).client),
      onEnd: (_agent, connId) => {
        const pair = pairOf(connId);
        return this.#ended(pair, pair.far);
      },
      onClose: (_agent, connId, operation, errorCode, info) => {
        const pair = pairOf(connId);
        // An attempt that failed before its connection was the pair's rejects `connect`.
        if (pair.agent?.id !== connId) return;
        this.#gone(pair, pair.far, errorCode, info);
        return user.onAgentClose?.(this, pair, operation, errorCode, info);
      },
      ...this.#onHookError(agentNames),
    };
  }

  /** Both connections are there: what the client has sent meanwhile is forwarded, and it is read on (FWD-005). */
  #linked(pair: Pair<Extra>): void {
    const { client, far } = pair;
    if (client.isGone || far.isGone) return;
    this.#counters.connected++;
    pair.isLinked = true;
    for (const data of pair.takeEarly()) if (!pair.agent!.send(data)) return this.#undeliverable(pair);
    if (client.hasEnded) this.#handEndOn(pair, far);
    pair.server.resume();
  }

  // ---- both ------------------------------------------------------------------------------------------------------

  /** Bytes from one end to the other, then to the hook that looks at them (FWD-006). */
  #forward(pair: Pair<Extra>, from: PairEnd, data: Buffer): unknown {
    const isFromClient = from === pair.client;
    const to = isFromClient ? pair.far : pair.client;
    const connection = to.connection!;
    if (!(connection as { send(data: Buffer): boolean }).send(data)) return this.#undeliverable(pair);
    if (connection.pendingBytes > (isFromClient ? this.#agentMarkBytes : this.#serverMarkBytes)) {
      this.#counters.blocked++;
      from.connection!.pause();
    }
    const { onServerReceive, onAgentReceive } = this.#listener;
    const look = isFromClient ? onServerReceive : onAgentReceive;
    if (look === undefined) return undefined;
    const result = look.call(this.#listener, this, pair, data);
    if (mustSettle(result)) this.#noteBusy(from, result);
    return result;
  }

  /** Bytes came that the other end takes no more: it is closing, or has a limit of its own. */
  #undeliverable(pair: Pair<Extra>): void {
    pair.error ??= this.server.lastFailure ?? this.agent.lastFailure;
    pair.reset();
  }

  /** An end may not be told of the other's while a promise about its own bytes is pending: that would cut them short. */
  #noteBusy(end: PairEnd, result: unknown): void {
    const promise: Promise<unknown> = Promise.resolve(result).then(
      () => {},
      () => {},
    );
    end.busy = promise;
    void promise.then(() => {
      if (end.busy === promise) end.busy = null;
    });
  }

  /** There is room again: the end that fills it is read on. */
  #drained(from: PairEnd): void {
    from.connection?.resume();
  }

  /** One end will send no more. The other is shut down for sending, and this one stays open for what still comes from there. */
  #ended(pair: Pair<Extra>, end: PairEnd): Promise<void> | undefined {
    end.hasEnded = true;
    const other = pair.other(end);
    if (other.isGone) return undefined;
    if (other.answerEnd !== null) {
      other.answerEnd();
      return undefined;
    }
    // A client may end before its target is connected.
    if (pair.isLinked) this.#handEndOn(pair, other);
    return new Promise((resolve) => {
      end.answerEnd = resolve;
    });
  }

  /** A FIN behind everything that was forwarded; what `to` sends is still read. */
  #handEndOn(pair: Pair<Extra>, to: PairEnd): void {
    if (to.busy !== null) return void to.busy.then(() => this.#handEndOn(pair, to));
    if (to.isGone) return;
    to.connection!.drain(Number.POSITIVE_INFINITY);
    if (pair.halfClosed === null && this.halfCloseTimeoutMs > 0) this.#limitHalfClosed(pair);
  }

  #limitHalfClosed(pair: Pair<Extra>): void {
    const { halfCloseTimeoutMs, [$wheel]: wheel } = this;
    let moved = pair.movedBytes;
    const timer = new WheelTimer(() => {
      const present = pair.movedBytes;
      if (present !== moved) {
        moved = present;
        return wheel.arm(timer, halfCloseTimeoutMs);
      }
      this.#counters.halfCloseTimeouts++;
      pair.error ??= refusal(
        pair,
        `one side had ended, and nothing moved for ${halfCloseTimeoutMs} ms (halfCloseTimeoutMs)`,
        Errno.ETIMEDOUT,
      );
      pair.reset();
    });
    pair.halfClosed = timer;
    wheel.arm(timer, halfCloseTimeoutMs);
  }

  /** One connection is gone: the other ends likewise, once (FWD-007). */
  #gone(pair: Pair<Extra>, end: PairEnd, errorCode: number, { droppedBytes }: CloseInfo): void {
    end.isGone = true;
    if (!pair.hasBegun) return;
    pair.connecting?.abort();
    const other = pair.other(end);
    if (errorCode !== 0 || droppedBytes > 0 || pair.error !== null) pair.isBroken = true;
    if (pair.isOver) return this.#over(pair);
    if (other.connection === null) return;
    if (pair.isBroken) other.connection.reset();
    else if (other.answerEnd !== null) other.answerEnd();
    else other.connection.drain((end === pair.client ? this.agent : this.server).closeTimeoutMs);
  }

  #over(pair: Pair<Extra>): void {
    const { isBroken } = pair;
    if (!this.#pairs.remove(pair)) return;
    if (pair.halfClosed !== null) this[$wheel].cancel(pair.halfClosed);
    if (isBroken) this.#counters.broken++;
    if (this.#report !== null) {
      if (isBroken) this.#report.failed++;
      else this.#report.drained++;
    }
    if (this.#pairs.size === 0) this.#emptyWait.emptied();
  }

  /** Errors of hooks, under the names that they have here. */
  #onHookError(names: Readonly<Record<string, string>>): {
    onHookError?(sender: unknown, hook: string, error: unknown, connId: ConnId): void;
  } {
    const user = this.#listener;
    const { onHookError } = user;
    if (onHookError === undefined) return {};
    return {
      onHookError: (_sender, hook, error, connId) => {
        const clientId = names === serverNames ? connId : (this.pairOfAgent(connId)?.id ?? 0);
        return onHookError.call(user, this, names[hook] ?? hook, error, clientId);
      },
    };
  }
}

defineProperties(PortForwarder.prototype, forwarderProperties);

const serverNames = { onAccept: 'onServerAccept', onReceive: 'onServerReceive', onClose: 'onServerClose' };
const agentNames = { onHandShake: 'onAgentConnect', onReceive: 'onAgentReceive', onClose: 'onAgentClose' };

function isNumeric(address: SocketAddress | null): address is SocketAddress {
  return address !== null && isIP(address.address) !== 0;
}
