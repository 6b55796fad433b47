/*
 * Names of the members of components that only this library calls. They are symbols that no package path exports, so that
 * a subclass of a component may have any member of its own (`host`, `begin`, `settings`, ...) without replacing one of ours.
 * What a class alone needs is `#private`; what another class or module must reach is named here.
 */
export const $aborted: unique symbol = Symbol('aborted');
export const $admission: unique symbol = Symbol('admission');
export const $admit: unique symbol = Symbol('admit');
export const $arrived: unique symbol = Symbol('arrived');
export const $begin: unique symbol = Symbol('begin');
export const $bindSocket: unique symbol = Symbol('bindSocket');
export const $bindTo: unique symbol = Symbol('bindTo');
export const $checkStop: unique symbol = Symbol('checkStop');
export const $checkTarget: unique symbol = Symbol('checkTarget');
export const $closeAll: unique symbol = Symbol('closeAll');
export const $closing: unique symbol = Symbol('closing');
export const $connectSocket: unique symbol = Symbol('connectSocket');
export const $connected: unique symbol = Symbol('connected');
export const $connectionOf: unique symbol = Symbol('connectionOf');
export const $context: unique symbol = Symbol('context');
export const $cookieFor: unique symbol = Symbol('cookieFor');
export const $createProtocol: unique symbol = Symbol('createProtocol');
export const $failed: unique symbol = Symbol('failed');
export const $host: unique symbol = Symbol('host');
export const $illegalState: unique symbol = Symbol('illegalState');
export const $isStarting: unique symbol = Symbol('isStarting');
export const $isStopped: unique symbol = Symbol('isStopped');
export const $link: unique symbol = Symbol('link');
export const $listener: unique symbol = Symbol('listener');
export const $makeConnection: unique symbol = Symbol('makeConnection');
export const $makeFace: unique symbol = Symbol('makeFace');
export const $nextConnectionId: unique symbol = Symbol('nextConnectionId');
export const $peerAddress: unique symbol = Symbol('peerAddress');
export const $peers: unique symbol = Symbol('peers');
export const $pendingBytesOfAll: unique symbol = Symbol('pendingBytesOfAll');
export const $prepareRun: unique symbol = Symbol('prepareRun');
export const $receivedFrom: unique symbol = Symbol('receivedFrom');
export const $refuse: unique symbol = Symbol('refuse');
export const $refuseFile: unique symbol = Symbol('refuseFile');
export const $refusePeer: unique symbol = Symbol('refusePeer');
export const $released: unique symbol = Symbol('released');
export const $reportHookError: unique symbol = Symbol('reportHookError');
export const $requestSettings: unique symbol = Symbol('requestSettings');
export const $resetTable: unique symbol = Symbol('resetTable');
export const $resolveTarget: unique symbol = Symbol('resolveTarget');
export const $security: unique symbol = Symbol('security');
export const $sendLimit: unique symbol = Symbol('sendLimit');
export const $settings: unique symbol = Symbol('settings');
export const $shownHead: unique symbol = Symbol('shownHead');
export const $startEnded: unique symbol = Symbol('startEnded');
export const $startFailed: unique symbol = Symbol('startFailed');
export const $startRules: unique symbol = Symbol('startRules');
export const $table: unique symbol = Symbol('table');
export const $takePending: unique symbol = Symbol('takePending');
export const $transition: unique symbol = Symbol('transition');
export const $unknownId: unique symbol = Symbol('unknownId');
export const $unknownPeer: unique symbol = Symbol('unknownPeer');
export const $wheel: unique symbol = Symbol('wheel');
