// Every public name says what it is: read from the types as they are published.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import ts from "typescript";
import { home } from "./support.mjs";

const said = (node) => ts.getJSDocCommentsAndTags(node).some(({ comment }) => comment?.length > 0);

/** The names in a file of types that nothing is said about. */
export function undocumented(file, text) {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const lacking = [];
  const name = (node) => node.name?.getText(source) ?? ts.SyntaxKind[node.kind];
  for (const statement of source.statements) {
    if (!statement.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)) continue;
    const named = ts.isVariableStatement(statement) ? statement.declarationList.declarations[0] : statement;
    if (!said(statement)) lacking.push(name(named));
    for (const member of statement.members ?? []) {
      // What a constructor takes is said by the options; what may be there besides has no name.
      if (ts.isConstructorDeclaration(member) || ts.isIndexSignatureDeclaration(member)) continue;
      if (ts.getCombinedModifierFlags(member) & ts.ModifierFlags.Private) continue;
      if (!said(member)) lacking.push(`${name(named)}.${name(member)}`);
    }
  }
  return lacking;
}

test("every public name is documented", () => {
  const files = fs.readdirSync(path.join(home, "js")).filter((name) => name.endsWith(".d.cts"));
  assert.ok(files.length > 10, files.join());
  const lacking = files.flatMap((file) => undocumented(file, fs.readFileSync(path.join(home, "js", file), "utf8")));
  assert.deepEqual(lacking, []);
});

test("a name without a word is found", () => {
  const text = `
    /** One. */
    export interface A {
      /** Two. */
      b: string;
      c: number;
    }
    export function d(): void;
    export const e: string;
    /** Three. */
    export class F { private constructor(); g(): void }
    interface Private { h: string }`;
  assert.deepEqual(undocumented("a.d.ts", text), ["A.c", "d", "e", "F.g"]);
});
