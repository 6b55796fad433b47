// What every subpath exports: errors, enumerations, and the types that components of all families have in common.

export type { SocketAddress } from './core/address.ts';
export type { CloseInfo, EndedBy } from './core/close-info.ts';
export type { ComplexSocketProperties } from './core/complex-socket.ts';
export type { AbortOptions, Component } from './core/component.ts';
export { Connection, type DisconnectOptions } from './core/connection.ts';
export {
  CastMode,
  FetchResult,
  getSocketErrorDesc,
  HandleResult,
  handleResultNumber,
  IPAddrType,
  OnSendSyncPolicy,
  ReuseAddressPolicy,
  SendPolicy,
  ServiceState,
  SocketErrorCode,
  SocketOperation,
  SSLSessionInfo,
  SSLVerifyMode,
} from './core/enums.ts';
export { Errno, errnoName } from './core/errno.ts';
export type { OwnErrorName, SocketErrorName, SystemErrorName } from './core/error-names.ts';
export { SocketError, type SocketErrorInit } from './core/errors.ts';
export type { CommonHooks, ConnId, HookResult } from './core/listener.ts';
export type { OptionsOf } from './core/properties.ts';
export type { SingleSocketProperties } from './core/single-socket.ts';
export type { ComponentStats, ConnectionStats, LimitCounters, StopReport } from './core/stats.ts';
export type { StopOptions } from './core/stop-options.ts';
export type { Sendable } from './memory/sendable.ts';
export type { AddressList } from './transport/address-list.ts';
