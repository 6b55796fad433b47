import type { StreamConnection } from '../connection/stream-connection.ts';
import type { Component } from '../core/component.ts';
import { $connectionOf, $context, $cookies, $frameHooks } from '../core/internals.ts';
import type { ConnId } from '../core/listener.ts';
import type { ProtocolModelInit } from '../stream/protocol-models.ts';
import type { FrameHooks } from '../websocket/frame-protocol.ts';
import { FRAME_HOOKS, frameProtocols, type WSPolicy } from '../websocket/http-frames.ts';
import { HttpClientProtocol } from './client-protocol.ts';
import type { HttpContext } from './context.ts';
import { type CookieTarget, withoutBrackets } from './cookies/cookie.ts';
import type { CookieManager, CookieQuery } from './cookies/cookie-manager.ts';
import { cookiesOf } from './cookies/cookie-properties.ts';
import { HttpUpgradeType } from './enums.ts';
import { HTTP_HOOKS, httpContext, withHooks } from './http-model.ts';
import type { MessageHead } from './message-head.ts';

/** What a component that sends requests has for this library. */
export interface RequesterComponent extends Component {
  readonly isSecure: boolean;
  readonly wsPolicy: WSPolicy;
  [$context]: HttpContext | null;
  /** The cookies of this run, null for none. */
  [$cookies]: CookieManager | null;
  /** The hooks about WebSocket frames. */
  [$frameHooks](): FrameHooks;
  [$connectionOf](connId: ConnId): StreamConnection | undefined;
}

/** What agents and clients share: the HTTP of one run. */
export function requesterModel() {
  return withHooks(
    (init: ProtocolModelInit) => {
      const component = init.component as RequesterComponent;
      const cookies = cookiesOf(init.settings);
      const frames = frameProtocols(component, component[$frameHooks](), false, component.wsPolicy);
      const context = httpContext(init, {
        consume: null,
        upgradeTo:
          frames === null
            ? null
            : (protocol, type) => (type === HttpUpgradeType.WebSocket ? frames(protocol.port) : null),
        receiveCookies:
          cookies === null ? null : (connId, path, head) => receive(component, cookies, connId, path, head),
      });
      component[$context] = context;
      component[$cookies] = cookies;
      return (port) => new HttpClientProtocol(context, port);
    },
    [...HTTP_HOOKS, ...FRAME_HOOKS],
  );
}

function receive(
  component: RequesterComponent,
  cookies: CookieManager,
  connId: ConnId,
  path: string,
  head: MessageHead,
): void {
  const fields = head.getAll('set-cookie');
  const connection = fields.length === 0 ? undefined : component[$connectionOf](connId);
  if (connection === undefined) return;
  const target = targetOf(connection, component.isSecure, path);
  for (const field of fields) cookies.receiveFrom(field, target);
}

/** Value of `Cookie` for a request on a connection, '' for none (REQ-006). */
export function cookieOn(
  component: Pick<RequesterComponent, 'isSecure' | typeof $cookies>,
  connection: StreamConnection,
  path: string,
  query: CookieQuery,
): string {
  const cookies = component[$cookies];
  return cookies === null ? '' : cookies.headerFor(targetOf(connection, component.isSecure, path), query);
}

function targetOf({ remoteHost, remotePort }: StreamConnection, isSecure: boolean, path: string): CookieTarget {
  const query = path.indexOf('?');
  const directory = query < 0 ? path : path.slice(0, query);
  return {
    host: remotePort === 0 ? 'localhost' : withoutBrackets(remoteHost), // 0: a path in the file system
    path: directory.startsWith('/') ? directory : `/${directory}`,
    isSecure,
  };
}
