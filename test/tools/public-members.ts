import ts from 'typescript';

/** One public method or property of a class that a file of `src/` exports, inherited ones included. */
export interface PublicMember {
  readonly className: string;
  readonly name: string;
  readonly isMethod: boolean;
}

/** What users see of each class that `entry` exports and `isWanted`: no `@internal`, protected or private member. */
export function publicMembers(isWanted: (className: string) => boolean, entryName = 'index.ts'): PublicMember[] {
  const entry = new URL(`../../src/${entryName}`, import.meta.url).pathname;
  const program = ts.createProgram([entry], {
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    allowImportingTsExtensions: true,
    noEmit: true,
    strict: true,
    skipLibCheck: true,
    types: ['node'],
  });
  const checker = program.getTypeChecker();
  const face = checker.getSymbolAtLocation(program.getSourceFile(entry)!)!;
  const members: PublicMember[] = [];
  for (const exported of checker.getExportsOfModule(face)) {
    const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
    if (!(symbol.flags & ts.SymbolFlags.Class) || !isWanted(exported.name)) continue;
    for (const member of checker.getPropertiesOfType(checker.getDeclaredTypeOfSymbol(symbol))) {
      if (!isPublic(member)) continue;
      const isMethod = (member.flags & ts.SymbolFlags.Method) !== 0;
      members.push({ className: exported.name, name: member.name, isMethod });
    }
  }
  return members;
}

function isPublic(member: ts.Symbol): boolean {
  if (member.name.startsWith('__')) return false; // symbols, #private members
  return (member.declarations ?? []).every((declaration) => {
    const hidden = ts.ModifierFlags.Private | ts.ModifierFlags.Protected;
    const isInternal = ts.getJSDocTags(declaration).some((tag) => tag.tagName.text === 'internal');
    return (ts.getCombinedModifierFlags(declaration) & hidden) === 0 && !isInternal;
  });
}
