import { once } from 'node:events';
import tls, { type ConnectionOptions, type SecureContext, type TLSSocket } from 'node:tls';
import {
  type DirectWriteOwner,
  DirectWriter,
  requestConstructor,
  type StreamHandle,
  setDirectWritesProven,
  writableHandle,
} from './fast-io.ts';
import { Proof, type ProofRun } from './proof.ts';
import { setSocketOwner } from './socket-owner.ts';
import { demand, handlePair, makeBlock, ProofEnd, streamProof } from './stream-proof.ts';
import {
  makeHandleTlsSocket,
  releaseHandshake,
  setHandleTlsProven,
  type TlsServerOptions,
  wrapForClient,
} from './tls-socket.ts';
import { TlsWriter } from './tls-writer.ts';

/*
 * The proof of the fast path over TLS: a handshake on a bare accepted handle, reads through `onread`, and direct writes
 * from both ends. The two ends know a secret (RFC 4279), so that no certificate is needed.
 */

const secret = Buffer.alloc(32, 7);
const ciphers = 'PSK-AES128-GCM-SHA256';
const PING = Buffer.from('a small record');
const PARTS = [Buffer.from('first'), Buffer.from('second'), Buffer.from('third')];

async function proveTls(run: ProofRun): Promise<void> {
  demand(await streamProof.settle(), streamProof.problem ?? 'no fast path over TCP');
  run.onEnd(() => {
    setDirectWritesProven('tls', tlsProof.isProven);
    setHandleTlsProven(tlsProof.isProven);
  });
  const secureContext: SecureContext = tls.createSecureContext({ ciphers, maxVersion: 'TLSv1.2' });
  const { connecting, accepted } = await handlePair(run);
  const serverOptions = {
    secureContext,
    requestCert: false,
    rejectUnauthorized: false,
    pskCallback: () => secret,
  } as TlsServerOptions;
  const server = makeHandleTlsSocket(accepted, serverOptions);
  run.onEnd(() => server.destroy());
  server.on('error', run.fail);
  const here = new ProofEnd(run);
  const there = new ProofEnd(run);
  setSocketOwner(server, there);
  const secured = once(server, 'secure');
  releaseHandshake(server);
  const clientOptions = {
    secureContext,
    checkServerIdentity: () => undefined,
    pskCallback: () => ({ psk: secret, identity: 'proof' }),
  } as unknown as ConnectionOptions;
  const client = wrapForClient(connecting, clientOptions, here, null);
  run.onEnd(() => client.destroy());
  client.on('error', run.fail);
  await Promise.all([secured, once(client, 'secureConnect')]);
  const ends = Promise.all([once(server, 'end'), once(client, 'close'), once(server, 'close')]);
  server.resume();
  client.resume();
  await talk(client, here, there);
  await talk(server, there, here);
  client.end();
  server.end();
  await ends;
}

/** Sends a small record, several pieces at once, and a large one, with what connections use for it. */
async function talk(socket: TLSSocket, from: ProofEnd, to: ProofEnd): Promise<void> {
  const handle = writableHandle(socket);
  demand(handle !== null, 'TLS sockets have no handle that can be written to');
  const write = requestConstructor() === null ? directly(handle) : watched(socket, handle);
  for (const chunks of [[PING], PARTS, [makeBlock()]]) {
    const arrival = to.expect(Buffer.concat(chunks));
    await write(chunks, from);
    await arrival;
  }
}

type Write = (chunks: Buffer[], owner: ProofEnd) => Promise<void>;

function directly(handle: StreamHandle): Write {
  const writer = DirectWriter.create();
  return async (chunks, owner) => {
    const completion = owner.completion();
    const status = writer.write(handle, chunks, owner as DirectWriteOwner);
    demand(status === 0 || (status === 1 && (await completion) === 0), 'a direct write over TLS failed');
  };
}

function watched(socket: TLSSocket, handle: StreamHandle): Write {
  const writer = TlsWriter.unproven(socket, handle);
  demand(writer !== null, 'TLS handles cannot be written to');
  return async (chunks, owner) => {
    const completion = owner.completion();
    demand(writer.write(chunks, owner) === 0, 'a direct write over TLS failed');
    demand(writer.isBusy, 'a direct write over TLS does not show that it is under way');
    writer.watch(owner);
    demand((await completion) === 0, 'a direct write over TLS failed');
    demand(!writer.isBusy, 'a direct write over TLS does not show that it is done');
  };
}

/** Whether TLS works on accepted handles, and its handles take direct writes, as the fast path needs it. */
export const tlsProof = new Proof(proveTls);
