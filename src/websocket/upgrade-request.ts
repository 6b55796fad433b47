import { parseProtocols } from './handshake.ts';
import type { WebSocketRequest } from './websocket-listener.ts';

/**
 * What is known of a WebSocket from its request (WSS-015). Only the text of its head is kept, 200 bytes and more for each connection
 * though they are; it is read when it is asked for.
 */
export class UpgradeRequestView implements WebSocketRequest {
  readonly #text: string;
  #fields: [name: string, value: string][] | null = null;

  /** @param text The head as it came, with its request line. */
  constructor(text: string) {
    this.#text = text;
  }

  get #target(): string {
    const text = this.#text;
    const from = text.indexOf(' ') + 1;
    const end = text.indexOf(' ', from);
    const target = text.slice(from, end);
    return target.startsWith('/') ? target : target.slice(Math.max(0, target.indexOf('/', target.indexOf('//') + 2)));
  }

  get path(): string {
    const target = this.#target;
    const mark = target.indexOf('?');
    return mark < 0 ? target : target.slice(0, mark);
  }

  get query(): string {
    const target = this.#target;
    const mark = target.indexOf('?');
    return mark < 0 ? '' : target.slice(mark + 1);
  }

  get subProtocols(): readonly string[] {
    const values = this.#all('sec-websocket-protocol');
    return (values.length === 0 ? null : parseProtocols(values.join(', '))) ?? [];
  }

  get origin(): string | undefined {
    return this.header('origin');
  }

  header(name: string): string | undefined {
    return this.#all(name.toLowerCase())[0];
  }

  #all(name: string): string[] {
    const values: string[] = [];
    for (const [each, value] of this.headers()) if (each.toLowerCase() === name) values.push(value);
    return values;
  }

  headers(): [name: string, value: string][] {
    this.#fields ??= fieldsOf(this.#text);
    return this.#fields.map(([name, value]) => [name, value]);
  }
}

/** The fields of a head that the parser has let pass; folded lines are joined with one blank. */
function fieldsOf(text: string): [string, string][] {
  const fields: [string, string][] = [];
  for (const line of text.split(/\r?\n/).slice(1)) {
    const last = fields.at(-1);
    if (/^[ \t]/.test(line) && last !== undefined) last[1] = `${last[1]} ${line.trim()}`.trim();
    const colon = line.indexOf(':');
    if (colon > 0 && !/^[ \t]/.test(line)) fields.push([line.slice(0, colon), line.slice(colon + 1).trim()]);
  }
  return fields;
}
