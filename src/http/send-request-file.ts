import { type FileHandle, open } from 'node:fs/promises';
import type { Component } from '../core/component.ts';
import { describe, shown } from '../core/describe.ts';
import { SocketErrorCode } from '../core/enums.ts';
import { Errno, errnoName, errnoOf } from '../core/errno.ts';
import { systemErrorName } from '../core/error-names.ts';
import { $refuse } from '../core/internals.ts';
import type { HttpClientProtocol } from './client-protocol.ts';
import { filePiece } from './file-piece.ts';
import { type HttpHeaders, hasHeader, pairsOf } from './header-list.ts';
import { requestPath } from './request-head.ts';

/** Sends a request whose body is a file, read as the peer takes it. @returns false with `lastError`. */
export async function sendRequestFile(
  component: Component,
  protocol: HttpClientProtocol,
  fileName: string | URL,
  method: string,
  path: string,
  headers: HttpHeaders | null,
  host: string,
  cookie: string,
): Promise<boolean> {
  if (typeof fileName !== 'string' && !(fileName instanceof URL)) {
    throw new TypeError(`fileName must be a string or a URL, not ${describe(fileName)}`);
  }
  const { id } = protocol.port;
  const refuse = (errno: number, message: string): false =>
    component[$refuse]('sendLocalFile', SocketErrorCode.DataSend, errno, message, id);
  const name = shown(String(fileName));
  let file: FileHandle;
  try {
    file = await open(fileName);
  } catch (error) {
    return refuse(errnoOf(error), `the file ${name} cannot be read: ${errnoName(errnoOf(error))}`);
  }
  try {
    const stat = await file.stat();
    if (!stat.isFile()) return refuse(Errno.EISDIR, `${name} is not a file`);
    if (stat.size === 0) return refuse(Errno.ENODATA, `the file ${name} is empty`);
    const own = hasHeader(headers, 'content-length')
      ? headers
      : [...pairsOf(headers), ['Content-Length', String(stat.size)] as const];
    const upper = method.toUpperCase();
    const request = { method: upper, path: requestPath(upper, path) };
    if (!protocol.port.isOpen || !protocol.send(request, { headers: own, host, cookie })) {
      return refuse(Errno.EBADSLT, 'the connection is closing');
    }
    for (let at = 0; at < stat.size; ) {
      const piece = filePiece(protocol.room, stat.size - at);
      const { bytesRead } = await file.read(piece, 0, piece.length, at);
      if (bytesRead === 0) {
        protocol.port.violate(Errno.EIO, 'HTTP: the file became shorter while it was sent', 'EIO');
        return refuse(Errno.EIO, `the file ${name} became shorter while it was sent`);
      }
      at += bytesRead;
      if (!protocol.port.isOpen || !protocol.write(piece.subarray(0, bytesRead))) {
        if (protocol.port.isOpen) {
          protocol.port.violate(Errno.ENOBUFS, 'HTTP: the rest of a file could not be queued', 'HP_SEND_BUFFER_FULL');
        }
        return refuse(Errno.ECONNABORTED, 'the connection was closed while the file was sent');
      }
      if (protocol.isFull) await protocol.whenRoom();
    }
    return true;
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 0) throw error;
    if (protocol.port.isOpen) {
      protocol.port.violate(errno, 'HTTP: the file cannot be read', systemErrorName(errno, error), error);
    }
    return refuse(errno, `the file ${name} cannot be read: ${errnoName(errno)}`);
  } finally {
    await file.close();
  }
}
