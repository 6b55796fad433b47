import { describe } from '../../core/describe.ts';
import { custom, flag, type TableOf } from '../../core/properties.ts';
import { CookieManager, sharedCookies } from './cookie-manager.ts';

/** Properties about cookies, of agents and clients. */
export interface HttpCookieProperties {
  /**
   * Whether cookies are sent and stored (`SetUseCookie`, HTTP-RQ-014, HTTP-1R-012): those of `cookies`, or without it those that all
   * such components share (`sharedCookies()`). Default false, unless `cookies` is given.
   */
  useCookie: boolean;
  /** The cookies to send, and where to store those that come. Default null: none, or the shared ones (`useCookie`). */
  cookies: CookieManager | null;
}

export const cookieProperties = {
  useCookie: custom(false, (name, value) => {
    flag(false).check(name, value);
    if (value === true) sharedCookies(); // says at once that `tough-cookie` is missing
  }),
  cookies: custom(null, (name, value) => {
    if (value === null || value instanceof CookieManager) return;
    throw new TypeError(`${name} must be a CookieManager, not ${describe(value)}`);
  }),
} satisfies TableOf<HttpCookieProperties>;

/** The cookies of a component with these settings; null if it has none. @throws SocketError if `tough-cookie` is missing. */
export function cookiesOf(settings: Readonly<Record<string, unknown>>): CookieManager | null {
  const { useCookie, cookies } = settings as unknown as HttpCookieProperties;
  return cookies ?? (useCookie ? sharedCookies() : null);
}
