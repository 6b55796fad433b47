import { describe, expect, test } from 'vitest';
import { type Borrower, Loan, loan } from '../../src/memory/loan.ts';
import { SendQueue } from '../../src/memory/send-queue.ts';
import { SendSlabPool } from '../../src/memory/slab-pool.ts';

function borrower(pendingBytes = 0, reports: Uint8Array[] | null = null): Borrower {
  return { pendingBytes, reports };
}

describe('a loan of received bytes', () => {
  const memory = new ArrayBuffer(100);
  const bytes = new Uint8Array(memory, 10, 50);

  test('leaves the memory free when nobody kept anything', () => {
    const lent = new Loan();
    expect(lent.isOpen).toBe(false);
    lent.begin(memory, null);
    expect(lent.isOpen).toBe(true);
    expect(lent.end()).toBe(true);
    expect(lent.isOpen).toBe(false);
  });

  test('does not, when somebody keeps it; the next loan is another one', () => {
    const lent = new Loan();
    lent.begin(memory, null);
    lent.keep();
    expect(lent.end()).toBe(false);
    lent.begin(memory, null);
    expect(lent.end()).toBe(true);
  });

  test('leaves it free when the queue of its connection took bytes and has written them', () => {
    const own = borrower();
    const lent = new Loan();
    lent.begin(memory, own);
    lent.taken(bytes, own);
    expect(lent.end()).toBe(true);
  });

  test('does not, while that queue still needs bytes', () => {
    const own = borrower(1);
    const lent = new Loan();
    lent.begin(memory, own);
    lent.taken(bytes, own);
    expect(lent.end()).toBe(false);
  });

  test('leaves it free when one other queue took bytes and has written them, as a forwarder does', () => {
    for (const own of [null, borrower()]) {
      const other = borrower();
      const lent = new Loan();
      lent.begin(memory, own);
      lent.taken(bytes, other);
      lent.taken(bytes, other);
      expect(lent.end()).toBe(true);
    }
  });

  test('leaves it free when the queue of its connection and one other took bytes and have written them', () => {
    const own = borrower();
    const other = borrower();
    for (const takers of [
      [own, other, own],
      [other, own, other],
    ]) {
      const lent = new Loan();
      lent.begin(memory, own);
      for (const taker of takers) lent.taken(bytes, taker);
      expect(lent.end()).toBe(true);
    }
  });

  test('does not, when another queue still needs bytes, or shows them, or several took some', () => {
    const lent = new Loan();
    for (const others of [[borrower(1)], [borrower(0, [])], [borrower(), borrower()]]) {
      lent.begin(memory, borrower());
      for (const other of others) lent.taken(bytes, other);
      expect(lent.end()).toBe(false);
    }
    // The next loan is another one.
    lent.begin(memory, null);
    expect(lent.end()).toBe(true);
  });

  test('does not, when the queue shows what it has written', () => {
    const own = borrower(0, []);
    const lent = new Loan();
    lent.begin(memory, own);
    lent.taken(bytes, own);
    expect(lent.end()).toBe(false);
  });

  test('does not mind bytes of other memory', () => {
    const own = borrower();
    const lent = new Loan();
    lent.begin(memory, own);
    lent.taken(new Uint8Array(50), borrower(1));
    expect(lent.end()).toBe(true);
    lent.begin(memory, own);
    lent.taken(new Uint8Array(50), borrower(0, []));
    expect(lent.end()).toBe(true);
    // Nor any bytes while nothing is lent.
    lent.taken(bytes, borrower(1));
    expect(lent.end()).toBe(true);
    lent.begin(memory, own);
    expect(lent.end()).toBe(true);
  });

  test('is marked by a send queue for bytes that it keeps by reference, not for those that it copies', () => {
    const large = Buffer.alloc(10_000);
    const queue = new SendQueue(new SendSlabPool(), { write: () => 1 });
    loan.begin(large.buffer, null);
    queue.append(large, 0, 100);
    expect(loan.end()).toBe(true);
    loan.begin(large.buffer, null);
    queue.append(large, 0, 5000);
    expect(loan.end()).toBe(false);
  });
});
