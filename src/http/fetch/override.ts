import { UnwrappingRequest } from './light-request.ts';
import { LightResponse } from './light-response.ts';

/**
 * Puts the light `Response` in the place of the global one, and a `Request` that takes the light requests of handlers. What
 * the platform itself makes, by `fetch` for example, stays what it is, and is an instance of both.
 */
export function overrideGlobalObjects(): void {
  const put = (name: string, value: unknown): void => {
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true, enumerable: false });
  };
  put('Response', LightResponse);
  put('Request', UnwrappingRequest);
}
