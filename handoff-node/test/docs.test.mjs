// Every public name says what it is: read from the types as they are published. And the examples of the READMEs run.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import ts from "typescript";
import { checkout, git, home, installed, run, temporary, write } from "./support.mjs";

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
  const files = fs.readdirSync(path.join(installed, "js")).filter((name) => name.endsWith(".d.cts"));
  assert.ok(files.length > 10, files.join());
  const lacking = files.flatMap((file) => undocumented(file, fs.readFileSync(path.join(installed, "js", file), "utf8")));
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

/** The examples in a page. */
const blocks = (page) => [...fs.readFileSync(page, "utf8").matchAll(/^```js\n([^]*?)^```$/gm)].map(([, block]) => block);

/** Runs examples as one program, in a place with the checkouts that they speak of. */
async function play(...examples) {
  const dir = temporary();
  const origin = checkout(path.join(dir, "origin"));
  for (const place of ["laptop/app", "cloud/app"]) git(dir, "clone", "--quiet", origin, place);
  write(dir, "laptop/app/src/a.txt", "a\nB\nc\n");
  write(dir, "laptop/app/notes.txt", "new\n");
  write(dir, "laptop/app/debug.log", "noise\n");
  // Both sides changed this one.
  write(dir, "laptop/app/README.md", "two\n");
  write(dir, "cloud/app/README.md", "three\n");
  fs.mkdirSync(path.join(dir, "node_modules"));
  fs.symlinkSync(installed, path.join(dir, "node_modules", "handoff-node"));
  fs.writeFileSync(path.join(dir, "example.mjs"), examples.join("\n"));
  return { dir, ...(await run(["example.mjs"], { cwd: dir, timeout: 120_000 })) };
}

const ended = ({ code, stderr, stdout }) => assert.deepEqual([code, stderr], [0, ""], stdout);

test("the examples of this package's README run, each going on from the one before", async () => {
  const examples = blocks(path.join(home, "README.md"));
  const [suites, ...others] = [...examples].reverse();
  assert.equal(others.length, 2);
  const life = await play(...others.reverse());
  ended(life);
  assert.match(life.stdout, /^README\.md was left alone; the incoming version is \S+$/m);
  assert.match(life.stdout, /^user finish it$/m);
  assert.match(life.stdout, /^user now the tests$/m);
  assert.match(life.stdout, /^message$/m);
  assert.equal(git(path.join(life.dir, "cloud/app"), "status", "--porcelain"), " M README.md\n");
  const checked = await play(suites);
  ended(checked);
  assert.match(checked.stdout, /15 cases, 0 failed/);
});

test("the example of the first README runs", async () => {
  const examples = blocks(path.join(home, "..", "README.md"));
  assert.equal(examples.length, 1);
  const played = await play(...examples);
  ended(played);
  assert.match(played.stdout, /^applied notes\.txt$/m);
  assert.match(played.stdout, /^conflict README\.md$/m);
  assert.match(played.stdout, /^message$/m);
});

test("an example with a wrong line fails", async () => {
  const [example] = blocks(path.join(home, "README.md"));
  for (const [right, wrong] of [["snapshot.save", "snapshot.store"], ['"cloud/app"', '"cloud/ap"'], ["exclude:", "excluded:"]]) {
    assert.ok(example.includes(right));
    const { code, stderr } = await play(example.replace(right, wrong));
    assert.notEqual(code, 0);
    assert.match(stderr, /Error/);
  }
});
