// A run's result comes home, three-way, into work that has gone on meanwhile: merged, and one conflict kept for both. First
// as a preview.

import fs from "node:fs";
import { Handoff, LocalRuntime, MemoryStorage, Workspace, undo } from "handoff-node";
import { read, stage, write } from "./stage.js";

const { laptop, runs, environments } = stage();
const ana = { actor: "ana" };

const agent = {
  async run(session) {
    const [repo] = session.repos;
    write(repo, "greet.txt", `${read(repo, "greet.txt")}and goodbye\n`);
    write(repo, "todo.md", "- say goodbye too, at night\n");
    write(repo, "bye.txt", "goodbye\n");
  },
};
const hub = new Handoff({ storage: new MemoryStorage(), runtime: new LocalRuntime({ agent, root: runs, environments }) });
const workspace = await Workspace.open(laptop);
const { run } = await hub.start({ ...ana, environment: "cloud", prompt: "Say goodbye too.", workspace });
await hub.wait(run, { ...ana, deadline: 60_000 });

// Ana went on at home: in another part of one file, and in the very line that the agent changed in another.
write(laptop, "greet.txt", "HELLO\nwide world\n");
write(laptop, "todo.md", "- say goodbye too, in the morning\n");

const seen = await hub.pull(run, workspace, { ...ana, action: "preview" });
for (const { path, outcome } of seen.report.files) console.log(`would be: ${outcome} ${path}`);
const { report, conversation } = await hub.pull(run, workspace, ana);
for (const { path, outcome } of report.files) console.log(`${outcome} ${path}`);
console.log(read(laptop, "greet.txt").trimEnd());
// A conflict leaves the local file alone, and the incoming version beside git's own files.
console.log(`here: ${read(laptop, "todo.md").trim()}`);
const { incoming } = report.files.find(({ outcome }) => outcome === "conflict");
console.log(`from the cloud: ${fs.readFileSync(incoming, "utf8").trim()}`);
console.log(`the conversation is ${conversation.owner}'s now, with ${conversation.messages} messages`);
await undo(workspace, report.applyId);
console.log(read(laptop, "greet.txt").trimEnd());
