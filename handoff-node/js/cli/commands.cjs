"use strict";
// What each command does. Each returns { json, text, complete }: the document, the lines for people, and whether all of it
// could be done.

const os = require("node:os");
const path = require("node:path");
const {
  CommandAgent, Conversations, DirStorage, Handoff, InvalidArgumentError, LocalRuntime, QueueRuntime, Snapshot, Workspace,
  apply, capture, plan, preview, undo,
} = require("../index.cjs");
const { Whole } = require("./document.cjs");
const { bytes, plural, safe } = require("./screen.cjs");

/** A mistake of the person's, told with the usage. */
class Usage extends Error {}

function whole(value, name) {
  if (value === undefined) return undefined;
  if (!/^\d+$/.test(value)) throw new Usage(`--${name} ${value} is no number`);
  return Number(value);
}

const workspace = (dirs) => Workspace.open(dirs.length > 0 ? dirs : ["."]);

function captureOptions(given, control) {
  if (given.deadline !== undefined && !/^\d+(\.\d+)?$/.test(given.deadline)) {
    throw new Usage(`--deadline ${given.deadline} is no number of seconds`);
  }
  const deadline = given.deadline === undefined ? undefined : Math.round(Number(given.deadline) * 1000);
  const allowSecrets = given["allow-secret"]?.map((item) => {
    const cut = item.lastIndexOf(":");
    if (cut < 1) throw new Usage(`--allow-secret ${item} is not PATH:RULE`);
    return { path: item.slice(0, cut), rule: item.slice(cut + 1) };
  });
  return {
    ...control,
    ...(given.exclude && { exclude: given.exclude }),
    ...(given["include-ignored"] && { includeIgnored: given["include-ignored"] }),
    ...(allowSecrets && { allowSecrets }),
    ...(given["max-file-bytes"] && { maxFileBytes: whole(given["max-file-bytes"], "max-file-bytes") }),
    ...(given["max-total-bytes"] && { maxTotalBytes: whole(given["max-total-bytes"], "max-total-bytes") }),
    ...(deadline !== undefined && { deadline }),
  };
}

function applyOptions(given, control) {
  const options = { ...control };
  if (given["on-conflict"]) options.onConflict = given["on-conflict"];
  for (const name of ["staging", "history", "durability", "symlinks"]) if (given[name]) options[name] = given[name];
  return options;
}

/** Where a path is, for a line. */
const place = ({ repo, path }) => safe(repo ? `${repo}/${path}` : path);

function omissionLine(paint, omission) {
  const rule = omission.rule ? ` (${safe(omission.rule)})` : "";
  const count = omission.count ? `, ${plural(omission.count, "file")}` : "";
  return `  ${paint.yellow("left out")}  ${place(omission)}: ${omission.reason}${rule}${count}`;
}

const planCommand = async (dirs, given, { control, paint }) => {
  const found = await plan(await workspace(dirs), captureOptions(given, control));
  const lines = [];
  let total = 0;
  let failed = 0;
  for (const repo of found.repos) {
    lines.push(paint.bold(safe(repo.name)));
    if (repo.failed) lines.push(`  ${paint.red("failed")}  ${safe(repo.failed.message)}`);
    failed += repo.failed ? 1 : 0;
    for (const file of repo.files) {
      lines.push(`  ${file.change.padEnd(9)} ${safe(file.path)}${file.bytes ? paint.dim(`  ${bytes(file.bytes)}`) : ""}`);
      total += file.bytes;
    }
    for (const omission of repo.omissions) lines.push(omissionLine(paint, omission));
    if (repo.history?.leftOut) lines.push(`  ${paint.yellow("left out")}  unpushed commits: ${repo.history.leftOut}`);
    else if (repo.history) lines.push(`  ${plural(repo.history.commits, "unpushed commit")}`);
  }
  for (const file of found.looseFiles) lines.push(`  ${file.change.padEnd(9)} ${safe(file.path)}`);
  for (const omission of found.looseOmissions) lines.push(omissionLine(paint, omission));
  const files = found.repos.reduce((sum, repo) => sum + repo.files.length, found.looseFiles.length);
  lines.push(`${plural(files, "file")}, ${bytes(total)}`);
  // What is outside any repository has none to be named.
  const bare = (omissions) => omissions.map(({ repo: _, ...omission }) => omission);
  const json = { ...found, looseOmissions: bare(found.looseOmissions) };
  return { json, text: lines.join("\n"), complete: failed === 0 };
};

