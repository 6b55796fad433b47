import { describe } from '../core/describe.ts';
import { HandleResult } from '../core/enums.ts';
import type { ConnId } from '../core/listener.ts';
import { type HeaderText, type HttpHeaders, headerText, pairsOf } from '../http/header-list.ts';
import type { HttpServerProtocol } from '../http/server-protocol.ts';
import type { UpgradingProtocol } from '../http/upgrading-protocol.ts';
import type { Compression } from './compression.ts';
import {
  type Agreement,
  answerUpgrade,
  checkUpgradeRequest,
  chooseProtocol,
  fieldsOf,
  type HeaderList,
  isRefusal,
  type UpgradeOffer,
} from './handshake.ts';
import { UpgradeRequestView } from './upgrade-request.ts';
import type { Acceptance, Refusal } from './upgrade-verdict.ts';
import type { WebSocketContext } from './websocket-context.ts';
import type { UpgradeAcceptance, UpgradeDenial, WebSocketRequest } from './websocket-listener.ts';

/** What serves the WebSockets of a path. */
export interface UpgradeRoute {
  /** What its WebSockets share. */
  readonly context: WebSocketContext;
  /** Asks the user; null without a hook. */
  readonly decide: ((connId: ConnId, request: WebSocketRequest) => unknown) | null;
}

/** How one component upgrades requests. */
export interface UpgradeRules {
  readonly subProtocols: readonly string[];
  readonly allowedOrigins: readonly string[] | null;
  readonly compression: Compression | null;
  /** What serves a path; null if nothing does. */
  route(path: string): UpgradeRoute | null;
  /** A hook threw while it decided. */
  reportHookError(hook: string, error: unknown, connId: ConnId): void;
}

const PLAIN: Agreement = { protocol: '', deflate: null };

/**
 * The opening handshake of a server, on top of its HTTP: looks at each request that asks for a WebSocket when its head is complete,
 * and either lets it upgrade or makes an ordinary request of it, which is answered with the refusal.
 */
export class ServerUpgrade {
  #rules: UpgradeRules;

  constructor(rules: UpgradeRules) {
    this.#rules = rules;
  }

  /**
   * The head of a request that asks for a WebSocket is complete: decides. What it returns, `onHeadersComplete` returns.
   * @param protocol The HTTP of the connection, whose `head` is the request.
   */
  headComplete(protocol: UpgradingProtocol): unknown {
    const offer = this.#offerOf(protocol);
    if (isRefusal(offer)) return this.#deny(protocol, offer.status, offer.headers, offer.message);
    const request = new UpgradeRequestView(protocol.head!.text);
    const route = this.#rules.route(request.path);
    if (route === null) return this.#deny(protocol, 404, [], 'there is no WebSocket at this path');
    const { context, decide } = route;
    if (decide === null) return this.#decided(protocol, offer, context, undefined);
    let decision: unknown;
    try {
      decision = decide(protocol.port.id, request);
      if (typeof (decision as PromiseLike<unknown> | undefined)?.then !== 'function') {
        return this.#decided(protocol, offer, context, decision);
      }
    } catch (thrown) {
      return this.#failed(protocol, thrown);
    }
    return Promise.resolve(decision).then(
      (value) => this.#decided(protocol, offer, context, value),
      (thrown: unknown) => this.#failed(protocol, thrown),
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
    const { accept, headers, agreement } = this.#accept(protocol, offer, acceptance);
    return { headers: headers ?? fieldsOf(accept), agreement };
  }

  #accept(protocol: HttpServerProtocol, offer: UpgradeOffer, { subProtocol, headers }: UpgradeAcceptance): Acceptance {
    const { compression, subProtocols } = this.#rules;
    const chosen = subProtocol ?? chooseProtocol(offer.protocols, subProtocols);
    const extensions = compression === null ? undefined : protocol.head!.getJoined('sec-websocket-extensions');
    if (chosen === '' && extensions === undefined && headers === undefined) {
      return { accept: offer.accept, agreement: PLAIN, headers: null };
    }
    const answer = answerUpgrade(offer, chosen, extensions, compression);
    return {
      accept: offer.accept,
      agreement: answer.agreement,
      headers: [...answer.headers, ...checkedPairs(headers ?? [])],
    };
  }

  #failed(protocol: UpgradingProtocol, thrown: unknown): void {
    this.#rules.reportHookError('onUpgradeRequest', thrown, protocol.port.id);
    this.#deny(protocol, 500, [], 'the server could not decide about this request');
  }

  #decided(protocol: UpgradingProtocol, offer: UpgradeOffer, context: WebSocketContext, decision: unknown): void {
    if (decision === HandleResult.Error) return this.#deny(protocol, 500, [], 'the server refused this request');
    if (decision === false) return this.#deny(protocol, 403, [], 'this WebSocket is not for you');
    const given = typeof decision === 'object' && decision !== null ? decision : {};
    try {
      if ('status' in given) {
        const { status, headers, body } = checkDenial(given as UpgradeDenial);
        return this.#deny(protocol, status, headers, body);
      }
      const acceptance = this.#accept(protocol, offer, given as UpgradeAcceptance);
      protocol.verdict = { isAccepted: true, acceptance, context };
    } catch (thrown) {
      this.#failed(protocol, thrown);
    }
  }

  /** Makes an ordinary request of it, which gets this answer, and is the last one of its connection. */
  #deny(protocol: UpgradingProtocol, status: number, headers: HeaderList, body: string): void {
    const head = protocol.head;
    if (head === null) return;
    head.isUpgrade = false;
    head.isKeepAlive = false;
    protocol.verdict = { isAccepted: false, status, headers, body };
  }

  /** The request is complete: answers it if it was refused. @returns Whether it did. */
  messageComplete(protocol: UpgradingProtocol): boolean {
    const { verdict } = protocol;
    if (verdict === null || verdict.isAccepted) return false;
    protocol.verdict = null;
    const { status, headers, body } = verdict;
    const type: HeaderList = body === '' ? [] : [['Content-Type', 'text/plain; charset=utf-8']];
    const close: HeaderList = headers.some(([name]) => name.toLowerCase() === 'connection')
      ? []
      : [['Connection', 'close']];
    protocol.sendResponse(status, null, [...type, ...headers, ...close] as HttpHeaders, body);
    return true;
  }

  /** The request may upgrade: sends the answer. @returns What was agreed on, and what serves it; null if nothing was. */
  upgrade(protocol: UpgradingProtocol): { readonly agreement: Agreement; readonly context: WebSocketContext } | null {
    const { verdict } = protocol;
    if (verdict?.isAccepted !== true) return null;
    protocol.verdict = null;
    const { acceptance, context } = verdict;
    const { accept, headers, agreement } = acceptance;
    // Most answers differ in one field only, and need no check.
    const isSent =
      headers === null
        ? protocol.sendSwitch(PLAIN_FIELDS + accept)
        : protocol.sendResponse(101, null, headers as HttpHeaders);
    return isSent ? { agreement, context } : null;
  }
}

/** The fields of an answer up to the value of the last one. */
const PLAIN_FIELDS = fieldsOf('')
  .map(([name, value]) => `${name}: ${value}`)
  .join('\r\n');

/** Takes headers that are just checked. */
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
