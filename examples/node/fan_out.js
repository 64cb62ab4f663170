// One past and one state, many runs: each tries something else, and the best result is chosen by its diff.

import { Handoff, LocalRuntime, MemoryStorage, Workspace, capture } from "handoff-node";
import { read, stage, write } from "./stage.js";

const { laptop, runs, environments } = stage();
const ana = { actor: "ana" };

const agent = { run: async (session) => write(session.repos[0], "greet.txt", `hello\n${session.prompt}\n`) };
const hub = new Handoff({ storage: new MemoryStorage(), runtime: new LocalRuntime({ agent, root: runs, environments }) });

const changed = (diff) => String(diff).split("\n").filter((line) => /^[+-][^+-]/.test(line));
const snapshot = await capture(await Workspace.open(laptop));
const prompts = ["small world", "big world", "wide world"];
const many = await hub.fanOut({ ...ana, environment: "cloud", prompts, workspace: snapshot });
const results = [];
for (const [index, { run }] of many.entries()) {
  const { state } = await hub.wait(run, { ...ana, deadline: 60_000 });
  results.push(await hub.result(run, ana));
  const lines = changed(await snapshot.diff(results[index]));
  console.log(`${prompts[index]}: ${state}, ${lines.join(" ") || "nothing new"}`);
}

// Any two variants can be held against each other, and the one that is wanted comes home.
console.log(`the first two: ${changed(await results[0].diff(results[1])).join(" ")}`);
const { report } = await hub.pull(many[1].run, await Workspace.open(laptop), ana);
console.log(`pulled: ${report.verdict}, ${read(laptop, "greet.txt").trim().split("\n").at(-1)}`);
