// What each step of a scenario calls, by way of the public interface alone.

import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import * as handoff from "handoff-node";
import { contentOf, copy, dig, git, mismatch, nameOf, only, plainBytes, run, slim, tree } from "./case.mjs";
import { data, errorData, messageData, reportData, snapshotData } from "./data.mjs";
import { Agent, Notify, Policy, Runtime, Scanner, Storage, said } from "./ports.mjs";

const camel = (name) => name.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase());

/** The arguments of a step; each has to be taken. */
class Given {
  #world;
  #left;

  constructor(world, left = {}) {
    this.#world = world;
    this.#left = { ...left };
  }

  has(name) {
    return name in this.#left;
  }

  take(name) {
    const found = this.#left[name];
    delete this.#left[name];
    return this.#world.value(found);
  }

  need(name) {
    if (!this.has(name)) throw new Error(`${name} is missing`);
    return this.take(name);
  }

  /** Those that are given, under JavaScript's names. */
  some(names) {
    const there = names.split(" ").filter((name) => this.has(name));
    return Object.fromEntries(there.map((name) => [camel(name), this.take(name)]));
  }

  all() {
    return Object.fromEntries(Object.keys(this.#left).map((name) => [name, this.take(name)]));
  }

  workspace() {
    return this.#world.workspace(this.need("workspace"));
  }

  finish() {
    const left = Object.keys(this.#left);
    if (left.length > 0) throw new Error(`unknown arguments: ${left.join(", ")}`);
  }
}

/** What a step made and is to have a name. */
class Made {
  constructor(object, result) {
    this.object = object;
    this.result = result;
  }
}

/** One scenario under way. */
export class World {
  #scenario;
  #objects = new Map();
  #results = new Map();

  constructor(scenario, root, templates) {
    this.#scenario = scenario;
    this.root = root;
    for (const [name, repo] of Object.entries(scenario.repos)) {
      only(repo, "from then", `the repository ${name}`);
      templates.copy(scenario.templates[repo.from], path.join(root, name));
      run(path.join(root, name), repo.then ?? []);
    }
    run(root, scenario.then);
  }

  /** `given` with paths and names in their places. */
  value(given) {
    if (typeof given === "string") {
      if (given === "@" || given.startsWith("@/")) return this.root + given.slice(1);
      if (!given.startsWith("$")) return given;
      const name = given.slice(1);
      return this.#objects.has(name) ? this.#objects.get(name) : dig(this.#results, name);
    }
    if (Array.isArray(given)) return given.map((item) => this.value(item));
    if (given === null || typeof given !== "object") return given;
    return Object.fromEntries(Object.entries(given).map(([key, item]) => [key, this.value(item)]));
  }

  /** A workspace that was opened, or one of the repositories that are named. */
  async workspace(given) {
    if (given instanceof handoff.Workspace) return given;
    return handoff.Workspace.open(given.map((name) => path.join(this.root, name)));
  }

  /** Every step with its whole result; throws where one is not as expected. */
  async run(checked) {
    const lines = [];
    for (const [index, step] of this.#scenario.steps.entries()) {
      only(step, "do with as expect error", "a step");
      const what = `${index + 1} ${step.do}`;
      const made = await this.#step(step);
      const result = slim(made.result ?? null, this.root);
      const why = checked ? this.#check(step, result) : undefined;
      if (why !== undefined) throw new Error(`step ${what}: ${why}`);
      if (step.as !== undefined) {
        this.#results.set(step.as, result);
        if (made.object !== undefined) this.#objects.set(step.as, made.object);
      }
      lines.push([what, result]);
    }
    for (const made of this.#objects.values()) if (made instanceof Runtime) await made.join();
    return lines;
  }

  #check(step, result) {
    if ("error" in step) {
      const want = typeof step.error === "string" ? { kind: step.error } : step.error;
      return mismatch({ error: want }, result, this.#results);
    }
    const failed = result !== null && typeof result === "object" && Object.keys(result).join() === "error";
    if (failed) return `failed: ${JSON.stringify(result.error)}`;
    return "expect" in step ? mismatch(step.expect, result, this.#results) : undefined;
  }

  async #step(step) {
    const call = STEPS[step.do];
    if (!call) throw new Error(`no step is called ${step.do}`);
    const given = new Given(this, step.with);
    try {
      const found = await call(given, this);
      given.finish();
      return found instanceof Made ? found : new Made(undefined, found);
    } catch (error) {
      if (!(error instanceof handoff.HandoffError)) throw error;
      return new Made(undefined, { error: errorData(error, step.do) });
    }
  }
}

// ---- workspaces, capture, apply

const workspaceMade = (workspace) => new Made(workspace, data(workspace.toJSON()));
const snapshotMade = (snapshot) => new Made(snapshot, snapshotData(snapshot));

function captureOptions(given) {
  const options = given.some(
    "include_ignored exclude max_file_bytes max_total_bytes max_entries worktree_include list_ignored empty_dirs " +
      "history max_history_commits max_history_bytes",
  );
  if (given.has("allow_secrets")) options.allowSecrets = given.take("allow_secrets");
  if (given.has("secret_rules")) options.secretRules = given.take("secret_rules");
  return options;
}

async function plan(given) {
  const planned = await handoff.plan(await given.workspace(), captureOptions(given));
  const files = [...planned.repos.flatMap((repo) => repo.files), ...planned.looseFiles];
  return { ...data(planned), bytes: files.reduce((sum, file) => sum + file.bytes, 0) };
}

async function capture(given) {
  const options = {
    ...captureOptions(given),
    ...given.some("bases attempts on_cancel deadline"),
    // Nobody writes meanwhile.
    quiet: given.take("quiet") ?? 0,
  };
  return snapshotMade(await handoff.capture(await given.workspace(), options));
}

// No power is cut while scenarios run.
const applyOptions = (given, more) => ({
  durability: "process",
  ...given.some(`on_conflict staging durability symlinks map ${more}`),
});
const applying = (verb) => async (given) =>
  reportData(await verb(given.need("snapshot"), await given.workspace(), applyOptions(given, "history")));

/** A bundle in memory, cut or with a bit flipped on the way, and read again. */
async function snapshotBytes(given) {
  let bytes = Buffer.from(await given.need("snapshot").toBytes());
  if (given.has("cut")) bytes = bytes.subarray(0, bytes.length - given.take("cut"));
  if (given.has("flip")) bytes[given.take("flip")] ^= 1;
  if (given.has("append")) bytes = Buffer.concat([bytes, Buffer.from(given.take("append"))]);
  return snapshotMade(await handoff.Snapshot.fromBytes(bytes));
}

async function snapshotRead(given) {
  const found = await given.need("snapshot").read(given.need("repo"), nameOf(given.need("path")), given.take("layer"));
  return found === null ? null : plainBytes(found);
}

const diffData = ({ repos, unified }) => ({ repos: data(repos), unified: plainBytes(unified) });

// ---- storages and conversations

const talk = (given) => given.need("conversations");
const allSaid = (given) => (Array.isArray(given) ? given.map(said) : said(given));

async function storageGet(given) {
  const storage = given.need("storage");
  const [key, range] = [given.need("key"), given.take("range")];
  const found = await storage.get(key, range && { start: range[0], end: range[1] });
  return found === null ? null : plainBytes(found);
}

async function storageList(given) {
  const storage = given.need("storage");
  const found = await storage.list(given.need("prefix"), given.take("after"), given.take("limit"));
  return found.map(({ key, size }) => ({ key, size }));
}

// ---- runs

function environments(given) {
  for (const one of given) only(one, "id repos models variables", "an environment");
  return given;
}

function terms(given) {
  if (!given.has("terms")) return {};
  const { checkpoint, ...times } = given.take("terms");
  only(times, "lease grace poll reserve", "terms");
  return { terms: { ...times, ...(checkpoint && { checkpoint: checkpoint === "never" ? null : checkpoint }) } };
}

function attachments(given) {
  if (!given.has("attachments")) return {};
  const one = (attachment) => {
    only(attachment, "name text base64 times media_type", "an attachment");
    return { name: attachment.name, mediaType: attachment.media_type, content: contentOf(attachment) };
  };
  return { attachments: given.take("attachments").map(one) };
}

async function startOptions(given, world) {
  const names = "actor environment prompt prompts origin source task team model budget parent idempotency_key";
  const options = { ...given.some(names), ...attachments(given) };
  if (given.has("conversation")) {
    const source = given.take("conversation");
    if (Array.isArray(source)) {
      options.conversation = source.map(said);
    } else if (typeof source === "object") {
      only(source, "id at messages", "a conversation");
      options.conversation = { ...source, at: forkPoint(source.at) };
    } else {
      options.conversation = source;
    }
  }
  if (given.has("workspace")) {
    const source = given.take("workspace");
    options.workspace = Array.isArray(source) ? await world.workspace(source) : source;
  }
  return options;
}

const hub = (given) => given.need("hub");
const asking = (name, more = "") => async (given) =>
  data(await hub(given)[name](given.need("run"), given.some(`actor ${more}`.trim())));

/** Asks until the run is in the state that is awaited, which other steps do not wait for. */
async function until(given) {
  const [at, id, actor, state] = [hub(given), given.need("run"), given.need("actor"), given.need("state")];
  for (let look = 0; look < 2000; look += 1) {
    if ((await at.run(id, { actor })).state === state) return { state };
    await sleep(5);
  }
  throw new Error(`the run never was ${state}`);
}

async function watch(given) {
  const events = [];
  for await (const event of hub(given).watch(given.need("run"), given.some("actor cursor"))) events.push(data(event));
  return events;
}

async function pull(given) {
  const at = hub(given);
  const options = applyOptions(given, "actor action");
  const pulled = await at.pull(given.need("run"), await given.workspace(), options);
  return {
    conversation: data(pulled.conversation),
    snapshot: pulled.snapshot && snapshotData(pulled.snapshot),
    report: pulled.report && reportData(pulled.report),
    nothing: pulled.nothing,
  };
}

function command(given) {
  const [program, args] = [given.need("program"), given.take("args")];
  return new Made(new handoff.CommandAgent(program, args, given.some("name models kind grace max_output")));
}

const port = (Type) => (given) => new Made(new Type(given.all()));

const STEPS = {
  "workspace.new": async (given) => {
    const roots = given.take("roots") ?? [];
    return workspaceMade(await handoff.Workspace.open(roots, given.some("loose_files loose_root wide")));
  },
  "workspace.discover": async (given) =>
    workspaceMade(await handoff.Workspace.discover(given.need("written"), given.some("read"))),
  "workspace.from_declarations": async (given) =>
    workspaceMade(await handoff.Workspace.fromDeclarations(given.need("path"))),
  "workspace.to_declarations": async (given) => (await given.workspace()).toDeclarations(),
  plan,
  capture,
  preview: applying(handoff.preview),
  apply: applying(handoff.apply),
  undo: async (given) => reportData(await handoff.undo(await given.workspace(), given.need("apply_id"))),
  "snapshot.open": async (given) => snapshotMade(await handoff.Snapshot.open(given.need("path"))),
  "snapshot.save": (given) => given.need("snapshot").save(given.need("path")),
  "snapshot.bytes": snapshotBytes,
  "snapshot.verify": (given) => given.need("snapshot").verify(),
  "snapshot.read": snapshotRead,
  "snapshot.diff": async (given) => diffData(await given.need("snapshot").diff(given.need("newer"))),
  "snapshot.diff_base": async (given) => diffData(await given.need("snapshot").diffBase()),
  "snapshot.since": async (given) => snapshotMade(await given.need("snapshot").since(given.need("base"))),
  "secrets.rules": async () => data(await handoff.secretRules()),
  "secrets.scan": async (given) => data(await handoff.scanSecrets(contentOf(given.need("content")))),
  "secrets.redact": async (given) => plainBytes(await handoff.redactSecrets(contentOf(given.need("content")))),
  "storage.memory": () => new Made(new handoff.MemoryStorage()),
  "storage.dir": (given) => new Made(new handoff.DirStorage(given.need("path"))),
  "storage.put_new": (given) => given.need("storage").putNew(given.need("key"), Buffer.from(given.need("text"))),
  "storage.put": (given) => given.need("storage").put(given.need("key"), Buffer.from(given.need("text"))),
  "storage.get": storageGet,
  "storage.list": storageList,
  "storage.delete": (given) => given.need("storage").delete(given.need("keys")),
  "snapshots.save": async (given) => {
    const snapshots = new handoff.Snapshots(given.need("storage"));
    return data((await snapshots.save(given.need("snapshot"), given.some("parent"))).reference);
  },
  "snapshots.load": async (given) =>
    snapshotMade(await new handoff.Snapshots(given.need("storage")).load(given.need("reference"))),
  conversations: (given) => new Made(new handoff.Conversations(given.need("storage"))),
  "conversation.create": async (given) => data(await talk(given).create(given.some("owner id"))),
  "conversation.head": async (given) => data(await talk(given).head(given.need("id"))),
  "conversation.append": async (given) => {
    const messages = allSaid(given.need("messages"));
    return data(await talk(given).append(given.need("id"), messages, given.some("epoch expect")));
  },
  "conversation.messages": async (given) =>
    (await talk(given).messages(given.need("id"), given.some("from limit"))).map(messageData),
  "conversation.fork": async (given) => {
    const { at, ...options } = given.some("owner at");
    return data(await talk(given).fork(given.need("id"), { ...options, at: forkPoint(at) }));
  },
  "conversation.wait_synced": async (given) =>
    data(await talk(given).waitSynced(given.need("id"), given.some("messages deadline"))),
  "conversation.attach": async (given) => {
    const content = contentOf(given.need("content"));
    return data(await talk(given).attach(given.need("name"), content, given.some("media_type")));
  },
  "conversation.read_attachment": async (given) => {
    const { media_type: mediaType, ...attachment } = given.need("attachment");
    return plainBytes(await talk(given).readAttachment({ ...attachment, mediaType }));
  },
  "agent.command": command,
  "runtime.local": (given) => {
    const environments_ = environments(given.need("environments"));
    return new Made(new handoff.LocalRuntime({ ...given.some("agent root"), environments: environments_ }));
  },
  "runtime.queue": (given) => {
    const environments_ = environments(given.need("environments"));
    return new Made(new handoff.QueueRuntime({ ...given.some("storage name"), environments: environments_ }));
  },
  work: (given) => {
    const environments_ = environments(given.need("environments"));
    const options = given.some("queue storage agent root policy notify when_empty poll");
    return handoff.work({ ...options, environments: environments_, ...terms(given) });
  },
  handoff: (given) => new Made(new handoff.Handoff({ ...given.some("storage runtime policy notify"), ...terms(given) })),
  "handoff.start": async (given, world) => data(await hub(given).start(await startOptions(given, world))),
  "handoff.fan_out": async (given, world) => {
    const found = await hub(given).fanOut(await startOptions(given, world));
    return found.map(({ error, ...one }) => {
      return error ? { error: errorData(error, "") } : data(one);
    });
  },
  "handoff.continue": async (given) => {
    const options = { ...given.some("actor prompt model idempotency_key"), ...attachments(given) };
    return data(await hub(given).continue(given.need("run"), options));
  },
  "handoff.answer": async (given) => {
    const options = { ...given.some("actor prompt idempotency_key"), ...attachments(given) };
    return (await hub(given).answer(given.need("run"), options)).session;
  },
  "handoff.cancel": asking("cancel"),
  "handoff.wait": asking("wait", "deadline"),
  "handoff.run": asking("run"),
  "handoff.until": until,
  "handoff.affordance": asking("affordance"),
  "handoff.result": async (given) => {
    const found = await hub(given).result(given.need("run"), given.some("actor"));
    return found === null ? null : snapshotMade(found);
  },
  "handoff.list_runs": async (given) => data(await hub(given).listRuns(given.some("actor team parent limit after"))),
  "handoff.watch": watch,
  "handoff.pull": pull,
  "port.storage": port(Storage),
  "port.agent": port(Agent),
  "port.policy": port(Policy),
  "port.notify": port(Notify),
  "port.scanner": port(Scanner),
  "port.runtime": (given, world) => new Made(new Runtime(given.all(), path.join(world.root, "places"))),
  seen: async (given) => {
    const of = given.need("of");
    if (of instanceof Runtime) await of.join();
    return of.seen;
  },
  edit: (given) => void run(given.need("at"), given.need("actions")),
  copy: (given) => void copy(given.need("at"), given.need("to")),
  tree: (given) => tree(given.need("at")),
  git: (given) => plainBytes(git(given.need("at"), ...given.need("args"))),
};

/** After how many messages, or after which one. */
function forkPoint(at) {
  if (at === undefined || at === "head") return at;
  return typeof at === "number" ? { count: at } : { after: at };
}
