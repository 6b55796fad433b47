import { type FileHandle, open } from 'node:fs/promises';
import { describe, shown } from '../core/describe.ts';
import { Errno, errnoName, errnoOf } from '../core/errno.ts';
import { systemErrorName } from '../core/error-names.ts';
import { $refuseFile } from '../core/internals.ts';
import type { ConnId } from '../core/listener.ts';
import { filePiece } from './file-piece.ts';
import { type HttpHeaders, pairsOf } from './header-list.ts';
import type { HttpServerProtocol } from './server-protocol.ts';

/** How `sendLocalFile` answers. */
export interface FileOptions {
  /** Status of an answer with the whole file. Default 200. */
  statusCode?: number | undefined;
  /** Reason phrase; null for HP-Socket's default. */
  statusText?: string | null | undefined;
  /** Fields; `Content-Length`, `Content-Range`, `Accept-Ranges`, `ETag` and `Last-Modified` are added. */
  headers?: HttpHeaders | null | undefined;
  /** Whether `Range` and the conditions of the request are honoured. Default true. */
  ranges?: boolean | undefined;
}

/** What `sendLocalFile` sent. */
export interface FileReport {
  /** Status of the answer: 200, 206, 304 or 416. */
  readonly status: number;
  /** Bytes of the file that were sent. */
  readonly bytes: number;
}

interface FileHost {
  /** @internal */
  [$refuseFile](errno: number, message: string, connId: ConnId): false;
}

/** Answers the last request of a connection with a file. */
export async function sendFileOn(
  host: FileHost,
  protocol: HttpServerProtocol,
  fileName: string | URL,
  options: FileOptions,
): Promise<FileReport | false> {
  if (typeof fileName !== 'string' && !(fileName instanceof URL)) {
    throw new TypeError(`fileName must be a string or a URL, not ${describe(fileName)}`);
  }
  const { id } = protocol.port;
  const head = protocol.head;
  let file: FileHandle;
  try {
    file = await open(fileName);
  } catch (error) {
    const errno = errnoOf(error);
    return host[$refuseFile](errno, `the file ${shown(String(fileName))} cannot be read: ${errnoName(errno)}`, id);
  }
  try {
    const stat = await file.stat();
    if (!stat.isFile()) return host[$refuseFile](Errno.EISDIR, `${shown(String(fileName))} is not a file`, id);
    const { size, mtimeMs } = stat;
    const etag = `"${size.toString(16)}-${Math.floor(mtimeMs).toString(16)}"`;
    const modified = new Date(mtimeMs).toUTCString();
    const own: [string, string][] = [
      ['Accept-Ranges', 'bytes'],
      ['ETag', etag],
      ['Last-Modified', modified],
    ];
    const honours = options.ranges !== false && (head?.method === 'GET' || head?.method === 'HEAD');
    const isUnchanged = honours && matches(head!.get('if-none-match'), head!.get('if-modified-since'), etag, mtimeMs);
    if (isUnchanged) return answerWithout(protocol, host, 304, options, own);
    const field = honours ? head!.get('range') : undefined;
    const ifRange = head?.get('if-range');
    const isCurrent = ifRange === undefined || ifRange === etag || ifRange === modified;
    const range = field === undefined || !isCurrent ? null : parseRange(field, size);
    if (range === 'unsatisfiable') {
      return answerWithout(protocol, host, 416, options, [...own, ['Content-Range', `bytes */${size}`]]);
    }
    const from = range?.from ?? 0;
    const to = range?.to ?? size;
    const status = range === null ? (options.statusCode ?? 200) : 206;
    if (range !== null) own.push(['Content-Range', `bytes ${from}-${to - 1}/${size}`]);
    own.push(['Content-Length', String(to - from)]);
    const statusText = range === null ? options.statusText : null;
    if (!protocol.sendResponse(status, statusText, [...pairsOf(options.headers ?? null), ...own])) {
      return host[$refuseFile](Errno.EBADSLT, 'the connection is closing', id);
    }
    if (head?.method === 'HEAD' || to === from) {
      return { status, bytes: 0 };
    }
    for (let at = from; at < to; ) {
      const piece = filePiece(protocol.room, to - at);
      const { bytesRead } = await file.read(piece, 0, piece.length, at);
      if (bytesRead === 0) {
        protocol.abort('the file became shorter while it was sent', 'EIO');
        return host[$refuseFile](Errno.EIO, 'the file became shorter while it was sent', id);
      }
      at += bytesRead;
      if (!protocol.write(piece.subarray(0, bytesRead))) {
        protocol.abort('the connection did not take the file', 'HP_SEND_BUFFER_FULL');
        return host[$refuseFile](Errno.ECONNABORTED, 'the connection was closed while the file was sent', id);
      }
      if (protocol.isFull) await protocol.whenRoom();
    }
    protocol.bodySent();
    return { status, bytes: to - from };
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 0) throw error;
    protocol.abort('the file cannot be read', systemErrorName(errno, error), error);
    return host[$refuseFile](errno, `the file ${shown(String(fileName))} cannot be read: ${errnoName(errno)}`, id);
  } finally {
    await file.close();
  }
}

function answerWithout(
  protocol: HttpServerProtocol,
  host: FileHost,
  status: number,
  options: FileOptions,
  own: [string, string][],
): FileReport | false {
  const fields = [...pairsOf(options.headers ?? null), ...own];
  if (status === 416) fields.push(['Content-Length', '0']);
  if (!protocol.sendResponse(status, null, fields)) {
    return host[$refuseFile](Errno.EBADSLT, 'the connection is closing', protocol.port.id);
  }
  return { status, bytes: 0 };
}

/** Whether the client has the file already (RFC 9110 13.1.2, 13.1.3). */
function matches(
  ifNoneMatch: string | undefined,
  ifModifiedSince: string | undefined,
  etag: string,
  mtimeMs: number,
): boolean {
  if (ifNoneMatch !== undefined) {
    const tags = ifNoneMatch.split(',').map((tag) => tag.trim().replace(/^W\//, ''));
    return tags.includes('*') || tags.includes(etag);
  }
  if (ifModifiedSince === undefined) return false;
  const since = Date.parse(ifModifiedSince);
  return !Number.isNaN(since) && Math.floor(mtimeMs / 1000) * 1000 <= since;
}

/**
 * One range of bytes (RFC 9110 14.1.2), its end behind the last byte. Null for no range, several, or another unit: the whole
 * file is sent then.
 */
export function parseRange(field: string, size: number): { from: number; to: number } | 'unsatisfiable' | null {
  const match = /^bytes=[ \t]*([0-9]*)-([0-9]*)[ \t]*$/i.exec(field);
  if (match === null) return null;
  const [, first = '', last = ''] = match;
  if (first === '' && last === '') return null;
  if (first === '') {
    const length = Math.min(Number(last), size);
    return length === 0 ? 'unsatisfiable' : { from: size - length, to: size };
  }
  const from = Number(first);
  const to = last === '' ? size : Math.min(Number(last) + 1, size);
  if (last !== '' && Number(last) < from) return null;
  return from >= size ? 'unsatisfiable' : { from, to };
}
