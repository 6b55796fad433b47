import type { StreamConnection } from '../connection/stream-connection.ts';
import { type Component, isSignalAborted } from '../core/component.ts';
import { SocketErrorCode } from '../core/enums.ts';
import { Errno } from '../core/errno.ts';
import { $aborted, $failed } from '../core/internals.ts';
import { HttpClientProtocol } from './client-protocol.ts';
import type { HttpResponse, HttpStreamResponse } from './client-response.ts';
import { PendingRequest, type RequestOwner } from './pending-request.ts';
import type { HttpRequestInit } from './request-options.ts';

/** Takes its turn on a connection without a pool. */
class Turn implements RequestOwner {
  #protocol: HttpClientProtocol;
  #isTaken = false;

  constructor(protocol: HttpClientProtocol) {
    this.#protocol = protocol;
  }

  begin(request: PendingRequest): void {
    if (request.isOver) return this.#protocol.release();
    this.#isTaken = true;
    // Bytes that were not asked for would be taken for its answer.
    if (this.#protocol.isSilent && request.sendTo(this.#protocol)) return;
    request.fail(Errno.ECONNABORTED, 'the connection is closing, or took no more requests', undefined, true);
  }

  requestOver(): void {
    if (!this.#isTaken) return;
    this.#isTaken = false;
    this.#protocol.release();
  }

  mayRetry(): boolean {
    return false;
  }
}

/**
 * Sends a request on a connection when those before it are answered.
 * @param host Value of `Host`.
 * @throws TypeError for what cannot be sent.
 */
export function requestOn(
  component: Component,
  connection: StreamConnection | undefined,
  init: HttpRequestInit,
  host: string,
  cookie: string,
): Promise<HttpResponse | HttpStreamResponse> {
  const protocol = connection?.protocol;
  if (!(protocol instanceof HttpClientProtocol) || !protocol.isHttpStarted) {
    throw component[$failed]({
      socketError: SocketErrorCode.IllegalState,
      errno: Errno.EPERM,
      operation: 'request',
      message: 'no answer: there is no connection that speaks HTTP; connect first',
    });
  }
  const { signal } = init;
  if (isSignalAborted(signal)) throw component[$aborted]('request', signal);
  const request = new PendingRequest(component, protocol.context, init, init.path, host, cookie);
  const turn = new Turn(protocol);
  request.owner = turn;
  request.watch();
  const wait = protocol.take();
  if (wait === undefined) turn.begin(request);
  else wait.then(() => turn.begin(request));
  return request.done;
}
