import { checkListener } from '../core/check-listener.ts';
import { describe, quote } from '../core/describe.ts';
import { $connectionOf } from '../core/internals.ts';
import type { ConnId } from '../core/listener.ts';
import { type Sendable, toBytes } from '../memory/sendable.ts';
import { Opcode } from './opcode.ts';
import { SharedMessage } from './shared-message.ts';
import { type AnyWebSocketHooks, HUB_HOOKS, type WebSocketHubHooks } from './websocket-listener.ts';
import { type WebSocketComponent, webSocketOf } from './websocket-run.ts';

// biome-ignore lint/suspicious/noExplicitAny: hubs are written for one kind of server, and kept in tables of any.
type AnyHub = WebSocketHub<any>;

/** Hubs of a server by their paths. */
export type HubTable = Map<string, AnyHub>;

const hooksOf = new WeakMap<object, AnyWebSocketHooks>();

/** The hooks of a hub: its own methods, or those of the object that it was made of. */
export function hooksOfHub(hub: AnyHub): AnyWebSocketHooks {
  return hooksOf.get(hub) ?? (hub as AnyWebSocketHooks);
}

export interface WebSocketHub<S> extends WebSocketHubHooks<S> {}

/**
 * The WebSockets of one path of a server (WSS-004, WSS-005): extend it, and override the hooks that you need.
 *
 * ```ts
 * class Chat extends WebSocketHub<WebSocketServer> {
 *   override onMessage(_server: WebSocketServer, connId: ConnId, data: Buffer | string) {
 *     this.broadcast(data.toString(), { except: connId });
 *   }
 * }
 * server.addHub('/chat', new Chat());
 * ```
 */
export class WebSocketHub<S = unknown> {
  #path = '';
  #server: WebSocketComponent | null = null;
  #members = new Set<ConnId>();

  /** Path that it serves, '' while it serves none. */
  get path(): string {
    return this.#path;
  }

  /** IDs of its open WebSockets. */
  get connectionIds(): ConnId[] {
    return [...this.#members];
  }

  /** How many WebSockets it has. */
  get connectionCount(): number {
    return this.#members.size;
  }

  /** Sends a message to all WebSockets of this hub: framed, and compressed, once for all. @returns How many get it. */
  broadcast(data: Sendable, options: { except?: ConnId | undefined } = {}): number {
    const bytes = toBytes(data, 0, undefined);
    const server = this.#server;
    if (server === null) return 0;
    return broadcastTo(server, this.#members, bytes, typeof data === 'string', options.except);
  }

  /** @internal */
  static attach(hub: AnyHub, server: WebSocketComponent, path: string): void {
    if (hub.#server !== null) throw new TypeError('a hub serves one path of one server');
    hub.#server = server;
    hub.#path = path;
  }

  /** @internal */
  static detach(hub: AnyHub): void {
    hub.#path = '';
    if (hub.#members.size === 0) hub.#server = null;
  }

  /** @internal */
  static opened(hub: AnyHub, connId: ConnId): void {
    hub.#members.add(connId);
  }

  /** @internal */
  static closed(hub: AnyHub, connId: ConnId): void {
    hub.#members.delete(connId);
    if (hub.#path === '' && hub.#members.size === 0) hub.#server = null;
  }
}

/** Sends one message to many connections. @returns How many get it. */
export function broadcastTo(
  server: WebSocketComponent,
  connIds: Iterable<ConnId>,
  bytes: Uint8Array,
  isText: boolean,
  except: ConnId | undefined,
): number {
  const message = new SharedMessage(bytes, isText ? Opcode.Text : Opcode.Binary);
  let count = 0;
  for (const connId of connIds) {
    if (connId === except) continue;
    if (webSocketOf(server[$connectionOf](connId))?.sendShared(message) === true) count++;
  }
  return count;
}

const tables = new WeakMap<object, HubTable>();

/** The hubs of a server, which outlive its runs. */
export function hubsOf(server: object): HubTable {
  let table = tables.get(server);
  if (table === undefined) {
    table = new Map();
    tables.set(server, table);
  }
  return table;
}

/** What servers have for hubs. */
export abstract class HubMethods {
  /**
   * Serves a path by a hub (`AddHub`, WSS-004): requests for a WebSocket whose path is exactly this, whatever their query, are the
   * hub's. Paths without one are the server's own, if it has the hooks `onOpen` or `onMessage`, and answered with 404 if not.
   * @param hub A hub, a class of hubs, of which one is made, or an object with hooks.
   * @returns The hub.
   * @throws TypeError for a path that has a hub, or is none; for what is no hub.
   */
  addHub<H extends WebSocketHub<this>>(path: string, hub: H | (new () => H)): H;
  addHub(path: string, hooks: WebSocketHubHooks<this>): WebSocketHub<this>;
  addHub(path: string, given: unknown): unknown {
    if (typeof path !== 'string' || !/^\/[^?#\s]*$/.test(path)) {
      throw new TypeError(`the path of a hub begins with / and has no query, not ${describe(path)}`);
    }
    if ((this as { ws?: unknown }).ws === null)
      throw new TypeError('a server without the option ws serves no WebSockets');
    const table = hubsOf(this);
    if (table.has(path)) throw new TypeError(`there is a hub at ${quote(path)} already`);
    const hub = makeHub(given);
    WebSocketHub.attach(hub, this as unknown as WebSocketComponent, path);
    table.set(path, hub);
    return hub;
  }

  /** The hub of a path (`GetHub`); null if there is none. */
  getHub(path: string): WebSocketHub<this> | null {
    return hubsOf(this).get(path) ?? null;
  }

  /** Serves a path no longer (`RemoveHub`). WebSockets that are open stay the hub's until they end. False if there is none. */
  removeHub(path: string): boolean {
    const table = hubsOf(this);
    const hub = table.get(path);
    if (hub === undefined) return false;
    table.delete(path);
    WebSocketHub.detach(hub);
    return true;
  }
}

function makeHub(given: unknown): AnyHub {
  let hub: unknown = given;
  if (typeof given === 'function') {
    if (!(given.prototype instanceof WebSocketHub))
      throw new TypeError('the class of a hub has to extend WebSocketHub');
    hub = new (given as new () => AnyHub)();
  }
  checkListener(hub, HUB_HOOKS);
  if (hub instanceof WebSocketHub) return hub;
  const made = new WebSocketHub();
  hooksOf.set(made, hub as AnyWebSocketHooks);
  return made;
}
