import { Authority } from '../test/tools/certificates.ts';

let made: Promise<{ cert: string; key: string; ca: string }> | undefined;

/** A certificate for `localhost` and 127.0.0.1 and the authority behind it, made once per run: nothing expires. */
export function testCertificate(): Promise<{ cert: string; key: string; ca: string }> {
  made ??= Authority.make('hp-socket demonstration').then(async (authority) => ({
    ...(await authority.sign()),
    ca: authority.ca,
  }));
  return made;
}
