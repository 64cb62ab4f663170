// A runtime of one's own: it prepares each session's place itself, and lets a program answer in it, in its own process.

import { execFile } from "node:child_process";
import fs from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { CommandAgent, DirStorage, Handoff, NotFoundError, Workspace } from "handoff-node";
import { stage } from "./stage.js";

const { laptop, runs, store, environments } = stage();
const ana = { actor: "ana" };
const git = promisify(execFile).bind(undefined, "git");

const script = `
  require("node:fs").appendFileSync("todo.md", process.argv[1] + "\\n");
  console.log("Process " + process.pid + " runs this session.");`;

/** Each session in a clone of its own. A fleet would take a machine here instead. */
class Clones {
  #sessions = new Map();

  environment(id) {
    // Asked before anything moves, so that nobody starts a run that could not go anywhere.
    const found = environments.find((environment) => environment.id === id);
    if (!found) throw new NotFoundError(`no environment ${id}`);
    return found;
  }

  start(spec, sessions) {
    // Idempotent, and it does not wait for the session.
    if (this.#sessions.has(spec.session)) return;
    const stop = new AbortController();
    this.#sessions.set(spec.session, stop);
    this.#run(spec, sessions, stop.signal).catch((error) => console.error(error));
  }

  cancel(session) {
    // The polite request is in the run's inbox already; this takes the place away.
    this.#sessions.get(session)?.abort();
  }

  async #run(spec, sessions, signal) {
    const place = path.join(runs, spec.session);
    const { repos } = this.environment(spec.environment);
    try {
      await fs.mkdir(place, { recursive: true });
      for (const { name, source } of repos) await git(["clone", "--quiet", source, path.join(place, name)], { signal });
    } catch (error) {
      // Said in the run, which can then be continued; otherwise it would wait for ever.
      await sessions.fail(spec, String(error));
      return;
    }
    const checkouts = repos.map(({ name }) => path.join(place, name));
    const agent = new CommandAgent(process.execPath, ["--eval", script, "--", "{prompt}"]);
    await sessions.run(spec, { root: checkouts[0], repos: checkouts }, agent, { signal });
  }
}

const hub = new Handoff({ storage: new DirStorage(store), runtime: new Clones() });
try {
  await hub.start({ ...ana, environment: "mars", prompt: "Go." });
} catch (error) {
  console.log(`refused before anything moved: ${error.message}`);
}

const workspace = await Workspace.open(laptop);
const { run } = await hub.start({ ...ana, environment: "cloud", prompt: "- ship it", workspace });
await hub.wait(run, { ...ana, deadline: 60_000 });
await hub.continue(run, { ...ana, prompt: "- rest" });
const ended = await hub.wait(run, { ...ana, deadline: 60_000 });

const processes = new Set();
for await (const { text } of hub.conversations.read(ended.conversation)) if (text.startsWith("Process ")) processes.add(text);
console.log(`${ended.state}: ${ended.sessions.length} sessions in ${processes.size} processes`);
const result = await hub.result(run, ana);
console.log(String(await result.diffBase()).split("\n").filter((line) => line.startsWith("+-")).join("\n"));
