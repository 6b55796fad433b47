import type { SecureContext } from 'node:tls';
import type { SNICallback } from '../stream/security.ts';
import type { ContextStore } from './contexts.ts';

type NodeCallback = (serverName: string, done: (error: Error | null, context?: SecureContext) => void) => void;

/** Chooses the context for the name that a client asked for: by the user's callback, or by what was bound (SNI-002 to SNI-004). */
export function serverNameCallback(contexts: ContextStore, choose: SNICallback | undefined): NodeCallback {
  return (serverName, done) => {
    const use = (index: number): void => {
      const context = Number.isInteger(index) && index >= 0 ? contexts.get(index) : undefined;
      if (context === undefined) done(new Error(`no certificate for the server name ${JSON.stringify(serverName)}`));
      else if (index === 0) done(null);
      else done(null, context.secureContext);
    };
    if (choose === undefined) return use(contexts.select(serverName));
    const failed = (cause: unknown): void =>
      done(new Error(`sniCallback failed: ${cause instanceof Error ? cause.message : cause}`, { cause }));
    try {
      const answer = choose(serverName);
      if (typeof answer === 'number') use(answer);
      else answer.then(use, failed);
    } catch (thrown) {
      failed(thrown);
    }
  };
}
