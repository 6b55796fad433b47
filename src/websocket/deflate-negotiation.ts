import { type Extension, formatExtension, parseExtensions } from './extension-header.ts';

const NAME = 'permessage-deflate';

/** What both ends agreed on for compressed messages (RFC 7692, 7.1). */
export interface DeflateParameters {
  /** The server begins each message with an empty window. */
  readonly serverNoContextTakeover: boolean;
  /** The client begins each message with an empty window. */
  readonly clientNoContextTakeover: boolean;
  /** Base-2 logarithm of the server's window, 8 to 15. */
  readonly serverMaxWindowBits: number;
  /** Base-2 logarithm of the client's window, 8 to 15. */
  readonly clientMaxWindowBits: number;
}

/** What this end wants of permessage-deflate. The same properties as an agreement; see there. */
export type DeflateWish = DeflateParameters;

/** No limits: windows of 32 KiB that live as long as the connection. */
export const FULL_DEFLATE: DeflateWish = Object.freeze({
  serverNoContextTakeover: false,
  clientNoContextTakeover: false,
  serverMaxWindowBits: 15,
  clientMaxWindowBits: 15,
});

/** The parameters of one offer or answer, checked; `clientBits` is 0 for the parameter without a value, null without it. */
interface Terms {
  serverNoContext: boolean;
  clientNoContext: boolean;
  serverBits: number | null;
  clientBits: number | null;
}

/**
 * RFC 7692, 7.1: a parameter that is unknown, comes twice, or has a value that is not allowed spoils the offer. Window bits are
 * "a decimal integer value without leading zeroes between 8 to 15" (7.1.2.1).
 */
function readTerms({ parameters }: Extension): Terms | null {
  const terms: Terms = { serverNoContext: false, clientNoContext: false, serverBits: null, clientBits: null };
  const seen = new Set<string>();
  for (const [name, value] of parameters) {
    if (seen.has(name)) return null;
    seen.add(name);
    switch (name) {
      case 'server_no_context_takeover':
        if (value !== null) return null;
        terms.serverNoContext = true;
        break;
      case 'client_no_context_takeover':
        if (value !== null) return null;
        terms.clientNoContext = true;
        break;
      case 'server_max_window_bits':
        terms.serverBits = readBits(value);
        if (terms.serverBits === null) return null;
        break;
      case 'client_max_window_bits':
        terms.clientBits = value === null ? 0 : readBits(value);
        if (terms.clientBits === null) return null;
        break;
      default:
        return null;
    }
  }
  return terms;
}

function readBits(value: string | null): number | null {
  return value !== null && /^(?:[89]|1[0-5])$/.test(value) ? Number(value) : null;
}

/** A server's answer to an offer. */
export interface DeflateAnswer {
  readonly parameters: DeflateParameters;
  /** Value of the `Sec-WebSocket-Extensions` header of the response. */
  readonly header: string;
}

/**
 * Server: the answer to what a client offered, or null for no compression. The first offer that can be met is taken; one
 * that breaks a rule is passed over (RFC 7692, 5 and 7.1). A header that is no list of extensions offers nothing.
 */
export function answerDeflateOffer(header: string, wish: DeflateWish): DeflateAnswer | null {
  for (const extension of parseExtensions(header) ?? []) {
    if (extension.name !== NAME) continue;
    const terms = readTerms(extension);
    if (terms === null) continue;
    const parameters: DeflateParameters = {
      serverNoContextTakeover: terms.serverNoContext || wish.serverNoContextTakeover,
      // 7.1.1.2: a server may ask for it whether it was offered or not.
      clientNoContextTakeover: terms.clientNoContext || wish.clientNoContextTakeover,
      serverMaxWindowBits: Math.min(terms.serverBits ?? 15, wish.serverMaxWindowBits),
      // 7.1.2.2: only a client that offered it can be told.
      clientMaxWindowBits: terms.clientBits === null ? 15 : Math.min(terms.clientBits || 15, wish.clientMaxWindowBits),
    };
    const answer: [string, string | null][] = [];
    if (parameters.serverNoContextTakeover) answer.push(['server_no_context_takeover', null]);
    if (parameters.clientNoContextTakeover) answer.push(['client_no_context_takeover', null]);
    if (terms.serverBits !== null || parameters.serverMaxWindowBits < 15) {
      answer.push(['server_max_window_bits', String(parameters.serverMaxWindowBits)]);
    }
    if (terms.clientBits !== null && parameters.clientMaxWindowBits < 15) {
      answer.push(['client_max_window_bits', String(parameters.clientMaxWindowBits)]);
    }
    return { parameters, header: formatExtension({ name: NAME, parameters: answer }) };
  }
  return null;
}

/** Client: value of the `Sec-WebSocket-Extensions` header that offers compression as it is wished for. */
export function deflateOffer(wish: DeflateWish): string {
  const parameters: [string, string | null][] = [];
  if (wish.serverNoContextTakeover) parameters.push(['server_no_context_takeover', null]);
  if (wish.clientNoContextTakeover) parameters.push(['client_no_context_takeover', null]);
  if (wish.serverMaxWindowBits < 15) parameters.push(['server_max_window_bits', String(wish.serverMaxWindowBits)]);
  parameters.push(['client_max_window_bits', wish.clientMaxWindowBits < 15 ? String(wish.clientMaxWindowBits) : null]);
  return formatExtension({ name: NAME, parameters });
}

/**
 * Client: what a server made of the offer. Null if it takes no compression; a sentence if its answer is not one to this offer, upon
 * which the client has to fail the connection (RFC 6455, 9.1; RFC 7692, 7.1).
 */
export function readDeflateAnswer(header: string, wish: DeflateWish | null): DeflateParameters | string | null {
  const extensions = parseExtensions(header);
  if (extensions === null) return 'the Sec-WebSocket-Extensions header of the server is not a list of extensions';
  const [extension] = extensions;
  if (extension === undefined) return null;
  if (wish === null || extension.name !== NAME) return 'the server chose an extension that was not offered';
  if (extensions.length > 1) return 'the server chose an extension that was not offered, or one twice';
  const terms = readTerms(extension);
  if (terms === null) return 'the server answered permessage-deflate with a wrong parameter';
  if (wish.serverNoContextTakeover && !terms.serverNoContext) {
    return 'the server did not agree to server_no_context_takeover';
  }
  if (wish.serverMaxWindowBits < 15 && (terms.serverBits ?? 15) > wish.serverMaxWindowBits) {
    return 'the server did not agree to server_max_window_bits';
  }
  // 7.1.2.2: in an answer it has a value, and not more than was offered.
  if (terms.clientBits === 0) return 'the server answered client_max_window_bits without a value';
  if (terms.clientBits !== null && terms.clientBits > wish.clientMaxWindowBits) {
    return 'the server answered client_max_window_bits with more than was offered';
  }
  return {
    serverNoContextTakeover: terms.serverNoContext,
    clientNoContextTakeover: terms.clientNoContext || wish.clientNoContextTakeover,
    serverMaxWindowBits: terms.serverBits ?? 15,
    clientMaxWindowBits: Math.min(terms.clientBits ?? 15, wish.clientMaxWindowBits),
  };
}
