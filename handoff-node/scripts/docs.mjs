// Makes the pages of the API from the types and their comments, in target/doc-node. Its tools are installed below target/,
// because the package itself needs none of them.

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const home = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const target = path.join(path.dirname(home), "target");
const tools = path.join(target, "typedoc");
const typedoc = path.join(tools, "node_modules", "typedoc", "bin", "typedoc");
if (!existsSync(typedoc)) {
  mkdirSync(tools, { recursive: true });
  writeFileSync(path.join(tools, "package.json"), '{"private":true}\n');
  const wanted = ["typedoc@0.28", "typescript@6.0.3", "@types/node@22.19.1"];
  execFileSync("npm", ["install", "--no-audit", "--no-fund", ...wanted], { cwd: tools, stdio: "inherit" });
}
const required = ["Class", "Function", "Interface", "TypeAlias", "Variable", "Method"].flatMap((kind) => ["--requiredToBeDocumented", kind]);
const pages = ["js/index.d.cts", "js/testing.d.cts"].flatMap((file) => ["--entryPoints", file]);
execFileSync(
  process.execPath,
  [typedoc, "--tsconfig", "types-test/tsconfig.docs.json", ...pages, "--out", path.join(target, "doc-node"), "--treatWarningsAsErrors", "--validation.notDocumented", ...required],
  { cwd: home, stdio: "inherit" },
);
