/** The HP-Socket whose behaviour this library has: 5.8.3, build 2. */
const HP_SOCKET_VERSION = 0x05080302;

/** Version of this package. A test keeps it equal to package.json. */
const PACKAGE_VERSION = '0.1.0';

/**
 * The version of HP-Socket whose behaviour this library has, as `HP_GetHPSocketVersion` gives it (SYS-001): 0x05080302 is 5.8.3,
 * build 2.
 */
export function getHPSocketVersion(): number {
  return HP_SOCKET_VERSION;
}

/** The version of this package, such as `'0.1.0'`. */
export function getVersion(): string {
  return PACKAGE_VERSION;
}
