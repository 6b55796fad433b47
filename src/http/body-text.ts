/** The parameter `charset` of a media type, with or without quotes. */
const charset = /;\s*charset\s*=\s*"?([^\s;"]+)/i;

/** Bytes as text, in the charset that their `Content-Type` names; in UTF-8 if it names none, or none that is known. */
export function textOf(bytes: Buffer, contentType: string | undefined): string {
  const name = contentType === undefined ? undefined : charset.exec(contentType)?.[1];
  if (name === undefined || /^utf-?8$/i.test(name)) return bytes.toString('utf8');
  try {
    return new TextDecoder(name).decode(bytes);
  } catch {
    return bytes.toString('utf8');
  }
}
