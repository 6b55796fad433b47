// Which items of HP-Socket's behaviour are shown, and by which test.
//
//   node scripts/conformance.mjs           writes docs/conformance.md
//   node scripts/conformance.mjs --check   fails for items that neither a test nor docs/differences.md names
//
// scripts/conformance/items.json lists the items, each with an ID such as TCP-S-001. A test shows one by naming it, or a range
// such as "TCP-S-001 to TCP-S-004", in its title, or in a comment in it or above it.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (path) => readFileSync(join(root, path), 'utf8');
const items = JSON.parse(read('scripts/conformance/items.json'));

const ID = '[A-Z][A-Z0-9]*(?:-[A-Z0-9]+)*-\\d{2,3}';
const longestTitle = 110;

/** Every ID that `text` names, ranges written out, with where. */
function idsIn(text) {
  const found = [];
  for (const match of text.matchAll(new RegExp(`\\b(${ID})(?:\\s+to\\s+(${ID}))?\\b`, 'g'))) {
    const [, first, last] = match;
    const [, family, from] = /^(.*)-(\d+)$/.exec(first);
    const to = last !== undefined && familyOf(last) === family ? Number(/\d+$/.exec(last)[0]) : Number(from);
    for (let number = Number(from); number <= Math.max(to, Number(from)); number++) {
      const id = `${family}-${String(number).padStart(from.length, '0')}`;
      if (Object.hasOwn(items, id)) found.push({ id, at: match.index });
    }
    if (last !== undefined && familyOf(last) !== family && Object.hasOwn(items, last)) {
      found.push({ id: last, at: match.index });
    }
  }
  return found;
}

function familyOf(id) {
  return id.replace(/-\d+$/, '');
}

function* filesBelow(folder, ending) {
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) yield* filesBelow(path, ending);
    else if (entry.name.endsWith(ending)) yield path;
  }
}

