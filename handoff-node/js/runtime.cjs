"use strict";
// Where sessions run.

const { Held, call } = require("./handle.cjs");
const { asAgent } = require("./agent.cjs");
const { asNotify, asPolicy } = require("./policy.cjs");
const { asStorage } = require("./storage.cjs");
const { check, implementer, wrapped } = require("./port.cjs");
const { opening } = require("./operation.cjs");
const { invalid, classes } = require("./errors.cjs");
const { camel, instance, kindOf, options, path, returned, snake, text } = require("./value.cjs");

/** Places as the core takes them. */
function environments(value, name) {
  if (!Array.isArray(value)) throw invalid(name, `is ${kindOf(value)}; pass an array of environments`);
  return value.map((environment, index) => snake(environment, `${name}[${index}]`));
}

class LocalRuntime extends Held {
  constructor(given) {
    const { agent, root, environments: known, ...rest } = options(given).rest;
    const who = asAgent(agent, "agent");
    const where = path(root, "root");
    const places = environments(known, "environments");
    super(() => opening("runtime.local", { agent: who, root: where, environments: places, ...snake(rest) }));
  }
}

class QueueRuntime extends Held {
  constructor(given) {
    const { storage, name, environments: known, ...rest } = options(given).rest;
    const store = asStorage(storage, "storage");
    text(name, "name");
    const places = environments(known, "environments");
    super(() => opening("runtime.queue", { storage: store, name, environments: places, ...snake(rest) }));
  }
}

/** Times; no checkpoints are those every zero milliseconds. */
function asTerms(value) {
  if (value === undefined) return undefined;
  const terms = snake(value, "terms");
  return terms.checkpoint === null ? { ...terms, checkpoint: 0 } : terms;
}

/** Runs sessions in places that a runtime of the caller's has prepared. */
class Sessions extends Held {
  run(spec, place, agent, given) {
    const prepare = () => {
      const { root, repos = [], loose, deadline, ...rest } = place;
      return {
        sessions: this,
        spec: wire(spec),
        place: {
          root: path(root, "place.root"),
          repos: repos.map((repo, index) => path(repo, `place.repos[${index}]`)),
          loose: loose === undefined ? undefined : path(loose, "place.loose"),
          deadline: deadline === undefined ? undefined : Number(deadline),
          ...snake(rest, "place"),
        },
        agent: asAgent(agent, "agent"),
      };
    };
    return call("sessions.run", prepare, { signal: given?.signal });
  }

  fail(spec, reason) {
    const prepare = () => ({ sessions: this, spec: wire(spec), reason: text(reason, "reason") });
    return call("sessions.fail", prepare, {}, () => undefined);
  }
}

/** A spec is handed on as it came. */
const SPECS = new WeakMap();
const wire = (spec) => SPECS.get(spec) ?? snake(spec, "spec");

const METHODS = {
  environment: async (runtime, { id }, _body, context) => {
    const found = await runtime.environment(id, context);
    if (found === null || typeof found !== "object") {
      throw new classes.RuntimeError(`environment of this runtime returned ${returned(found)}; it has to return an environment, or throw a NotFoundError`);
    }
    try {
      return { value: snake(found, "environment") };
    } catch (error) {
      const why = `environment of this runtime returned what cannot be used: ${error.message}`;
      throw new classes.RuntimeError(why, { cause: error });
    }
  },
  start: async (runtime, { spec, sessions }, _body, context) => {
    const shown = camel(spec);
    SPECS.set(shown, spec);
    await runtime.start(shown, new Sessions(sessions), context);
  },
  wake: async (runtime, { session }, _body, context) => {
    await runtime.wake?.(session, context);
  },
  cancel: async (runtime, { session }, _body, context) => {
    await runtime.cancel(session, context);
  },
};

/** The runtime that an argument is. */
function asRuntime(value, name) {
  if (value instanceof LocalRuntime || value instanceof QueueRuntime) return value;
  check(value, name, "Runtime", ["environment", "start", "cancel"]);
  return wrapped(value, () => new Held(() => opening("runtime.foreign", { runtime: implementer(METHODS, value) })));
}

function work(given) {
  const prepare = () => {
    const { queue, storage, agent, root, environments: known, policy, notify, terms, ...rest } = options(given).rest;
    return {
      queue: instance(queue, QueueRuntime, "queue"),
      storage: asStorage(storage, "storage"),
      agent: asAgent(agent, "agent"),
      root: path(root, "root"),
      environments: environments(known, "environments"),
      policy: asPolicy(policy, "policy"),
      notify: asNotify(notify, "notify"),
      terms: asTerms(terms),
      ...snake(rest),
    };
  };
  return call("work", prepare, { signal: given?.signal });
}

module.exports = { LocalRuntime, QueueRuntime, Sessions, asRuntime, asTerms, work };
