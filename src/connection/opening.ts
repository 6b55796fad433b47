import { closedBefore } from '../core/connection-errors.ts';
import type { SocketError } from '../core/errors.ts';
import { askHook, type OpeningDone } from '../core/hooks.ts';
import { ConnectionState } from './state.ts';
import type { StreamConnection } from './stream-connection.ts';

/**
 * Opens a stream connection: runs the hook that lets it in, then, unless the transport still has a handshake of its own to
 * make, `onHandShake`, then begins to read. `done` is told how it went.
 */
export function openConnection(
  connection: StreamConnection,
  firstHook: 'onAccept' | 'onConnect',
  argument: unknown,
  done: OpeningDone,
): void {
  const { listener, owner, security } = connection.host;
  const call = (): unknown =>
    firstHook === 'onAccept'
      ? listener.onAccept?.(owner, connection.id, argument)
      : listener.onConnect?.(owner, connection.id);
  askHook(connection, firstHook, call, done, () => {
    // A stop that did not wait for the answer has counted the connection as refused.
    if (connection.isReleased) return done(reasonOf(connection, firstHook));
    connection.wasLetIn = true;
    if (security === null) connection.countOpened();
    if (connection.state !== ConnectionState.Opening) {
      done(reasonOf(connection, firstHook));
      // An async hook may have outlived the connection: it let it in, so it is owed the end as well.
      if (connection.state === ConnectionState.Closed) connection.release();
      return;
    }
    connection.armDeadlines();
    if (security === null) shakeHands(connection, done);
    else security.letIn(connection, done);
  });
}

/** TLS that is started by hand: data flows in clear text, without `onHandShake`, until `closeClearText`. */
export function openInClearText(connection: StreamConnection): void {
  connection.canSendWhileOpening = false;
  connection.countOpened();
  connection.begin();
}

/** The TLS handshake is done: `onHandShake`, then data. */
export function openSecured(connection: StreamConnection, done: OpeningDone): void {
  connection.armDeadlines();
  connection.countOpened();
  connection.canSendWhileOpening = true;
  shakeHands(connection, done);
}

/** `onHandShake`, then data (NODEEV-001). */
function shakeHands(connection: StreamConnection, done: OpeningDone): void {
  const { listener, owner } = connection.host;
  const call = (): unknown => listener.onHandShake?.(owner, connection.id);
  askHook(connection, 'onHandShake', call, done, () => {
    if (connection.state !== ConnectionState.Opening) return done(reasonOf(connection, 'onHandShake'));
    connection.begin();
    done();
  });
}

/** Why a connection closed while a hook was thinking. */
function reasonOf({ id, closeReason }: StreamConnection, hook: string): SocketError {
  return closedBefore(id, hook, closeReason.error, closeReason.errorCode);
}
