import { once } from 'node:events';
import net from 'node:net';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { Proof } from '../../src/transport/proof.ts';
import { deferred } from '../tcp/support.ts';
import { commonCertificates } from '../tools/certificates.ts';

/** This library with nothing proven yet, as in a new process. */
async function freshLibrary() {
  vi.resetModules();
  const library = await import('../../src/index.ts');
  const path = await import('../../src/transport/fast-path.ts');
  const { tlsProof } = await import('../../src/transport/tls-proof.ts');
  path.useTlsProof(tlsProof); // as the first TLS component does
  return { ...library, ...path };
}

type Handle = Record<string, (...args: unknown[]) => unknown>;

/** The prototype of the handles of TCP sockets, where their methods are. */
async function handlePrototype(name: string): Promise<Handle> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  let found = (server as unknown as { _handle: Handle })._handle;
  server.close();
  while (!Object.hasOwn(found, name)) found = Object.getPrototypeOf(found);
  return found;
}

const undo: (() => void)[] = [];
afterEach(() => {
  for (const one of undo.splice(0)) one();
});

/** Replaces a method of TCP handles until the end of the test. */
async function changeHandles(name: string, change: (original: (...args: unknown[]) => unknown) => unknown) {
  const prototype = await handlePrototype(name);
  const original = prototype[name]!;
  prototype[name] = change(original) as never;
  undo.push(() => {
    prototype[name] = original;
  });
}

async function echo({ TcpPackServer, TcpPackClient }: Awaited<ReturnType<typeof freshLibrary>>): Promise<string> {
  const got = deferred<Buffer>();
  await using server = new TcpPackServer({
    onReceive(server, connId, packet) {
      server.send(connId, packet);
    },
  });
  const { port } = await server.start('127.0.0.1', 0);
  await using client = new TcpPackClient({
    onReceive(_client, _connId, packet) {
      got.resolve(packet);
    },
    onClose(_client, _connId, _operation, _errorCode, { error }) {
      got.reject(error ?? new Error('closed'));
    },
  });
  await client.start('127.0.0.1', port);
  client.send('over and back');
  return String(await got.promise);
}

describe('a proof', () => {
  test('is believed after it has come to its end, and cleans up behind it', async () => {
    const events: string[] = [];
    const proof = new Proof(async (run) => {
      run.onEnd(() => events.push('closed'));
      events.push('ran');
    });
    expect([proof.isProven, proof.isSettled]).toEqual([false, false]);
    expect(await Promise.all([proof.settle(), proof.settle()])).toEqual([true, true]);
    expect([proof.isProven, proof.isSettled, proof.problem]).toEqual([true, true, null]);
    expect(events).toEqual(['ran', 'closed']);
  });

  test.each([
    ['rejects', () => Promise.reject(new Error('no such thing')), 'no such thing'],
    [
      'throws',
      () => {
        throw new Error('expected AsyncWrap');
      },
      'expected AsyncWrap',
    ],
    ['never ends', () => new Promise<void>(() => {}), 'no answer came in time'],
  ])('that %s is not believed, and says why', async (_what, prove, problem) => {
    const proof = new Proof(prove, 10);
    expect(await proof.settle()).toBe(false);
    expect([proof.isProven, proof.isSettled, proof.problem]).toEqual([false, true, problem]);
  });

  test('does not come true any more once its way let somebody down', async () => {
    const proof = new Proof(() => new Promise((resolve) => setImmediate(resolve)));
    const settling = proof.settle();
    proof.refute('a read did not say whose it was');
    expect(await settling).toBe(false);
    expect(proof.problem).toBe('a read did not say whose it was');
  });

  test('may close what is closed already', async () => {
    const proof = new Proof(async (run) => {
      run.onEnd(() => {
        throw new Error('closed already');
      });
    });
    expect(await proof.settle()).toBe(true);
  });
});

