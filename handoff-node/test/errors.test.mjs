// Errors: one table, typed, with the argument named; and wrong arguments of every sort.

import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import * as handoff from "handoff-node";
import {
  CancelledError, CommandAgent, Conversations, DirStorage, FormatError, Handoff, HandoffError, InvalidArgumentError,
  LocalRuntime, MemoryStorage, NotARepositoryError, Snapshot, UnknownApplyError, UnsupportedError, Workspace, WorkspaceError, apply, capture, plan, undo,
} from "handoff-node";
import { checkout, internal, laptopAndCloud, temporary, write } from "./support.mjs";

test("errors are typed, by kind and by group", async () => {
  const error = await Workspace.open(temporary()).catch((caught) => caught);
  assert.ok(error instanceof NotARepositoryError && error instanceof WorkspaceError && error instanceof HandoffError);
  assert.equal(error.kind, "not_a_repository");
  assert.equal(error.code, error.kind);
  assert.equal(error.name, "NotARepositoryError");
  assert.equal(error.retryable, false);
  assert.equal(typeof error.path, "string");
  assert.equal(JSON.parse(JSON.stringify(error)).kind, "not_a_repository");
});

test("an error of the caller's own has the kind of its class", () => {
  const error = new handoff.StorageError("no bucket", { retryable: true, cause: 5 });
  assert.deepEqual([error.kind, error.retryable, error.cause, error.name], ["storage", true, 5, "StorageError"]);
  assert.equal(new handoff.NotPermittedError("no").kind, "policy");
});

test("a damaged bundle is a format error", async () => {
  const dir = temporary();
  write(dir, "bad.handoff", "this is no bundle at all, and long enough to be looked at");
  await assert.rejects(Snapshot.open(path.join(dir, "bad.handoff")), FormatError);
  await assert.rejects(Snapshot.fromBytes(Buffer.from("short")), FormatError);
  await assert.rejects(Snapshot.open(path.join(dir, "none.handoff")), { kind: "io" });
});

test("an unknown apply is said to be unknown", async () => {
  const workspace = await Workspace.open(checkout(path.join(temporary(), "app")));
  await assert.rejects(undo(workspace, "0123456789abcdef0123456789abcdef"), (error) => error instanceof UnknownApplyError || error instanceof InvalidArgumentError);
  await assert.rejects(undo(workspace, "no id"), InvalidArgumentError);
});

test("wrong arguments are refused by name, as rejections and never as crashes", async () => {
  const { laptop } = laptopAndCloud();
  const workspace = await Workspace.open(laptop);
  const snapshot = await capture(workspace);
  const storage = new MemoryStorage();
  const conversations = new Conversations(storage);
  const wrong = [
    ["roots", () => Workspace.open(5)],
    ["roots", () => Workspace.open(undefined)],
    ["roots[1]", () => Workspace.open([laptop, {}])],
    ["roots", () => Workspace.open(new URL("https://example.com/x"))],
    ["wide", () => Workspace.open(laptop, { wide: "yes" })],
    ["workspace", () => capture("app")],
    ["workspace", () => capture(Workspace.open(laptop))],
    ["workspace", () => plan(undefined)],
    ["options", () => capture(workspace, 5)],
    ["options", () => capture(workspace, null)],
    ["options", () => capture(workspace, [])],
    ["maxFileBytes", () => capture(workspace, { maxFileBytes: "many" })],
    ["maxFileBytes", () => capture(workspace, { maxFileBytes: -1 })],
    ["maxFileBytes", () => capture(workspace, { maxFileBytes: Number.NaN })],
    ["exclude", () => capture(workspace, { exclude: 5 })],
    ["bases", () => capture(workspace, { bases: "sometimes" })],
    ["onProgress", () => capture(workspace, { onProgress: "no" })],
    ["signal", () => capture(workspace, { signal: {} })],
    ["max_file_bytes", () => capture(workspace, { max_file_bytes: 5 })],
    ["maxFileByte", () => capture(workspace, { maxFileByte: 5 })],
    ["exclude", () => capture(workspace, { exclude: () => true })],
    ["snapshot", () => apply(workspace, workspace)],
    ["workspace", () => apply(snapshot, snapshot)],
    ["onConflict", () => apply(snapshot, workspace, { onConflict: "overwrite" })],
    ["map", () => apply(snapshot, workspace, { map: 5 })],
    ["applyId", () => undo(workspace, 5)],
    ["path", () => Snapshot.open(5)],
    ["bytes", () => Snapshot.fromBytes(5)],
    ["repo", () => snapshot.read(undefined, "a")],
    ["path", () => snapshot.read("laptop", 5)],
    ["layer", () => snapshot.read("laptop", "a", "stash")],
    ["newer", () => snapshot.diff({})],
    ["key", () => storage.get(5)],
    ["body", () => storage.putNew("a", 5)],
    ["id", () => conversations.head(5)],
    ["messages", () => conversations.append("x", 5)],
    ["messages[0].role", () => conversations.append("x", [{ text: "a" }])],
  ];
  for (const [argument, call] of wrong) {
    const error = await call().then(
      () => assert.fail(`${call} was accepted`),
      (caught) => caught,
    );
    assert.ok(error instanceof InvalidArgumentError, `${call}: ${error.stack}`);
    assert.equal(error.argument, argument, `${call}: ${error.message}`);
  }
});

