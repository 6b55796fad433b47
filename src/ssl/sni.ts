import type { TLSSocket } from 'node:tls';
import { describe } from '../core/describe.ts';
import { alertUnrecognizedName, setVerifyMode, type TlsServerOptions } from '../transport/tls-socket.ts';
import { type ContextStore, verifyOptions } from './contexts.ts';
import type { SNICallback } from './options.ts';

type NodeCallback = NonNullable<TlsServerOptions['SNICallback']>;

/**
 * Chooses the context for the name that a client asked for: by the user's callback, or by what was bound (SNI-002 to SNI-004).
 * @param chosen Told the index of the context, unless that is 0.
 */
export function serverNameCallback(
  contexts: ContextStore,
  choose: SNICallback | undefined,
  chosen: (socket: TLSSocket, index: number) => void,
): NodeCallback {
  return function (serverName, done) {
    const refuse = (why: Error): void => {
      alertUnrecognizedName(this);
      done(why);
    };
    const use = (index: number): void => {
      const context = Number.isInteger(index) && index >= 0 ? contexts.get(index) : undefined;
      if (index === 0) return done(null);
      // Node would take certificate and authorities of context 0 instead of those of one that has no certificate.
      if (context?.material.cert === undefined)
        return refuse(new Error(`no certificate for the server name ${describe(serverName)}`));
      // Node takes these from a context, but not whether it asks for certificates of clients.
      const verifyMode = contexts.verifyModeOf(index);
      if (verifyMode !== contexts.verifyModeOf(0) && !setVerifyMode(this, verifyOptions(verifyMode)))
        return refuse(new Error('this runtime cannot ask for client certificates by server name'));
      chosen(this, index);
      done(null, context.secureContext);
    };
    if (choose === undefined) return use(contexts.select(serverName));
    const failed = (cause: unknown): void =>
      refuse(new Error(`sniCallback failed: ${cause instanceof Error ? cause.message : cause}`, { cause }));
    try {
      const answer = choose(serverName);
      if (typeof answer === 'number') use(answer);
      else answer.then(use, failed);
    } catch (thrown) {
      failed(thrown);
    }
  };
}
