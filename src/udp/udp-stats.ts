import type { KcpStats } from '../arq/index.ts';
import type { AdmissionCounters } from '../connection/admission.ts';
import type { ConnectionStats } from '../core/stats.ts';

/** Datagrams that went nowhere, by reason. */
export interface UdpDropCounters {
  /** Received, larger than `maxDatagramSize`. */
  oversize: number;
  /** Received while a hook was busy or receiving was paused, and more than `maxQueuedDatagrams` waited already. */
  queueFull: number;
  /** Received from an address without a connection, and not what begins one. */
  unknownPeer: number;
  /** Received with another `conv` than the conversation has, or than the option says; `checkConv` only. `lastFailure` names both. */
  foreignConversation: number;
  /** Not sent because `maxSendQueueBytes` waited for the system already. */
  sendQueueFull: number;
  /** Not sent because the system had no buffer (ENOBUFS). */
  noBuffers: number;
  /** Not sent because the system found the datagram too large (EMSGSIZE). */
  tooLarge: number;
}

/** What limits and deadlines of a UDP component did. Each counts how often it struck. */
export interface UdpLimitCounters extends AdmissionCounters {
  /** Datagrams ignored because they came from no trusted proxy (`proxyProtocol`). */
  untrustedProxies: number;
  /** Datagrams ignored for want of a PROXY header, or because it was broken (`proxyProtocol`). */
  preambles: number;
  /** Connections closed because the peer fell silent (`detectAttempts`, `detectInterval`). */
  heartbeat: number;
  /** Connections closed by `openingTimeoutMs`. */
  opening: number;
  /** Connections closed because the ARQ handshake did not end in `handshakeTimeoutMs`. */
  handshakeTimeouts: number;
}

/** What an ARQ server with `arqCookies` did with peers that had not yet proved their address. */
export interface ArqCookieCounters {
  /** First packets answered; nothing was kept of them. */
  answered: number;
  /** Peers that echoed their cookie. */
  proved: number;
  /** Datagrams that were neither. */
  ignored: number;
  /** Empty datagrams of strangers that were answered, so that clients of a server before its restart notice. */
  disowned: number;
}

/** What an ARQ server with `migration` did with clients that changed their address. */
export interface ArqMoveCounters {
  /** Clients that proved themselves at another address, and go on there. */
  moved: number;
  /** ... that a limit or a list did not let be there. */
  refused: number;
  /** Claims of no session, or that were made before. */
  ignored: number;
}

/** Snapshot of a UDP component since its last start. */
export interface UdpStats {
  /** Connections now. */
  connections: number;
  /** Connections that were let in. */
  opened: number;
  /** Connections that ended. */
  closed: number;
  /** Peers that a hook or a limit refused. */
  refused: number;
  /** Datagrams received, heartbeats and strangers included. */
  datagramsIn: number;
  /** Datagrams handed to the system. */
  datagramsOut: number;
  /** Bytes of all datagrams received. */
  bytesIn: number;
  /** Bytes of all datagrams handed to the system. */
  bytesOut: number;
  /** Calls of `onReceive`. */
  messagesIn: number;
  /** Accepted calls of `send` and its kin. */
  messagesOut: number;
  /** Heartbeats (empty datagrams) received. */
  heartbeatsIn: number;
  /** Heartbeats sent, answers to them included. */
  heartbeatsOut: number;
  /** Close notifies received. */
  closeNotifiesIn: number;
  /** Close notifies sent. */
  closeNotifiesOut: number;
  /** Errors that the system reported while receiving, ICMP errors among them. */
  receiveErrors: number;
  /** Sends that the system refused for another reason than those under `drops`. */
  sendErrors: number;
  /** Bytes that the system has not taken yet. */
  pendingBytes: number;
  /** Datagrams that went nowhere, by reason. */
  drops: UdpDropCounters;
  /** How often each limit and deadline struck. */
  limits: UdpLimitCounters;
  /** Bytes that the system gave to the socket's buffers; 0 when stopped. */
  socketBuffers: { receive: number; send: number };
  /** Only of an ARQ server with `arqCookies`. */
  cookies?: ArqCookieCounters;
  /** ARQ servers with `migration`. */
  moves?: ArqMoveCounters;
}

/** Snapshot of one UDP or ARQ connection. */
export interface UdpConnectionStats extends ConnectionStats {
  /** Datagrams received from this peer. */
  datagramsIn: number;
  /** Datagrams sent to this peer. */
  datagramsOut: number;
  /** Datagrams of this peer dropped because too many waited for the listener. */
  droppedDatagrams: number;
  /** ARQ connections: KCP's counters. */
  kcp?: KcpStats;
}

export function newUdpDrops(): UdpDropCounters {
  return {
    oversize: 0,
    queueFull: 0,
    unknownPeer: 0,
    foreignConversation: 0,
    sendQueueFull: 0,
    noBuffers: 0,
    tooLarge: 0,
  };
}

export function newUdpLimits(): UdpLimitCounters {
  return {
    connections: 0,
    perAddress: 0,
    acceptRate: 0,
    blockedAddresses: 0,
    untrustedProxies: 0,
    preambles: 0,
    heartbeat: 0,
    opening: 0,
    handshakeTimeouts: 0,
  };
}
