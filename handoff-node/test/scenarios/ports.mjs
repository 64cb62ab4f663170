// Ports as the scenarios script them, implemented in JavaScript.

import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import * as handoff from "handoff-node";
import { contentOf, copy, only, plainBytes, run } from "./case.mjs";
import { data, messageData, reportData } from "./data.mjs";

/** The error that a script throws: one of the package's, by its kind. */
function errorOf(given) {
  only(given, "kind message retryable", "an error");
  return new handoff.HandoffError(given.message, { kind: given.kind, retryable: given.retryable });
}

/** What every scripted port has: a record of what it was asked. */
class Port {
  seen = [];
  #faults;
  #count = new Map();

  constructor(faults = []) {
    for (const fault of faults) only(fault, "method nth until error", "a fault");
    this.#faults = faults;
  }

  /** Throws what is to go wrong in this call of `method`, the first being 1. */
  fault(method) {
    const number = (this.#count.get(method) ?? 0) + 1;
    this.#count.set(method, number);
    for (const { method: name, nth = 1, until = nth, error } of this.#faults) {
      if (name === method && nth <= number && number <= until) throw errorOf(error);
    }
  }
}

/** Objects in a map; some methods are asynchronous and some plain. */
export class Storage extends Port {
  #objects = new Map();

  constructor(script) {
    only(script, "faults", "a storage");
    super(script.faults);
  }

  #ask(method, ...what) {
    this.seen.push([method, ...what.map((one) => one ?? null)]);
    this.fault(method);
  }

