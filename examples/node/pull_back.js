// A run's result comes home, three-way, into work that has gone on meanwhile; first as a preview.

import { Handoff, LocalRuntime, MemoryStorage, Workspace, undo } from "handoff-node";
import { read, stage, write } from "./stage.js";

const { laptop, runs, environments } = stage();
const ana = { actor: "ana" };

const agent = {
  async run(session) {
    const [repo] = session.repos;
    write(repo, "greet.txt", `${read(repo, "greet.txt")}and goodbye\n`);
    write(repo, "bye.txt", "goodbye\n");
  },
};
const hub = new Handoff({ storage: new MemoryStorage(), runtime: new LocalRuntime({ agent, root: runs, environments }) });
const workspace = await Workspace.open(laptop);
const { run } = await hub.start({ ...ana, environment: "cloud", prompt: "Say goodbye too.", workspace });
await hub.wait(run, { ...ana, deadline: 60_000 });

// Ana went on at home.
write(laptop, "greet.txt", "HELLO\nwide world\n");

const seen = await hub.pull(run, workspace, { ...ana, action: "preview" });
for (const { path, outcome } of seen.report.files) console.log(`would be: ${outcome} ${path}`);
const { report, conversation } = await hub.pull(run, workspace, ana);
for (const { path, outcome } of report.files) console.log(`${outcome} ${path}`);
console.log(read(laptop, "greet.txt").trimEnd());
console.log(`the conversation is ${conversation.owner}'s now, with ${conversation.messages} messages`);
await undo(workspace, report.applyId);
console.log(read(laptop, "greet.txt").trimEnd());