function contents(snapshot, paint) {
  const lines = [paint.bold(snapshot.id)];
  for (const repo of snapshot.manifest.repos) {
    const head = repo.head ?? {};
    lines.push(`${paint.bold(safe(repo.name))}  ${safe(head.branch ?? "detached")} ${paint.dim(head.commit ?? "no commit")}`);
    if (repo.failed) lines.push(`  ${paint.red("failed")}  ${safe(repo.failed.message)}`);
  }
  for (const entry of snapshot.entries) {
    const what = entry.worktree === undefined ? "deleted" : entry.flags.untracked ? "untracked" : "changed";
    lines.push(`  ${what.padEnd(9)} ${place(entry)}${entry.worktree?.size ? paint.dim(`  ${bytes(entry.worktree.size)}`) : ""}`);
  }
  for (const omission of snapshot.omissions) lines.push(omissionLine(paint, omission));
  lines.push(`${plural(snapshot.entries.length, "entry", "entries")}, ${plural(snapshot.omissions.length, "omission")}`);
  return lines.join("\n");
}

/** Whether nothing was left behind but what was not wanted. */
const isWhole = ({ partial, manifest, omissions }) =>
  !partial && manifest.repos.every((repo) => !repo.failed) && omissions.every(({ reason }) => ["ignored", "excluded"].includes(reason));

const captureCommand = async (dirs, given, { control, paint }) => {
  const { output } = given;
  const options = { ...captureOptions(given, control), spoolDir: path.dirname(path.resolve(output)) };
  const snapshot = await capture(await workspace(dirs), options);
  await snapshot.save(output, control);
  const { id, partial, entries, omissions } = snapshot;
  const json = { id, file: output, partial, entries: entries.length, omissions };
  const text = [contents(snapshot, paint), `written to ${safe(output)}`].join("\n");
  return { json, text, complete: isWhole(snapshot) };
};

/** `REPO/PATH` as the repository and the path in it; outside any, the repository has no name. */
function split(snapshot, place) {
  const repo = snapshot.manifest.repos.find(({ name }) => place.startsWith(`${name}/`));
  return repo === undefined ? ["", place] : [repo.name, place.slice(repo.name.length + 1)];
}

const showCommand = async ([file, place], given, { control, paint }) => {
  const snapshot = await Snapshot.open(file, control);
  if (place === undefined) {
    const { id, manifest } = snapshot;
    return { json: { id, manifest: new Whole(manifest) }, text: contents(snapshot, paint), complete: true };
  }
  const content = await snapshot.read(...split(snapshot, place), given.layer);
  if (content === null) {
    throw new InvalidArgumentError(`path ${place} is not carried in that layer; show without it lists what is`, { argument: "path" });
  }
  return { json: { base64: content.toString("base64") }, raw: content, complete: true };
};

const diffCommand = async ([file, newer], _given, { control }) => {
  const snapshot = await Snapshot.open(file, control);
  const diff = newer === undefined ? await snapshot.diffBase() : await snapshot.diff(await Snapshot.open(newer, control));
  return { json: { repos: diff.repos, unified: diff.toString() }, raw: diff.unified, complete: true };
};

const reported = (report) => ({ json: report, text: String(report), complete: report.verdict === "complete" });

const applying = (verb) => async ([file, ...dirs], given, { control }) => {
  const snapshot = await Snapshot.open(file, control);
  return reported(await verb(snapshot, await workspace(dirs), applyOptions(given, control)));
};

const undoCommand = async ([id, ...dirs], _given, { control }) =>
  reported(await undo(await workspace(dirs), id, control));

const store = (given) => new DirStorage(given.store);

function actor(given) {
  if (given.actor !== undefined) return given.actor;
  try {
    return os.userInfo().username.toLowerCase();
  } catch {
    return "me";
  }
}

