import type { Socket } from 'node:net';
import type { CloseInfo } from '../core/close-info.ts';
import type { SocketOperation } from '../core/enums.ts';
import type { SocketError } from '../core/errors.ts';
import type { CommonHooks, ConnId, HookResult } from '../core/listener.ts';
import type { ForwardedPair } from './forwarded-pair.ts';
import type { ForwardTarget } from './target.ts';

/** What `onTarget` answers: where to connect to, several to be tried in this order, nothing for the property `target`. */
export type TargetAnswer = ForwardTarget | readonly ForwardTarget[] | null | undefined | void | symbol;

/**
 * Hooks of a forwarder (FWD-002): those of its server and its agent, with the pair of connections in the place of a
 * connection ID. What a hook throws or refuses ends its pair by a reset.
 */
export interface PortForwarderHooks<S, Extra = unknown> extends CommonHooks<S> {
  /** A client connected. Error turns it away, and there is no other hook about it; a promise puts off what follows. */
  onServerAccept?(sender: S, pair: ForwardedPair<Extra>, socket: Socket): HookResult;
  /**
   * Where does this client's connection lead (FWD-009)? Asked when the client is let in, over TLS when it has shaken hands. No
   * answer within `targetTimeoutMs`, Error, a throw or a rejection turn the client away.
   */
  onTarget?(sender: S, pair: ForwardedPair<Extra>): TargetAnswer | Promise<TargetAnswer>;
  /** A target cannot be connected to; the next one is tried, or, if it was the last, the client is turned away. */
  onTargetFailed?(sender: S, pair: ForwardedPair<Extra>, target: ForwardTarget, error: SocketError): HookResult;
  /** The target is connected, over TLS it has shaken hands (FWD-005). Error ends the pair. */
  onAgentConnect?(sender: S, pair: ForwardedPair<Extra>): HookResult;
  /** Bytes of the client, which have been forwarded already (FWD-006). While a promise is pending, no more are read of it. */
  onServerReceive?(sender: S, pair: ForwardedPair<Extra>, data: Buffer): HookResult;
  /** Bytes of the target, as `onServerReceive`. */
  onAgentReceive?(sender: S, pair: ForwardedPair<Extra>, data: Buffer): HookResult;
  /** The client's connection is gone: once for each that `onServerAccept` let in. */
  onServerClose?(
    sender: S,
    pair: ForwardedPair<Extra>,
    operation: SocketOperation,
    errorCode: number,
    info: CloseInfo,
  ): HookResult;
  /** The target's connection is gone: once for each `onAgentConnect`. */
  onAgentClose?(
    sender: S,
    pair: ForwardedPair<Extra>,
    operation: SocketOperation,
    errorCode: number,
    info: CloseInfo,
  ): HookResult;
  /** The forwarder stopped; nothing follows. */
  onShutdown?(sender: S): HookResult;
  /** A hook threw or rejected. `connId` is that of the client. Without this hook, what no other tells is a process warning. */
  onHookError?(sender: S, hook: string, error: unknown, connId: ConnId): void;
}

/** Every hook, by name. */
export const forwarderHooks = [
  'onServerAccept',
  'onTarget',
  'onTargetFailed',
  'onAgentConnect',
  'onServerReceive',
  'onAgentReceive',
  'onServerClose',
  'onAgentClose',
  'onShutdown',
  'onHookError',
] as const satisfies readonly (keyof PortForwarderHooks<unknown>)[];
