// A run asks, is answered, ends, and is continued a day later: the same conversation, the state as it was left.

import { DirStorage, Handoff, LocalRuntime } from "handoff-node";
import { read, stage, write } from "./stage.js";

const { runs, store, environments } = stage();
const ana = { actor: "ana" };

const agent = {
  describe: () => ({ name: "asker" }),
  async run(session) {
    const [repo] = session.repos;
    if (session.number === 1) {
      const answer = await session.block("In which language?");
      write(repo, "bye.txt", `${answer.text}\n`);
      await session.append("Written.");
    } else {
      await session.append(`bye.txt still says: ${read(repo, "bye.txt").trim()}`);
    }
  },
};
const notify = { notify: ({ kind, run }) => console.log(`(told: ${kind}, ${run.state})`) };
const hub = new Handoff({
  storage: new DirStorage(store),
  runtime: new LocalRuntime({ agent, root: runs, environments }),
  notify,
});

const { run } = await hub.start({ ...ana, environment: "cloud", prompt: "Say goodbye in a file." });
await hub.wait(run, { ...ana, deadline: 60_000 });
const offer = await hub.affordance(run, ana);
console.log(`${offer.action}: ${offer.question}`);
await hub.answer(run, { ...ana, prompt: "tschüss" });
for await (const _ of hub.watch(run, ana));

console.log((await hub.affordance(run, ana)).action);
const went = await hub.continue(run, { ...ana, prompt: "What does it say?" });
console.log(`${went.went}, with its workspace: ${went.workspace}`);
for await (const event of hub.watch(run, ana)) {
  if (event.kind === "message" && event.message.role === "assistant") console.log(event.message.text);
}
console.log(`${(await hub.run(run, ana)).sessions.length} sessions of one run`);
