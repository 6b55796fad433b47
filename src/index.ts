/** Every socket component. The subpaths load less: `hp-socket/tcp`, `/ssl`, `/udp`, `/arq`. */

export * from './arq.ts';
export * from './forward.ts';
export * from './ssl.ts';
export * from './tcp.ts';
export * from './udp.ts';
