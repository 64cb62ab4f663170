// One past and one state, many runs: each tries something else, and the best result is chosen by its diff.

import { Handoff, LocalRuntime, MemoryStorage, Workspace, capture } from "handoff-node";
import { stage, write } from "./stage.js";

const { laptop, runs, environments } = stage();
const ana = { actor: "ana" };

const agent = { run: async (session) => write(session.repos[0], "greet.txt", `hello\n${session.prompt}\n`) };
const hub = new Handoff({ storage: new MemoryStorage(), runtime: new LocalRuntime({ agent, root: runs, environments }) });

const snapshot = await capture(await Workspace.open(laptop));
const prompts = ["small world", "big world", "wide world"];
const many = await hub.fanOut({ ...ana, environment: "cloud", prompts, workspace: snapshot });
for (const [index, { run }] of many.entries()) {
  const { state } = await hub.wait(run, { ...ana, deadline: 60_000 });
  const diff = await snapshot.diff(await hub.result(run, ana));
  const lines = String(diff).split("\n").filter((line) => /^[+-][^+-]/.test(line));
  console.log(`${prompts[index]}: ${state}, ${lines.join(" ") || "nothing new"}`);
}
