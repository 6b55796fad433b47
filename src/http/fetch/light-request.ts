import { $inspect, type Inspect, inspected } from '../../core/inspect.ts';
import type { HttpRequest } from '../server-request.ts';

/** The global class, as it was before anything took its place. */
export const GlobalRequest: typeof Request = globalThis.Request;

/** A target and a host that a URL leaves as they are: no dot segments, no default ports, nothing to encode. */
const plainTarget = /^\/(?!\/)[A-Za-z0-9\-_~!$&'()*+,;=:@/?.%]*$/;
const dots = /\/\.|%2e/i;
/** Not what ends like a number, which is an address, nor Punycode, which may be wrong. */
const plainHost =
  /^(?!(?:[a-z0-9-]*\.)*xn--)(?:[a-z0-9-]+\.)*[a-z][a-z0-9-]*(?::(?!80$|443$|0)[0-9]+)?$|^127\.0\.0\.1(?::(?!80$|443$|0)[0-9]+)?$/;

let lastHost = '';

/**
 * URL of a request. Most need not be parsed for it.
 * @throws TypeError if target and host make no URL.
 */
export function urlOf(request: HttpRequest, isSecure: boolean): string {
  const target = request.url;
  const scheme = isSecure ? 'https' : 'http';
  if (target.startsWith('/')) {
    const host = request.header('host') ?? 'localhost';
    if (plainTarget.test(target) && !dots.test(target) && (host === lastHost || plainHost.test(host))) {
      lastHost = host;
      return `${scheme}://${host}${target}`;
    }
    return new URL(`${scheme}://${host}${target}`).href;
  }
  if (target === '*') return new URL(`${scheme}://${request.header('host') ?? 'localhost'}/`).href;
  return new URL(target).href;
}

let lastUnusualHost = '';

/** Whether a value of `Host` makes a URL, with whatever path behind it: not `256.0.0.1`, which RFC 9110 allows. */
export function isHostOfUrl(host: string): boolean {
  if (host === lastHost || host === lastUnusualHost || plainHost.test(host)) return true;
  try {
    new URL(`http://${host}/`);
  } catch {
    return false;
  }
  lastUnusualHost = host;
  return true;
}

/** Names that are read from the real request, once it is made. */
const realNames = [
  ...['cache', 'credentials', 'destination', 'integrity', 'keepalive', 'mode', 'redirect', 'referrer'],
  ...['referrerPolicy', 'duplex', 'body', 'isHistoryNavigation', 'isReloadNavigation'],
] as const;

/**
 * The `Request` that a fetch handler gets: it passes `instanceof Request`. A handler that reads method
 * and URL pays for nothing else; anything unusual makes the real one.
 */
export class LightRequest {
  #request: HttpRequest;
  #isSecure: boolean;
  #url: string | null = null;
  #headers: Headers | null = null;
  #real: Request | null = null;
  #isUsed = false;

  constructor(request: HttpRequest, isSecure: boolean) {
    this.#request = request;
    this.#isSecure = isSecure;
  }

  [$inspect](depth: number | null, options: object, inspect: Inspect): string {
    const { method, url, headers } = this;
    return inspected(this, { method, url, headers }, depth, options, inspect);
  }

  get method(): string {
    return this.#request.method;
  }

  get url(): string {
    this.#url ??= urlOf(this.#request, this.#isSecure);
    return this.#url;
  }

  get headers(): Headers {
    if (this.#headers === null) {
      this.#headers = new Headers();
      for (const [name, value] of this.#request.headers) this.#headers.append(name, value);
    }
    return this.#headers;
  }

  get signal(): AbortSignal {
    return this.#real?.signal ?? this.#request.signal;
  }

  get bodyUsed(): boolean {
    return this.#real?.bodyUsed ?? this.#isUsed;
  }

  /** The request as the platform's class has it. @internal */
  get real(): Request {
    if (this.#real === null) {
      const { hasBody } = this.#request;
      const canHaveBody = hasBody && this.method !== 'GET' && this.method !== 'HEAD';
      this.#real = new GlobalRequest(this.url, {
        method: this.method,
        headers: this.headers,
        signal: this.#request.signal,
        ...(canHaveBody ? { body: streamOf(this.#request), duplex: 'half' as const } : {}),
      });
    }
    return this.#real;
  }

  async #read(): Promise<Buffer> {
    if (this.#isUsed) throw new TypeError('Body is unusable: Body has already been read');
    this.#isUsed = this.#request.hasBody;
    return this.#request.bytes();
  }

  async text(): Promise<string> {
    if (this.#real !== null) return this.#real.text();
    return new TextDecoder().decode(await this.#read());
  }

  async json(): Promise<unknown> {
    return JSON.parse(await this.text());
  }

  async arrayBuffer(): Promise<ArrayBuffer> {
    if (this.#real !== null) return this.#real.arrayBuffer();
    return Uint8Array.from(await this.#read()).buffer;
  }

  async bytes(): Promise<Uint8Array> {
    return new Uint8Array(await this.arrayBuffer());
  }

  async blob(): Promise<Blob> {
    if (this.#real !== null) return this.#real.blob();
    return new Blob([await this.arrayBuffer()], { type: this.headers.get('content-type') ?? '' });
  }

  formData(): Promise<FormData> {
    return this.real.formData();
  }

  clone(): Request {
    return this.real.clone();
  }
}

for (const name of realNames) {
  Object.defineProperty(LightRequest.prototype, name, {
    configurable: true,
    get(this: LightRequest) {
      return (this.real as unknown as Record<string, unknown>)[name];
    },
  });
}
Object.setPrototypeOf(LightRequest.prototype, GlobalRequest.prototype);

/** The body as a web stream, read no faster than it is taken. */
function streamOf(request: HttpRequest): ReadableStream<Uint8Array> {
  const iterator = request[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await iterator.next();
        if (done === true) controller.close();
        else controller.enqueue(new Uint8Array(value));
      },
      async cancel() {
        await iterator.return?.();
        request.dropBody();
      },
    },
    { highWaterMark: 0 },
  );
}

/** In the place of the global class: takes a `LightRequest` for a request, as the platform's class would a real one. */
export const UnwrappingRequest: typeof Request = new Proxy(GlobalRequest, {
  construct(target, [input, init]: [RequestInfo, RequestInit | undefined], newTarget) {
    return Reflect.construct(target, [input instanceof LightRequest ? input.real : input, init], newTarget) as object;
  },
});

type RequestInfo = string | URL | Request;
