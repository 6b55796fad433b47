import { describe } from '../core/describe.ts';
import { HandleResult } from '../core/enums.ts';
import type { ConnId } from '../core/listener.ts';
import { type HeaderText, type HttpHeaders, headerText, pairsOf } from '../http/header-list.ts';
import type { HttpServerProtocol } from '../http/server-protocol.ts';
import type { Compression } from './compression.ts';
import {
  type Agreement,
  answerUpgrade,
  checkUpgradeRequest,
  chooseProtocol,
  type HeaderList,
  isRefusal,
  type UpgradeOffer,
} from './handshake.ts';
import { UpgradeRequestView } from './upgrade-request.ts';
import type { UpgradeAcceptance, UpgradeDenial, WebSocketRequest } from './websocket-listener.ts';
import type { WebSocketContext } from './websocket-protocol.ts';

/** Who serves the WebSockets of a path. */
export interface UpgradeRoute {
  /** What its WebSockets share. */
  readonly context: WebSocketContext;
  /** Asks the user; null if nobody wants to be asked. */
  readonly decide: ((connId: ConnId, request: WebSocketRequest) => unknown) | null;
}

/** What a request that is refused is answered with. */
export interface Refusal {
  readonly status: number;
  readonly headers: HeaderList;
  readonly body: string;
}

/** How one component upgrades requests. */
export interface UpgradeRules {
  readonly subProtocols: readonly string[];
  readonly allowedOrigins: readonly string[] | null;
  readonly compression: Compression | null;
  /** Who serves a path; null if nobody does. */
  route(path: string): UpgradeRoute | null;
  /** A hook threw while it decided. */
  reportHookError(hook: string, error: unknown, connId: ConnId): void;
}

/** What was decided about the request that is being read. */
type Verdict =
  | {
      readonly isAccepted: true;
      readonly headers: HeaderList;
      readonly agreement: Agreement;
      readonly context: WebSocketContext;
    }
  | ({ readonly isAccepted: false } & Refusal);

/**
 * The opening handshake of a server, on top of its HTTP: looks at each request that asks for a WebSocket when its head is complete,
 * and either lets it upgrade or makes an ordinary request of it, which is answered with the refusal.
 */
export class ServerUpgrade {
  #rules: UpgradeRules;
  #verdicts = new Map<ConnId, Verdict>();

  constructor(rules: UpgradeRules) {
    this.#rules = rules;
  }

  /** Whether the request that is being read was decided about. */
  hasVerdict(connId: ConnId): boolean {
    return this.#verdicts.has(connId);
  }

  /** The connection is gone, or no longer HTTP: what was decided about its request matters no more. */
  forgetVerdict(connId: ConnId): void {
    this.#verdicts.delete(connId);
  }

  /**
   * The head of a request that asks for a WebSocket is complete: decides. What it returns, `onHeadersComplete` returns.
   * @param protocol The HTTP of the connection, whose `head` is the request.
   */
  headComplete(protocol: HttpServerProtocol, connId: ConnId): unknown {
    const offer = this.#offerOf(protocol);
    if (isRefusal(offer)) return this.#deny(protocol, connId, offer.status, offer.headers, offer.message);
    const request = new UpgradeRequestView(protocol.head!.text);
    const route = this.#rules.route(request.path);
    if (route === null) return this.#deny(protocol, connId, 404, [], 'there is no WebSocket at this path');
    const { context, decide } = route;
    if (decide === null) return this.#decided(protocol, connId, offer, context, undefined);
    let decision: unknown;
    try {
      decision = decide(connId, request);
      if (typeof (decision as PromiseLike<unknown> | undefined)?.then !== 'function') {
        return this.#decided(protocol, connId, offer, context, decision);
      }
    } catch (thrown) {
      return this.#failed(protocol, connId, thrown);
    }
    return Promise.resolve(decision).then(
      (value) => this.#decided(protocol, connId, offer, context, value),
      (thrown: unknown) => this.#failed(protocol, connId, thrown),
    );
  }