/** The tests of a file: where each begins, with the comments above it, and ends, and its title. */
function testsOf(text, path) {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const tests = [];
  const visit = (node) => {
    if (ts.isCallExpression(node) && ts.isExpressionStatement(node.parent)) {
      const kind = /^(test|it|describe)\b/.exec(node.expression.getText(source))?.[1];
      const title = node.arguments[0];
      if (kind !== undefined && title !== undefined && ts.isStringLiteralLike(title)) {
        tests.push({ kind, title: title.text, from: node.parent.getFullStart(), to: node.parent.getEnd() });
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return tests;
}

/** For each ID, the tests that name it: a title of its own before a comment, a test before a whole suite. */
function findTests() {
  const shown = new Map();
  for (const path of filesBelow('test', '.ts')) {
    const text = read(path);
    const found = idsIn(text);
    if (found.length === 0) continue;
    const tests = testsOf(text, path);
    for (const { id, at } of found) {
      let best = null;
      for (const test of tests) {
        const isInside = test.from <= at && at < test.to;
        if (isInside && (best === null || test.to - test.from < best.to - best.from)) best = test;
      }
      const entry = { path, title: best?.title ?? '', rank: best === null ? 2 : best.kind === 'describe' ? 1 : 0 };
      const all = shown.get(id) ?? [];
      if (!all.some((other) => other.path === path && other.title === entry.title)) all.push(entry);
      shown.set(id, all);
    }
  }
  for (const all of shown.values()) all.sort((a, b) => a.rank - b.rank);
  return shown;
}

/** Words of the sources: a name of HP-Socket is shown in TypeScript's dress if it stands among them. */
function wordsOfSources() {
  const words = new Set();
  for (const path of filesBelow('src', '.ts')) {
    if (basename(path) !== 'items.ts')
      for (const [word] of read(path).matchAll(/\b[a-z][A-Za-z0-9]+\b/g)) words.add(word);
  }
  return words;
}

function namesHere(title, words) {
  const names = [];
  for (const { 0: word, index } of title.matchAll(/\b(?:HP_|SYS_)?[A-Z][A-Za-z0-9]*(?:_[A-Z][A-Za-z0-9]*)*\b/g)) {
    // Prose begins with a capital too: a single word is a name if it is called.
    if (!/[a-z][A-Z]|_/.test(word) && title[index + word.length] !== '(') break;
    const plain = word
      .replace(/^(HP|SYS)_/, '')
      .replace(/^SSO_/, 'Sso')
      .replaceAll('_', '');
    const lower = plain.replace(/^[A-Z]+(?=[A-Z][a-z])|^[A-Z]/, (start) => start.toLowerCase());
    const property = lower.replace(/^(set|get|is)(?=[A-Z])/, '');
    const asProperty = property.replace(/^[A-Z]+(?=[A-Z][a-z])|^[A-Z]/, (start) => start.toLowerCase());
    const isTerm = /^[A-Z][a-z]/.test(word) || /^(HP|SYS)_/.test(word);
    const candidates = /^Set[A-Z]/.test(word) ? [asProperty, lower] : [lower, asProperty];
    const name = isTerm ? candidates.find((candidate) => candidate.length > 3 && words.has(candidate)) : undefined;
    if (name !== undefined && !names.includes(name)) names.push(name);
    // Only tables of functions, methods and hooks have their name first.
    if (names.length === 0) break;
  }
  return names.slice(0, 2);
}

const shown = findTests();
const explained = new Set(idsIn(read('docs/differences.md')).map(({ id }) => id));
const isCovered = (id) => shown.has(id) || explained.has(id);
const families = new Map();
for (const id of Object.keys(items)) {
  const family = familyOf(id);
  families.set(family, [...(families.get(family) ?? []), id]);
}

if (process.argv.includes('--check')) check();
else write();

function check() {
  const all = Object.keys(items);
  const missing = all.filter((id) => !isCovered(id));
  for (const id of missing) {
    console.error(`${id} (${items[id]}): no test names it, and docs/differences.md gives no reason`);
  }
  console.log(`${all.length - missing.length} of ${all.length} items are shown or explained`);
  process.exitCode = missing.length === 0 ? 0 : 1;
}

function write() {
  const words = wordsOfSources();
  const lines = [
    '# Conformance',
    '',
    'Every item of HP-Socket’s behaviour that this library is measured by, and the test that shows it. Made by',
    '`npm run conformance`; do not edit. "Here" is the name in this library, where there is one of its own. An item that differs is explained in',
    '[differences.md](differences.md).',
    '',
    '| family | shown by tests | explained only |',
    '|---|---|---|',
  ];
  for (const [family, ids] of families) {
    const byTest = ids.filter((id) => shown.has(id)).length;
    const byReason = ids.filter((id) => !shown.has(id) && explained.has(id)).length;
    lines.push(`| ${family} | ${byTest} | ${byReason} |`);
  }
  for (const [family, ids] of families) {
    lines.push('', `## ${family}`, '', '| ID | HP-Socket | here | shown by |', '|---|---|---|---|');
    for (const id of ids) {
      const names = namesHere(items[id], words).map((name) => `\`${name}\``);
      lines.push(`| ${id} | ${cell(items[id])} | ${names.join(', ')} | ${evidence(id)} |`);
    }
  }
  writeFileSync(join(root, 'docs/conformance.md'), `${lines.join('\n')}\n`);
  console.log(
    `docs/conformance.md: ${Object.keys(items).filter(isCovered).length} of ${Object.keys(items).length} items`,
  );
}

function evidence(id) {
  const parts = [];
  const [first, ...more] = shown.get(id) ?? [];
  if (first !== undefined) {
    const title = first.title.length > longestTitle ? `${first.title.slice(0, longestTitle - 3)}...` : first.title;
    parts.push(`\`${first.path.replace(/^test\//, '')}\`${title === '' ? '' : `: ${cell(title)}`}`);
    if (more.length > 0) parts.push(`and ${more.length} more`);
  }
  if (explained.has(id)) parts.push('[differences](differences.md)');
  return parts.length > 0 ? parts.join('; ') : '**missing**';
}

function cell(text) {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;').replace(/\s+/g, ' ');
}
