// The public surface is what conformance/surface.txt says: names, arguments and options, as declared and as exported.

import assert from "node:assert/strict";
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { test } from "node:test";
import { MemoryStorage } from "handoff-node";
import ts from "typescript";
import { home, installed } from "./support.mjs";

const require = createRequire(import.meta.url);
const ENTRIES = { "": path.join(installed, "js/index.d.cts"), "testing.": path.join(installed, "js/testing.d.cts") };
const program = ts.createProgram(Object.values(ENTRIES), {
  module: ts.ModuleKind.NodeNext,
  target: ts.ScriptTarget.ES2024,
  lib: ["lib.es2024.d.ts", "lib.esnext.disposable.d.ts"],
  types: ["node"],
  strict: true,
});
const checker = program.getTypeChecker();

/** What the package declares, as { symbol, name } of every export. */
const declared = (entry = "") => {
  const source = program.getSourceFile(ENTRIES[entry]);
  return checker.getExportsOfModule(checker.getSymbolAtLocation(source)).map((symbol) => {
    const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
    return { name: symbol.name, symbol: target };
  });
};

const isPublic = (member) =>
  member.declarations?.every((one) => !(ts.getCombinedModifierFlags(one) & (ts.ModifierFlags.Private | ts.ModifierFlags.Protected))) &&
  !member.name.startsWith("__");

const members = (type) => checker.getPropertiesOfType(type).filter((member) => isPublic(member) && member.name !== "prototype");

/** One argument: an object of options is spelled out. */
function argument(parameter) {
  const type = checker.getNonNullableType(checker.getTypeOfSymbol(parameter));
  if (parameter.name !== "options") return parameter.name;
  const parts = type.isUnion() ? type.types : [type];
  return `{${parts.flatMap(members).map((option) => option.name).join(", ")}}`;
}

const call = (signature) => `(${signature.parameters.map(argument).join(", ")})`;

/** The members of a class or interface as cells; those without a call as `fields`. */
function* inside(name, type, fields) {
  for (const member of members(type)) {
    const own = member.declarations ?? [];
    // What errors and promises have anyway is not this package's.
    if (!own.some((one) => one.getSourceFile().fileName.startsWith(path.join(installed, "js")))) continue;
    const [signature] = checker.getNonNullableType(checker.getTypeOfSymbol(member)).getCallSignatures();
    if (signature && member.flags & ts.SymbolFlags.Method) yield `${name}.${member.name}${call(signature)}`;
    else if (fields) fields.push(member.name);
    else yield `${name}.${member.name}`;
  }
}

/** Every cell of this language's column. */
function* cells() {
  for (const entry of Object.keys(ENTRIES)) for (const cell of offered(entry)) yield cell.replace(/^(new )?/, `$1${entry}`);
}

/** The cells of what one entry of the package offers. */
function* offered(entry) {
  for (const { name, symbol } of declared(entry)) {
    const kind = symbol.flags;
    if (kind & ts.SymbolFlags.Class) {
      const type = checker.getTypeOfSymbol(symbol);
      const [base] = checker.getBaseTypes(checker.getDeclaredTypeOfSymbol(symbol));
      const inherits = base && /Error$/.test(base.symbol.name) && name !== "HandoffError";
      const [made] = type.getConstructSignatures();
      const open = made?.declaration && !(ts.getCombinedModifierFlags(made.declaration) & ts.ModifierFlags.Private);
      yield open && !inherits ? `new ${name}${call(made)}` : name;
      if (inherits) continue;
      yield* inside(name, type);
      yield* inside(name, checker.getDeclaredTypeOfSymbol(symbol));
    } else if (kind & ts.SymbolFlags.Interface) {
      const fields = [];
      yield* inside(name, checker.getDeclaredTypeOfSymbol(symbol), fields);
      yield fields.length > 0 ? `${name}{${fields.join(", ")}}` : name;
    } else if (kind & ts.SymbolFlags.Function) {
      yield name + call(checker.getTypeOfSymbol(symbol).getCallSignatures()[0]);
    } else yield name;
  }
}

test("the declared surface is the one of surface.txt", () => {
  const lines = fs.readFileSync(path.join(home, "../conformance/surface.txt"), "utf8").split("\n");
  const rows = lines.filter((line) => line !== "" && !line.startsWith("#")).map((line) => line.split(" | "));
  const written = rows.map((row) => row[3]).filter((cell) => cell !== "-");
  const found = [...cells()];
  assert.ok(found.length > 200, "the declarations were read");
  assert.deepEqual(
    { missing: found.filter((cell) => !written.includes(cell)), gone: written.filter((cell) => !found.includes(cell)) },
    { missing: [], gone: [] },
    "conformance/surface.txt differs: add or change the lines, and do the same in Rust and Python",
  );
});

test("a storage of the core's takes bodies in pieces, whole or not at all", async () => {
  const storage = new MemoryStorage();
  await storage.putStream("a", [Buffer.from("one "), Buffer.from("two")]);
  assert.equal((await storage.get("a")).toString(), "one two");
  const broken = async function* () {
    yield Buffer.from("half");
    throw new Error("the source went away");
  };
  await assert.rejects(storage.putStream("b", broken()), /went away/);
  assert.equal(await storage.get("b"), null);
  await assert.rejects(storage.putStream("b", 5), { argument: "body" });
});

test("what is declared is there at run time, and nothing else", () => {
  const values = declared().filter(({ symbol }) => symbol.flags & ts.SymbolFlags.Value);
  const exported = require("handoff-node");
  assert.deepEqual(values.map(({ name }) => name).sort(), Object.keys(exported).sort());
  for (const { name, symbol } of values.filter((one) => one.symbol.flags & ts.SymbolFlags.Class)) {
    const Type = exported[name];
    const methods = [...inside(name, checker.getDeclaredTypeOfSymbol(symbol))].filter((cell) => cell.includes("("));
    for (const cell of methods) {
      const method = cell.slice(name.length + 1, cell.indexOf("("));
      assert.equal(typeof Type.prototype[method], "function", `${name}.${method}`);
    }
    const there = new Set(methods.map((cell) => cell.slice(name.length + 1, cell.indexOf("("))));
    for (let type = Type.prototype; type && type !== Object.prototype && type !== Error.prototype; type = Object.getPrototypeOf(type))
      for (const [key, { value }] of Object.entries(Object.getOwnPropertyDescriptors(type)))
        if (typeof value === "function" && key !== "constructor") assert.ok(there.has(key), `${name}.${key} is not declared`);
    for (const key of Object.getOwnPropertyNames(Type))
      if (typeof Type[key] === "function") assert.ok([...inside(name, checker.getTypeOfSymbol(symbol))].some((cell) => cell.startsWith(`${name}.${key}(`)), `${name}.${key} is not declared`);
  }
});
