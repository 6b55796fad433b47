import { $reportHookError, $wheel } from '../core/internals.ts';
import { sharedMemory } from '../memory/read-memory.ts';
import type { ProtocolModel, ProtocolModelInit } from '../stream/protocol-models.ts';
import { HttpContext, type HttpContextInit } from './context.ts';
import { limitsOf } from './http-properties.ts';
import type { AnyHttpHooks, HttpHooks } from './listener.ts';
import { llhttp } from './llhttp/llhttp.ts';
import { type HttpPolicy, type HttpRules, httpRules } from './policy.ts';
import { sendBounds } from './send-room.ts';
import { httpCounters } from './settings.ts';

const hooks: Record<keyof HttpHooks<unknown>, true> = {
  onMessageBegin: true,
  onRequestLine: true,
  onStatusLine: true,
  onHeader: true,
  onHeadersComplete: true,
  onBody: true,
  onChunkHeader: true,
  onChunkComplete: true,
  onMessageComplete: true,
  onUpgrade: true,
  onParseError: true,
};

/** Names of the hooks about HTTP messages. */
export const HTTP_HOOKS: readonly string[] = Object.keys(hooks);

/** What an HTTP component shares among the connections of one run. */
export function httpContext(
  { settings, listener, component }: ProtocolModelInit,
  role: Pick<HttpContextInit, 'consume' | 'upgradeTo' | 'takesOnlyWebSockets' | 'receiveCookies'>,
  hooks: AnyHttpHooks = listener as AnyHttpHooks,
): HttpContext {
  llhttp(); // is compiled here, and not when the first request comes
  const {
    httpPolicy,
    httpRules: changes,
    httpAutoStart,
    localVersion,
    maxPendingBytes,
  } = settings as unknown as {
    httpPolicy: HttpPolicy;
    httpRules: Partial<HttpRules>;
    httpAutoStart: boolean;
    localVersion: number;
    maxPendingBytes: number;
  };
  return new HttpContext({
    ...role,
    owner: component,
    listener: hooks,
    clock: component[$wheel].clock,
    pool: sharedMemory().slabs,
    limits: limitsOf(settings),
    rules: httpRules(httpPolicy, changes),
    counters: httpCounters(),
    autoStart: httpAutoStart,
    localVersion,
    bounds: sendBounds(maxPendingBytes),
    reportHookError: (hook, error, connId) => component[$reportHookError](listener, hook, error, connId, false),
  });
}

/** A protocol model with names of hooks. */
export function withHooks(
  model: (init: ProtocolModelInit) => ReturnType<ProtocolModel>,
  names: readonly string[],
): ProtocolModel {
  return Object.assign(model, { hooks: names });
}
