import type { MessageHead } from './message-head.ts';

/** A connection that the server will close soon is not used any more: how much sooner. */
const MARGIN_MS = 1000;
/** A server may promise what it likes: no connection is kept longer. */
const MAX_IDLE_MS = 600_000;

/**
 * Milliseconds that a connection may be idle behind an answer, by the server's hint (`Keep-Alive: timeout=5`).
 * @returns Undefined without a hint; 0 if it is too short for anything.
 */
export function keepAliveMs(head: MessageHead): number | undefined {
  const value = head.get('keep-alive');
  if (value === undefined) return undefined;
  const seconds = /(?:^|[,\s])timeout\s*=\s*(\d{1,9})/i.exec(value)?.[1];
  if (seconds === undefined) return undefined;
  return Math.min(MAX_IDLE_MS, Math.max(0, Number(seconds) * 1000 - MARGIN_MS));
}
