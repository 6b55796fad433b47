/** HTTP and HTTPS: `hp-socket/http`. */

export { HttpResponse, HttpResponseHead, HttpStreamResponse } from './http/client-response.ts';
export { type Cookie, CookieSameSite } from './http/cookies/cookie.ts';
export {
  currentUtcTime,
  expiresToMaxAge,
  makeExpiresStr,
  maxAgeToExpires,
  parseExpires,
} from './http/cookies/cookie-date.ts';
export {
  type CookieAttributes,
  CookieManager,
  type CookieManagerOptions,
  type CookieQuery,
  type CookieStats,
  cookieToString,
  sharedCookies,
} from './http/cookies/cookie-manager.ts';
export type { HttpCookieProperties } from './http/cookies/cookie-properties.ts';
export type { RegistrableDomain } from './http/cookies/public-suffix.ts';
export {
  HttpParseErrorCode,
  HttpParseResult,
  HttpUpgradeType,
  HttpUrlField,
  HttpVersion,
  httpParseResultNumber,
} from './http/enums.ts';
export type { FetchHandler, FetchInfo, FetchUpgradeOptions } from './http/fetch/fetch-handler.ts';
export { LightResponse } from './http/fetch/light-response.ts';
export { overrideGlobalObjects } from './http/fetch/override.ts';
export { serve } from './http/fetch/serve.ts';
export type { ServeOptions } from './http/fetch/serve-options.ts';
export type { FollowOptions } from './http/following.ts';
export type { WSMessage } from './http/frame-exchange.ts';
export type { HttpHeaders } from './http/header-list.ts';
export { HttpAgent, type HttpAgentHooks, type HttpAgentOptions, type HttpUrlOptions } from './http/http-agent.ts';
export { HttpClient, type HttpClientHooks, type HttpClientOptions } from './http/http-client.ts';
export type { HttpProperties, HttpServerProperties } from './http/http-properties.ts';
export { HttpServer, type HttpServerHooks, type HttpServerOptions } from './http/http-server.ts';
export {
  HttpSyncClient,
  type HttpSyncClientOptions,
  type HttpSyncProperties,
  type OpenUrlOptions,
} from './http/http-sync-client.ts';
export { HttpsAgent, type HttpsAgentOptions } from './http/https-agent.ts';
export { HttpsClient, type HttpsClientOptions } from './http/https-client.ts';
export { HttpsServer, type HttpsServerOptions } from './http/https-server.ts';
export { HttpsSyncClient, type HttpsSyncClientOptions } from './http/https-sync-client.ts';
export type { HttpHookResult, HttpHooks, WSFrameHooks } from './http/listener.ts';
export type { FileOptions, FileReport } from './http/local-file.ts';
export type { BodyBytes } from './http/message-writer.ts';
export type { HttpPolicy, HttpRules } from './http/policy.ts';
export type { HttpPoolProperties, HttpPoolStats } from './http/pool/pool-settings.ts';
export type { HttpRequestInit, HttpRequestOptions, RequestBody } from './http/request-options.ts';
export { HttpResponseBody } from './http/response-body.ts';
export type { AnswerBody, AnswerInit } from './http/server-answer.ts';
export { HttpFields, HttpRequest } from './http/server-request.ts';
export type { HttpCounters, HttpLimits } from './http/settings.ts';
export { statusText } from './http/status.ts';
