/**
 * The comment of each option tells its default and its bounds. The truth is in the tables of src/: objects that are
 * `satisfies TableOf<Interface>` or `satisfies Record<keyof Interface, OptionRule>`, or that `defineProperties` gets.
 * Bounds of 0, 0x7fffffff and MAX_SAFE_INTEGER need not be named. What does nothing (`@deprecated`) is passed over.
 */
import { join, relative } from 'node:path';
import ts from 'typescript';

const self = 'scripts/option-comments.mjs';
const unnamedBounds = new Set([0, 0x7fffffff, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]);
const binaryUnits = [
  ['KiB', 1024],
  ['MiB', 1024 ** 2],
  ['GiB', 1024 ** 3],
];
const contextTables = ['src/ssl/context-options.ts', 'src/core/tls-rules.ts'];

/** How prose may write a number. */
function spellings(number) {
  const all = [String(number), number.toLocaleString('en')];
  for (const [unit, size] of binaryUnits) if (number !== 0 && number % size === 0) all.push(`${number / size} ${unit}`);
  for (const power of [30, 32]) {
    if (number === 2 ** power) all.push(`2^${power}`);
    if (number === 2 ** power - 1) all.push(`2^${power}-1`);
  }
  return all;
}

const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
/** The word itself: no part of a longer number or name, and no number of KiB if it is one of bytes. */
const hasWord = (text, word) =>
  new RegExp(`(?<![\\w^-]|\\d[.,])${escaped(word)}(?![\\w^]|[.,]\\d|(?<=\\d) [KMG]iB)`, 'i').test(text);
const names = (text, value) =>
  (typeof value === 'number' ? spellings(value) : [String(value)]).some((word) => hasWord(text, word));

