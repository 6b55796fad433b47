/*
 * Reliable UDP as HP-Socket does it: a handshake of 12-byte packets, then KCP. Everything here is pure: bytes and the time
 * go in, bytes and events come out. How a UDP component drives it:
 *
 *   settings = new ArqSettings(options)         once per component: checks the options
 *   cookies  = new ArqCookies(timeout)          once per server
 *
 *   client, after OnConnect:
 *     session = new ArqSession({ selfId: nextConversationId(), now, settings, host })
 *     session.start(now)                        sends the first packet
 *
 *   server, datagram of an address without a session (stateless answers on):
 *     switch (cookies.input(datagram, address, port, now))
 *       Answer:  send cookies.out (12 bytes); keep nothing
 *       Proved:  OnAccept; session = new ArqSession({ selfId: cookies.selfId, now, settings, host,
 *                  proved: { peerId: cookies.peerId, isPeerComplete: cookies.isPeerComplete } }); session.start(now)
 *       Ignore:  nothing. A close notify must not go out either: it is longer than what came in
 *   server without cookies: as the client, after OnAccept, then session.input(datagram, now)
 *
 *   datagram of an address with a session, after heartbeats and the close notify were taken out (classifyDatagram):
 *     errno = session.input(datagram, now)      the datagram's memory now belongs to the session's messages
 *   listener sends:
 *     errno = session.send(data, now)           does not end the session
 *   timer:
 *     errno = session.update(now)
 *   after each of the three:
 *     errno of input/update not 0: close the connection with it and send CLOSE_NOTIFY (ETIMEDOUT at a server: OnClose 0)
 *     due = session.nextDueMs(now)              set the connection's timer to it
 *
 * `nextDueMs` is Infinity when nothing is in flight: an idle session needs no tick. A timer that is already set for an
 * earlier time may stay; `update` too early does nothing. With `immediateFlush: false`, collect the sessions for which
 * `nextDueMs(now) <= now` and call `flush(now)` on them at the end of the tick.
 *
 * Memory: `output` bytes are only valid during the call, unless it returns true (then they are the host's for good);
 * messages handed to `onMessage` are the host's, as views of the datagram where they came in one piece.
 */
export { FRAGMENT_LIMIT, KCP_HEADER_BYTES, KcpError } from './constants.ts';
export { ArqCookies, CookieVerdict } from './cookie.ts';
export {
  ArqDatagram,
  beginsConversation,
  CLOSE_NOTIFY,
  classifyDatagram,
  hasFecHeader,
  isCloseNotify,
} from './datagram.ts';
export {
  ArqHandshake,
  HANDSHAKE_BYTES,
  handshakePeerId,
  handshakeSelfId,
  isHandshake,
  isHandshakeComplete,
  nextConversationId,
  writeHandshake,
} from './handshake.ts';
export { Kcp, type KcpHost, type KcpStats } from './kcp.ts';
export {
  isMigration,
  MARK_ANSWER,
  MARK_CHALLENGE,
  MARK_CLAIM,
  MARK_MOVED,
  type MigrationKey,
  MigrationKeys,
  migrationCounter,
  migrationMark,
  migrationNonce,
  migrationTicket,
  ticketName,
} from './migration.ts';
export { type ArqOptions, ArqSession, type ArqSessionHost, type ArqSessionInit, ArqSettings } from './session.ts';
export { bulk, interactive, type KcpOptions, KcpSettings, stockKcp } from './settings.ts';
export type { DatagramOutput } from './writer.ts';
