import { Errno } from '../../core/errno.ts';
import { isIP } from '../../core/ip.ts';
import type { Preamble, PreamblePort } from './preamble.ts';
import type { ProxyHop } from './proxy-url.ts';
import { writeIp } from './proxy-writer.ts';

/*
 * SOCKS5 (RFC 1928), with user and password (RFC 1929).
 *
 *   we                                              proxy
 *   05, count, methods                  -->
 *                                       <--   05, method (00 none, 02 login, FF refused)
 *   01, length, user, length, password  -->                                            with 02 only
 *                                       <--   01, 00
 *   05, 01, 00, type, address, port     -->
 *                                       <--   05, reply, 00, type, address, port
 */

const VERSION = 5;
const NO_LOGIN = 0;
const LOGIN = 2;
const REFUSED = 0xff;

const State = Object.freeze({ Method: 0, Login: 1, Reply: 2 } as const);
type State = (typeof State)[keyof typeof State];

/** What a proxy says when it does not connect: sentence and errno, by its number. */
const REPLIES: readonly (readonly [string, number])[] = [
  ['', 0],
  ['it failed', Errno.EIO],
  ['its rules do not allow that', Errno.EACCES],
  ['the network cannot be reached', Errno.ENETUNREACH],
  ['the host cannot be reached', Errno.EHOSTUNREACH],
  ['the connection was refused', Errno.ECONNREFUSED],
  ['the time to live ran out', Errno.ETIMEDOUT],
  ['it does not know CONNECT', Errno.EOPNOTSUPP],
  ['it does not take addresses of this kind', Errno.EAFNOSUPPORT],
];

const AWAITS = ['its choice of a method', 'its answer to user and password', 'its answer to the request'] as const;

/** Asks a SOCKS5 proxy to connect to a host, whose name the proxy resolves. */
export class Socks5Preamble implements Preamble {
  /** The longest answer: a name of 255 bytes. */
  readonly maxBytes = 262;
  #port: PreamblePort;
  #hop: ProxyHop;
  #host: string;
  #targetPort: number;
  /** Which one of how many it is, for messages. */
  #where: string;
  #state: State = State.Method;

  constructor(port: PreamblePort, hop: ProxyHop, where: string, host: string, targetPort: number) {
    this.#port = port;
    this.#hop = hop;
    this.#where = where;
    this.#host = host;
    this.#targetPort = targetPort;
  }

  get awaits(): string {
    return `${AWAITS[this.#state]}, of ${this.#where}`;
  }

  begin(): void {
    const greeting = Buffer.from([VERSION, 1, this.#hop.hasLogin ? LOGIN : NO_LOGIN]);
    if (!this.#hop.pipeline) return this.#port.send(greeting);
    this.#port.send(
      Buffer.concat(this.#hop.hasLogin ? [greeting, this.#login(), this.#request()] : [greeting, this.#request()]),
    );
  }

  #login(): Buffer {
    const user = Buffer.from(this.#hop.user);
    const password = Buffer.from(this.#hop.password);
    return Buffer.concat([Buffer.from([1, user.length]), user, Buffer.from([password.length]), password]);
  }

  #request(): Buffer {
    const family = isIP(this.#host);
    const port = Buffer.from([this.#targetPort >> 8, this.#targetPort & 255]);
    if (family === 0) {
      const name = Buffer.from(this.#host);
      return Buffer.concat([Buffer.from([VERSION, 1, 0, 3, name.length]), name, port]);
    }
    const address = Buffer.alloc(family === 4 ? 4 : 16);
    writeIp(address, 0, this.#host, family === 4);
    return Buffer.concat([Buffer.from([VERSION, 1, 0, family === 4 ? 1 : 4]), address, port]);
  }

  receive(bytes: Buffer): number {
    switch (this.#state) {
      case State.Method:
        return this.#methodCame(bytes);
      case State.Login:
        return this.#loginCame(bytes);
      default:
        return this.#replyCame(bytes);
    }
  }

  #fail(what: string, errno: number): number {
    this.#port.fail(`${this.#where} ${what}`, errno);
    return 0;
  }

  #methodCame(bytes: Buffer): number {
    if (bytes[0] !== VERSION) return this.#fail('is no SOCKS5 proxy', Errno.EPROTO);
    if (bytes.length < 2) return 0;
    const method = bytes[1]!;
    const { hasLogin, pipeline } = this.#hop;
    if (method === REFUSED) {
      return this.#fail(
        hasLogin ? 'does not take user and password' : 'wants a login; give user and password in its URL',
        Errno.EACCES,
      );
    }
    // Without a login none was offered; with one, a proxy that needs none may say so.
    if (method !== NO_LOGIN && !(method === LOGIN && hasLogin))
      return this.#fail(`chose method ${method}, which was not offered`, Errno.EPROTO);
    if (method === LOGIN) {
      this.#state = State.Login;
      if (!pipeline) this.#port.send(this.#login());
    } else if (pipeline && hasLogin) {
      return this.#fail('wants no login, but has got one already (pipeline)', Errno.EPROTO);
    } else {
      this.#state = State.Reply;
      if (!pipeline) this.#port.send(this.#request());
    }
    return 2;
  }

  #loginCame(bytes: Buffer): number {
    if (bytes[0] !== 1) return this.#fail('answered the login with something else', Errno.EPROTO);
    if (bytes.length < 2) return 0;
    if (bytes[1] !== 0) return this.#fail('refused user and password', Errno.EACCES);
    this.#state = State.Reply;
    if (!this.#hop.pipeline) this.#port.send(this.#request());
    return 2;
  }

  #replyCame(bytes: Buffer): number {
    if (bytes[0] !== VERSION) return this.#fail('answered the request with something else', Errno.EPROTO);
    if (bytes.length < 2) return 0;
    const reply = bytes[1]!;
    if (reply !== 0) {
      const [what, errno] = REPLIES[reply] ?? [`reply ${reply}`, Errno.EIO];
      return this.#fail(`did not connect to ${this.#target}: ${what}`, errno);
    }
    if (bytes.length < 5) return 0;
    const type = bytes[3];
    const addressBytes = type === 1 ? 4 : type === 4 ? 16 : type === 3 ? 1 + bytes[4]! : 0;
    if (addressBytes === 0) return this.#fail(`answered with an address of type ${type}`, Errno.EPROTO);
    const length = 4 + addressBytes + 2;
    if (bytes.length < length) return 0;
    this.#port.done();
    return length;
  }

  get #target(): string {
    return `${this.#host.length > 80 ? `${this.#host.slice(0, 77)}...` : this.#host}:${this.#targetPort}`;
  }
}
