import type { Answer } from './answer-queue.ts';
import { type BodyPieces, bodyPieces } from './body-pieces.ts';
import { dateLine } from './date-line.ts';
import { EncodedAnswer } from './encoded-answer.ts';
import { Has, type HeaderText, type HttpHeaders, isFieldText } from './header-list.ts';
import type { MessageHead } from './message-head.ts';
import { type BodyBytes, bodyLength, chunkHeader } from './message-writer.ts';
import { METHOD_HEAD } from './methods.ts';
import { recentFields } from './recent-fields.ts';
import type { HttpServerProtocol } from './server-protocol.ts';
import { statusText } from './status.ts';

/** Body of an answer: at hand, or made piece by piece. A Node stream and a web stream are async iterables, too. */
export type AnswerBody = BodyBytes | AsyncIterable<Uint8Array | string> | Iterable<Uint8Array | string>;

/** A request (`HttpRequest`), as what answers it knows it. */
export interface AnsweredRequest {
  readonly head: MessageHead;
  readonly protocol: HttpServerProtocol;
  /** Its place among the answers of the connection. */
  readonly answer: Answer;
  /** Whether an answer can still be given. */
  readonly isAnswerable: boolean;
  /** What of the body was not read is of no interest any more. */
  dropBody(): void;
  /** The source of the answer's body failed. */
  handlerFailed(thrown: unknown): void;
}

/** An answer to a request. */
export interface AnswerInit {
  /** 200 to 999; interim answers are made by the library. Default 200. */
  status?: number | undefined;
  /** Reason phrase; default HP-Socket's text for the status. */
  reason?: string | undefined;
  /** Header fields; an array for several values of one name. */
  headers?: HttpHeaders | null | undefined;
  /** Bytes or text of known length, or a source of unknown length that is sent in chunks. */
  body?: AnswerBody | undefined;
  /** Fields behind a body that is sent in chunks; asked for when its last piece was sent. */
  trailers?: (() => HttpHeaders) | undefined;
}

const startLines = new Map<number, string>();

/** @throws TypeError if it cannot be sent. */
function checkReason(reason: string): void {
  if (!isFieldText(reason)) throw new TypeError('the reason phrase has a line break or another control character');
}

function startLine(status: number, reason: string | undefined): string {
  if (reason !== undefined) return `HTTP/1.1 ${status} ${reason}\r\n`;
  let line = startLines.get(status);
  if (line === undefined) {
    line = `HTTP/1.1 ${status} ${statusText(status)}\r\n`;
    startLines.set(status, line);
  }
  return line;
}

/** Whether a body is at hand. */
function isAtHand(body: AnswerBody): body is BodyBytes {
  return body === null || body === undefined || typeof body === 'string' || body instanceof Uint8Array;
}

/** Sends an answer; see `HttpRequest.respond`. */
export function sendAnswer(request: AnsweredRequest, init: AnswerInit): boolean | Promise<boolean> {
  const { status = 200, body } = init;
  if (!Number.isInteger(status) || status < 200 || status > 999) {
    throw new RangeError('the status of an answer must be a whole number, 200 to 999');
  }
  if (!isAtHand(body)) return stream(request, init, status, body);
  const fields = recentFields(init.headers);
  const { has } = fields;
  const known = fields.answer === null ? -1 : fields.answer.lengthOf(body);
  const length = known < 0 ? bodyLength(body) : known;
  if (init.reason !== undefined) checkReason(init.reason);
  if (!request.isAnswerable) return false;
  const { answer, protocol } = request;
  const hasNoBody = isBodiless(request, status);
  const date = (has & Has.Date) === 0 ? dateLine() : '';
  const closes = closing(request, fields);
  const ending = (has & Has.Connection) === 0 ? connectionLine(request, closes) : '';
  answer.closes = closes;
  const mayRepeat = !hasNoBody && fields.isRepeated && init.reason === undefined && answer.isItsTurn;
  if (mayRepeat && fields.answer?.hasHead(status, date, length, ending) === true) {
    return sent(request, protocol.writeAll(answer, fields.answer.bytesWith(body)));
  }
  let head = startLine(status, init.reason) + fields.text + date;
  if ((has & Has.ContentLength) !== 0) checkLength(fields.text, length, hasNoBody);
  else if ((has & Has.TransferEncoding) !== 0) throw new TypeError('Transfer-Encoding is set by the library');
  else if (status !== 204 && (status !== 304 || length > 0)) head += `Content-Length: ${length}\r\n`;
  head += `${ending}\r\n`;
  if (hasNoBody) return sent(request, protocol.writeMessage(answer, head, null, 0));
  if (mayRepeat) {
    fields.answer ??= new EncodedAnswer();
    if (fields.answer.setHead(head, status, date, length, ending)) {
      return sent(request, protocol.writeAll(answer, fields.answer.bytesWith(body)));
    }
  }
  return sent(request, protocol.writeMessage(answer, head, body, length));
}

/** All of it was sent, or goes nowhere, or waits for room: then the connection need not be read while the caller waits. */
function sent(request: AnsweredRequest, isSent: boolean): boolean | Promise<boolean> {
  const { answer } = request;
  request.dropBody();
  answer.complete();
  return isSent && answer.isHolding && answer.isItsTurn ? answer.whenSent() : isSent;
}

/** HEAD, 204 and 304 have no body, whatever the caller gives (RFC 9110 6.4.1). */
function isBodiless(request: AnsweredRequest, status: number): boolean {
  return status === 204 || status === 304 || request.head.methodNumber === METHOD_HEAD;
}

