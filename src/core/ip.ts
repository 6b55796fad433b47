/** An octet of a dotted address: no leading zeros, which some systems read as octal. */
const OCTET = '(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])';
const IPV4 = new RegExp(`^(?:${OCTET}\\.){3}${OCTET}$`);
const ZONE = /^[0-9a-zA-Z\-.:]+$/;
const GROUP = /^[0-9a-fA-F]{1,4}$/;

/** Whether `text` is an IPv4 address in four decimal parts. */
export function isIPv4(text: string): boolean {
  return IPV4.test(text);
}

/** Whether `text` is an IPv6 address (RFC 4291 2.2), with or without a zone (`fe80::1%eth0`). */
export function isIPv6(text: string): boolean {
  const at = text.indexOf('%');
  if (at >= 0 && !ZONE.test(text.slice(at + 1))) return false;
  const address = at < 0 ? text : text.slice(0, at);
  const halves = address.split('::');
  if (halves.length > 2) return false;
  const groups = halves.flatMap((half) => (half === '' ? [] : half.split(':')));
  let count = groups.length;
  // The last 32 bits may be written as an IPv4 address, if they stand at the very end.
  if (groups.length > 0 && address.endsWith(groups.at(-1)!) && isIPv4(groups.at(-1)!)) {
    groups.pop();
    count++;
  }
  if (!groups.every((group) => GROUP.test(group))) return false;
  return halves.length === 2 ? count <= 7 : count === 8;
}

/** 4, 6, or 0 for what is no IP address; as `net.isIP`, for rooms that do not import `node:net`. */
export function isIP(text: string): 0 | 4 | 6 {
  if (isIPv4(text)) return 4;
  return isIPv6(text) ? 6 : 0;
}
