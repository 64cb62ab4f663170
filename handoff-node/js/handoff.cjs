"use strict";
// The life of runs: the front door.

const { Held, KEY, call } = require("./handle.cjs");
const { report } = require("./apply.cjs");
const { Conversations, forkPoint, message, newMessages } = require("./conversation.cjs");
const { Snapshots, asStorage } = require("./storage.cjs");
const { Snapshot } = require("./snapshot.cjs");
const { Workspace } = require("./workspace.cjs");
const { asNotify, asPolicy } = require("./policy.cjs");
const { asRuntime, asTerms } = require("./runtime.cjs");
const { capture } = require("./capture.cjs");
const { fromFailure, invalid } = require("./errors.cjs");
const { opening } = require("./operation.cjs");
const { camel, content, instance, kindOf, options, snake, text } = require("./value.cjs");

/** The conversation a run is started from. */
function conversationSource(value) {
  if (value === undefined) return undefined;
  if (typeof value === "string") return { id: value };
  if (Array.isArray(value)) return { messages: newMessages(value, "conversation") };
  if (value === null || typeof value !== "object") {
    throw invalid("conversation", `is ${kindOf(value)}; pass an id, or messages`);
  }
  return { id: text(value.id, "conversation.id"), at: forkPoint(value.at), expect: value.messages };
}

/** The state a run begins with; a workspace is captured first. */
async function workspaceSource(value, signal) {
  if (value instanceof Workspace) return { snapshot: await capture(value, { signal }) };
  if (value instanceof Snapshot) return { snapshot: value };
  if (value === undefined) return undefined;
  if (value === null || typeof value !== "object" || typeof value.key !== "string") {
    throw invalid("workspace", `is ${kindOf(value)}; pass a Workspace, a Snapshot, or a reference to a stored one`);
  }
  return { stored: { id: value.id, key: value.key } };
}

function attachments(value) {
  if (value !== undefined && !Array.isArray(value)) throw invalid("attachments", `is ${kindOf(value)}; pass an array`);
  return value?.map((one, index) => {
    const { name, mediaType, content: bytes } = one ?? {};
    return {
      name: text(name, `attachments[${index}].name`),
      media_type: mediaType,
      content: content(bytes, `attachments[${index}].content`),
    };
  });
}

class Handoff extends Held {
  #conversations;
  #snapshots;
  #storage;

  constructor(given) {
    const { storage, runtime, policy, notify, terms, ...rest } = options(given).rest;
    const store = asStorage(storage, "storage");
    const place = asRuntime(runtime, "runtime");
    const made = {
      storage: store,
      runtime: place,
      policy: asPolicy(policy, "policy"),
      notify: asNotify(notify, "notify"),
      terms: asTerms(terms),
      ...snake(rest),
    };
    super(() => opening("handoff.new", made));
    this.#storage = store;
  }

  get conversations() {
    this.#conversations ??= new Conversations(KEY, this.#over("conversations.new"));
    return this.#conversations;
  }

  get snapshots() {
    this.#snapshots ??= new Snapshots(KEY, this.#over("snapshots.new"));
    return this.#snapshots;
  }

  /** Makes what is over the same storage; refused when used, as all that is closed, once there is none. */
  #over(op) {
    const storage = this.#storage;
    return () => {
      if (storage === undefined) throw invalid("hub", `is a ${this.constructor.name} that is closed`);
      return opening(op, { storage });
    };
  }

  /** What was taken out of it before goes on; it is only no longer held from here. */
  close() {
    super.close();
    this.#storage = this.#conversations = this.#snapshots = undefined;
  }

  start(given) {
    return this.#starting("handoff.start", given, camel);
  }

  fanOut(given) {
    const one = (answer) => (answer.error ? { error: fromFailure(answer.error) } : camel(answer));
    return this.#starting("handoff.fan_out", given, (answers) => answers.map(one));
  }

  #starting(op, given, make) {
    const prepare = async (signal) => {
      const { rest } = options(given);
      const { conversation, workspace, attachments: with_, budget, ...more } = rest;
      text(rest.actor, "actor");
      text(rest.environment, "environment");
      return {
        hub: this,
        ...snake(more),
        budget,
        conversation: conversationSource(conversation),
        workspace: await workspaceSource(workspace, signal),
        attachments: attachments(with_),
      };
    };
    return call(op, prepare, { signal: given?.signal }, make);
  }

  continue(run, given) {
    return this.#saying("handoff.continue", run, given);
  }

  answer(run, given) {
    return this.#saying("handoff.answer", run, given);
  }

  #saying(op, run, given) {
    const prepare = () => {
      const { attachments: with_, ...more } = options(given).rest;
      text(more.actor, "actor");
      return { hub: this, run: text(run, "run"), ...snake(more), attachments: attachments(with_) };
    };
    return call(op, prepare, { signal: given?.signal }, camel);
  }

  #asking(op, run, given, make) {
    const prepare = () => ({ hub: this, run: text(run, "run"), ...snake(options(given).rest) });
    return call(op, prepare, { signal: given?.signal }, make);
  }

  cancel(run, given) {
    return this.#asking("handoff.cancel", run, given, () => undefined);
  }

  deleteRun(run, given) {
    return this.#asking("handoff.delete_run", run, given, () => undefined);
  }

  collect(given) {
    const prepare = () => ({ hub: this, ...snake(options(given).rest) });
    return call("handoff.collect", prepare, { signal: given?.signal }, (answer) => {
      const { wait, ...found } = camel(answer);
      return wait === null || wait === undefined ? found : { ...found, wait };
    });
  }

  wait(run, given) {
    return this.#asking("handoff.wait", run, given, camel);
  }

  run(run, given) {
    return this.#asking("handoff.run", run, given, camel);
  }

  affordance(run, given) {
    return this.#asking("handoff.affordance", run, given, camel);
  }

  result(run, given) {
    return this.#asking("handoff.result", run, given, (answer) => (answer ? new Snapshot(KEY, answer) : null));
  }

  listRuns(given) {
    return call("handoff.list_runs", () => ({ hub: this, ...snake(options(given).rest) }), {}, camel);
  }

  async *watch(run, given) {
    const { signal } = options(given).control;
    const watch = new Held((await this.#asking("handoff.watch", run, given)).handle);
    try {
      for (;;) {
        const event = await call("watch.next", () => ({ watch }), { signal }, (value) => value);
        if (event === null) return;
        yield event.kind === "message" ? { ...event, message: message(event.message) } : { ...event, run: camel(event.run) };
      }
    } finally {
      watch.close();
    }
  }

  pull(run, workspace, given) {
    const prepare = () => ({
      hub: this,
      run: text(run, "run"),
      workspace: instance(workspace, Workspace, "workspace"),
      ...snake(options(given).rest),
    });
    const make = (answer) => ({
      conversation: answer.conversation ? camel(answer.conversation) : undefined,
      snapshot: answer.snapshot ? new Snapshot(KEY, answer.snapshot) : undefined,
      report: answer.report ? report(answer.report) : undefined,
      nothing: answer.nothing ?? undefined,
    });
    return call("handoff.pull", prepare, options(given).control, make, camel);
  }
}

module.exports = { Handoff };
