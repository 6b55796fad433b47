import { alertUnrecognizedName, type TlsServerOptions } from '../transport/tls-socket.ts';
import type { ContextStore } from './contexts.ts';
import type { SNICallback } from './options.ts';

type NodeCallback = NonNullable<TlsServerOptions['SNICallback']>;

/** Chooses the context for the name that a client asked for: by the user's callback, or by what was bound (SNI-002 to SNI-004). */
export function serverNameCallback(contexts: ContextStore, choose: SNICallback | undefined): NodeCallback {
  return function (serverName, done) {
    const refuse = (why: Error): void => {
      alertUnrecognizedName(this);
      done(why);
    };
    const use = (index: number): void => {
      const context = Number.isInteger(index) && index >= 0 ? contexts.get(index) : undefined;
      if (index === 0) done(null);
      // Node would take certificate and authorities of context 0 instead of those of one that has no certificate.
      else if (context?.material.cert === undefined)
        refuse(new Error(`no certificate for the server name ${JSON.stringify(serverName)}`));
      else done(null, context.secureContext);
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