  async putNew(key, body) {
    this.#ask("put_new", key);
    if (this.#objects.has(key)) return "exists";
    this.#objects.set(key, Buffer.from(body));
    return "created";
  }

  put(key, body) {
    this.#ask("put", key);
    this.#objects.set(key, Buffer.from(body));
  }

  async putStream(key, body) {
    this.#ask("put_stream", key);
    const parts = [];
    for await (const part of body) parts.push(part);
    this.#objects.set(key, Buffer.concat(parts));
  }

  get(key, range) {
    this.#ask("get", key, range?.start, range?.end);
    const found = this.#objects.get(key);
    return found === undefined ? null : found.subarray(range?.start ?? 0, range?.end);
  }

  async list(prefix, after, limit) {
    this.#ask("list", prefix, after, limit);
    const wanted = (key) => key.startsWith(`${prefix}/`) && (after === undefined || key > after);
    const keys = [...this.#objects.keys()].filter(wanted).sort().slice(0, limit);
    return keys.map((key) => ({ key, size: this.#objects.get(key).length, modified: new Date(1_700_000_000_000) }));
  }

  delete(keys) {
    this.#ask("delete", keys);
    for (const key of keys) this.#objects.delete(key);
  }
}

/** Does what the script says in each session; the last list is for all further ones. */
export class Agent extends Port {
  #script;

  constructor(script) {
    only(script, "name models kind sessions", "an agent");
    super();
    this.#script = script;
  }

  describe() {
    const { name = "scripted", models, kind } = this.#script;
    return { name, ...(models && { models }), ...(kind && { kind }) };
  }

  async run(session) {
    const { sessions } = this.#script;
    for (const act of sessions[Math.min(session.number, sessions.length) - 1]) {
      const [[word, given], ...rest] = Object.entries(act);
      if (rest.length > 0) throw new Error(`an act with more than one word: ${JSON.stringify(act)}`);
      if (word === "end") {
        if (typeof given === "object") only(given, "failed", "an end");
        return given;
      }
      if (word === "raise") throw errorOf(given);
      const act_ = ACTS[word];
      if (!act_) throw new Error(`no act is called ${word}`);
      const seen = await act_(session, given);
      if (seen !== undefined) this.seen.push(seen);
    }
    return undefined;
  }
}

const ACTS = {
  say: (session, given) => session.append(said(given)),
  ask: async (session, given) => ({ answer: messageData(await session.block(said(given))) }),
  edit: (session, given) => run(session.repos[0], given),
  edit_root: (session, given) => run(session.root, given),
  usage: (session, given) => session.usage(given),
  remaining: async (session) => ({ remaining: await session.remainingBudget() }),
  checkpoint: async (session) => ({ checkpoint: data(await session.checkpoint()) }),
  attach: async (session, given) => {
    only(given, "name text base64 times media_type say", "an attachment");
    const made = await session.attach(given.name, contentOf(given), { mediaType: given.media_type });
    await session.append({ role: "assistant", text: given.say, attachments: [made] });
    return { attached: plainBytes(await session.readAttachment(made)) };
  },
  head: async (session) => ({ head: data(await session.head()) }),
  messages: async (session, given) => {
    only(given, "from limit", "messages");
    return { messages: (await session.messages(given)).map(messageData) };
  },
  follow_ups: async (session) => ({ follow_ups: (await session.followUps()).map(messageData) }),
  wait_follow_up: async (session) => {
    for (;;) {
      const found = await session.followUps();
      if (found.length > 0) return { follow_ups: found.map(messageData) };
      await sleep(5);
    }
  },
  wait_cancelled: async (session) => {
    while (!(await session.cancelled())) await sleep(5);
    return "told to stop";
  },
  facts: (session) => ({
    number: session.number,
    prompt: session.prompt,
    model: session.model,
    variables: session.variables,
    repos: session.repos.length,
    restored: session.restored && reportData(session.restored).verdict,
  }),
};

/** A message as the package takes it: names in JavaScript's casing. */
export function said(given) {
  if (typeof given === "string") return given;
  only(given, "id kind role text tool_calls tool_results attachments at body", "a message");
  const { tool_calls: toolCalls, tool_results: toolResults, attachments, ...rest } = given;
  const attached = attachments?.map(({ media_type: mediaType, ...more }) => ({ ...more, mediaType }));
  return {
    ...rest,
    ...(toolCalls && { toolCalls }),
    ...(toolResults && { toolResults }),
    ...(attached && { attachments: attached }),
  };
}

/** Runs each session in a place made of copies, or does not. */
export class Runtime extends Port {
  #script;
  #root;
  #running = [];

  constructor(script, root) {
    only(script, "environments start agent repos reason variables loose faults", "a runtime");
    super(script.faults);
    this.#script = script;
    this.#root = root;
  }

  async environment(id) {
    this.seen.push(["environment", id]);
    this.fault("environment");
    const found = this.#script.environments.find((one) => one.id === id);
    if (!found) throw new handoff.NotFoundError(`no environment ${id}`);
    return found;
  }

  async start(spec, sessions) {
    this.seen.push(["start", data(spec)]);
    this.fault("start");
    const { start, reason } = this.#script;
    if (start === "fail") await sessions.fail(spec, reason);
    else if (start === "run") this.#running.push(this.#go(spec, sessions));
    else if (start !== "ignore") throw new Error(`no start is called ${start}`);
  }

  async #go(spec, sessions) {
    const { agent, repos = {}, variables, loose } = this.#script;
    const root = path.join(this.#root, spec.session);
    fs.mkdirSync(root, { recursive: true });
    for (const [name, source] of Object.entries(repos)) copy(source, path.join(root, name));
    const place = { root, repos: Object.keys(repos).sort().map((name) => path.join(root, name)) };
    if (variables) place.variables = variables;
    if (loose) {
      place.loose = path.join(root, "loose");
      fs.mkdirSync(place.loose);
    }
    this.seen.push(["ended", await sessions.run(spec, place, agent)]);
  }

  async cancel() {
    this.seen.push(["cancel"]);
    this.fault("cancel");
  }

  async join() {
    await Promise.all(this.#running);
  }
}

/** Answers from tables; what a table lacks has the stated default. */
export class Policy extends Port {
  constructor(script) {
    only(script, "relations store fork children budget faults", "a policy");
    super(script.faults);
    const { relations = {}, store, fork, children, budget } = script;
    this.relation = async (actor, one) => {
      this.fault("relation");
      return relations[actor] ?? (one.creator === actor ? "creator" : "outsider");
    };
    // A policy that has no such method leaves it to the core.
    if (store) {
      this.mayStoreConversations = (actor) => {
        this.fault("may_store_conversations");
        return store[actor] ?? false;
      };
    }
    if (fork) {
      this.mayFork = async (actor, conversation) => {
        this.fault("may_fork");
        return fork[actor] ?? conversation.owner === actor;
      };
    }
    if (children !== undefined) {
      this.mayLeaveChildren = (_, live) => {
        this.fault("may_leave_children");
        this.seen.push(["children", live.length]);
        return children;
      };
    }
    if (budget) {
      this.budget = async (actor, one) => {
        this.fault("budget");
        this.seen.push(["budget", actor, one !== undefined]);
        return budget;
      };
    }
  }
}

/** Remembers each notice. */
export class Notify extends Port {
  constructor(script) {
    only(script, "faults", "a notify");
    super(script.faults);
  }

  notify({ kind, run: one }) {
    this.seen.push({ kind, state: one.state, question: one.question?.text });
    this.fault("notify");
  }
}

/** Finds one word. */
export class Scanner extends Port {
  #word;
  #rule;

  constructor(script) {
    only(script, "find rule faults", "a scanner");
    super(script.faults);
    this.#word = script.find;
    this.#rule = script.rule;
  }

  scan(content) {
    this.fault("scan");
    const at = content.indexOf(this.#word);
    return at < 0 ? [] : [{ rule: this.#rule, start: at, end: at + Buffer.byteLength(this.#word) }];
  }
}
