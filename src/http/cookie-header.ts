/**
 * Pairs of `Cookie` fields (HP-038): split at `;`, blanks around names and values dropped, pairs without `=` or without a name
 * ignored, later ones in the place of earlier ones.
 */
export function parseCookieHeader(values: readonly string[]): Map<string, string> {
  const cookies = new Map<string, string>();
  for (const value of values) {
    for (const pair of value.split(';')) {
      const equals = pair.indexOf('=');
      const name = pair.slice(0, Math.max(0, equals)).trim();
      if (name !== '') cookies.set(name, pair.slice(equals + 1).trim());
    }
  }
  return cookies;
}
