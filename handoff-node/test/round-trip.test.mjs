// The main job: capture here, apply there, undo.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { Snapshot, Workspace, apply, capture, plan, preview, undo } from "handoff-node";
import { git, laptopAndCloud, read, temporary, checkout, write } from "./support.mjs";

test("uncommitted work arrives, with a report on each path, and can be undone", async () => {
  const { dir, laptop, cloud } = laptopAndCloud();
  const here = await Workspace.open(laptop);
  assert.deepEqual(here.repos, [{ name: "laptop", root: laptop }]);

  const planned = await plan(here);
  const names = planned.repos[0].files.map(({ path: name, change }) => `${change} ${name}`).sort();
  assert.deepEqual(names, ["deleted README.md", "modified src/a.txt", "untracked notes.txt"]);

  const before = git(laptop, "status", "--porcelain");
  const snapshot = await capture(here);
  assert.match(snapshot.id, /^[0-9a-f]{64}$/);
  assert.deepEqual(snapshot.entries.map((entry) => entry.path), ["README.md", "notes.txt", "src/a.txt"]);
  assert.equal((await snapshot.read("laptop", "src/a.txt")).toString(), "a\nB\nc\n");
  assert.equal((await snapshot.read("laptop", "src/a.txt", "head")).toString(), "a\nb\nc\n");
  assert.equal(await snapshot.read("laptop", "no such file"), null);
  assert.match(String(await snapshot.diffBase()), /\+B/);
  assert.equal(git(laptop, "status", "--porcelain"), before);

  const file = path.join(dir, "work.handoff");
  await snapshot.save(file);
  const opened = await Snapshot.open(file);
  await opened.verify();
  assert.equal(opened.id, snapshot.id);
  assert.equal((await Snapshot.fromBytes(fs.readFileSync(file))).id, snapshot.id);
  assert.equal((await Snapshot.fromBytes(await opened.toBytes())).id, snapshot.id);

  const there = await Workspace.open(cloud);
  const seen = await preview(opened, there);
  assert.equal(seen.action, "preview");
  assert.equal(git(cloud, "status", "--porcelain"), "");
  const report = await apply(opened, there);
  assert.equal(report.verdict, "complete");
  assert.equal(report.count("applied"), 3);
  assert.match(String(report), /3 applied/);
  assert.equal(report.toJSON().apply_id, report.applyId);
  assert.deepEqual(report.files.map((one) => [one.repo, one.path, one.detail]), [
    ["laptop", "README.md", "deleted"],
    ["laptop", "notes.txt", "created"],
    ["laptop", "src/a.txt", "modified"],
  ]);
  assert.equal(git(cloud, "status", "--porcelain"), before);
  assert.equal((await capture(there)).diff instanceof Function, true);

  const undone = await undo(there, report.applyId);
  assert.equal(undone.action, "undo");
  assert.equal(git(cloud, "status", "--porcelain"), "");
});

test("a conflict leaves the target alone, or is marked when asked", async () => {
  const { laptop, cloud } = laptopAndCloud();
  write(cloud, "src/a.txt", "a\nmine\nc\n");
  const snapshot = await capture(await Workspace.open(laptop));
  const there = await Workspace.open(cloud);
  const kept = await apply(snapshot, there);
  assert.equal(kept.verdict, "partial");
  const conflict = kept.files.find((one) => one.outcome === "conflict");
  assert.deepEqual([conflict.path, conflict.detail], ["src/a.txt", "content"]);
  assert.equal(read(cloud, "src/a.txt"), "a\nmine\nc\n");
  assert.equal(fs.readFileSync(conflict.incoming, "utf8"), "a\nB\nc\n");
  await apply(snapshot, there, { onConflict: "markers" });
  assert.match(read(cloud, "src/a.txt"), /^<<<<<<</m);
});

test("options decide what travels, and what is left out is listed", async () => {
  const { laptop } = laptopAndCloud();
  write(laptop, "big.bin", Buffer.alloc(5000));
  write(laptop, ".env", "TOKEN=1\n");
  const snapshot = await capture(await Workspace.open(laptop), { exclude: ["notes.txt"], maxFileBytes: 4096 });
  const left = Object.fromEntries(snapshot.omissions.map((one) => [one.path, one.reason]));
  assert.equal(left["notes.txt"], "excluded");
  assert.equal(left["big.bin"], "too_large");
  assert.equal(left[".env"], "secret_name");
  const { rule } = snapshot.omissions.find((one) => one.path === ".env");
  const allowed = await capture(await Workspace.open(laptop), { allowSecrets: [{ path: ".env", rule }] });
  assert.ok(allowed.entries.some((entry) => entry.path === ".env"));
});

test("paths that are not UTF-8 keep their bytes", async () => {
  const { laptop, cloud } = laptopAndCloud();
  const name = Buffer.from([0x66, 0xff, 0x6f]);
  fs.writeFileSync(Buffer.concat([Buffer.from(`${laptop}/`), name]), "odd\n");
  const snapshot = await capture(await Workspace.open(Buffer.from(laptop)));
  const entry = snapshot.entries.find((one) => one.path.includes("\ufffd"));
  assert.deepEqual(entry.pathBytes, name);
  assert.equal((await snapshot.read("laptop", name)).toString(), "odd\n");
  const report = await apply(snapshot, await Workspace.open(new URL(`file://${cloud}`)));
  assert.deepEqual(report.files.find((one) => one.path.includes("\ufffd")).pathBytes, name);
  assert.equal(fs.readFileSync(Buffer.concat([Buffer.from(`${cloud}/`), name]), "utf8"), "odd\n");
});

test("a workspace is opened, discovered or declared", async () => {
  const { dir, laptop, cloud } = laptopAndCloud();
  write(dir, "plan.md", "1. ship\n");
  const found = await Workspace.discover([path.join(laptop, "src/a.txt"), path.join(dir, "plan.md"), path.join(dir, "gone")]);
  assert.deepEqual(found.repos.map((repo) => repo.name), ["laptop"]);
  assert.deepEqual(found.looseFiles.map((file) => file.name), ["plan.md"]);
  assert.deepEqual(found.leftOut.map((left) => left.reason), ["missing"]);
  const list = path.join(dir, "declarations.jsonl");
  fs.writeFileSync(list, await found.toDeclarations());
  const declared = await Workspace.fromDeclarations(list);
  assert.deepEqual(declared.repos, found.repos);
  const both = await Workspace.open([laptop, cloud]);
  assert.deepEqual(both.repos.map((repo) => repo.name), ["laptop", "cloud"].sort());
});

test("two snapshots are compared, and what is new since one is a snapshot too", async () => {
  const dir = checkout(path.join(temporary(), "app"));
  const workspace = await Workspace.open(dir);
  write(dir, "one.txt", "1\n");
  const first = await capture(workspace);
  write(dir, "two.txt", "2\n");
  const second = await capture(workspace);
  const diff = await first.diff(second);
  assert.deepEqual(diff.repos[0].changes.map(({ path: name, kind }) => [name, kind]), [["two.txt", "created"]]);
  assert.match(diff.unified.toString(), /\+2/);
  assert.deepEqual((await second.since(first)).entries.map((entry) => entry.path), ["two.txt"]);
});
