import { describe } from '../core/describe.ts';
import { checkOptions, type ForeignNames, type OptionRule, type OptionRules } from '../core/option-names.ts';
import { custom, flag, integer } from '../core/properties.ts';
import { materialRules, text, tlsVersion } from '../core/tls-rules.ts';
import type { AnyContextOptions, SSLWatchOptions } from './options.ts';

// Which options a context takes: what would be ignored is an error. That depends on whose context it is, since servers ask
// for certificates of clients, agents and clients check those of servers, and the first context of a server decides for all.

/** Whose context it is: the first one of a server, a further one, or that of an agent or client. */
export type ContextPlace = 'server' | 'name' | 'client';

const callback = custom(undefined, (name, value) => {
  if (typeof value !== 'function') throw new TypeError(`${name} must be a function, not ${describe(value)}`);
});
const texts = custom(undefined, (name, value) => {
  if (!Array.isArray(value) || !value.every((each) => typeof each === 'string'))
    throw new TypeError(`${name} must be an array of strings`);
});
const keys = custom(undefined, (name, value) => {
  if (!(value instanceof Uint8Array) || value.length !== 48)
    throw new RangeError(`${name} must be a Buffer of 48 bytes`);
});
const watchRules = { intervalMs: integer(1000, 1, 0x7fffffff), onReload: callback } satisfies Record<
  keyof SSLWatchOptions,
  OptionRule
>;
const watch = custom(false, (name, value) => {
  if (typeof value !== 'boolean') checkOptions(name, value, watchRules, { interval: 'intervalMs' });
});

const material = { ...materialRules, watch, verifyMode: integer(0, 0, 7) };
const versions = { minVersion: tlsVersion, maxVersion: tlsVersion, alpnProtocols: texts };
const fromClients = { requestClientCertificate: flag(false), requireClientCertificate: flag(false), ticketKeys: keys };

const known = {
  server: {
    ...material,
    ...versions,
    ...fromClients,
    sniCallback: callback,
    sessionTimeout: integer(300, 0, 0x7fffffff),
  },
  name: { ...material, ...fromClients },
  client: { ...material, ...versions, verifyServer: flag(true), verifyHost: flag(true), serverName: text },
} satisfies Record<ContextPlace, OptionRules>;

/** Every option that is documented is known somewhere. */
type AreAllKnown = keyof AnyContextOptions extends keyof typeof known.server | keyof typeof known.client ? true : never;
const areAllKnown: AreAllKnown = true;
void areAllKnown;

/** Node's names, for all places. */
const ofNode: ForeignNames = {
  passphrase: 'keyPassword',
  pfx: 'give cert and key as PEM texts, which openssl pkcs12 -in file.pfx -nodes writes',
  crl: 'revocation lists are PEM texts behind the certificates in ca, or in the file of caFileOrPath',
  ciphers: 'the suites are the property sslCipherList, set before the context',
  secureProtocol: 'minVersion and maxVersion bound the version of the protocol',
  handshakeTimeout: 'it is the property handshakeTimeoutMs of the component',
  names:
    'names belong to contexts in a list that a server is constructed with as ssl; else bindSSLServerName binds them',
};

const clientsAlone =
  'only agents and clients have it: servers ask by requestClientCertificate or requireClientCertificate';
const serversAlone = 'only servers have it: agents and clients check the server by verifyServer and verifyHost';
const firstAlone = 'only the first context of a server has it, for all names';

const foreign: Record<ContextPlace, ForeignNames> = {
  server: {
    ...ofNode,
    ALPNProtocols: 'alpnProtocols',
    SNICallback: 'sniCallback',
    requestCert: 'requestClientCertificate',
    rejectUnauthorized:
      'requireClientCertificate refuses clients without a certificate; one that is sent must verify anyway',
    servername:
      'only agents and clients ask for a name; bindSSLServerName says which ones a context of a server serves',
    serverName:
      'only agents and clients ask for a name; bindSSLServerName says which ones a context of a server serves',
    verifyServer: clientsAlone,
    verifyHost: clientsAlone,
    checkServerIdentity: clientsAlone,
  },
  name: {
    ...ofNode,
    requestCert: 'requestClientCertificate',
    rejectUnauthorized:
      'requireClientCertificate refuses clients without a certificate; one that is sent must verify anyway',
    minVersion: firstAlone,
    maxVersion: firstAlone,
    alpnProtocols: firstAlone,
    ALPNProtocols: firstAlone,
    sniCallback: firstAlone,
    SNICallback: firstAlone,
    sessionTimeout: firstAlone,
    servername: 'bindSSLServerName says which names a context serves',
    serverName: 'bindSSLServerName says which names a context serves',
    verifyServer: clientsAlone,
    verifyHost: clientsAlone,
  },
  client: {
    ...ofNode,
    ALPNProtocols: 'alpnProtocols',
    servername: 'serverName',
    host: 'serverName',
    rejectUnauthorized: 'verifyServer',
    checkServerIdentity: 'verifyHost says whether the certificate must name the host',
    requestCert: serversAlone,
    requestClientCertificate: serversAlone,
    requireClientCertificate: serversAlone,
    sniCallback: serversAlone,
    SNICallback: serversAlone,
    ticketKeys: 'only servers have it: agents and clients resume sessions by themselves',
    sessionTimeout: 'only servers have it: agents and clients resume sessions by themselves',
  },
};

/**
 * The options of a context without those that are undefined.
 * @throws TypeError, RangeError for names and values that such a context does not take.
 */
export function checkContextOptions(what: string, options: unknown, place: ContextPlace): AnyContextOptions {
  checkOptions(what, options, known[place], foreign[place]);
  return Object.fromEntries(Object.entries(options as object).filter(([, value]) => value !== undefined));
}

/**
 * The contexts of the constructor's option `ssl`, the first one first.
 * @throws TypeError, RangeError as `checkContextOptions`, and for contexts that nothing could lead to.
 */
export function contextsOfOption(
  ssl: unknown,
  isServer: boolean,
): { options: AnyContextOptions; names: readonly string[] }[] {
  if (!isServer) return [{ options: checkContextOptions('ssl', ssl, 'client'), names: [] }];
  if (!Array.isArray(ssl)) return [namedContext('ssl', ssl, 'server')];
  if (ssl.length === 0) throw new RangeError('ssl must name a context at least');
  const contexts = ssl.map((each, index) => namedContext(`ssl[${index}]`, each, index === 0 ? 'server' : 'name'));
  const hasCallback = contexts[0]!.options.sniCallback !== undefined;
  for (const [index, { names }] of contexts.entries()) {
    if (index > 0 && names.length === 0 && !hasCallback)
      throw new TypeError(
        `ssl[${index}] must have names, or the first context a sniCallback: nothing would lead to it`,
      );
  }
  return contexts;
}

function namedContext(
  what: string,
  context: unknown,
  place: ContextPlace,
): ReturnType<typeof contextsOfOption>[number] {
  if (typeof context !== 'object' || context === null) checkContextOptions(what, context, place);
  const { names = [], ...options } = context as { names?: unknown };
  texts.check(`names of ${what}`, names);
  return { options: checkContextOptions(what, options, place), names: names as string[] };
}
