import { describe } from './describe.ts';
import { custom, oneOf } from './properties.ts';

// Rules for options about TLS that are wherever this end shows a certificate, or checks one.

/** A string. */
export const text = custom('', (name, value) => {
  if (typeof value !== 'string') throw new TypeError(`${name} must be a string`);
});

/** PEM text. */
export const pem = custom('', (name, value) => {
  if (typeof value !== 'string' && !(value instanceof Uint8Array))
    throw new TypeError(`${name} must be PEM text: a string or a Buffer, not ${describe(value)}`);
});

/** PEM text, or several. */
export const pems = custom('', (name, value) => {
  for (const each of Array.isArray(value) ? value : [value]) pem.check(name, each);
});

/** A version of the protocol. */
export const tlsVersion = oneOf('TLSv1.2', ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3']);

/** Certificate, key and authorities. */
export const materialRules = {
  cert: pem,
  key: pem,
  ca: pems,
  certFile: text,
  keyFile: text,
  caFileOrPath: text,
  keyPassword: text,
};
