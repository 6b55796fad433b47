import { type HttpHeaders, pairsOf } from './header-list.ts';

/** Fields that are for one origin only. */
const credentials: ReadonlySet<string> = new Set(['authorization', 'cookie', 'cookie2', 'proxy-authorization']);
/** Fields about a body, for requests that lose it. */
const aboutBody = /^(?:content-.*|transfer-encoding|expect)$/;

/** Whether a status sends the client elsewhere. */
export function isRedirect(status: number): boolean {
  return status === 301 || status === 302 || status === 303 || status === 307 || status === 308;
}

/** Method of the request that follows a redirect (RFC 9110 15.4): 303, and 301 or 302 behind POST, become GET. */
export function methodBehind(status: number, method: string): string {
  if (status === 303) return method === 'HEAD' ? 'HEAD' : 'GET';
  return (status === 301 || status === 302) && method === 'POST' ? 'GET' : method;
}

/** Fields of the request that follows a redirect. */
export function headersBehind(
  headers: HttpHeaders | null,
  isSameOrigin: boolean,
  losesBody: boolean,
): (readonly [string, string])[] {
  return pairsOf(headers).filter(([name]) => {
    const lower = name.toLowerCase();
    if (!isSameOrigin && (credentials.has(lower) || lower === 'host')) return false;
    return !(losesBody && aboutBody.test(lower));
  });
}