function checkLength(text: string, length: number, hasNoBody: boolean): void {
  const given = /^content-length: *([0-9]+)\r$/im.exec(text)?.[1];
  if (given === undefined || (!hasNoBody && Number(given) !== length)) {
    throw new TypeError('Content-Length is not the length of the body; leave it out');
  }
}

/** Whether the connection ends behind the answer. */
function closing(request: AnsweredRequest, { connection }: Readonly<HeaderText>): boolean {
  if (!request.protocol.keepsAlive(request.head)) return true;
  return connection !== '' && /(?:^|[\s,])close(?:$|[\s,])/i.test(connection);
}

/** HTTP/1.1 stays without being told, HTTP/1.0 does not. */
function connectionLine(request: AnsweredRequest, closes: boolean): string {
  if (closes) return 'Connection: close\r\n';
  return request.head.version === 0x0101 ? '' : 'Connection: keep-alive\r\n';
}

/**
 * Sends a body piece by piece: in chunks, of a length that the caller gave, or to HTTP/1.0 until the connection ends.
 * @throws TypeError, at once, for what cannot be sent: a caller that does not wait for the promise has to be told, too.
 */
function stream(
  request: AnsweredRequest,
  init: AnswerInit,
  status: number,
  body: AsyncIterable<Uint8Array | string> | Iterable<Uint8Array | string>,
): Promise<boolean> {
  const { answer, protocol } = request;
  if (init.reason !== undefined) checkReason(init.reason);
  const fields = recentFields(init.headers);
  const { has, text } = fields;
  if ((has & Has.TransferEncoding) !== 0) throw new TypeError('Transfer-Encoding is set by the library');
  const given = (has & Has.ContentLength) === 0 ? null : Number(/^content-length: *([0-9]+)\r$/im.exec(text)?.[1]);
  if (Number.isNaN(given)) throw new TypeError('Content-Length must be a number');
  const pieces = bodyPieces(body);
  if (!request.isAnswerable) return giveUp(pieces).then(() => false);
  // A source that waits for its next piece would not notice.
  protocol.watchGone({ gone: () => answer.isComplete || pieces.drop() });
  const hasNoBody = isBodiless(request, status);
  const isChunked = given === null && request.head.version === 0x0101 && status !== 204;
  const closes = closing(request, fields) || (given === null && !isChunked && !hasNoBody);
  let head = startLine(status, init.reason) + text;
  if ((has & Has.Date) === 0) head += dateLine();
  if (isChunked && (!hasNoBody || status !== 304)) head += 'Transfer-Encoding: chunked\r\n';
  if ((has & Has.Connection) === 0) head += connectionLine(request, closes);
  answer.closes = closes;
  answer.hasBegun = true;
  return sendPieces(request, init, pieces, `${head}\r\n`, { given, isChunked, hasNoBody });
}

/** How a body is framed. */
interface PieceFraming {
  /** The caller's `Content-Length`; null without. */
  readonly given: number | null;
  readonly isChunked: boolean;
  readonly hasNoBody: boolean;
}

async function sendPieces(
  request: AnsweredRequest,
  init: AnswerInit,
  pieces: BodyPieces,
  head: string,
  { given, isChunked, hasNoBody }: PieceFraming,
): Promise<boolean> {
  const { answer, protocol } = request;
  if (!answer.isItsTurn) {
    await new Promise<void>((resolve) => {
      answer.onTurn = resolve;
      protocol.watchGone({ gone: resolve });
    });
  }
  if (!answer.write(head) || hasNoBody) {
    await giveUp(pieces);
    request.dropBody();
    answer.complete();
    return hasNoBody;
  }
  if (answer.isHolding) await answer.whenSent();
  let left = given ?? Number.POSITIVE_INFINITY;
  try {
    for await (const piece of pieces.source) {
      if (answer.isDropped || !protocol.port.isOpen) return false; // ends the iterator as well
      const bytes = typeof piece === 'string' ? Buffer.from(piece) : piece;
      if (!(bytes instanceof Uint8Array)) throw new TypeError('a streamed body must yield texts and Uint8Arrays');
      if (bytes.length === 0) continue;
      left -= bytes.length;
      if (left < 0) throw new RangeError('the body is longer than its Content-Length');
      if (isChunked) answer.write(chunkHeader(bytes.length, null));
      // Its source may use it again.
      const isSent = answer.write(bytes.length > 4096 ? Uint8Array.from(bytes) : bytes);
      if (isChunked) answer.write('\r\n');
      if (!isSent) return false;
      if (answer.isHolding) await answer.whenSent();
      else if (protocol.isFull) await protocol.whenRoom();
    }
    if (answer.isDropped || !protocol.port.isOpen) return false;
    if (given !== null && left > 0) throw new RangeError('the body is shorter than its Content-Length');
    if (isChunked) {
      answer.write(`0\r\n${recentFields(init.trailers?.()).text}\r\n`);
      if (answer.isHolding) await answer.whenSent();
    }
  } catch (thrown) {
    if (!protocol.port.isOpen) return false;
    request.handlerFailed(thrown);
    return false;
  }
  request.dropBody();
  answer.complete();
  return true;
}

/** A body that will not be sent: its source may let go of what it holds. */
async function giveUp({ source, drop }: BodyPieces): Promise<void> {
  drop();
  try {
    await source[Symbol.asyncIterator]().return?.();
  } catch {
    // It does not matter any more.
  }
}