describe('the fast path', () => {
  test('is proven on this Node, over TCP and TLS', async () => {
    const { proveFastPath, isFastPathSettled, fastPathProblems } = await freshLibrary();
    expect(isFastPathSettled(true)).toBe(false);
    expect(await proveFastPath(true)).toBe(true);
    expect(isFastPathSettled(true)).toBe(true);
    expect(fastPathProblems()).toEqual({ tcp: null, tls: null });
  });

  test('is proven before the first server of a process listens', async () => {
    const { TcpServer, isFastPathSettled } = await freshLibrary();
    await using server = new TcpServer({}, { fastPath: true });
    await server.start('127.0.0.1', 0);
    expect(isFastPathSettled(false)).toBe(process.env.HP_SOCKET_FAST_PATH !== 'off');
  });

  test('is not tried where it is switched off', async () => {
    const { TcpServer, isFastPathSettled } = await freshLibrary();
    await using server = new TcpServer({}, { fastPath: false });
    await server.start('127.0.0.1', 0);
    expect(isFastPathSettled(false)).toBe(false);
  });

  test.each([
    ['throw at a direct write', 'writeBuffer', 'one '],
    ['throw at a direct write of several buffers', 'writev', 'one ,two ,three'],
  ])('is not believed where handles %s, and TCP works all the same', async (_what, method, bytes) => {
    await changeHandles(
      method,
      (original) =>
        function (this: unknown, ...args: unknown[]) {
          // The handles of pipes share the method, and Node's own writes go through it.
          if (String(args[1]) === bytes) throw new TypeError('expected AsyncWrap');
          return original.apply(this, args);
        },
    );
    const library = await freshLibrary();
    expect(await library.proveFastPath(false)).toBe(false);
    expect(library.fastPathProblems().tcp).toBe('a direct write failed');
    expect(await echo(library)).toBe('over and back');
  });

  test('is not believed where reads do not land in the buffer that was given', async () => {
    await changeHandles(
      'useUserBuffer',
      (original) =>
        function (this: unknown) {
          return original.call(this, Buffer.alloc(65_536));
        },
    );
    const library = await freshLibrary();
    expect(await library.proveFastPath(false)).toBe(false);
    for (const one of undo.splice(0)) one();
    expect(await echo(library)).toBe('over and back');
  });

  test('is not believed where onread is not called on its socket, and TCP works all the same', async () => {
    const { sharedOnread } = await import('../../src/transport/socket-owner.ts');
    expect(sharedOnread.callback.call(undefined as never, 3, Buffer.from('abc'))).toBe(false);
    const library = await freshLibrary();
    const fresh = await import('../../src/transport/socket-owner.ts');
    const { callback } = fresh.sharedOnread;
    fresh.sharedOnread.callback = (length, buffer) => callback.call(undefined as never, length, buffer);
    expect(await library.proveFastPath(false)).toBe(false);
    expect(library.fastPathProblems().tcp).toBe('a read did not say whose it was');
    expect(await echo(library)).toBe('over and back');
  });

  test('over TLS is not believed where it fails, while TCP goes on', async () => {
    const library = await freshLibrary();
    const tls = await import('node:tls');
    const prototype = tls.TLSSocket.prototype as unknown as Handle;
    const original = prototype._wrapHandle!;
    prototype._wrapHandle = function (this: unknown, ...args: unknown[]) {
      if (args[0] === null) throw new TypeError('another runtime');
      return original.apply(this, args);
    };
    undo.push(() => {
      prototype._wrapHandle = original;
    });
    expect(await library.proveFastPath(true)).toBe(true);
    expect(library.fastPathProblems()).toEqual({ tcp: null, tls: 'another runtime' });
    const got = deferred<string>();
    const { SslServer, SslClient } = library;
    await using server = new SslServer({
      onReceive(server, connId, data) {
        server.send(connId, data);
      },
    });
    const { cert, key } = (await commonCertificates()).server;
    server.setupSSLContextByMemory({ cert, key });
    const { port } = await server.start('127.0.0.1', 0);
    await using client = new SslClient({
      onReceive(_client, _connId, data) {
        got.resolve(String(data));
      },
    });
    client.setupSSLContextByMemory({ verifyMode: library.SSLVerifyMode.None });
    await client.start('127.0.0.1', port);
    client.send('sealed');
    expect(await got.promise).toBe('sealed');
  });
});

describe('a direct write that throws in spite of the proof', () => {
  test('breaks its own connection with an error, and the next ones write as documented', async () => {
    const library = await freshLibrary();
    expect(await library.proveFastPath(false)).toBe(true);
    const { canWriteDirectly, DirectWriter } = await import('../../src/transport/fast-io.ts');
    const handle = {
      writeBuffer() {
        throw new TypeError('expected AsyncWrap');
      },
      writev: () => 0,
      close: () => {},
    };
    const status = DirectWriter.create().write(handle, [Buffer.from('x')], { writeCompleted: () => {} });
    expect(status).toBeLessThan(0);
    expect(canWriteDirectly('tcp')).toBe(false);
    expect(await echo(library)).toBe('over and back');
  });
});
