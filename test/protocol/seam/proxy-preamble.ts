import { securityMaker } from '../../../src/connection/security.ts';
import type { Component } from '../../../src/core/component.ts';
import { Errno } from '../../../src/core/errno.ts';
import type { ConnId, ServerHooks } from '../../../src/core/listener.ts';
import { SlabPool } from '../../../src/memory/slab-pool.ts';
import { ByteProtocol } from '../../../src/protocol/byte-protocol.ts';
import { PackProtocol } from '../../../src/protocol/pack.ts';
import { AtEnd, type Lifetime, type Port, type Protocol } from '../../../src/protocol/protocol.ts';
import { PushProtocol } from '../../../src/protocol/push.ts';
import { StreamServer } from '../../../src/server/stream-server.ts';
import { type SslServerProperties, sslServerProperties } from '../../../src/ssl/properties.ts';
import { addMembers, SecureServerMethods } from '../../../src/ssl/secure-methods.ts';
import { serverTls } from '../../../src/ssl/security.ts';
import type { ProtocolModel } from '../../../src/stream/protocol-models.ts';

/** Longest header of version 1, its CR and LF included. */
const MAX_HEADER_BYTES = 107;
const EMPTY = Buffer.alloc(0);
const header = /^PROXY (?:UNKNOWN(?: .*)?|TCP[46] ([\da-fA-F.:]+) [\da-fA-F.:]+ (\d{1,5}) \d{1,5})$/;

/** The client that a proxy stands for. */
export interface ProxyHeader {
  readonly address: string;
  readonly port: number;
}

/** Reads one PROXY v1 header, hands it to `arrived`, and lets the protocol that comes next take its place. */
class PreambleProtocol extends ByteProtocol {
  readonly deliversBytes = false;
  readonly hasBacklog = false;
  #port: Port;
  #next: (port: Port) => Protocol;
  #arrived: (port: Port, header: ProxyHeader) => void;
  #kept: Buffer = EMPTY;

  constructor(port: Port, next: (port: Port) => Protocol, arrived: (port: Port, header: ProxyHeader) => void) {
    super();
    this.#port = port;
    this.#next = next;
    this.#arrived = arrived;
  }

  get bufferedBytes(): number {
    return this.#kept.length;
  }

  get isMidMessage(): boolean {
    return this.#kept.length > 0;
  }

  receive(bytes: Buffer, _lifetime: Lifetime): void {
    this.#kept = Buffer.concat([this.#kept, bytes]);
    const end = this.#kept.indexOf('\r\n');
    if (end < 0 && this.#kept.length < MAX_HEADER_BYTES) return;
    const found = end < 0 || end > MAX_HEADER_BYTES - 2 ? null : header.exec(this.#kept.toString('latin1', 0, end));
    if (found === null) return this.#port.violate(Errno.EBADMSG, 'the peer sent no PROXY header');
    this.#kept = this.#kept.subarray(end + 2);
    this.#arrived(this.#port, { address: found[1] ?? '', port: Number(found[2] ?? 0) });
    this.#port.become(this.#next(this.#port));
  }

  resume(): void {}

  override ended(): AtEnd {
    return this.#kept.length > 0 ? AtEnd.Truncated : AtEnd.Drain;
  }

  takeRest(): Buffer | null {
    const rest = this.#kept;
    this.#kept = EMPTY;
    return rest.length > 0 ? rest : null;
  }
}

export interface ProxyHooks<S> extends ServerHooks<S, Buffer> {
  onProxyHeader?(sender: S, connId: ConnId, header: ProxyHeader): unknown;
}

/** PROXY v1, then what `next` makes. */
function behindProxy(next: (port: Port) => Protocol): ProtocolModel {
  const model: ProtocolModel = ({ listener, component }) => {
    const hooks = listener as ProxyHooks<Component>;
    const arrived = (port: Port, found: ProxyHeader): void => {
      try {
        const result = hooks.onProxyHeader?.(component, port.id, found);
        if (result !== undefined) port.settle('onProxyHeader', result);
      } catch (thrown) {
        port.threw('onProxyHeader', thrown);
      }
    };
    return (port) => new PreambleProtocol(port, next, arrived);
  };
  return Object.assign(model, { hooks: ['onProxyHeader'] });
}

const pool = new SlabPool();
const packs = { pool, maxPackSize: 1000, packHeaderFlag: 7 };

/** Packages behind a PROXY header. */
export class ProxyPackServer extends StreamServer {
  constructor(listener: ProxyHooks<ProxyPackServer>, options?: object) {
    super(
      listener,
      options,
      behindProxy((port) => new PackProtocol(packs, port)),
    );
  }
}

/** TLS behind a PROXY header: the hook starts the handshake. */
export class ProxySslServer extends StreamServer {
  static override readonly [securityMaker] = serverTls;

  constructor(listener: ProxyHooks<ProxySslServer>, options?: object) {
    super(
      listener,
      { sslAutoHandShake: false, ...options },
      behindProxy((port) => new PushProtocol({ pool, maxChunkBytes: 0 }, port)),
    );
  }
}

export interface ProxySslServer extends SecureServerMethods, SslServerProperties {}
addMembers([ProxySslServer], SecureServerMethods, sslServerProperties);
