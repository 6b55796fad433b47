import { llhttp } from './llhttp.ts';
import { Parser, type REQUEST, type RESPONSE } from './parser.ts';

/** Most parsers of one kind that wait to be taken. */
const MAX_SPARE = 16;
const spares = new Map<number, Parser[]>();

/**
 * A parser at the beginning of a message. Connections have one only while a head or chunks arrive: most are idle most of the time.
 */
export function takeParser(type: typeof REQUEST | typeof RESPONSE, lenient: number): Parser {
  const spare = spares.get(keyOf(type, lenient))?.pop();
  if (spare === undefined) return new Parser(llhttp(), type, lenient);
  llhttp().parserCount++;
  return spare;
}

/** Gives a parser back that `takeParser` lent. */
export function giveParser(parser: Parser, type: typeof REQUEST | typeof RESPONSE, lenient: number): void {
  const key = keyOf(type, lenient);
  let waiting = spares.get(key);
  if (waiting === undefined) {
    waiting = [];
    spares.set(key, waiting);
  }
  if (waiting.length >= MAX_SPARE) return parser.free();
  parser.reset();
  llhttp().parserCount--;
  waiting.push(parser);
}

function keyOf(type: number, lenient: number): number {
  return lenient * 4 + type;
}
