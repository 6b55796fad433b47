/**
 * Every export of the package, and every member of it that users see, has a comment. Reads the built `.d.ts` files, from which
 * what is internal is gone. And the comment of each option tells its default and its bounds (option-comments.mjs).
 */
import { readdirSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { checkOptionComments } from './option-comments.mjs';

const dist = join(dirname(fileURLToPath(import.meta.url)), '..', 'dist');
const entries = readdirSync(dist)
  .filter((name) => name.endsWith('.d.ts'))
  .map((name) => join(dist, name));
const program = ts.createProgram(entries, {
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  target: ts.ScriptTarget.ES2022,
  types: ['node'],
});
const checker = program.getTypeChecker();

const isOurs = (node) => node.getSourceFile().fileName.startsWith(dist);
const hasComment = (symbol) => ts.displayPartsToString(symbol.getDocumentationComment(checker)) !== '';

/** Members that users see: no symbols, and nothing `#private`. */
function* membersOf(declaration) {
  const isLiteral = ts.isTypeAliasDeclaration(declaration) && ts.isTypeLiteralNode(declaration.type);
  const list = isLiteral ? declaration.type.members : declaration.members;
  for (const { name, symbol } of list ?? []) {
    if (symbol !== undefined && name !== undefined && (ts.isIdentifier(name) || ts.isStringLiteral(name))) yield symbol;
  }
  if (!ts.isVariableDeclaration(declaration)) return;
  for (const property of checker.getPropertiesOfType(checker.getTypeAtLocation(declaration))) {
    if (property.declarations?.[0]?.getSourceFile() === declaration.getSourceFile()) yield property;
  }
}

const problems = new Set();
for (const entry of entries) {
  const module = checker.getSymbolAtLocation(program.getSourceFile(entry));
  for (const exported of checker.getExportsOfModule(module)) {
    const isAlias = (exported.flags & ts.SymbolFlags.Alias) !== 0;
    const symbol = isAlias ? checker.getAliasedSymbol(exported) : exported;
    const declarations = (symbol.declarations ?? []).filter(isOurs);
    if (declarations.length === 0) continue;
    const file = relative(dist, declarations[0].getSourceFile().fileName).replace('.d.ts', '.ts');
    if (!hasComment(symbol)) problems.add(`src/${file}: ${exported.name}`);
    for (const declaration of declarations) {
      for (const member of membersOf(declaration)) {
        if (!hasComment(member)) problems.add(`src/${file}: ${exported.name}.${member.name}`);
      }
    }
  }
}
for (const problem of problems) process.stderr.write(`${problem} has no comment\n`);
process.stdout.write(`${entries.length} entries, ${problems.size} exports or members without a comment\n`);
const options = checkOptionComments(join(dist, '..'));
for (const problem of options.problems.sort()) process.stderr.write(`${problem}\n`);
process.stdout.write(
  `${options.count} options, ${options.problems.length} defaults, bounds or units missing in comments\n`,
);
if (problems.size + options.problems.length > 0) process.exitCode = 1;
