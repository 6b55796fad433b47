import { once } from 'node:events';
import net from 'node:net';
import tls from 'node:tls';

/** Steps of the talk with a proxy at which it may stop, or answer something else. */
export type Step = 'method' | 'login' | 'reply' | 'connect';

export interface FakeProxyOptions {
  kind: 'socks5' | 'http';
  /** `user:password` that it wants. */
  login?: string;
  /** Names that it resolves; others are looked up as `localhost`. */
  names?: Record<string, number>;
  /** Instead of its own answer at a step: bytes, `'hang'`, `'end'`, `'reset'`. */
  instead?: Partial<Record<Step, Buffer | string>>;
  /** Sends its answers one byte at a time. */
  isSlow?: boolean;
  /** Bytes that follow the last answer in one piece with it. */
  behind?: Buffer | string;
  /** Address that a SOCKS answer carries: 1, 3 or 4. */
  addressType?: 1 | 3 | 4;
  /** Head of the answer to CONNECT. */
  head?: string;
  /** Speaks TLS with its clients. */
  tls?: tls.TlsOptions;
}

/** A proxy that does what RFC 1928, RFC 1929 and RFC 9110 say, or something else on demand. */
export class FakeProxy {
  readonly asked: string[] = [];
  /** What came from clients in front of the tunnel, as hex or text, by read. */
  readonly reads: string[] = [];
  /** Why TLS with clients failed. */
  readonly refusals: string[] = [];
  port = 0;
  #raw = new Set<net.Socket>();
  #options: FakeProxyOptions;
  #server: net.Server;
  #sockets = new Set<net.Socket>();

