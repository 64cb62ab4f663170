"use strict";
// Who answers inside a session.

const { Held, KEY } = require("./handle.cjs");
const { check, implementer, wrapped } = require("./port.cjs");
const { classes, invalid } = require("./errors.cjs");
const { opening } = require("./operation.cjs");
const { Session } = require("./session.cjs");
const { kindOf, options, returned, snake, text } = require("./value.cjs");

/** Sessions under way, by id, to be told when they are to stop. */
const running = new Map();

const METHODS = {
  describe: async (agent, _args, _body, context) => {
    const info = typeof agent.describe === "function" ? await agent.describe(context) : { name: nameOf(agent) };
    if (info === null || typeof info !== "object" || typeof info.name !== "string") {
      throw new classes.AgentError(`describe of this agent returned ${returned(info)}; it has to return { name, models?, kind? }`);
    }
    return { value: { kind: "native", ...info } };
  },
  run: async (agent, args, _body, context) => {
    const stop = new AbortController();
    context.signal.addEventListener("abort", () => stop.abort(context.signal.reason), { once: true });
    running.set(args.facts.session, stop);
    let end;
    try {
      end = await agent.run(new Session(KEY, args.session, args.facts, stop.signal), { signal: stop.signal });
    } finally {
      running.delete(args.facts.session);
    }
    if (end === undefined || end === null || end === "succeeded") return { value: "succeeded" };
    if (end === "cancelled") return { value: "cancelled" };
    if (typeof end === "object" && typeof end.failed === "string") return { value: { failed: end.failed } };
    throw new classes.AgentError(
      `run of this agent returned ${returned(end)}; it has to return nothing, "succeeded", "cancelled" or { failed: reason }`,
    );
  },
};

METHODS.stop = async (_agent, { session }) => {
  running.get(session)?.abort(new classes.CancelledError("the session is to stop"));
};

const nameOf = (agent) => (agent.constructor && agent.constructor !== Object ? agent.constructor.name : "agent");

/** An agent of the core's. */
class BuiltInAgent extends Held {}

class CommandAgent extends BuiltInAgent {
  constructor(program, args = [], given) {
    text(program, "program");
    if (!Array.isArray(args)) throw invalid("args", `is ${kindOf(args)}; pass an array of strings`);
    const list = args.map((arg, index) => text(arg, `args[${index}]`));
    const { rest } = options(given);
    super(() => opening("agent.command", { program, args: list, ...snake(rest) }));
  }
}

/** The agent that an argument is. */
function asAgent(value, name) {
  if (value instanceof BuiltInAgent) return value;
  check(value, name, "Agent", ["run"]);
  return wrapped(value, () => new Held(() => opening("agent.foreign", { agent: implementer(METHODS, value) })));
}

module.exports = { BuiltInAgent, CommandAgent, asAgent };
