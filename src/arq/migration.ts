import {
  createHash,
  createHmac,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto';
import { CMD_WINDOW_TELL, KCP_HEADER_BYTES, RECV_WINDOW_MIN } from './constants.ts';
import { readInt32, writeHeader } from './segment.ts';

/*
 * A session that survives a change of its client's address: a phone that goes from Wi-Fi to the mobile network, a NAT that
 * forgot. Only between two ends of this library that both have `migration` on. As unreliable messages do (unreliable.ts),
 * all of it hides in window tells with a `frg` that neither HP-Socket nor stock KCP sends or reads.
 *
 *   client                                    server
 *   KEY {-, own public key}        ------->                        in the session, a few times until it is answered
 *                                  <-------   KEY {ticket, own public key}
 *   both: key = hash(X25519 of the two, both conversation IDs)
 *
 *   ... the client's address changes; it notices because a server does not know its new address, or its user says so ...
 *
 *   CLAIM {ticket, n}              ------->                        48 bytes
 *                                  <-------   CHALLENGE {r, n}     48 bytes to where that came from; nothing is kept
 *   ANSWER {ticket, r, n}          ------->                        from there: the session moves
 *                                  <-------   MOVED {n}
 *
 * Every one of the four is authenticated with the key. So
 * - an attacker that only saw the datagrams, or only writes them, cannot make a claim, for the key never was on the line;
 * - a copy of a claim, sent with a false address, brings that address one datagram that is no longer than the copy;
 * - a copy of an answer is worth nothing: `n` counts up, the server takes each once; and from another address than the one
 *   challenged it is worth nothing even if it comes first, because `r` is computed from that address.
 * An attacker that can change datagrams on their way at the moment when KEY is sent is the peer, for all that either side can know. But such
 * a one could do as he likes with a session of KCP anyway.
 */
export const MARK_KEY = 0xa3;
export const MARK_CLAIM = 0xa4;
export const MARK_CHALLENGE = 0xa5;
export const MARK_ANSWER = 0xa6;
export const MARK_MOVED = 0xa7;
/** KEYs sent without an answer before the peer is taken to be a plain one. */
export const KEY_LIMIT = 5;

const TICKET_BYTES = 8;
const PUBLIC_KEY_BYTES = 32;
const NONCE_BYTES = 8;
const MAC_BYTES = 16;
/** Data of a KEY: the ticket (zeros from a client), the public key. */
export const KEY_BYTES = TICKET_BYTES + PUBLIC_KEY_BYTES;
/** What stands before the MAC. */
const bodyBytes: Readonly<Record<number, number>> = {
  [MARK_CLAIM]: TICKET_BYTES,
  [MARK_CHALLENGE]: NONCE_BYTES,
  [MARK_ANSWER]: TICKET_BYTES + NONCE_BYTES,
  [MARK_MOVED]: 0,
};
const NO_TICKET = Buffer.alloc(TICKET_BYTES);
/** DER of an X25519 public key, in front of its 32 bytes (RFC 8410). */
const SPKI_PREFIX = Buffer.from('302a300506032b656e032100', 'hex');

/** The pair of keys of one run of a component; its sessions make a secret of their own with each peer. */
export class MigrationKeys {
  readonly #privateKey: KeyObject;
  readonly #publicKey: Buffer;
  /** What challenges of this component are computed from. */
  readonly #challengeSecret = randomBytes(32);

  constructor() {
    const { privateKey, publicKey } = generateKeyPairSync('x25519');
    this.#privateKey = privateKey;
    this.#publicKey = publicKey.export({ type: 'spki', format: 'der' }).subarray(-PUBLIC_KEY_BYTES);
  }

  /** Data of this side's KEY. @param ticket Of a server. */
  hello(ticket: Buffer = NO_TICKET): Buffer {
    return Buffer.concat([ticket, this.#publicKey]);
  }

  /**
   * The key of a session with the peer that sent `hello`; null if that is none.
   * @param ticket Of a server; a client takes the one in `hello`.
   */
  agree(hello: Buffer, clientId: number, serverId: number, ticket?: Buffer): MigrationKey | null {
    if (hello.length !== KEY_BYTES) return null;
    const raw = hello.subarray(TICKET_BYTES);
    let shared: Buffer;
    try {
      const publicKey = createPublicKey({ key: Buffer.concat([SPKI_PREFIX, raw]), format: 'der', type: 'spki' });
      shared = diffieHellman({ privateKey: this.#privateKey, publicKey });
    } catch {
      return null; // a point of low order, which would make a secret that anybody knows
    }
    const ids = Buffer.alloc(8);
    ids.writeUInt32LE(clientId >>> 0, 0);
    ids.writeUInt32LE(serverId >>> 0, 4);
    const key = createHash('sha256').update('hp-socket arq migration').update(shared).update(ids).digest();
    return new MigrationKey(key, Buffer.from(ticket ?? hello.subarray(0, TICKET_BYTES)));
  }

  /** What an address is asked to give back: depends on all that it is good for. */
  nonceFor(ticket: Buffer, address: string, port: number, counter: number): Buffer {
    const mac = createHmac('sha256', this.#challengeSecret).update(ticket).update(`${address} ${port} ${counter}`);
    return mac.digest().subarray(0, NONCE_BYTES);
  }
}

/** A new ticket: names a session to its server, unguessable. */
export function newTicket(): Buffer {
  return randomBytes(TICKET_BYTES);
}

/** What both ends of one session know, and no one else. */
export class MigrationKey {
  readonly ticket: Buffer;
  /** Server: the number of the last answer that moved the session. Client: the last number that it used. */
  counter = 0;
  readonly #key: Buffer;

  constructor(key: Buffer, ticket: Buffer) {
    this.#key = key;
    this.ticket = ticket;
  }

  claim(conv: number): Buffer {
    this.counter++;
    return this.#packet(conv, MARK_CLAIM, this.counter, this.ticket);
  }

  challenge(conv: number, counter: number, nonce: Buffer): Buffer {
    return this.#packet(conv, MARK_CHALLENGE, counter, nonce);
  }

  answer(conv: number, counter: number, nonce: Buffer): Buffer {
    return this.#packet(conv, MARK_ANSWER, counter, Buffer.concat([this.ticket, nonce]));
  }

  moved(conv: number, counter: number): Buffer {
    return this.#packet(conv, MARK_MOVED, counter, Buffer.alloc(0));
  }

  /** Whether a packet of one of these kinds was made with this key. */
  isGenuine(packet: Buffer): boolean {
    const end = packet.length - MAC_BYTES;
    const mac = this.#mac(migrationMark(packet), migrationCounter(packet), packet.subarray(KCP_HEADER_BYTES, end));
    return timingSafeEqual(mac, packet.subarray(end));
  }

  #packet(conv: number, mark: number, counter: number, body: Buffer): Buffer {
    const length = body.length + MAC_BYTES;
    const out = Buffer.alloc(KCP_HEADER_BYTES + length);
    writeHeader(out, 0, conv, CMD_WINDOW_TELL, mark, RECV_WINDOW_MIN, 0, counter, 0, length);
    body.copy(out, KCP_HEADER_BYTES);
    this.#mac(mark, counter, body).copy(out, KCP_HEADER_BYTES + body.length);
    return out;
  }

  #mac(mark: number, counter: number, body: Buffer): Buffer {
    const head = Buffer.alloc(5);
    head[0] = mark;
    head.writeUInt32LE(counter >>> 0, 1);
    return createHmac('sha256', this.#key).update(head).update(body).digest().subarray(0, MAC_BYTES);
  }
}

/** Whether a datagram has the form of a claim, a challenge, an answer or a MOVED: no other KCP's does. */
export function isMigration(datagram: Buffer): boolean {
  if (datagram.length < KCP_HEADER_BYTES + MAC_BYTES || datagram[4] !== CMD_WINDOW_TELL) return false;
  const body = bodyBytes[datagram[5]!];
  const length = datagram.length - KCP_HEADER_BYTES;
  return body !== undefined && length === body + MAC_BYTES && readInt32(datagram, 20) === length;
}

/** Which of the four it is. */
export function migrationMark(packet: Buffer): number {
  return packet[5]!;
}

/** Its number. */
export function migrationCounter(packet: Buffer): number {
  return readInt32(packet, 12) >>> 0;
}

/** The ticket of a claim or an answer, as a key of a map. */
export function migrationTicket(packet: Buffer): string {
  return ticketName(packet.subarray(KCP_HEADER_BYTES, KCP_HEADER_BYTES + TICKET_BYTES));
}

export function ticketName(ticket: Buffer): string {
  return ticket.toString('latin1');
}

/** What a challenge asks to be given back, or an answer gives back. */
export function migrationNonce(packet: Buffer): Buffer {
  const end = packet.length - MAC_BYTES;
  return packet.subarray(end - NONCE_BYTES, end);
}
