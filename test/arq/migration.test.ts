import { createHash, createHmac, createPublicKey, diffieHellman, generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import {
  isMigration,
  KEY_BYTES,
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
  newTicket,
  ticketName,
} from '../../src/arq/migration.ts';

/** The two ends of a session with the IDs 5 and 9. */
function agree(): { client: MigrationKey; server: MigrationKey; keys: MigrationKeys } {
  const [ofClient, ofServer] = [new MigrationKeys(), new MigrationKeys()];
  const ticket = newTicket();
  const server = ofServer.agree(ofClient.hello(), 5, 9, ticket)!;
  const client = ofClient.agree(ofServer.hello(ticket), 5, 9)!;
  return { client, server, keys: ofServer };
}

describe('the key that two ends agree on', () => {
  test('is the same at both, and so is the ticket', () => {
    const { client, server } = agree();
    expect(client.ticket.equals(server.ticket)).toBe(true);
    const claim = client.claim(5);
    expect(server.isGenuine(claim)).toBe(true);
    expect(agree().server.isGenuine(claim)).toBe(false);
  });

  test('is another one for other conversation IDs, and other keys', () => {
    const [ofClient, ofServer] = [new MigrationKeys(), new MigrationKeys()];
    const ticket = newTicket();
    const claim = ofClient.agree(ofServer.hello(ticket), 5, 9)!.claim(5);
    expect(ofServer.agree(ofClient.hello(), 5, 9, ticket)!.isGenuine(claim)).toBe(true);
    expect(ofServer.agree(ofClient.hello(), 6, 9, ticket)!.isGenuine(claim)).toBe(false);
    expect(ofServer.agree(ofClient.hello(), 5, 10, ticket)!.isGenuine(claim)).toBe(false);
    expect(ofServer.agree(new MigrationKeys().hello(), 5, 9, ticket)!.isGenuine(claim)).toBe(false);
  });

  test('is none with what is no key, and with a point of low order, whose secret anybody knows', () => {
    const keys = new MigrationKeys();
    for (const length of [0, 1, KEY_BYTES - 1, KEY_BYTES + 1]) {
      expect(keys.agree(Buffer.alloc(length, 7), 5, 9)).toBe(null);
    }
    expect(keys.agree(Buffer.alloc(KEY_BYTES), 5, 9)).toBe(null);
    const one = Buffer.alloc(KEY_BYTES);
    one[8] = 1;
    expect(keys.agree(one, 5, 9)).toBe(null);
  });
});

describe('by the book', () => {
  test('key = SHA-256(label, X25519, client ID, server ID); MAC = 16 bytes of HMAC-SHA-256(key, mark, number, ticket)', () => {
    const keys = new MigrationKeys();
    const ticket = Buffer.from('0102030405060708', 'hex');
    const peer = generateKeyPairSync('x25519');
    const raw = peer.publicKey.export({ type: 'spki', format: 'der' }).subarray(-32);
    const claim = keys.agree(Buffer.concat([ticket, raw]), 5, 0xf0000009)!.claim(5);
    const spki = Buffer.concat([Buffer.from('302a300506032b656e032100', 'hex'), keys.hello().subarray(8)]);
    const publicKey = createPublicKey({ key: spki, format: 'der', type: 'spki' });
    const shared = diffieHellman({ privateKey: peer.privateKey, publicKey });
    const ids = Buffer.from('05000000090000f0', 'hex');
    const key = createHash('sha256').update('hp-socket arq migration').update(shared).update(ids).digest();
    const mac = createHmac('sha256', key).update(Buffer.from('a401000000', 'hex')).update(ticket).digest();
    const header = '0500000054a48000000000000100000000000000' + '18000000';
    expect(claim.toString('hex')).toBe(header + ticket.toString('hex') + mac.toString('hex', 0, 16));
  });
});

describe('the packets of a claim', () => {
  test('have their sizes, numbers and contents; no answer of a server is longer than what it answers', () => {
    const { client, server, keys } = agree();
    const claim = client.claim(5);
    const nonce = keys.nonceFor(server.ticket, '127.0.0.1', 80, 1);
    const challenge = server.challenge(9, 1, nonce);
    const answer = client.answer(5, 1, nonce);
    const moved = server.moved(9, 1);
    expect([claim, challenge, answer, moved].map(({ length }) => length)).toEqual([48, 48, 56, 40]);
    expect([claim, challenge, answer, moved].map(migrationMark)).toEqual([
      MARK_CLAIM,
      MARK_CHALLENGE,
      MARK_ANSWER,
      MARK_MOVED,
    ]);
    expect([claim, challenge, answer, moved].map(migrationCounter)).toEqual([1, 1, 1, 1]);
    expect(migrationCounter(client.claim(5))).toBe(2);
    for (const packet of [claim, answer]) expect(migrationTicket(packet)).toBe(ticketName(server.ticket));
    for (const packet of [challenge, answer]) expect(migrationNonce(packet).equals(nonce)).toBe(true);
    for (const packet of [claim, challenge, answer, moved]) {
      expect(isMigration(packet)).toBe(true);
      expect([client.isGenuine(packet), server.isGenuine(packet)]).toEqual([true, true]);
      // A plain KCP end would skip it: a window tell, whose data ends where the datagram does.
      expect([packet[4], packet.readUInt32LE(20)]).toEqual([84, packet.length - 24]);
    }
  });

  test('are nothing if one bit of what counts is another, and none of them passes for one of another kind', () => {
    const { client, server, keys } = agree();
    const nonce = keys.nonceFor(server.ticket, '::1', 80, 1);
    for (const packet of [
      client.claim(5),
      server.challenge(9, 1, nonce),
      client.answer(5, 1, nonce),
      server.moved(9, 1),
    ]) {
      // The number, and everything behind the header.
      const counting = [12, 13, 14, 15, ...Array.from({ length: packet.length - 24 }, (_, i) => 24 + i)];
      for (const at of counting) {
        const changed = Buffer.from(packet);
        changed[at]! ^= 0x10;
        expect(server.isGenuine(changed)).toBe(false);
      }
      const other = Buffer.from(packet);
      other[5] = packet[5] === MARK_CLAIM ? MARK_CHALLENGE : MARK_CLAIM;
      expect(isMigration(other) && server.isGenuine(other)).toBe(false);
      for (let length = 0; length < packet.length; length++)
        expect(isMigration(packet.subarray(0, length))).toBe(false);
      expect(isMigration(Buffer.concat([packet, Buffer.alloc(1)]))).toBe(false);
    }
  });

  test('have a form that nothing else has: window tell, mark, and the length that belongs to it, said twice', () => {
    const packet = (mark: number, length: number, said = length - 24, cmd = 84): Buffer => {
      const bytes = Buffer.alloc(length);
      bytes[4] = cmd;
      bytes[5] = mark;
      bytes.writeInt32LE(said, 20);
      return bytes;
    };
    const lengths: Record<number, number> = {
      [MARK_CLAIM]: 48,
      [MARK_CHALLENGE]: 48,
      [MARK_ANSWER]: 56,
      [MARK_MOVED]: 40,
    };
    for (let mark = 0; mark < 256; mark++) {
      for (let length = 24; length <= 64; length += 8) {
        expect(isMigration(packet(mark, length))).toBe(lengths[mark] === length);
        expect(isMigration(packet(mark, length, length - 25))).toBe(false);
        expect(isMigration(packet(mark, length, length - 24, 81))).toBe(false);
      }
    }
  });

  test('a ticket has a name of its own', () => {
    const [one, other] = [newTicket(), newTicket()];
    expect(ticketName(one)).toBe(ticketName(Buffer.from(one)));
    expect(ticketName(one)).not.toBe(ticketName(other));
    expect(ticketName(Buffer.from('00ff80412e0a0d7f', 'hex'))).toBe('\u0000\u00ff\u0080A.\n\r\u007f');
  });

  test('what an address is asked is for it alone, and for one claim', () => {
    const { server, keys } = agree();
    const nonce = keys.nonceFor(server.ticket, '10.0.0.1', 80, 1);
    expect(keys.nonceFor(server.ticket, '10.0.0.1', 80, 1).equals(nonce)).toBe(true);
    for (const other of [
      keys.nonceFor(server.ticket, '10.0.0.2', 80, 1),
      keys.nonceFor(server.ticket, '10.0.0.1', 81, 1),
      keys.nonceFor(server.ticket, '10.0.0.1', 80, 2),
      keys.nonceFor(newTicket(), '10.0.0.1', 80, 1),
      new MigrationKeys().nonceFor(server.ticket, '10.0.0.1', 80, 1),
    ]) {
      expect(other.equals(nonce)).toBe(false);
    }
  });
});