/** Problems, one text for each, and how many options were looked at. */
export function checkOptionComments(root) {
  const config = ts.readConfigFile(join(root, 'tsconfig.build.json'), ts.sys.readFile);
  const { fileNames, options } = ts.parseJsonConfigFileContent(config.config, ts.sys, root);
  const program = ts.createProgram(fileNames, options);
  const checker = program.getTypeChecker();
  const src = join(root, 'src');
  const problems = new Set();
  const seen = new Set();

  /** What an identifier or a member stands for, through imports. */
  function initializerOf(node) {
    let symbol = ts.isShorthandPropertyAssignment(node)
      ? checker.getShorthandAssignmentValueSymbol(node)
      : checker.getSymbolAtLocation(ts.isPropertyAccessExpression(node) ? node.name : node);
    if (symbol !== undefined && symbol.flags & ts.SymbolFlags.Alias) symbol = checker.getAliasedSymbol(symbol);
    return symbol?.valueDeclaration?.initializer;
  }

  /** The value of a constant expression, or undefined if it is none. */
  function constant(node) {
    if (node === undefined) return undefined;
    if (ts.isNumericLiteral(node)) return Number(node.text.replaceAll('_', ''));
    if (ts.isStringLiteral(node)) return node.text;
    if (node.kind === ts.SyntaxKind.TrueKeyword) return true;
    if (node.kind === ts.SyntaxKind.FalseKeyword) return false;
    if (node.kind === ts.SyntaxKind.NullKeyword) return null;
    if (ts.isParenthesizedExpression(node) || ts.isAsExpression(node)) return constant(node.expression);
    if (ts.isPrefixUnaryExpression(node) && node.operator === ts.SyntaxKind.MinusToken) return -constant(node.operand);
    if (ts.isBinaryExpression(node)) {
      const [a, b] = [constant(node.left), constant(node.right)];
      if (typeof a !== 'number' || typeof b !== 'number') return undefined;
      const { kind } = node.operatorToken;
      if (kind === ts.SyntaxKind.AsteriskToken) return a * b;
      if (kind === ts.SyntaxKind.AsteriskAsteriskToken) return a ** b;
      if (kind === ts.SyntaxKind.PlusToken) return a + b;
      if (kind === ts.SyntaxKind.MinusToken) return a - b;
      return undefined;
    }
    const text = node.getText();
    if (text.startsWith('Number.M')) return Number[node.name.text];
    // `SendPolicy.Pack`: comments name the member.
    if (ts.isPropertyAccessExpression(node) && /^[A-Z]\w*\.[A-Z]/.test(text)) return node.name.text;
    if (ts.isIdentifier(node) || ts.isPropertyAccessExpression(node)) return constant(initializerOf(node));
    return undefined;
  }

  /** The rule that a member of a table has: default, min, max; undefined for `true` and what is no rule of properties.ts. */
  function ruleOf(node) {
    if (node === undefined) return undefined;
    if (ts.isIdentifier(node) && node.text === 'duration') return { kind: 'duration', default: 0, bounds: [] };
    if (ts.isIdentifier(node) || ts.isPropertyAccessExpression(node)) return ruleOf(initializerOf(node));
    if (ts.isObjectLiteralExpression(node)) {
      // { ...rule, isOptionOnly: true }
      const spread = node.properties.find(ts.isSpreadAssignment);
      return spread && ruleOf(spread.expression);
    }
    if (!ts.isCallExpression(node) || !ts.isIdentifier(node.expression)) return undefined;
    const kind = node.expression.text;
    if (!['integer', 'flag', 'oneOf', 'custom'].includes(kind)) return undefined;
    const [value, min, max] = node.arguments;
    const bounds = kind === 'integer' ? [constant(min), constant(max)] : [];
    for (const bound of kind === 'integer' ? [min, max] : []) {
      if (bound !== undefined && bound.getText() !== 'undefined' && constant(bound) === undefined)
        problems.add(`${relative(root, bound.getSourceFile().fileName)}: ${bound.getText()}: no constant; see ${self}`);
    }
    return {
      kind,
      default: constant(value),
      bounds: bounds.filter((bound) => bound !== undefined && !unnamedBounds.has(bound)),
    };
  }

  function checkMember(member, rule, hasDefault) {
    const declaration = member.declarations?.find((each) => each.getSourceFile().fileName.startsWith(src));
    if (declaration === undefined) return;
    if (member.getJsDocTags().some(({ name }) => name === 'deprecated' || name === 'internal')) return;
    seen.add(declaration);
    const text = ts.displayPartsToString(member.getDocumentationComment(checker)).replaceAll(/\s+/g, ' ');
    const { line } = declaration.getSourceFile().getLineAndCharacterOfPosition(declaration.getStart());
    const where = `src/${relative(src, declaration.getSourceFile().fileName)}:${line + 1}: ${member.name}`;
    for (const bound of rule.bounds) {
      if (!names(text, bound)) problems.add(`${where}: the comment does not name the bound ${bound}`);
    }
    // What a `custom` rule has as default '' or undefined is left out by default: no words for that.
    const isTold = rule.kind !== 'custom' || (hasDefault && rule.default !== undefined && rule.default !== '');
    if (isTold && !/default/i.test(text)) problems.add(`${where}: the comment does not tell the default`);
    else if (isTold && hasDefault && rule.default !== undefined && !names(text, rule.default))
      problems.add(`${where}: the comment does not name the default ${rule.default}`);
    if (rule.kind !== 'integer' && rule.kind !== 'duration') return;
    if (/Ms$|Timeout$|Interval$/.test(member.name) && !/\b(milli)?seconds?\b/i.test(text))
      problems.add(`${where}: the comment does not name the unit of time`);
    if (/Bytes$|BufferSize$/.test(member.name) && !/bytes?|[KMG]iB/i.test(text))
      problems.add(`${where}: the comment does not name the unit, bytes`);
  }

  function checkTable(literal, type, hasDefault) {
    for (const property of literal.properties) {
      if (!ts.isPropertyAssignment(property) && !ts.isShorthandPropertyAssignment(property)) continue;
      const rule = ruleOf(ts.isPropertyAssignment(property) ? property.initializer : initializerOf(property));
      const member = type.getProperty(property.name.text);
      if (rule !== undefined && member !== undefined) checkMember(member, rule, hasDefault);
    }
  }

  /** `keyof A | keyof B`: A and B. */
  const keyedTypes = (node) =>
    (ts.isUnionTypeNode(node) ? node.types : [node]).filter(ts.isTypeOperatorNode).map(({ type }) => type);

  function visit(node) {
    if (ts.isSatisfiesExpression(node) && ts.isTypeReferenceNode(node.type)) {
      const { typeName, typeArguments } = node.type;
      const isTable = typeName.text === 'TableOf';
      const types = isTable ? [typeArguments[0]] : typeName.text === 'Record' ? keyedTypes(typeArguments[0]) : [];
      if (ts.isObjectLiteralExpression(node.expression)) {
        for (const type of types) checkTable(node.expression, checker.getTypeFromTypeNode(type), isTable);
      }
    }
    // defineProperties(SomeClass.prototype, { ... }) without `satisfies`.
    if (ts.isCallExpression(node) && /^define\w*Properties$/.test(node.expression.getText())) {
      const [prototype, table] = node.arguments;
      if (table !== undefined && ts.isObjectLiteralExpression(table))
        checkTable(table, checker.getTypeAtLocation(prototype), true);
    }
    // checkOptions(what, options, { ... })
    if (ts.isCallExpression(node) && node.expression.getText() === 'checkOptions') {
      const [, given, table] = node.arguments;
      if (table !== undefined && ts.isObjectLiteralExpression(table))
        checkTable(table, checker.getTypeAtLocation(given), false);
    }
    // The options of TLS contexts stand in several tables, one for each place.
    if (
      ts.isObjectLiteralExpression(node) &&
      contextTables.some((end) => node.getSourceFile().fileName.endsWith(end))
    ) {
      const source = program.getSourceFile(join(src, 'ssl/options.ts'));
      const exported = checker.getExportsOfModule(checker.getSymbolAtLocation(source));
      const type = exported.find(({ name }) => name === 'AnyContextOptions');
      checkTable(node, checker.getDeclaredTypeOfSymbol(type), false);
    }
    ts.forEachChild(node, visit);
  }
  for (const file of program.getSourceFiles()) if (file.fileName.startsWith(src)) visit(file);
  return { problems: [...problems], count: seen.size };
}
