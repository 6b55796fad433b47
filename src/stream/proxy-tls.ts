import type { Socket } from 'node:net';
import type { SocketFailure, StagePort } from '../connection/preamble-stage.ts';
import type { StreamConnection } from '../connection/stream-connection.ts';
import { SocketErrorCode, SocketOperation } from '../core/enums.ts';
import { Errno } from '../core/errno.ts';
import { SocketError } from '../core/errors.ts';
import type { Preamble } from '../protocol/preambles/preamble.ts';
import type { ProxyHop } from '../protocol/preambles/proxy-url.ts';
import { hopName } from '../protocol/preambles/tunnels.ts';
import type { TlsFailure } from '../transport/tls-reasons.ts';

type TunnelModule = typeof import('../transport/tunnel-tls.ts');
type Tunnel = import('../transport/tunnel-tls.ts').Tunnel;

/** TLS with the proxies of one connection, made before it connects. */
export class ProxyTls {
  readonly #hops: readonly ProxyHop[];
  #module: TunnelModule | null = null;
  #tunnels: Tunnel[] = [];

  constructor(hops: readonly ProxyHop[]) {
    this.#hops = hops;
  }

  /** Loads TLS, and certificates and keys. @returns Why that is not possible, or null. */
  async prepare(): Promise<SocketError | null> {
    let at = this.#hops.findIndex(({ ssl }) => ssl !== null);
    try {
      const tls = await import('../transport/tunnel-tls.ts');
      this.#module = tls;
      for (; at < this.#hops.length; at++) {
        const { ssl, host } = this.#hops[at]!;
        if (ssl !== null) this.#tunnels[at] = tls.makeTunnel(ssl, host);
      }
    } catch (cause) {
      return materialError(hopName(this.#hops, at), cause as Error);
    }
    return null;
  }

  /** The handshake with one of them, over the connection to it. */
  preamble(index: number, port: StagePort): Preamble {
    const where = hopName(this.#hops, index);
    let isSecured = false;
    const explain = (cause: Error): SocketFailure | null => this.#explained(cause, where, isSecured);
    const begin = (surplus: Buffer | null): void => {
      const connection = port.connection as StreamConnection;
      const raw = connection.abandonSocket();
      const secured = (problem: Error | null): void => {
        if (problem !== null) return port.stage.socketFailed(problem);
        isSecured = true;
        port.done();
      };
      let socket: Socket;
      try {
        socket = this.#module!.openTunnel(raw, this.#tunnels[index]!, connection, surplus, secured);
      } catch (thrown) {
        raw.destroy();
        port.stage.socketFailed(thrown as Error);
        return connection.socketClosed(); // nobody listens to that one any more
      }
      socket.on('error', (cause: Error) => {
        const failure = explain(cause);
        const isHeard = connection.socket === socket && (failure === null || connection.preambles === port.stage);
        if (!isHeard) tunnelFailed(connection, port, cause, failure);
      });
      connection.isTunnelled = true;
      connection.replaceSocket(socket);
    };
    return {
      awaits: `the TLS handshake of ${where}`,
      begin() {
        port.stage.explain = explain;
        port.stage.replaceSocket(begin);
      },
      receive: () => 0,
    };
  }

  /** What an error of TLS with a proxy means; null for errors of the system, which say enough. */
  #explained(cause: TlsFailure, where: string, isSecured: boolean): SocketFailure | null {
    const { code, syscall } = cause;
    if (syscall !== undefined && code !== 'EPROTO') return null;
    // Node's word for a FIN in mid-handshake.
    if (code === 'ECONNRESET' && !isSecured)
      return { message: `${where} ended the connection in the middle of the TLS handshake`, errno: Errno.ECONNABORTED };
    const what = isSecured ? `TLS with ${where}` : `the TLS handshake with ${where}`;
    return {
      message: `${what} failed: ${this.#module!.reasonInWords(cause)}`,
      errno: Errno.EBADMSG,
      code: 'HP_TLS_FAILED',
    };
  }
}

function materialError(where: string, cause: Error): SocketError {
  const message = cause.message.replace(/^connect: /, '');
  return new SocketError({
    socketError: SocketErrorCode.InvalidParam,
    errno: cause instanceof SocketError ? cause.errno : Errno.EBADMSG,
    operation: 'connect',
    message: `the option ssl of ${where} cannot be used: ${message}`,
    cause,
  });
}

/** TLS with a proxy failed: below another TLS, which hears nothing of that, or when the talk with the proxies is over. */
function tunnelFailed(
  connection: StreamConnection,
  port: StagePort,
  cause: Error,
  failure: SocketFailure | null,
): void {
  if (connection.preambles === port.stage) return port.stage.failed(cause, failure);
  if (failure === null) return connection.socketFailed(cause);
  const error = new SocketError({
    socketError: SocketErrorCode.Network,
    code: failure.code,
    errno: failure.errno,
    operation: 'receive',
    connId: connection.id,
    message: failure.message,
    cause,
  });
  connection.close(SocketOperation.Receive, failure.errno, error);
}
