import type { Agreement, HeaderList } from './handshake.ts';
import type { WebSocketContext } from './websocket-context.ts';

/** What a request that is refused is answered with. */
export interface Refusal {
  readonly status: number;
  readonly headers: HeaderList;
  readonly body: string;
}

/** With what a request is accepted. */
export interface Acceptance {
  /** `Sec-WebSocket-Accept` of the answer. */
  readonly accept: string;
  readonly agreement: Agreement;
  /** Fields of the answer; null if it has only those that every one has. */
  readonly headers: HeaderList | null;
}

/** What was decided about the request that is being read. */
export type UpgradeVerdict =
  | { readonly isAccepted: true; readonly acceptance: Acceptance; readonly context: WebSocketContext }
  | ({ readonly isAccepted: false } & Refusal);
