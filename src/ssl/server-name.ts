/** A host name as SNI has it: `example.com` also for `example.com.`, which only DNS knows the difference of (RFC 6066, 3). */
export function withoutRootDot(name: string): string {
  return name.endsWith('.') ? name.slice(0, -1) : name;
}
