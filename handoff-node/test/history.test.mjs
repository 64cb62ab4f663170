// Commits that nobody has pushed, through the public API; git is asked what became of them.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { InvalidArgumentError, Workspace, apply, capture, preview, undo } from "handoff-node";
import { checkout, git, read, temporary, write } from "./support.mjs";

/** Two clones of one project; `here` has two commits that are not pushed, and an edit on top of them. */
function clones() {
  const root = temporary();
  const forge = checkout(path.join(root, "forge"), { "notes.txt": "first\n" });
  const [here, there] = ["here", "there"].map((name) => {
    git(root, "clone", "--quiet", forge, name);
    return path.join(root, name);
  });
  git(here, "checkout", "--quiet", "-b", "feature");
  for (const text of ["second", "third"]) {
    write(here, `${text}.txt`, `${text}\n`);
    git(here, "add", "--all");
    git(here, "commit", "--quiet", "--message", text);
  }
  write(here, "third.txt", "third, edited\n");
  const commit = git(here, "rev-parse", "HEAD").trim();
  return {
    there,
    commit,
    capture: async (options) => capture(await Workspace.open(here), options),
    async apply(snapshot, options) {
      const report = await apply(snapshot, await Workspace.open(there), options);
      return [report, report.repos[0].history];
    },
    /** HEAD, all refs, and what is not committed. */
    standing: () => [git(there, "rev-parse", "--symbolic-full-name", "HEAD"), git(there, "for-each-ref"), git(there, "status", "--porcelain")],
    has: () => git(there, "cat-file", "--batch-all-objects", "--batch-check").includes(commit),
  };
}

test("they wait in the snapshot until they are asked for", async () => {
  const scene = clones();
  const [head, refs] = scene.standing();
  const [, history] = await scene.apply(await scene.capture());
  assert.deepEqual([history.outcome, history.commits, history.reason], ["not_asked", 2, undefined]);
  assert.equal(scene.has(), false);
  assert.deepEqual(scene.standing().slice(0, 2), [head, refs]);
});

test("as objects they are there and named by nothing", async () => {
  const scene = clones();
  const [head, refs] = scene.standing();
  const [, history] = await scene.apply(await scene.capture({ history: "auto" }), { history: "objects" });
  assert.deepEqual([history.outcome, history.commits, history.branch], ["stored", 2, undefined]);
  assert.equal(git(scene.there, "log", "-2", "--format=%s", scene.commit), "third\nsecond\n");
  assert.deepEqual(scene.standing().slice(0, 2), [head, refs]);
});

test("a clean checkout is put on their branch, and back", async () => {
  const scene = clones();
  const snapshot = await scene.capture();
  const before = scene.standing();
  await preview(snapshot, await Workspace.open(scene.there), { history: "branch" });
  assert.deepEqual(scene.standing(), before);
  const [report, history] = await scene.apply(snapshot, { history: "branch" });
  assert.deepEqual([report.verdict, history.outcome, history.branch, history.reason], ["complete", "moved", "feature", undefined]);
  assert.equal(report.toJSON().repos[0].history.branch, "feature");
  assert.equal(git(scene.there, "symbolic-ref", "HEAD"), "refs/heads/feature\n");
  assert.equal(git(scene.there, "rev-parse", "HEAD").trim(), scene.commit);
  assert.equal(git(scene.there, "status", "--porcelain"), " M third.txt\n");
  git(scene.there, "fsck", "--strict");
  assert.equal((await undo(await Workspace.open(scene.there), report.applyId)).verdict, "complete");
  assert.deepEqual(scene.standing(), before);
});

test("a checkout with changes stays, and the reason is said", async () => {
  const scene = clones();
  write(scene.there, "notes.txt", "mine\n");
  const [report, history] = await scene.apply(await scene.capture(), { history: "branch" });
  assert.deepEqual([history.outcome, history.reason], ["stored", "not_clean"]);
  assert.notEqual(report.verdict, "complete");
  assert.ok(history.message);
  assert.equal(scene.has(), true);
  assert.equal(git(scene.there, "symbolic-ref", "HEAD"), "refs/heads/main\n");
  assert.equal(read(scene.there, "notes.txt"), "mine\n");
});

for (const [options, reason] of [
  [{ maxHistoryCommits: 1 }, "too_many_commits"],
  [{ maxHistoryBytes: 1 }, "too_large"],
]) {
  test(`beyond a limit none travel, and both sides say so: ${reason}`, async () => {
    const scene = clones();
    const snapshot = await scene.capture(options);
    const [, history] = await scene.apply(snapshot, { history: "objects" });
    assert.deepEqual([history.outcome, history.reason], ["not_captured", reason]);
    assert.equal(scene.has(), false);
  });
}

test("within the limit they travel", async () => {
  const scene = clones();
  const [, history] = await scene.apply(await scene.capture({ maxHistoryCommits: 2 }), { history: "objects" });
  assert.equal(history.outcome, "stored");
});

test("never means never", async () => {
  const scene = clones();
  const [report] = await scene.apply(await scene.capture({ history: "never" }), { history: "branch" });
  assert.equal(scene.has(), false);
  assert.notEqual(report.repos[0].history?.outcome, "moved");
  assert.equal(fs.existsSync(path.join(scene.there, "second.txt")), false);
});

test("wrong words are named", async () => {
  const scene = clones();
  const snapshot = await scene.capture();
  const named = (argument) => (error) => error instanceof InvalidArgumentError && error.argument === argument;
  await assert.rejects(scene.capture({ history: "objects" }), named("history"));
  await assert.rejects(scene.apply(snapshot, { history: "always" }), named("history"));
  await assert.rejects(scene.apply(snapshot, { history: true }), named("history"));
  await assert.rejects(scene.capture({ maxHistoryCommits: "many" }), (error) => error.argument === "maxHistoryCommits" || error.argument === "max_history_commits");
});
