import { $reportHookError } from '../core/internals.ts';
import type { ConnId } from '../core/listener.ts';
import { HttpUpgradeType } from '../http/enums.ts';
import type { HttpHeaders } from '../http/header-list.ts';
import { HTTP_HOOKS } from '../http/http-model.ts';
import type { AnyHttpHooks } from '../http/listener.ts';
import type { MessageHead } from '../http/message-head.ts';
import type { HttpServerProtocol } from '../http/server-protocol.ts';
import type { HttpRequest } from '../http/server-request.ts';
import type { UpgradingProtocol } from '../http/upgrading-protocol.ts';
import type { Protocol } from '../protocol/protocol.ts';
import type { Agreement } from './handshake.ts';
import { RequestText } from './request-text.ts';
import { ServerUpgrade, type UpgradeRoute } from './server-upgrade.ts';
import type { Refusal } from './upgrade-verdict.ts';
import type { WebSocketContext } from './websocket-context.ts';
import { type HubTable, hooksOfHub, WebSocketHub } from './websocket-hub.ts';
import type { AnyWebSocketHooks, UpgradeAcceptance, WebSocketRequest } from './websocket-listener.ts';
import type { TopicProperties, WebSocketProperties, WebSocketServerProperties } from './websocket-properties.ts';
import { WebSocketProtocol } from './websocket-protocol.ts';
import { beginRun, type WebSocketComponent, WebSocketRun } from './websocket-run.ts';

/** How a server serves WebSockets. */
export type ServingSettings = WebSocketProperties & WebSocketServerProperties & TopicProperties;

/** What `ServedWebSockets` is made of. */
export interface ServingInit {
  readonly component: WebSocketComponent;
  /** The component's own listener: its `onHookError` is called for hooks that failed. */
  readonly listener: object;
  /** Hooks about WebSockets whose path no hub serves. */
  readonly hooks: AnyWebSocketHooks;
  readonly settings: ServingSettings;
  readonly hubs: HubTable;
  /** Whether requests that neither a hub nor `onUpgradeRequest` decides about are left to a fetch handler. */
  readonly asksFetch: boolean;
}

/** The WebSockets of one run of a server: the requests that become one, and the hooks that are called for them. */
export class ServedWebSockets {
  readonly upgrade: ServerUpgrade;
  readonly #run: WebSocketRun;
  readonly #component: WebSocketComponent;
  readonly #hubs: HubTable;
  readonly #hubRoutes = new WeakMap<object, UpgradeRoute>();
  readonly #ownRoute: UpgradeRoute;
  readonly #ownHooks: AnyWebSocketHooks;
  readonly #asksFetch: boolean;

