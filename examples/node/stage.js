// The scene that the stories play in: a project, and Ana's clone of it with work that is not committed.

import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

const git = (dir, ...args) =>
  execFileSync("git", ["-C", dir, "-c", "user.name=Ana", "-c", "user.email=ana@example.com", ...args], { encoding: "utf8" });

export const status = (dir) => git(dir, "status", "--porcelain").trimEnd();
export const write = (dir, name, text) => fs.writeFileSync(path.join(dir, name), text);
export const read = (dir, name) => fs.readFileSync(path.join(dir, name), "utf8");

/** Directories below one that is removed at the end: `origin`, Ana's `laptop`, somebody else's `desk`, `runs`, `store`. */
export function stage() {
  const root = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "handoff-story-")));
  process.on("exit", () => fs.rmSync(root, { recursive: true, force: true }));
  const [origin, laptop, desk, runs, store] = ["origin", "laptop", "desk", "runs", "store"].map((name) => path.join(root, name));
  fs.mkdirSync(origin);
  git(origin, "init", "--quiet", "--initial-branch=main");
  write(origin, "greet.txt", "hello\nworld\n");
  git(origin, "add", "--all");
  git(origin, "commit", "--quiet", "--message", "A greeting");
  for (const clone of [laptop, desk]) git(root, "clone", "--quiet", origin, clone);
  write(laptop, "greet.txt", "hello\nwide world\n");
  write(laptop, "todo.md", "- say goodbye too\n");
  return { root, origin, laptop, desk, runs, store, environments: [{ id: "cloud", repos: [{ name: "laptop", source: origin }] }] };
}
