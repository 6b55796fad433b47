import { createRequire } from 'node:module';
import { SocketErrorCode } from '../../core/enums.ts';
import { Errno } from '../../core/errno.ts';
import { SocketError } from '../../core/errors.ts';

/**
 * The domain that somebody can register which a host belongs to: `example.co.uk` for `www.example.co.uk`; null for a public suffix
 * such as `co.uk`, and for what is no name.
 */
export type RegistrableDomain = (host: string) => string | null;

/** What is used of `tough-cookie`, which is loaded only for cookies. */
interface ToughCookie {
  getPublicSuffix(
    domain: string,
    options: { allowSpecialUseDomain: boolean; ignoreError: boolean },
  ): string | null | undefined;
}

let loaded: RegistrableDomain | undefined;

/**
 * By the public suffix list in `tough-cookie`.
 * @throws SocketError (IllegalState, ENOENT) if that package is not installed.
 */
export function listedDomains(): RegistrableDomain {
  if (loaded !== undefined) return loaded;
  let tough: ToughCookie;
  try {
    tough = createRequire(import.meta.url)('tough-cookie') as ToughCookie;
  } catch (cause) {
    throw new SocketError({
      socketError: SocketErrorCode.IllegalState,
      errno: Errno.ENOENT,
      operation: 'cookies',
      message: 'cookies need a list of public suffixes: npm install tough-cookie, or give the option registrableDomain',
      cause,
    });
  }
  loaded = (host) => tough.getPublicSuffix(host, { allowSpecialUseDomain: true, ignoreError: true }) ?? null;
  return loaded;
}
