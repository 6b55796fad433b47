import type { Component } from '../core/component.ts';
import { $settings } from '../core/internals.ts';
import { type HttpPolicy, type HttpRules, httpRules } from './policy.ts';

const text = 'This port speaks HTTPS: use https:// or wss:// instead of http:// or ws://.\n';

/** What clients get in clear text that speak HTTP where TLS is spoken. */
export const plainHttpAnswer: Buffer = Buffer.from(
  `HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: ${text.length}\r\nConnection: close\r\n\r\n${text}`,
);

/** That answer, if the rules of an HTTPS server let it answer what it refuses. */
export function plainHttpAnswerOf(component: Component): Buffer | null {
  const settings = component[$settings] as unknown as { httpPolicy: HttpPolicy; httpRules: Partial<HttpRules> };
  return httpRules(settings.httpPolicy, settings.httpRules).answersErrors ? plainHttpAnswer : null;
}
