/** The request failed before one byte of an answer came: it may be tried again if its method allows. */
const untouched = new WeakSet<Error>();

/** Whether a request failed although it may be that the server never saw it. */
export function isUntouched(error: unknown): boolean {
  return error instanceof Error && untouched.has(error);
}

const idempotent: ReadonlySet<string> = new Set(['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'TRACE', 'QUERY']);

/** Whether a method may be repeated without harm (RFC 9110 9.2.2). */
export function isIdempotent(method: string): boolean {
  return idempotent.has(method);
}

/** A request failed, and not one byte of an answer had come. */
export function markUntouched(error: Error): void {
  untouched.add(error);
}
