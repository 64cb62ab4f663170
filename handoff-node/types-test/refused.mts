// What TypeScript has to refuse: each line has an error, and a line without one fails the check.

import { Handoff, MemoryStorage, Snapshot, Workspace, apply, capture } from "handoff-node";
import type { Agent, Policy, Runtime, Storage } from "handoff-node";
import { checkAgent, checkRuntime } from "handoff-node/testing";

declare const workspace: Workspace;
declare const snapshot: Snapshot;
declare const runtime: Runtime;

// @ts-expect-error a number is no path
Workspace.open(5);
// @ts-expect-error only the core makes snapshots
new Snapshot();
// @ts-expect-error the option is maxFileBytes
capture(workspace, { max_file_bytes: 1 });
// @ts-expect-error no such way with conflicts
apply(snapshot, workspace, { onConflict: "overwrite" });
// @ts-expect-error the other way round
apply(workspace, snapshot);
// @ts-expect-error there is no such layer
snapshot.read("app", "a", "stash");
// @ts-expect-error an actor has to be named
new Handoff({ storage: new MemoryStorage(), runtime }).start({ environment: "e", prompt: "p" });
// @ts-expect-error a storage is needed
new Handoff({ runtime });
// @ts-expect-error an operation is not its result
const id: string = capture(workspace).id;
// @ts-expect-error a bad implementer: run has to be there
const agent: Agent = { describe: () => ({ name: "x" }) };
// @ts-expect-error a bad implementer: putNew says what it found
const storage: Pick<Storage, "putNew"> = { putNew: () => 5 };
// @ts-expect-error a bad implementer: no such relation
const policy: Policy = { relation: () => "friend" };
// @ts-expect-error an environment has to be named
checkRuntime(() => runtime);
// @ts-expect-error something has to be asked
checkAgent({ run() {} }, { prompt: "hello" });

console.log(id, agent, storage, policy);