  constructor({ component, listener, hooks, settings, hubs, asksFetch }: ServingInit) {
    this.#component = component;
    this.#hubs = hubs;
    this.#ownHooks = hooks;
    this.#asksFetch = asksFetch;
    this.#run = new WebSocketRun(component, listener, settings, true, true);
    this.#ownRoute = this.#routeTo(hooks, this.#run.contextFor(hooks));
    this.upgrade = new ServerUpgrade({
      subProtocols: settings.subProtocols,
      allowedOrigins: settings.allowedOrigins,
      compression: this.#run.compression,
      route: (path) => this.#route(path),
      reportHookError: (hook, error, connId) => component[$reportHookError](listener, hook, error, connId, false),
    });
    beginRun(component, this.#run);
  }

  #routeTo(hooks: AnyWebSocketHooks, context: WebSocketContext): UpgradeRoute {
    const own = this.#ownHooks;
    const decider = hooks.onUpgradeRequest === undefined ? own : hooks;
    const decide =
      decider.onUpgradeRequest === undefined
        ? null
        : (connId: ConnId, request: WebSocketRequest) => decider.onUpgradeRequest!(this.#component, connId, request);
    return { context, decide };
  }

  /** A path is a hub's if it is exactly that (WSS-004); the others are the server's own, if it has hooks for them, or no hub. */
  #route(path: string): UpgradeRoute | null {
    const hub = this.#hubs.get(path);
    if (hub === undefined) {
      const { onOpen, onMessage, onMessageStream } = this.#ownHooks;
      const hasHooks = onOpen !== undefined || onMessage !== undefined || onMessageStream !== undefined;
      const isServed = this.#hubs.size === 0 || hasHooks;
      return isServed ? this.#ownRoute : null;
    }
    let route = this.#hubRoutes.get(hub);
    if (route === undefined) {
      const hooks = hooksOfHub(hub);
      route = this.#routeTo(
        hooks,
        this.#run.contextFor(hooks, {
          opened: (id) => WebSocketHub.opened(hub, id),
          closed: (id) => WebSocketHub.closed(hub, id),
        }),
      );
      this.#hubRoutes.set(hub, route);
    }
    return route;
  }

  /** Hooks about HTTP messages that look at each request for a WebSocket before, or in the place of, those of the user. */
  hooksOver(user: AnyHttpHooks, find: (connId: ConnId) => UpgradingProtocol): AnyHttpHooks {
    const { upgrade } = this;
    const over: AnyHttpHooks = {};
    for (const name of HTTP_HOOKS as readonly (keyof AnyHttpHooks)[]) {
      if (user[name] === undefined) continue;
      over[name] = ((...args: unknown[]) => (user[name] as (...args: unknown[]) => unknown).apply(user, args)) as never;
    }
    over.onHeadersComplete = (sender, connId) => {
      const result = user.onHeadersComplete?.(sender, connId);
      const protocol = find(connId);
      if (protocol.head?.isUpgrade !== true || protocol.isWebSocketRequest !== true) return result;
      const decide = (value: unknown): unknown => {
        const decision = this.#headComplete(protocol, user.onUpgrade !== undefined);
        return decision === undefined ? value : Promise.resolve(decision).then(() => value);
      };
      const wait = protocol.whenAnswered();
      if (wait === undefined && (typeof result !== 'object' || result === null)) return decide(result);
      return Promise.all([result, wait]).then(([value]) => decide(value));
    };
    over.onMessageComplete = (sender, connId) =>
      upgrade.messageComplete(find(connId)) ? undefined : user.onMessageComplete?.(sender, connId);
    if (user.onUpgrade !== undefined) {
      over.onUpgrade = (sender, connId, type) =>
        find(connId).verdict === null ? user.onUpgrade!(sender, connId, type) : undefined;
    }
    return over;
  }

  /** Decides about a request for a WebSocket; a promise of that if a hook is asked. */
  #headComplete(protocol: UpgradingProtocol, hasOnUpgrade: boolean): Promise<unknown> | undefined {
    const { path } = this.upgrade.viewOf(protocol);
    const isHub = this.#hubs.has(path);
    if (this.#asksFetch && !isHub && this.#ownHooks.onUpgradeRequest === undefined) {
      // The fetch handler gets it as a request like any other, and may answer it by `upgradeWebSocket`.
      protocol.head!.isUpgrade = false;
      protocol.awaitsUpgrade();
      return undefined;
    }
    if (hasOnUpgrade && this.#route(path) === null) return undefined; // the hook answers
    return this.upgrade.headComplete(protocol) as Promise<unknown> | undefined;
  }

  /** The protocol of a request that may upgrade; null if it is none of ours. */
  upgradeTo(http: UpgradingProtocol, type: HttpUpgradeType): Protocol | null {
    if (type !== HttpUpgradeType.WebSocket) return null;
    const upgraded = this.upgrade.upgrade(http);
    if (upgraded === null) return null;
    const { agreement, context } = upgraded;
    return this.#open(context, http, agreement, requestText(http.head!));
  }

  #open(context: WebSocketContext, http: HttpServerProtocol, agreement: Agreement, request: RequestText): Protocol {
    const deflate = agreement.deflate === null ? null : this.#run.compression!.open(agreement.deflate, true);
    return new WebSocketProtocol(context, http.port, agreement.protocol, deflate, request);
  }

  /**
   * Answers a request that a fetch handler was asked about, and opens its WebSocket.
   * @param hooks Hooks of this WebSocket alone; null for those of the server.
   * @returns Null, or with what the request has to be refused.
   * @throws TypeError for a sub-protocol that was not offered, or headers that cannot be sent; Error if it was answered already.
   */
  accept(request: HttpRequest, acceptance: UpgradeAcceptance, hooks: AnyWebSocketHooks | null): Refusal | null {
    const { protocol } = request;
    const plan = this.upgrade.plan(protocol, acceptance);
    if ('status' in plan) return plan;
    const { agreement, headers } = plan;
    const context = hooks === null ? this.#ownRoute.context : this.#run.contextFor(hooks);
    const text = requestText(protocol.head!);
    const make = (): Protocol => this.#open(context, protocol, agreement, text);
    if (!protocol.switchTo(request.answer, headers as HttpHeaders, make)) {
      throw new Error('the request was answered already, or its connection is gone');
    }
    return null;
  }
}

/** What is kept of the head of a request that opened a WebSocket. */
function requestText(head: MessageHead): RequestText {
  return new RequestText(head.text, head.valueAt('sec-websocket-key'));
}