function forkPoint(at) {
  if (at === undefined) return "head";
  return /^[0-9]+$/.test(at) ? { count: Number(at) } : { after: at };
}

const forkCommand = async ([conversation], given) => {
  const head = await new Conversations(store(given)).fork(conversation, { owner: actor(given), at: forkPoint(given.at) });
  return { json: head, text: `${head.id}  ${plural(head.messages, "message")}`, complete: true };
};

/** A hub over a folder, for what needs no place to run. */
function hub(given, environments = []) {
  const storage = store(given);
  return new Handoff({ storage, runtime: new QueueRuntime({ storage, name: given.queue ?? "default", environments }) });
}

function runLine(run, paint) {
  const colour = { succeeded: paint.green, failed: paint.red, blocked: paint.yellow, running: paint.cyan };
  return `${run.id}  ${(colour[run.state] ?? String)(run.state.padEnd(9))} ${plural(run.sessions.length, "session")}  ${safe(run.task ?? "")}`;
}

const runsCommand = async ([run], given, { paint }) => {
  if (run !== undefined) {
    const found = await hub(given).run(run, { actor: actor(given) });
    return { json: found, text: runLine(found, paint), complete: true };
  }
  const limit = whole(given.limit, "limit");
  const page = await hub(given).listRuns({ actor: actor(given), limit, ...(given.team && { team: given.team }) });
  const lines = page.runs.map((one) => runLine(one, paint));
  return { json: page, text: lines.length > 0 ? lines.join("\n") : "no runs", complete: true };
};

/** A repository of an environment: `NAME=SOURCE`. */
function environmentRepo(item) {
  const cut = item.indexOf("=");
  if (cut < 0) throw new InvalidArgumentError(`repo ${item} has no source; write NAME=SOURCE`, { argument: "repo" });
  return { name: item.slice(0, cut), source: item.slice(cut + 1) };
}

const continueCommand = async ([run, prompt], given, { paint }) => {
  const who = { actor: actor(given) };
  const { environment, conversation } = await hub(given).run(run, who);
  const saying = {
    ...who,
    prompt,
    ...(given.model && { model: given.model }),
    ...(given["idempotency-key"] && { idempotencyKey: given["idempotency-key"] }),
  };
  if (given.agent === undefined) {
    const went = await hub(given, [{ id: environment }]).continue(run, saying);
    return { json: went, text: `${went.went} ${went.session}`, complete: true };
  }
  const environments = [{ id: environment, repos: (given.repo ?? []).map(environmentRepo) }];
  const runtime = new LocalRuntime({ agent: new CommandAgent("sh", ["-c", given.agent]), root: given.root, environments });
  const here = new Handoff({ storage: store(given), runtime });
  const seen = conversation === undefined ? 0 : (await here.conversations.head(conversation)).messages;
  await here.continue(run, saying);
  const lines = [];
  for await (const { index, message } of here.watch(run, who)) {
    if (message !== undefined && index >= seen) lines.push(`${paint.dim(message.role)} ${safe(message.text.trimEnd())}`);
  }
  const after = await here.run(run, who);
  lines.push(runLine(after, paint));
  return { json: after, text: lines.join("\n"), complete: after.state === "succeeded" };
};

const pullCommand = async ([run, ...dirs], given, { control }) => {
  const options = { actor: actor(given), ...applyOptions(given, control), ...(given.preview && { action: "preview" }) };
  const pulled = await hub(given).pull(run, await workspace(dirs), options);
  const { conversation, report, nothing, snapshot } = pulled;
  const json = { conversation, report, nothing, snapshot: snapshot?.id };
  const lines = [report ? String(report) : `no workspace state: ${nothing}`];
  if (conversation) lines.push(`conversation forked as ${conversation.id}`);
  return { json, text: lines.join("\n"), complete: report ? report.verdict === "complete" : false };
};

module.exports = {
  Usage,
  commands: {
    plan: planCommand,
    capture: captureCommand,
    show: showCommand,
    diff: diffCommand,
    preview: applying(preview),
    apply: applying(apply),
    undo: undoCommand,
    fork: forkCommand,
    runs: runsCommand,
    continue: continueCommand,
    pull: pullCommand,
  },
};
