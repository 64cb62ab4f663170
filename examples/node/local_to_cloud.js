// From Ana's machine to a run elsewhere: her conversation is forked, her work is restored there, and an agent goes on.

import { DirStorage, Handoff, LocalRuntime, Workspace } from "handoff-node";
import { read, stage, write } from "./stage.js";

const { laptop, runs, store, environments } = stage();

/** Finishes what the note asks for. */
class Finisher {
  describe() {
    return { name: "finisher", models: ["small"] };
  }

  async run(session) {
    const [repo] = session.repos;
    const past = await session.messages();
    write(repo, "bye.txt", "goodbye\n");
    await session.append(`I know ${past.length} messages and the note: ${read(repo, "todo.md").trim()}. bye.txt is new.`);
    await session.usage({ tokens: 120 });
  }
}

const hub = new Handoff({
  storage: new DirStorage(store),
  runtime: new LocalRuntime({ agent: new Finisher(), root: runs, environments }),
});
const talk = await hub.conversations.create({ owner: "ana" });
await hub.conversations.append(talk.id, [
  { role: "user", text: "Make the greeting wider." },
  { role: "assistant", text: "Done; say goodbye too?" },
]);

const { run } = await hub.start({
  actor: "ana",
  environment: "cloud",
  prompt: "Yes, please.",
  conversation: talk.id,
  workspace: await Workspace.open(laptop),
  origin: "local_to_cloud",
});
for await (const event of hub.watch(run, { actor: "ana" })) {
  if (event.kind === "message") console.log(`${event.message.role}: ${event.message.text.split("\n")[0]}`);
  else console.log(`-- ${event.run.state}`);
}
console.log(`the source still has ${(await hub.conversations.head(talk.id)).messages} messages`);
console.log(`used: ${JSON.stringify((await hub.run(run, { actor: "ana" })).sessions[0].usage)}`);
