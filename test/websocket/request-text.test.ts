import { expect, it } from 'vitest';
import { RequestText, wholeHead } from '../../src/websocket/request-text.ts';

function head(key: string, path = '/a'): string {
  return `GET ${path} HTTP/1.1\r\nHost: h\r\nsec-websocket-KEY: \t${key}\r\nUser-Agent: test\r\n\r\n`;
}

it('gives back the head of each request as it came, whether another one was like it or not', () => {
  const keys = ['dGhlIHNhbXBsZSBub25jZQ==', 'x3JJHMbDL1EzLkh9GBhXDw==', 'AAAAAAAAAAAAAAAAAAAAAA=='];
  const texts = [...keys.map((key) => head(key)), ...keys.map((key) => head(key, '/b')), head(keys[0]!, '/longer')];
  const requests = texts.map((text) => new RequestText(text, text.indexOf('\t') + 1));
  expect(requests.map(({ shared, key }) => wholeHead(shared, key))).toEqual(texts);
});
