import { HttpUrlField } from './enums.ts';

/** Parts of a request target, by `HttpUrlField`; an absent one is empty and not in `set`. */
export interface UrlFields {
  readonly fields: readonly string[];
  /** Bits `1 << field` of those that are there. */
  readonly set: number;
}

/** scheme://[userinfo@]host[:port][rest], with an IPv6 address in brackets. */
const absolute = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/(?:([^@/?#]*)@)?(\[[^\]/?#]*\]|[^:/?#[\]]*)(?::([^/?#]*))?(.*)$/;
const authority = /^(?:([^@/?#]*)@)?(\[[^\]/?#]*\]|[^:/?#[\]]+):([0-9]+)$/;
const pathQueryFragment = /^([^?#]*)(\?[^#]*)?(#.*)?$/;

/**
 * Splits a request target into its parts, without decoding anything (HP-013, HP-014).
 * @returns Null if it is none that can be split: a byte that is not ASCII (HP-012), or a bad port.
 */
export function splitTarget(target: string, isConnect: boolean): UrlFields | null {
  const fields = ['', '', '', '', '', '', ''];
  let set = 0;
  const put = (field: HttpUrlField, value: string | undefined): void => {
    if (value === undefined) return;
    fields[field] = value;
    set |= 1 << field;
  };
  if (!isPrintableAscii(target)) return null;
  let rest = target;
  const match = isConnect ? authority.exec(target) : absolute.exec(target);
  if (match !== null) {
    const at = isConnect ? 0 : 1;
    if (!isConnect) put(HttpUrlField.Schema, match[1]);
    put(HttpUrlField.UserInfo, match[at + 1]);
    put(HttpUrlField.Host, withoutBrackets(match[at + 2]!));
    put(HttpUrlField.Port, match[at + 3]);
    rest = isConnect ? '' : match[5]!;
    const port = fields[HttpUrlField.Port]!;
    if (port !== '' && !(/^[0-9]+$/.test(port) && Number(port) <= 65_535)) return null;
  } else if (isConnect || !(target.startsWith('/') || target.startsWith('*'))) {
    return null;
  }
  const [, path, query, fragment] = pathQueryFragment.exec(rest)!;
  if (path !== '') put(HttpUrlField.Path, path);
  put(HttpUrlField.QueryString, query?.slice(1));
  put(HttpUrlField.Fragment, fragment?.slice(1));
  return { fields, set };
}

function withoutBrackets(host: string): string {
  return host.startsWith('[') ? host.slice(1, -1) : host;
}

/** Whether every character is one of 0x21 to 0x7e. */
export function isPrintableAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x21 || code > 0x7e) return false;
  }
  return true;
}
