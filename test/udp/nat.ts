import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';

/** A NAT in front of one client, which forgets: the server then sees the client under another port. */
export class Nat {
  /** Every datagram that passed, in order. */
  readonly passed: { from: 'client' | 'server'; bytes: Buffer }[] = [];
  /** Datagrams that it answers true for are lost. */
  drops: (from: 'client' | 'server', bytes: Buffer) => boolean = () => false;
  /** Called with each datagram, before it passes. */
  seen: (from: 'client' | 'server', bytes: Buffer) => void = () => {};
  /** What it puts in front of the client's datagrams: a PROXY header. */
  header: Buffer = Buffer.alloc(0);
  readonly #inside: Socket;
  readonly #serverPort: number;
  #outside: Socket;
  #clientPort = 0;
  readonly #all: Socket[];

  private constructor(inside: Socket, outside: Socket, serverPort: number) {
    this.#inside = inside;
    this.#outside = outside;
    this.#serverPort = serverPort;
    this.#all = [inside];
    inside.on('message', (bytes, { port }) => {
      this.#clientPort = port;
      this.#pass('client', bytes);
    });
    this.use(outside);
  }

  static async open(serverPort: number): Promise<Nat> {
    return new Nat(await bound(), await bound(), serverPort);
  }

  /** Where the client connects to. */
  get port(): number {
    return this.#inside.address().port;
  }

  /** The port that the server sees. */
  get outsidePort(): number {
    return this.#outside.address().port;
  }

  /** What it sends from now on comes from elsewhere, and what is sent to where it came from before is lost. */
  async forget(address?: string, port = 0): Promise<Socket> {
    const before = this.#outside;
    this.use(await bound(address, port));
    return before;
  }

  /** Goes on with this socket outside. */
  use(outside: Socket): void {
    this.#outside.removeAllListeners('message');
    this.#outside = outside;
    if (!this.#all.includes(outside)) this.#all.push(outside);
    outside.on('message', (bytes) => this.#pass('server', bytes));
  }

  #pass(from: 'client' | 'server', bytes: Buffer): void {
    this.seen(from, bytes);
    if (this.drops(from, bytes)) return;
    this.passed.push({ from, bytes });
    if (from === 'client') this.#outside.send(Buffer.concat([this.header, bytes]), this.#serverPort, '127.0.0.1');
    else this.#inside.send(bytes, this.#clientPort, '127.0.0.1');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#all) {
      await new Promise<void>((resolve) => {
        try {
          socket.close(() => resolve());
        } catch {
          resolve(); // closed by the test
        }
      });
    }
  }
}

export async function bound(address = '127.0.0.1', port = 0): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.bind(port, address);
  await once(socket, 'listening');
  return socket;
}
