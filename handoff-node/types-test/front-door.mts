// What callers write, as TypeScript sees it. Compiled, never run.

import {
  ApplyReport,
  CommandAgent,
  DirStorage,
  Handoff,
  HandoffError,
  LocalRuntime,
  NotFoundError,
  Snapshot,
  Workspace,
  apply,
  capture,
  plan,
  preview,
  undo,
} from "handoff-node";
import type { Affordance, Operation, Progress, Run, RunEvent } from "handoff-node";

const workspace: Workspace = await Workspace.open(["app", Buffer.from("lib"), new URL("file:///srv/x")]);
const root: string | undefined = workspace.repos[0]?.root;

const operation: Operation<Snapshot> = capture(workspace, {
  maxFileBytes: 1 << 20,
  allowSecrets: [{ path: "a.env", rule: "name" }],
  onProgress: ({ phase, done, path }: Progress) => console.log(phase.length, done + 1, path?.length),
  signal: AbortSignal.timeout(1_000),
});
for await (const progress of operation) console.log(progress.total.toFixed());
const snapshot = await operation;
await operation.cancel();
{
  await using scoped = capture(workspace);
  const inner: Snapshot = await scoped;
  console.log(inner.id.length);
}

for (const { files, name } of (await plan(workspace)).repos) console.log(name, files[0]?.pathBytes.length);
for (const { path, flags, worktree } of snapshot.entries) console.log(path, flags.untracked, worktree?.mode);
const content: Buffer | null = await snapshot.read("app", "src/x.js", "worktree");
const report: ApplyReport = await apply(snapshot, workspace, { onConflict: "markers", map: { a: "b" } });
const seen: ApplyReport = await preview(snapshot, workspace);
if (report.applyId !== undefined) await undo(workspace, report.applyId);
const outcome: string = seen.files.map((file) => file.outcome).join(root ?? content?.toString());

const hub = new Handoff({
  storage: new DirStorage("store"),
  runtime: new LocalRuntime({ agent: new CommandAgent("cat"), root: "runs", environments: [{ id: "e" }] }),
  terms: { poll: 10, checkpoint: null },
});
const { run } = await hub.start({ actor: "ana", environment: "e", prompt: outcome, workspace: snapshot });
const events: AsyncIterable<RunEvent> = hub.watch(run, { actor: "ana" });
for await (const event of events) {
  if (event.kind === "message") console.log(event.message.text, event.index);
  else console.log(event.run.state, event.cursor.records);
}
const ended: Run = await hub.wait(run, { actor: "ana", deadline: 1_000 });
const offer: Affordance = await hub.affordance(ended.id, { actor: "ana" });
if (offer.action === "respond") console.log(offer.question);
await hub.continue(run, { actor: "ana", prompt: "more" }).catch((error: unknown) => {
  if (error instanceof NotFoundError) console.log(error.kind, error.retryable, error.cause);
  else if (error instanceof HandoffError) console.log(error.argument?.length);
});
