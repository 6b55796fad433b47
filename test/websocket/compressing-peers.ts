import { once } from 'node:events';
import type { Socket } from 'node:net';
import { constants, createDeflateRaw, type DeflateRaw } from 'node:zlib';
import { afterEach, expect } from 'vitest';
import WebSocket, { type WebSocketServer as TheirServer } from 'ws';
import { type WebSocketMessageStream, WebSocketServer } from '../../src/websocket.ts';
import { hashOf } from './texts.ts';

export const running: { stop(): Promise<unknown>; hasStarted: boolean }[] = [];
const clients: WebSocket[] = [];
export const theirServers: TheirServer[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.terminate();
  for (const component of running.splice(0).reverse()) if (component.hasStarted) await component.stop();
  for (const server of theirServers.splice(0)) server.close();
});

export type Arguments = ConstructorParameters<typeof WebSocketServer>;

export async function serve(...[hooks, options]: Arguments): Promise<{ server: WebSocketServer; port: number }> {
  const server = new WebSocketServer(hooks, { compression: true, ...options });
  running.push(server);
  const { port } = await server.start('127.0.0.1', 0);
  return { server, port };
}

export async function connect(port: number): Promise<{ client: WebSocket; socket: Socket }> {
  const client = new WebSocket(`ws://127.0.0.1:${port}/`, { perMessageDeflate: { threshold: 0 } });
  client.on('error', () => {});
  clients.push(client);
  await once(client, 'open');
  expect(client.extensions).toContain('permessage-deflate');
  return { client, socket: (client as unknown as { _socket: Socket })._socket };
}

/** Compresses as a peer does that flushes each fragment. */
export class Peer {
  #stream: DeflateRaw = createDeflateRaw();

  /** A fragment with its tail. */
  async fragment(data: Uint8Array | string): Promise<Buffer> {
    const pieces: Buffer[] = [];
    const take = (piece: Buffer): unknown => pieces.push(piece);
    this.#stream.on('data', take);
    this.#stream.write(data);
    await new Promise<void>((done) => this.#stream.flush(constants.Z_SYNC_FLUSH, () => done()));
    this.#stream.off('data', take);
    return Buffer.concat(pieces);
  }

  /** A whole message, or the last fragment of one, without it. */
  async last(data: Uint8Array | string): Promise<Buffer> {
    return (await this.fragment(data)).subarray(0, -4);
  }
}

export async function all(stream: WebSocketMessageStream): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of stream) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** What a server does that notes what it gets, and how many pieces of a stream came while it was not complete. */
export function recorder(): { got: string[]; early: { bytes: number }; hooks: Arguments[0] } {
  const got: string[] = [];
  const early = { bytes: 0 };
  return {
    got,
    early,
    hooks: {
      onMessage: (_server, _id, data) => void got.push(`whole ${String(data).slice(0, 50)}`),
      async onMessageStream(_server, _id, stream, isBinary) {
        const pieces: Buffer[] = [];
        early.bytes = 0;
        try {
          for await (const piece of stream) {
            pieces.push(piece);
            if (!stream.isComplete) early.bytes += piece.length;
          }
          const data = Buffer.concat(pieces);
          expect(stream.byteCount).toBe(data.length);
          got.push(`${isBinary ? 'binary' : 'text'} ${data.length} ${hashOf(data)}`);
        } catch (error) {
          got.push((error as { code: string }).code);
          throw error;
        }
      },
      onPing: (_server, _id, data) => void got.push(`ping ${data.toString()}`),
      onWSClose: (_server, _id, code) => void got.push(`close ${code}`),
    },
  };
}
