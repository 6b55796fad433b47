import {
  isMigration,
  MARK_ANSWER,
  MARK_CLAIM,
  type MigrationKey,
  MigrationKeys,
  migrationCounter,
  migrationMark,
  migrationNonce,
  migrationTicket,
  ticketName,
} from '../arq/index.ts';
import type { DatagramSource } from './datagram-source.ts';
import type { ArqConnection, ArqStart } from './udp-arq-protocol.ts';
import type { UdpHost } from './udp-host.ts';
import type { ArqMoveCounters } from './udp-stats.ts';

/** Connections of an ARQ server whose clients may come from another address one day: arq/migration.ts. Made by each start. */
export class ArqMoves {
  readonly counters: ArqMoveCounters = { moved: 0, refused: 0, ignored: 0 };
  /** What makes a connection movable. One for all, so that no connection has a closure of its own. */
  readonly start: Pick<ArqStart, 'keys' | 'movable'>;
  readonly #keys = new MigrationKeys();
  /** By their tickets. */
  readonly #connections = new Map<string, ArqConnection>();
  readonly #moveTo: (connection: ArqConnection, source: DatagramSource) => boolean;

  /** @param moveTo Called when a client has proved where it is; counts it, or returns false if the limits do not let it be there. */
  constructor(moveTo: (connection: ArqConnection, source: DatagramSource) => boolean) {
    this.#moveTo = moveTo;
    this.start = { keys: this.#keys, movable: (key, port) => this.#add(port as ArqConnection, key) };
  }

  #add(connection: ArqConnection, { ticket }: MigrationKey): void {
    const name = ticketName(ticket);
    this.#connections.set(name, connection);
    const { onReleased } = connection;
    connection.onReleased = () => {
      onReleased?.();
      this.#connections.delete(name);
    };
  }

  /**
   * A datagram came. Returns false if it is none about a move. A claim that a connection goes on at `source` changes nothing, and no
   * answer is longer than what came, until the client has answered a challenge from there.
   */
  came(run: UdpHost, source: DatagramSource, datagram: Buffer, now: number): boolean {
    if (!isMigration(datagram)) return false;
    if (!this.#isTaken(run, source, datagram, now)) {
      run.drops.unknownPeer++;
      this.counters.ignored++;
    }
    return true;
  }

  #isTaken(run: UdpHost, source: DatagramSource, packet: Buffer, now: number): boolean {
    const mark = migrationMark(packet);
    if (mark !== MARK_CLAIM && mark !== MARK_ANSWER) return false;
    const connection = this.#connections.get(migrationTicket(packet));
    const key = connection?.isValid === true ? connection.protocol.migrationKey : null;
    if (connection === undefined || key === null || !key.isGenuine(packet)) return false;
    const { protocol } = connection;
    const counter = migrationCounter(packet);
    const nonce = this.#keys.nonceFor(key.ticket, source.key, source.remotePort, counter);
    if (mark === MARK_CLAIM) {
      if (counter <= key.counter) return false;
      run.control(key.challenge(protocol.selfId, counter, nonce), source);
      return true;
    }
    const isHere = connection.source.key === source.key && connection.remotePort === source.remotePort;
    // The same answer again, from where it moved to, is that of a client which has not heard that it did.
    const isNews = counter > key.counter || (counter === key.counter && isHere);
    if (!isNews || !nonce.equals(migrationNonce(packet))) return false;
    if (!isHere && !this.#moveTo(connection, source)) {
      this.counters.refused++;
      return true;
    }
    key.counter = counter;
    run.control(key.moved(protocol.selfId, counter), source);
    protocol.moved(now);
    return true;
  }
}