  private constructor(options: FakeProxyOptions) {
    this.#options = options;
    const { tls: secured } = options;
    const serve = (socket: net.Socket): void => {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => {});
      socket.on('close', () => this.#sockets.delete(socket));
      this.#serve(socket).catch(() => socket.destroy());
    };
    if (secured === undefined) {
      this.#server = net.createServer(serve);
    } else {
      this.#server = tls.createServer(secured, serve);
      this.#server.on('tlsClientError', (error: Error) => void this.refusals.push(error.message));
    }
    this.#server.on('connection', (socket: net.Socket) => {
      this.#raw.add(socket);
      socket.on('close', () => this.#raw.delete(socket));
    });
  }

  /** TCP connections of clients that are open, below TLS. */
  get openCount(): number {
    return this.#raw.size;
  }

  static async start(options: FakeProxyOptions): Promise<FakeProxy> {
    const proxy = new FakeProxy(options);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    proxy.port = (proxy.#server.address() as net.AddressInfo).port;
    return proxy;
  }

  get url(): string {
    const { kind, login, tls: secured } = this.#options;
    const scheme = kind === 'http' && secured !== undefined ? 'https' : kind;
    return `${scheme}://${login === undefined ? '' : `${login}@`}127.0.0.1:${this.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of [...this.#sockets, ...this.#raw]) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #serve(socket: net.Socket): Promise<void> {
    const reader = new Reader(socket, (bytes) => this.reads.push(bytes.toString('latin1')));
    const isThrough =
      this.#options.kind === 'socks5' ? await this.#socks(socket, reader) : await this.#http(socket, reader);
    if (isThrough === null) return;
    const { host, port, answer } = isThrough;
    this.asked.push(`${host}:${port}`);
    const upstream = net.connect({ host: '127.0.0.1', port: this.#options.names?.[host] ?? port, allowHalfOpen: true });
    upstream.on('error', () => socket.destroy());
    await once(upstream, 'connect');
    this.#sockets.add(upstream);
    upstream.setNoDelay(true);
    await this.#say(socket, answer);
    reader.stop();
    socket.on('end', () => upstream.end());
    upstream.write(reader.rest);
    socket.pipe(upstream, { end: false });
    upstream.pipe(socket);
    socket.on('close', () => upstream.destroy());
  }

  async #socks(socket: net.Socket, reader: Reader) {
    const { login, addressType = 1 } = this.#options;
    const [, count] = await reader.take(2);
    const methods = [...(await reader.take(count!))];
    const method = login === undefined ? 0 : 2;
    if (!(await this.#step(socket, 'method', Buffer.from([5, methods.includes(method) ? method : 0xff])))) return null;
    if (!methods.includes(method)) return ended(socket);
    if (method === 2) {
      const [, userLength] = await reader.take(2);
      const user = (await reader.take(userLength!)).toString();
      const [passwordLength] = await reader.take(1);
      const password = (await reader.take(passwordLength!)).toString();
      const isRight = `${encodeURIComponent(user)}:${encodeURIComponent(password)}` === login;
      if (!(await this.#step(socket, 'login', Buffer.from([1, isRight ? 0 : 1])))) return null;
      if (!isRight) return ended(socket);
    }
    const [, , , type] = await reader.take(4);
    const length = type === 1 ? 4 : type === 4 ? 16 : (await reader.take(1))[0]!;
    const address = await reader.take(length);
    const port = (await reader.take(2)).readUInt16BE();
    const host = type === 3 ? address.toString() : type === 1 ? [...address].join('.') : address.toString('hex');
    if (!(await this.#step(socket, 'reply', Buffer.alloc(0)))) return null;
    const bound = { 1: Buffer.alloc(4), 3: Buffer.from('\x05proxy'), 4: Buffer.alloc(16) }[addressType];
    return {
      host,
      port,
      answer: Buffer.concat([Buffer.from([5, 0, 0, addressType]), bound, Buffer.from([1, 2]), this.#behind]),
    };
  }

  async #http(socket: net.Socket, reader: Reader) {
    const head = await reader.takeHead();
    const { login } = this.#options;
    const [, authority = ''] = /^CONNECT (\S+) HTTP\/1\.1\r\n/.exec(head) ?? [];
    const given = /^Proxy-Authorization: Basic (\S+)\r$/m.exec(head)?.[1];
    if (login !== undefined && Buffer.from(given ?? '', 'base64').toString() !== decodeURIComponent(login)) {
      await this.#say(socket, Buffer.from('HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 2\r\n\r\nno'));
      return ended(socket);
    }
    if (!(await this.#step(socket, 'connect', Buffer.alloc(0)))) return null;
    const at = authority.lastIndexOf(':');
    const text = this.#options.head ?? 'HTTP/1.1 200 Connection Established\r\n\r\n';
    const answer = Buffer.concat([Buffer.from(text, 'latin1'), this.#behind]);
    return { host: authority.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(authority.slice(at + 1)), answer };
  }

  get #behind(): Buffer {
    return Buffer.from(this.#options.behind ?? '');
  }

  /** Answers at a step, or does what it is to do instead. @returns Whether it goes on. */
  async #step(socket: net.Socket, step: Step, answer: Buffer): Promise<boolean> {
    const instead = this.#options.instead?.[step];
    if (instead === undefined) {
      await this.#say(socket, answer);
      return true;
    }
    if (instead === 'end') socket.end();
    else if (instead === 'reset') socket.resetAndDestroy();
    else if (instead !== 'hang') await this.#say(socket, Buffer.from(instead as string, 'latin1'));
    return false;
  }

  async #say(socket: net.Socket, bytes: Buffer): Promise<void> {
    if (!this.#options.isSlow) return void socket.write(bytes);
    for (const byte of bytes) {
      socket.write(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

function ended(socket: net.Socket): null {
  socket.end();
  return null;
}

/** Reads a socket piece by piece. */
class Reader {
  rest = Buffer.alloc(0);
  #socket: net.Socket;
  #wake = (): void => {};
  #hasEnded = false;
  #onData: (bytes: Buffer) => void;
  #onEnd = (): void => {
    this.#hasEnded = true;
    this.#wake();
  };

  constructor(socket: net.Socket, noted: (bytes: Buffer) => void) {
    this.#socket = socket;
    this.#onData = (bytes) => {
      noted(bytes);
      this.rest = Buffer.concat([this.rest, bytes]);
      this.#wake();
    };
    socket.on('data', this.#onData);
    socket.on('close', this.#onEnd);
    socket.on('end', this.#onEnd);
  }

  stop(): void {
    this.#socket.pause();
    this.#socket.off('data', this.#onData);
  }

  async take(length: number): Promise<Buffer> {
    await this.#until(() => this.rest.length >= length);
    const taken = this.rest.subarray(0, length);
    this.rest = this.rest.subarray(length);
    return taken;
  }

  async takeHead(): Promise<string> {
    await this.#until(() => this.rest.includes('\r\n\r\n'));
    return (await this.take(this.rest.indexOf('\r\n\r\n') + 4)).toString('latin1');
  }

  async #until(isThere: () => boolean): Promise<void> {
    while (!isThere()) {
      if (this.#hasEnded) throw new Error('the client has ended');
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
