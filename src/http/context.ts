import type { Clock } from '../core/clock.ts';
import type { SlabPool } from '../memory/slab-pool.ts';
import type { Port, Protocol } from '../protocol/protocol.ts';
import type { HttpUpgradeType } from './enums.ts';
import type { AnyHttpHooks } from './listener.ts';
import type { FieldBlock, MessageHead } from './message-head.ts';
import { type HttpRules, lenientFlags } from './policy.ts';
import type { SendBounds } from './send-room.ts';
import type { HttpCounters, HttpLimits } from './settings.ts';

/** HTTP of one connection (`HttpProtocol`), as the context that it shares with others knows it. */
export interface HttpSpeaker extends Protocol {
  readonly port: Port;
}

/** Takes one message as a whole, beside the hooks: made when its head is complete. */
export interface MessageConsumer {
  /**
   * A piece of the body, the consumer's own for ever.
   * @returns Undefined to go on, or a promise: nothing more is delivered until it is settled.
   */
  data(data: Buffer): Promise<void> | undefined;
  /** The message is complete. `trailers` are those of a chunked one. */
  complete(trailers: FieldBlock | null): void;
  /** The message will not be completed: it was refused, or the connection is gone. */
  failed(reason: string): void;
}

const MESSAGE_HOOKS = [
  'onMessageBegin',
  'onRequestLine',
  'onStatusLine',
  'onHeader',
  'onHeadersComplete',
  'onBody',
  'onChunkHeader',
  'onChunkComplete',
  'onMessageComplete',
  'onUpgrade',
  'onParseError',
] as const satisfies readonly (keyof AnyHttpHooks)[];

/** What HTTP connections of one component share. */
export interface HttpContextInit {
  /** What hooks get as their sender. */
  readonly owner: unknown;
  readonly listener: AnyHttpHooks;
  readonly clock: Clock;
  readonly pool: SlabPool;
  readonly limits: HttpLimits;
  readonly rules: HttpRules;
  readonly counters: HttpCounters;
  /** Whether connections speak HTTP from the start (HT-003). */
  readonly autoStart: boolean;
  /** `HttpVersion` of what is sent. */
  readonly localVersion: number;
  /** How much of a connection's messages may be on its way. */
  readonly bounds: SendBounds;
  /** Takes messages as a whole; null if only hooks do. @returns Null for a message that it does not want. */
  readonly consume: ((protocol: HttpSpeaker, head: MessageHead) => MessageConsumer | null) | null;
  /** Whether, without a hook `onUpgrade`, only WebSockets may leave HTTP: other upgrades are ignored, tunnels refused. */
  readonly takesOnlyWebSockets?: boolean;
  /** The protocol behind an upgrade that was accepted; null for bytes to `onReceive`. */
  readonly upgradeTo: ((protocol: HttpSpeaker, type: HttpUpgradeType) => Protocol | null) | null;
  /** Takes the cookies of an answer; null if none are stored. Left out: null. */
  readonly receiveCookies?: ((connId: number, path: string, head: MessageHead) => void) | null;
  /** A hook failed in a way that does not concern the connection. */
  reportHookError(hook: string, error: unknown, connId: number): void;
}

/** `HttpContextInit` with what follows from it. */
export class HttpContext {
  readonly owner: unknown;
  readonly listener: AnyHttpHooks;
  readonly clock: Clock;
  readonly pool: SlabPool;
  readonly limits: HttpLimits;
  readonly rules: HttpRules;
  readonly counters: HttpCounters;
  readonly autoStart: boolean;
  readonly localVersion: number;
  readonly bounds: SendBounds;
  readonly consume: HttpContextInit['consume'];
  readonly upgradeTo: HttpContextInit['upgradeTo'];
  readonly receiveCookies: ((connId: number, path: string, head: MessageHead) => void) | null;
  readonly reportHookError: HttpContextInit['reportHookError'];
  /** llhttp's flags for the rules. */
  readonly lenient: number;
  /** Whether a hook is there for anything before `onHeadersComplete`. */
  readonly hasHeadHooks: boolean;
  /** Whether only their consumer sees messages, and it has the head: that need not stay readable behind the answer. */
  readonly isConsumerAlone: boolean;
  /** Whether connections that leave HTTP for anything are taken. */
  readonly takesUpgrades: boolean;
  /** Whether those that become WebSockets are taken. */
  readonly takesWebSockets: boolean;

  constructor(init: HttpContextInit) {
    this.owner = init.owner;
    this.listener = init.listener;
    this.clock = init.clock;
    this.pool = init.pool;
    this.limits = init.limits;
    this.rules = init.rules;
    this.counters = init.counters;
    this.autoStart = init.autoStart;
    this.localVersion = init.localVersion;
    this.bounds = init.bounds;
    this.consume = init.consume;
    this.upgradeTo = init.upgradeTo;
    this.receiveCookies = init.receiveCookies ?? null;
    this.reportHookError = init.reportHookError;
    this.lenient = lenientFlags(init.rules);
    const { onMessageBegin, onRequestLine, onStatusLine, onHeader } = init.listener;
    this.isConsumerAlone = init.consume !== null && MESSAGE_HOOKS.every((hook) => init.listener[hook] === undefined);
    this.hasHeadHooks = [onMessageBegin, onRequestLine, onStatusLine, onHeader].some((hook) => hook !== undefined);
    const hasHook = init.listener.onUpgrade !== undefined;
    this.takesUpgrades = hasHook || (init.upgradeTo !== null && init.takesOnlyWebSockets !== true);
    this.takesWebSockets = hasHook || init.upgradeTo !== null;
  }
}