  #offerOf(protocol: HttpServerProtocol): ReturnType<typeof checkUpgradeRequest> {
    const head = protocol.head!;
    return checkUpgradeRequest(
      {
        method: head.method,
        majorVersion: head.version & 255,
        minorVersion: head.version >> 8,
        header: (name) => head.getJoined(name),
      },
      this.#rules.allowedOrigins,
    );
  }

  /** The request that is being read, whether it may become a WebSocket or not. */
  viewOf(protocol: HttpServerProtocol): WebSocketRequest {
    return new UpgradeRequestView(protocol.head!.text);
  }

  /** What an upgrade of the request that was read last would be answered with. @throws TypeError as `answerUpgrade`. */
  plan(
    protocol: HttpServerProtocol,
    acceptance: UpgradeAcceptance,
  ): Refusal | { headers: HeaderList; agreement: Agreement } {
    const offer = this.#offerOf(protocol);
    if (isRefusal(offer)) return { status: offer.status, headers: offer.headers, body: offer.message };
    return this.#accept(protocol, offer, acceptance);
  }

  #accept(
    protocol: HttpServerProtocol,
    offer: UpgradeOffer,
    { subProtocol, headers = [] }: UpgradeAcceptance,
  ): { headers: HeaderList; agreement: Agreement } {
    const answer = answerUpgrade(
      offer,
      subProtocol ?? chooseProtocol(offer.protocols, this.#rules.subProtocols),
      this.#rules.compression === null ? undefined : protocol.head!.getJoined('sec-websocket-extensions'),
      this.#rules.compression,
    );
    return { headers: [...answer.headers, ...checkedPairs(headers)], agreement: answer.agreement };
  }

  #failed(protocol: HttpServerProtocol, connId: ConnId, thrown: unknown): void {
    this.#rules.reportHookError('onUpgradeRequest', thrown, connId);
    this.#deny(protocol, connId, 500, [], 'the server could not decide about this request');
  }

  #decided(
    protocol: HttpServerProtocol,
    connId: ConnId,
    offer: UpgradeOffer,
    context: WebSocketContext,
    decision: unknown,
  ): void {
    if (decision === HandleResult.Error) {
      return this.#deny(protocol, connId, 500, [], 'the server refused this request');
    }
    if (decision === false) return this.#deny(protocol, connId, 403, [], 'this WebSocket is not for you');
    const given = typeof decision === 'object' && decision !== null ? decision : {};
    if ('status' in given) {
      try {
        const { status, headers, body } = checkDenial(given as UpgradeDenial);
        return this.#deny(protocol, connId, status, headers, body);
      } catch (thrown) {
        return this.#failed(protocol, connId, thrown);
      }
    }
    try {
      const accepted = this.#accept(protocol, offer, given as UpgradeAcceptance);
      this.#verdicts.set(connId, { isAccepted: true, ...accepted, context });
    } catch (thrown) {
      this.#failed(protocol, connId, thrown);
    }
  }

  /** Makes an ordinary request of it, which gets this answer, and is the last one of its connection. */
  #deny(protocol: HttpServerProtocol, connId: ConnId, status: number, headers: HeaderList, body: string): void {
    const head = protocol.head;
    if (head === null) return;
    head.isUpgrade = false;
    head.isKeepAlive = false;
    this.#verdicts.set(connId, { isAccepted: false, status, headers, body });
  }

  /** The request is complete: answers it if it was refused. @returns Whether it did. */
  messageComplete(protocol: HttpServerProtocol, connId: ConnId): boolean {
    const verdict = this.#verdicts.get(connId);
    if (verdict === undefined || verdict.isAccepted) return false;
    this.#verdicts.delete(connId);
    const { status, headers, body } = verdict;
    const type: HeaderList = body === '' ? [] : [['Content-Type', 'text/plain; charset=utf-8']];
    const close: HeaderList = headers.some(([name]) => name.toLowerCase() === 'connection')
      ? []
      : [['Connection', 'close']];
    protocol.sendResponse(status, null, [...type, ...headers, ...close] as HttpHeaders, body);
    return true;
  }

  /** The request may upgrade: sends the answer. @returns What was agreed on, and with whom; null if nothing was. */
  upgrade(
    protocol: HttpServerProtocol,
    connId: ConnId,
  ): { readonly agreement: Agreement; readonly context: WebSocketContext } | null {
    const verdict = this.#verdicts.get(connId);
    if (verdict?.isAccepted !== true) return null;
    this.#verdicts.delete(connId);
    if (!protocol.sendResponse(101, null, verdict.headers as HttpHeaders)) return null;
    return verdict;
  }
}

/** Nobody reads what becomes of headers that are just checked. */
const checked: HeaderText = { text: '', has: 0, connection: '' };

/** What a hook gave, checked while the request can still be answered otherwise. @throws TypeError for what cannot be sent. */
function checkedPairs(headers: HttpHeaders): HeaderList {
  headerText(headers, checked);
  return pairsOf(headers) as HeaderList;
}

/** @throws RangeError, TypeError for what cannot be sent. */
function checkDenial({ status, headers = [], body = '' }: UpgradeDenial): Refusal {
  if (!Number.isInteger(status) || status < 300 || status > 599) {
    throw new RangeError('the status of a refusal has to be 300 to 599');
  }
  if (typeof body !== 'string') throw new TypeError(`the body of a refusal has to be a text, not ${describe(body)}`);
  return { status, headers: checkedPairs(headers), body };
}
