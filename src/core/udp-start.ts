import { isIP } from 'node:net';
import type { UdpSocketOptions } from '../transport/udp-socket.ts';
import { type Component, isSignalAborted, isThenable } from './component.ts';
import { HandleResult, ReuseAddressPolicy, SocketErrorCode } from './enums.ts';
import { Errno, errnoOf } from './errno.ts';
import { describeSystemError, SocketError } from './errors.ts';
import type { UdpSocketProperties } from './udp-properties.ts';

/** The error of `start` for an argument that makes no sense. */
export function invalidParam(message: string): SocketError {
  return new SocketError({ code: SocketErrorCode.InvalidParam, errno: Errno.EINVAL, operation: 'start', message });
}

/** Family of a numeric own address, '' for any. @throws SocketError (SocketCreate, EADDRNOTAVAIL) if it is no IP address. */
export function ownFamily(address: string): 'udp4' | 'udp6' | '' {
  if (address === '') return '';
  const family = isIP(address);
  if (family !== 0) return family === 6 ? 'udp6' : 'udp4';
  throw new SocketError({
    code: SocketErrorCode.SocketCreate,
    errno: Errno.EADDRNOTAVAIL,
    operation: 'start',
    message: `cannot bind to ${JSON.stringify(address)}: it is no IP address; give one of this machine's, 0.0.0.0, or ::`,
  });
}

/** How the socket of a component is made. Sharing an address is asked for by `isShared`, or by the policy (CS-025). */
export function socketOptions(
  component: UdpSocketProperties & { reuseAddressPolicy: ReuseAddressPolicy },
  type: 'udp4' | 'udp6',
  isFast: boolean,
  ipv6Only: boolean,
  isShared: boolean,
): UdpSocketOptions {
  const { reuseAddressPolicy: policy, recvBufferBytes, sendBufferBytes } = component;
  const sharesAll = policy === ReuseAddressPolicy.AddrAndPort;
  return {
    type,
    ipv6Only: ipv6Only && type === 'udp6',
    reuseAddr: sharesAll || (isShared && policy !== ReuseAddressPolicy.None),
    reusePort: sharesAll && hasReusePort(),
    recvBufferBytes,
    sendBufferBytes,
    isFast,
  };
}

/** `reusePort` came with Node 23.1; before, the option is not known, and macOS and Windows lack it. */
function hasReusePort(): boolean {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  return (major > 23 || (major === 23 && minor >= 1)) && process.platform !== 'win32' && process.platform !== 'darwin';
}

/** HP-Socket's component error for what `bind` reported. */
export function bindError(cause: unknown, address: string, port: number): SocketError {
  const name = (cause as NodeJS.ErrnoException).code;
  const isNoSocket = name === 'EMFILE' || name === 'ENFILE' || name === 'EAFNOSUPPORT';
  const errno = errnoOf(cause);
  return new SocketError({
    code: isNoSocket ? SocketErrorCode.SocketCreate : SocketErrorCode.SocketBind,
    errno,
    operation: 'start',
    message: describeSystemError(`cannot bind to UDP ${address}:${port}`, errno, cause),
    cause,
  });
}

/** Calls a hook that may cancel a start; returns the error of it, or null (EV-S-01, EV-C-01, EV-N-01). */
export async function callPrepare(
  component: Component,
  listener: object,
  hook: 'onPrepareListen' | 'onPrepareConnect',
  call: () => unknown,
): Promise<SocketError | null> {
  const refused = (what: string, cause?: unknown): SocketError =>
    new SocketError({
      code: SocketErrorCode.SocketPrepare,
      errno: Errno.ECANCELED,
      operation: 'start',
      message: `start failed because the hook ${hook} ${what}`,
      cause,
    });
  try {
    let result = call();
    if (isThenable(result)) result = await result;
    return result === HandleResult.Error ? refused('answered HandleResult.Error') : null;
  } catch (thrown) {
    component.reportHookError(listener, hook, thrown, 0, true);
    return refused('failed', thrown);
  }
}

/** The error of a start that `stop` overtook. */
export function startCancelled(component: Component): SocketError {
  return component.failed({
    code: SocketErrorCode.IllegalState,
    errno: Errno.ECANCELED,
    operation: 'start',
    message: 'start was cancelled because stop() was called before it was done',
  });
}

/** Calls `stop` when `signal` is aborted while the present run lasts. */
export function stopOnAbort(component: Component, signal: AbortSignal | undefined): void {
  if (signal === undefined) return;
  const stop = (): void => {
    if (component.hasStarted) component.stop().catch(() => {});
  };
  if (isSignalAborted(signal)) return stop();
  signal.addEventListener('abort', stop, { once: true });
  component.wait().then(() => signal.removeEventListener('abort', stop));
}

/** Checks that a listener is one. */
export function checkListener(listener: unknown): void {
  if (typeof listener === 'object' && listener !== null) return;
  throw new TypeError(
    'the listener must be an object with hooks such as onReceive, or an instance of a listener class',
  );
}