test("wrong arguments of constructors throw at once", () => {
  const agent = { run() {} };
  const runtime = new LocalRuntime({ agent, root: "runs", environments: [] });
  const wrong = [
    ["directory", () => new DirStorage(5)],
    ["program", () => new CommandAgent(5)],
    ["args[0]", () => new CommandAgent("cat", [5])],
    ["agent", () => new LocalRuntime({ root: "runs", environments: [] })],
    ["agent", () => new LocalRuntime({ agent: { describe() {} }, root: "runs", environments: [] })],
    ["root", () => new LocalRuntime({ agent, environments: [] })],
    ["environments", () => new LocalRuntime({ agent, root: "runs", environments: "e" })],
    ["storage", () => new Handoff({ runtime })],
    ["storage", () => new Handoff({ storage: { get() {} }, runtime })],
    ["runtime", () => new Handoff({ storage: new MemoryStorage(), runtime: 5 })],
    ["policy", () => new Handoff({ storage: new MemoryStorage(), runtime, policy: {} })],
    ["notify", () => new Handoff({ storage: new MemoryStorage(), runtime, notify: () => {} })],
    ["Snapshot", () => new Snapshot()],
    ["Workspace", () => new Workspace()],
  ];
  for (const [argument, make] of wrong) {
    assert.throws(make, (error) => {
      assert.ok(error instanceof InvalidArgumentError, `${make}: ${error.stack}`);
      assert.equal(error.argument, argument, `${make}: ${error.message}`);
      return true;
    });
  }
});

test("closed objects refuse, twice closed is once closed", async () => {
  const workspace = await Workspace.open(checkout(path.join(temporary(), "app")));
  const snapshot = await capture(workspace);
  snapshot.close();
  snapshot.close();
  await assert.rejects(snapshot.read("app", "README.md"), InvalidArgumentError);
  workspace[Symbol.dispose]();
  await assert.rejects(capture(workspace), InvalidArgumentError);
  const storage = new MemoryStorage();
  await storage.put("a", "x");
  storage.close();
  await assert.rejects(storage.get("a"), InvalidArgumentError);
});

test("what is cancelled is a cancelled error", () => {
  assert.equal(new CancelledError("x").kind, "cancelled");
});

test("a defect of ours is an error, wherever it panics, and ends nothing", async () => {
  const { operation } = internal("operation.cjs");
  for (const place of ["begin", "poll", "block", "off_thread"]) {
    // More often than there are threads.
    for (let round = 0; round < 6; round += 1) {
      await assert.rejects(operation(`defect.${place}`, {}), (error) => {
        assert.ok(error instanceof UnsupportedError, String(error));
        assert.match(error.message, /a defect of handoff's; please report/);
        return true;
      });
    }
  }
  assert.equal(await new MemoryStorage().putNew("a", "x"), "created");
});

test("the table of errors is the core's", () => {
  const [native, errors] = ["native.cjs", "errors.cjs"].map(internal);
  const table = [...errors.byKind].map(([kind, Type]) => ({ kind, retryable: new Type("why").retryable }));
  assert.deepEqual(table, native.errorKinds());
});
