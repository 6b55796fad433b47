import type { Socket } from 'node:net';
import type { CloseInfo } from './close-info.ts';
import type { SocketOperation } from './enums.ts';

/** ID of a connection: a positive safe integer, never used twice by one component while it runs. */
export type ConnId = number;

/**
 * What a hook may return: anything, so that `(server, connId, data) => server.send(connId, data)` is one. Three values mean
 * something: `HandleResult.Error` refuses or ends the connection, `HandleResult.Ignore` does what `onEnd` says, and while a
 * promise is pending, the connection is not read further; what it resolves to counts as if it had been returned. Everything
 * else is `HandleResult.Ok`.
 */
export type HookResult = unknown;

declare const model: unique symbol;

/**
 * Keeps a listener class of one receive model from being given to a component of another: bytes as they arrive are no packages.
 * It exists in types alone; a plain object of hooks is a listener of any model.
 */
export interface ListenerOf<Model extends 'push' | 'pull' | 'pack'> {
  /** Nothing that exists. */
  readonly [model]?: Model;
}

/** Hooks that every listener may have. */
export interface CommonHooks<S> {
  /**
   * A hook threw or rejected. If it was a hook of a connection, `onClose` gets the error too; errors of `onClose`, `onSend` and
   * `onShutdown` come only here. Without this hook they become a process warning.
   */
  onHookError?(sender: S, hook: string, error: unknown, connId: ConnId): void;
}

/** Hooks about one connection that is open. `data` belongs to the listener for ever. */
export interface ConnectionHooks<S, Data> extends CommonHooks<S> {
  /**
   * The connection is ready for application data: right after `onAccept` / `onConnect`, over TLS after the handshake.
   * `HandleResult.Error` ends the connection, without `onClose` on plain TCP (EV-S-03, NOC-002).
   */
  onHandShake?(sender: S, connId: ConnId): HookResult;
  /**
   * Bytes arrived (push, pack), or the total length of what is held (pull). Error ends the connection with
   * `onClose(Receive, ECANCELED)` (EV-S-04, EV-S-05).
   */
  onReceive?(sender: S, connId: ConnId, data: Data): HookResult;
  /**
   * The peer sent its FIN: it will send nothing more, and everything before that was delivered. Without this hook, what is
   * queued is sent and the connection closes. With it, that waits for its promise, so that an answer can still be made; after
   * `HandleResult.Ignore` the connection stays open for sending until you disconnect it. Error ends the connection with
   * `onClose(Receive, ECANCELED)`. Not called for connections with a stream or an iterator, nor for a TLS connection that was cut off.
   */
  onEnd?(sender: S, connId: ConnId): HookResult;
  /** Bytes were handed to the system, in order, pack headers included; the return value is ignored (EV-S-06). */
  onSend?(sender: S, connId: ConnId, data: Buffer): HookResult;
  /** More than `highWaterMarkBytes` are pending, or `maxPendingBytes` refused a send: stop sending. Once until drained. */
  onSendBlocked?(sender: S, connId: ConnId, pendingBytes: number): HookResult;
  /** Pending bytes fell to `lowWaterMarkBytes`, and what was refused has room now: go on sending. Once for each `onSendBlocked`. */
  onSendDrained?(sender: S, connId: ConnId, pendingBytes: number): HookResult;
  /**
   * The connection ended: exactly once for each that was let in (EV-S-07). `errorCode` is 0 for a graceful end, else a
   * Linux errno, or `SocketErrorCode.DataProc` when a hook failed; `info` has the reason in a sentence, and which side ended it.
   */
  onClose?(sender: S, connId: ConnId, operation: SocketOperation, errorCode: number, info: CloseInfo): HookResult;
}

/** Hooks of a server (EV-S). */
export interface ServerHooks<S, Data> extends ConnectionHooks<S, Data> {
  /** Before the socket listens; Error makes `start` fail with SocketPrepare (EV-S-01). `listener` is the `net.Server`. */
  onPrepareListen?(sender: S, listener: unknown): HookResult;
  /** A connection was accepted. Error drops it without `onClose` (EV-S-02, NOC-001). */
  onAccept?(sender: S, connId: ConnId, socket: Socket): HookResult;
  /** The server stopped; nothing follows (EV-S-08). */
  onShutdown?(sender: S): HookResult;
}

/** Hooks of an agent (EV-A). */
export interface AgentHooks<S, Data> extends ConnectionHooks<S, Data> {
  /** Inside `connect`, before the socket connects; Error makes `connect` fail (EV-A-01). */
  onPrepareConnect?(sender: S, connId: ConnId, socket: Socket): HookResult;
  /** Connected; Error ends the connection without `onClose` (EV-A-02, NOC-004). */
  onConnect?(sender: S, connId: ConnId): HookResult;
  /** The agent stopped; nothing follows (EV-A-08). */
  onShutdown?(sender: S): HookResult;
}

/** Hooks of a client (EV-C). */
export interface ClientHooks<S, Data> extends ConnectionHooks<S, Data> {
  /** Inside `start`, before the socket connects; Error makes `start` fail with SocketPrepare (EV-C-01). */
  onPrepareConnect?(sender: S, connId: ConnId, socket: Socket): HookResult;
  /** Connected; Error ends the connection without `onClose` (EV-C-02, NOC-004). */
  onConnect?(sender: S, connId: ConnId): HookResult;
}

/** Every hook, as the core calls them. A listener class need not implement any. */
export interface AnyHooks {
  onPrepareListen?(sender: unknown, listener: unknown): unknown;
  onAccept?(sender: unknown, connId: ConnId, socket: unknown): unknown;
  onPrepareConnect?(sender: unknown, connId: ConnId, socket: unknown): unknown;
  onConnect?(sender: unknown, connId: ConnId): unknown;
  onHandShake?(sender: unknown, connId: ConnId): unknown;
  onReceive?(sender: unknown, connId: ConnId, data: unknown): unknown;
  onEnd?(sender: unknown, connId: ConnId): unknown;
  onSend?(sender: unknown, connId: ConnId, data: Uint8Array): unknown;
  onSendBlocked?(sender: unknown, connId: ConnId, pendingBytes: number): unknown;
  onSendDrained?(sender: unknown, connId: ConnId, pendingBytes: number): unknown;
  onClose?(sender: unknown, connId: ConnId, operation: SocketOperation, errorCode: number, info: CloseInfo): unknown;
  onShutdown?(sender: unknown): unknown;
  onHookError?(sender: unknown, hook: string, error: unknown, connId: ConnId): unknown;
}
