/** The global class, as it was before anything took its place. */
export const GlobalResponse: typeof Response = globalThis.Response;

type BodyInit = ConstructorParameters<typeof Response>[0];

/** What a light response is made of; null once it has become a real one. @internal */
export interface LightParts {
  status: number;
  body: string | Uint8Array | null;
  headers: unknown;
}

/** Names that are read from the real response, once it is made. */
const realNames = ['body', 'bodyUsed', 'type', 'url', 'redirected', 'statusText'] as const;
const realMethods = ['text', 'json', 'arrayBuffer', 'blob', 'bytes', 'formData', 'clone'] as const;

/**
 * A `Response` for handlers that make one for each request. It passes `instanceof Response`, and is ten times
 * as cheap to make and to send. With a text or bytes it stays light; anything unusual makes the real one.
 */
export class LightResponse {
  #parts: LightParts | null = null;
  #headers: Headers | null = null;
  #real: Response | null = null;

  constructor(body?: BodyInit, init?: ResponseInit) {
    const status = init?.status ?? 200;
    const isLight =
      (typeof body === 'string' || body === null || body === undefined || body instanceof Uint8Array) &&
      Number.isInteger(status) &&
      status >= 200 &&
      status <= 599 &&
      !((status === 204 || status === 205 || status === 304) && body !== null && body !== undefined) &&
      init?.statusText === undefined;
    if (isLight) {
      this.#parts = {
        status,
        // The platform's class copies bytes as well: they may be used again.
        body: typeof body === 'string' ? body : body instanceof Uint8Array ? Uint8Array.from(body) : null,
        headers: copyOf(init?.headers),
      };
    } else {
      this.#real = new GlobalResponse(body, init);
    }
  }

  static [Symbol.hasInstance](value: unknown): boolean {
    return value instanceof GlobalResponse;
  }

  /** As `Response.json`. */
  static json(data: unknown, init?: ResponseInit): Response {
    const text = JSON.stringify(data);
    if (text === undefined) throw new TypeError('Value is not JSON serializable');
    const headers = new Headers(init?.headers);
    if (!headers.has('content-type')) headers.set('content-type', 'application/json');
    return new LightResponse(text, { ...init, headers }) as unknown as Response;
  }

  /** As `Response.redirect`. */
  static redirect(url: string | URL, status = 302): Response {
    return GlobalResponse.redirect(url, status as 302);
  }

  /** As `Response.error`. */
  static error(): Response {
    return GlobalResponse.error();
  }

  /** As `Response.status`. */
  get status(): number {
    return this.#parts?.status ?? this.real.status;
  }

  /** As `Response.ok`: whether the status is 200 to 299. */
  get ok(): boolean {
    return this.status >= 200 && this.status < 300;
  }

  /** As `Response.headers`. */
  get headers(): Headers {
    if (this.#real !== null) return this.#real.headers;
    if (this.#headers === null) {
      const { headers, body } = this.#parts!;
      this.#headers = new Headers((headers ?? undefined) as Headers | undefined);
      if (typeof body === 'string' && !this.#headers.has('content-type')) {
        this.#headers.set('content-type', 'text/plain;charset=UTF-8');
      }
      this.#parts!.headers = this.#headers;
    }
    return this.#headers;
  }

  /** What it is made of while it is light, null else. @internal */
  get parts(): LightParts | null {
    return this.#real === null ? this.#parts : null;
  }

  /** The response as the platform's class has it. @internal */
  get real(): Response {
    if (this.#real === null) {
      const { status, body } = this.#parts!;
      this.#real = new GlobalResponse(body, { status, headers: this.headers });
      this.#parts = null;
    }
    return this.#real;
  }
}

/** Headers that do not change behind our back. */
function copyOf(headers: unknown): unknown {
  if (headers === undefined || headers === null) return null;
  if (headers instanceof Headers) return new Headers(headers);
  return Array.isArray(headers) ? headers.map((pair: readonly string[]) => [...pair]) : { ...(headers as object) };
}

for (const name of realNames) {
  Object.defineProperty(LightResponse.prototype, name, {
    configurable: true,
    get(this: LightResponse) {
      return this.real[name];
    },
  });
}
for (const name of realMethods) {
  Object.defineProperty(LightResponse.prototype, name, {
    configurable: true,
    writable: true,
    value(this: LightResponse) {
      return (this.real as unknown as Record<string, () => unknown>)[name]!();
    },
  });
}
Object.setPrototypeOf(LightResponse, GlobalResponse);
Object.setPrototypeOf(LightResponse.prototype, GlobalResponse.prototype);
